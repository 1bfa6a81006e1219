//! `entrega replay`: the public data set as drops.

use std::sync::Arc;

use entrega_lake::Lake;
use entrega_source::{DeliverySummary, OneDropOptions, OrderSystem, ReplayOptions, one_drop, replay};

use crate::{
    arguments::{Form, Replay},
    output::say,
    progress::bar,
    settings::Settings,
};

/// Runs the verb.
pub async fn run(settings: &Settings, arguments: Replay) -> anyhow::Result<()> {
    let location = settings.lake()?;
    // The source first: a wrong path must not leave an empty lake behind.
    let source = arguments.source.clone();
    let system = tokio::task::spawn_blocking(move || OrderSystem::open(&source)).await??;
    let lake = Lake::open_or_create(location).await?;
    let _lease = lake.lease().await?;
    let (store, prefix) = (Arc::clone(lake.store()), lake.prefix().clone());
    let summary = if let Some(Form::OneDrop) = arguments.form {
        let to = arguments.to.and_then(|day| day.succ_opt()).map(|day| day.and_time(chrono::NaiveTime::MIN));
        one_drop(&system, store, prefix, OneDropOptions { to, ..OneDropOptions::default() }).await?
    } else {
        let cadence = arguments.cadence.into();
        let options = ReplayOptions { cadence, from: arguments.from, to: arguments.to, ..ReplayOptions::default() };
        let drops = bar(0, "drops");
        let summary = replay(&system, store, prefix, options, |progress| {
            drops.set_length(progress.total as u64);
            drops.set_position(progress.done as u64);
        })
        .await?;
        drops.finish_and_clear();
        summary
    };
    say_what_was_delivered(&summary);
    Ok(())
}

/// One line on the drops that were delivered.
pub fn say_what_was_delivered(summary: &DeliverySummary) {
    say(&format!(
        "{} drops over {}: {} written, {} already there, {} without rows; {} rows in {} files, {:.1} MB",
        summary.drops,
        summary.span,
        summary.written,
        summary.unchanged,
        summary.empty,
        summary.rows,
        summary.files,
        summary.bytes as f64 / 1e6
    ));
}
