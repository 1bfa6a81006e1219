//! `entrega simulate`: the drops of a shop that never was, or how it compares with the real one.

mod compare;

use std::sync::Arc;

use entrega_lake::Lake;
use entrega_source::{DeliverySummary, Mess, SimulateOptions, simulate};

use crate::{
    arguments::{MessArgument, Simulate},
    commands::replay::say_what_was_delivered,
    progress::bar,
    settings::Settings,
};

/// About as many as the real shop has in the same time.
const USUAL_ORDERS: u64 = 100_000;

/// Runs the verb.
pub async fn run(settings: &Settings, arguments: Simulate) -> anyhow::Result<()> {
    if let Some(source) = arguments.compare.clone() {
        return Box::pin(compare::run(settings, arguments, source)).await;
    }
    let lake = Lake::open_or_create(settings.lake()?).await?;
    let _lease = lake.lease()?;
    let options = options(&arguments, arguments.orders.unwrap_or(USUAL_ORDERS))?;
    let summary = deliver(&lake, options, "drops").await?;
    say_what_was_delivered(&summary);
    Ok(())
}

/// What was asked for, with so many orders.
fn options(arguments: &Simulate, orders: u64) -> anyhow::Result<SimulateOptions> {
    let mut options = SimulateOptions {
        orders,
        from: arguments.from,
        to: arguments.to,
        cadence: arguments.cadence.into(),
        seed: arguments.seed,
        mess: match arguments.mess {
            MessArgument::None => Mess::None,
            MessArgument::Real => Mess::Real,
        },
        ..SimulateOptions::default()
    };
    if let Some(jobs) = arguments.jobs {
        options.jobs = usize::try_from(jobs)?;
    }
    Ok(options)
}

/// Writes the drops, and shows how far it is.
async fn deliver(lake: &Lake, options: SimulateOptions, what: &str) -> anyhow::Result<DeliverySummary> {
    let drops = bar(0, what);
    let (store, prefix) = (Arc::clone(lake.store()), lake.prefix().clone());
    let summary = simulate(store, prefix, options, |progress| {
        drops.set_length(progress.total as u64);
        drops.set_position(progress.done as u64);
    })
    .await?;
    drops.finish_and_clear();
    Ok(summary)
}
