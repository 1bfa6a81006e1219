//! `entrega backfill`: what waits of a span of time, and what never came.

use std::sync::Arc;

use chrono::{Days, NaiveTime};
use entrega_flow::{
    ingest::Selection,
    status::{Status, status},
};
use entrega_model::drops::Interval;
use serde_json::json;

use crate::{
    arguments::{Backfill, Job},
    commands::run::{Done, Jobs, run_jobs, tell},
    output::{complain, say},
    progress::Bars,
    settings::Settings,
};

/// Runs the verb.
pub async fn run(settings: &Settings, arguments: Backfill) -> anyhow::Result<()> {
    let mut context = settings.context().await?;
    let _lease = context.lake.lease().await?;
    if !arguments.json {
        context.progress = Arc::new(Bars::default());
    }
    let start = arguments.from.and_time(NaiveTime::MIN);
    let end = (arguments.to + Days::new(1)).and_time(NaiveTime::MIN);
    let selection = Selection::Between(Some(start), Some(end));
    let jobs = Jobs { job: Job::All, selection: &selection, one_by_one: false, hold_damaged: true };
    let mut done = Done::default();
    Box::pin(run_jobs(&context, jobs, &mut done)).await?;
    let gaps = left(&status(&context, 0).await?, Interval { start, end });
    if arguments.json {
        let gaps: Vec<String> = gaps.iter().map(ToString::to_string).collect();
        say(&serde_json::to_string_pretty(&json!({ "done": done, "gaps": gaps }))?);
    } else {
        say(&tell(&done));
        let span = Interval { start, end };
        say(&match gaps.len() {
            0 => format!("{span} is covered"),
            _ => format!("no drop covers {}", gaps.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        });
    }
    done.warn();
    if !gaps.is_empty() {
        complain("hint: ask the order system for these intervals; `entrega backfill` takes them when they have come");
    }
    done.all_taken()
}

/// What of the span no drop covers: the lake's gaps in it, and what lies before the first drop or after the last one.
fn left(status: &Status, span: Interval) -> Vec<Interval> {
    let cut = |gap: &Interval| Interval { start: gap.start.max(span.start), end: gap.end.min(span.end) };
    let covered = status.covered.unwrap_or(Interval { start: span.end, end: span.end });
    let outer = [Interval { start: span.start, end: covered.start }, Interval { start: covered.end, end: span.end }];
    let mut left: Vec<Interval> = status.gaps.iter().chain(&outer).map(cut).filter(|gap| gap.start < gap.end).collect();
    left.sort_unstable();
    left.dedup();
    left
}
