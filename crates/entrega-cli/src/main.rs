//! `entrega`: tells a retailer every morning whether its orders arrive as promised.
//!
//! This file is the table of contents: what can be asked of the binary, in the order of the data's way. Each verb
//! lives in `commands/<verb>.rs`.

mod answers;
mod arguments;
mod commands;
mod failure;
mod output;
mod progress;
mod settings;

use std::process::ExitCode;

use arguments::{Cli, Command};
use clap::Parser as _;

fn main() -> ExitCode {
    let cli = Cli::parse();
    output::start_log(cli.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure::report(&error.into()),
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let settings = settings::Settings::find(cli.lake, cli.models)?;
    match cli.command {
        Command::Replay(arguments) => commands::replay::run(&settings, arguments).await,
        Command::Simulate(arguments) => commands::simulate::run(&settings, arguments).await,
        Command::Run(arguments) => Box::pin(commands::run::run(&settings, arguments)).await,
        Command::Compile(arguments) => commands::compile::run(&settings, arguments).await,
        Command::Parity(arguments) => Box::pin(commands::parity::run(&settings, arguments)).await,
        Command::Report(arguments) => commands::report::run(&settings, arguments).await,
        Command::Features(arguments) => commands::features::run(&settings, arguments).await,
        Command::Sql(arguments) => commands::sql::run(&settings, arguments).await,
        Command::Status(arguments) => commands::status::run(&settings, arguments).await,
        Command::Backfill(arguments) => commands::backfill::run(&settings, arguments).await,
        Command::Quarantine(arguments) => Box::pin(commands::quarantine::run(&settings, arguments)).await,
        Command::Analyze(arguments) => commands::care::analyzed(&settings, arguments).await,
        Command::Optimize(arguments) => commands::care::optimized(&settings, arguments).await,
        Command::Vacuum(arguments) => commands::care::vacuumed(&settings, arguments).await,
        Command::Tables(arguments) => commands::tables::run(&settings, arguments).await,
        Command::Op(arguments) => commands::op::run(&settings, arguments).await,
        Command::Catalog(arguments) => Box::pin(commands::catalog::run(&settings, arguments.verb)).await,
        Command::Lake(arguments) => commands::lake::run(&settings, arguments).await,
        Command::Doctor(arguments) => commands::doctor::run(&settings, arguments).await,
    }
}
