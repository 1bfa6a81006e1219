//! `entrega simulate`: the drops of a shop that never was.

use std::sync::Arc;

use entrega_lake::Lake;
use entrega_source::{Mess, SimulateOptions, simulate};

use crate::{
    arguments::{MessArgument, Simulate},
    commands::replay::say_what_was_delivered,
    progress::bar,
    settings::Settings,
};

/// Runs the verb.
pub async fn run(settings: &Settings, arguments: Simulate) -> anyhow::Result<()> {
    let lake = Lake::open_or_create(settings.lake()?).await?;
    let _lease = lake.lease()?;
    let mut options = SimulateOptions {
        orders: arguments.orders,
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
    let drops = bar(0, "drops");
    let (store, prefix) = (Arc::clone(lake.store()), lake.prefix().clone());
    let summary = simulate(store, prefix, options, |progress| {
        drops.set_length(progress.total as u64);
        drops.set_position(progress.done as u64);
    })
    .await?;
    drops.finish_and_clear();
    say_what_was_delivered(&summary);
    Ok(())
}
