//! `entrega simulate`: the drops of a shop that never was, all at once or as time passes, or how it compares with the real
//! one.

mod compare;

use std::{future::pending, sync::Arc};

use entrega_lake::Lake;
use entrega_model::drops::Interval;
use entrega_source::{DeliverySummary, FollowOptions, SimulateOptions, follow, simulate};
use tokio::time::{Instant, sleep_until};

use crate::{
    arguments::Simulate,
    commands::replay::say_what_was_delivered,
    output::{is_watched, say},
    progress::{bar, spinner},
    settings::Settings,
};

/// About as many as the real shop has in the same time.
const USUAL_ORDERS: u64 = 100_000;

/// Runs the verb.
pub async fn run(settings: &Settings, arguments: Simulate) -> anyhow::Result<()> {
    if let Some(source) = arguments.compare.clone() {
        return Box::pin(compare::run(settings, arguments, source)).await;
    }
    if arguments.follow {
        return go_on(settings, arguments).await;
    }
    let lake = Lake::open_or_create(settings.lake()?).await?;
    let _lease = lake.lease().await?;
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
        mess: arguments.mess.into(),
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

/// Follows the shop. No lease is taken: drops are only added, the manifest last, so that a run may work beside it.
async fn go_on(settings: &Settings, arguments: Simulate) -> anyhow::Result<()> {
    let lake = Lake::open(settings.lake()?).await?;
    let mut options = FollowOptions { intervals: arguments.intervals, ..FollowOptions::default() };
    if let Some(jobs) = arguments.jobs {
        options.jobs = usize::try_from(jobs)?;
    }
    let last = spinner("drawing again what was told");
    let (store, prefix) = (Arc::clone(lake.store()), lake.prefix().clone());
    let summary = follow(store, prefix, options, clock(arguments.speed), interrupted(), |drop| {
        let told = format!("{}: {} rows in {} files", drop.folder, drop.rows, drop.files);
        if is_watched() {
            last.set_message(told);
        } else {
            say(&told);
        }
    })
    .await?;
    last.finish_and_clear();
    if summary.drops == 0 {
        say(&format!("no drop was due; the next one begins at {}", summary.span.start));
    } else {
        say_what_was_delivered(&summary);
    }
    Ok(())
}

/// Waits until an interval's drop is due: the first one at once, then one for each interval at this speed. What is
/// overdue, because the computer slept, comes without waiting.
fn clock(speed: f64) -> impl AsyncFnMut(Interval) {
    let mut last: Option<Instant> = None;
    async move |interval: Interval| {
        let length = (interval.end - interval.start).to_std().unwrap_or_default().div_f64(speed);
        let due = last.map_or_else(Instant::now, |last| last + length);
        last = Some(due);
        sleep_until(due).await;
    }
}

/// Ends at Ctrl-C; never, where that cannot be heard.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        pending::<()>().await;
    }
}
