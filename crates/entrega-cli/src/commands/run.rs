//! `entrega run`: ingest, summary, or both.

use std::sync::Arc;

use entrega_flow::{
    Context,
    ingest::{self, IngestReport, Selection},
    ledger::Ledger,
    plan::{Plan, plan},
    runs,
    summarise::{self, SummaryReport},
};
use serde::Serialize;

use crate::{
    arguments::{Job, Run},
    output::{complain, say},
    progress::Bars,
    settings::Settings,
};

/// What a run did.
#[derive(Debug, Default, Serialize)]
struct Done {
    ingests: Vec<IngestReport>,
    summaries: Vec<SummaryReport>,
}

impl Done {
    fn batches(&self) -> Vec<String> {
        let ingests = self.ingests.iter().map(|report| report.batch_id.clone());
        ingests.chain(self.summaries.iter().map(|report| report.batch_id.clone())).collect()
    }
}

/// Runs the verb.
pub async fn run(settings: &Settings, arguments: Run) -> anyhow::Result<()> {
    let mut context = settings.context().await?;
    let selection = match (&arguments.drop, arguments.from, arguments.to) {
        (drops, ..) if !drops.is_empty() => Selection::Folders(drops.clone()),
        (_, None, None) => Selection::All,
        (_, from, to) => Selection::Between(from, to),
    };
    if arguments.dry_run {
        let found = plan(&context, arguments.job != Job::Summary, arguments.job != Job::Ingest, &selection).await?;
        say(&if arguments.json { serde_json::to_string_pretty(&found)? } else { describe(&found) });
        return Ok(());
    }
    let _lease = context.lake.lease()?;
    if !arguments.json {
        context.progress = Arc::new(Bars::default());
    }
    let started_at = context.now();
    let mut done = Done::default();
    let result = jobs(&context, &arguments, &selection, &mut done).await;
    context.progress = Arc::new(entrega_flow::Silent);
    let error = result.as_ref().err().map(crate::failure::render);
    if error.is_some() || !done.batches().is_empty() {
        let record = runs::record(&context, arguments.job.name(), started_at, error, &done.batches()).await;
        if let Err(error) = record {
            tracing::warn!(%error, "the run could not be recorded");
        }
    }
    result?;
    say(&if arguments.json { serde_json::to_string_pretty(&done)? } else { tell(&done) });
    for warning in done.ingests.iter().flat_map(|report| &report.warnings) {
        complain(&format!("warning: {warning}"));
    }
    Ok(())
}

async fn jobs(context: &Context, arguments: &Run, selection: &Selection, done: &mut Done) -> anyhow::Result<()> {
    if arguments.job != Job::Summary {
        let ledger = Ledger::open(&context.lake, None).await?;
        let plan = ingest::plan(context, &ledger, selection).await?;
        if arguments.one_by_one && !plan.rebuild {
            // In the order of the request: late drops may be taken in any order.
            let mut drops = plan.drops;
            if let Selection::Folders(wanted) = selection {
                drops.sort_by_key(|drop| {
                    wanted.iter().position(|folder| drop.folder.ends_with(folder.trim_matches('/')))
                });
            }
            // A changed model is dealt with once, by the first batch, even if no drop waits.
            let mut stale = plan.stale;
            let mut batches: Vec<Vec<_>> = drops.into_iter().map(|drop| vec![drop]).collect();
            if batches.is_empty() {
                batches.push(Vec::new());
            }
            for drops in batches {
                let ledger = Ledger::open(&context.lake, None).await?;
                let plan = ingest::IngestPlan { drops, stale: std::mem::take(&mut stale), rebuild: false };
                done.ingests.extend(ingest::ingest(context, ledger, plan).await?.map(|(_, report)| report));
                if arguments.job == Job::All {
                    summary(context, done).await?;
                }
            }
        } else {
            done.ingests.extend(ingest::ingest(context, ledger, plan).await?.map(|(_, report)| report));
        }
    }
    if arguments.job != Job::Ingest {
        summary(context, done).await?;
    }
    Ok(())
}

async fn summary(context: &Context, done: &mut Done) -> anyhow::Result<()> {
    let ledger = Ledger::open(&context.lake, None).await?;
    let plan = summarise::plan(context, &ledger)?;
    done.summaries.extend(summarise::summarise(context, ledger, plan).await?.map(|(_, report)| report));
    Ok(())
}

fn tell(done: &Done) -> String {
    let mut lines = Vec::new();
    for report in &done.ingests {
        let rows = &report.rows;
        lines.push(format!(
            "batch {}: {} drops, {} rows in {:.2} s{}",
            report.batch_id,
            report.drops,
            rows.rows_in,
            report.seconds,
            if report.rebuilt { ", everything rebuilt because a model changed" } else { "" }
        ));
        lines.push(format!(
            "  {} inserted, {} updated, {} unchanged, {} superseded, {} duplicate, {} quarantined, {} waiting, {} dropped by rule",
            rows.inserted, rows.updated, rows.unchanged, rows.superseded, rows.duplicate, rows.quarantined, rows.waiting, rows.dropped
        ));
    }
    for report in &done.summaries {
        let days = report.days.map_or("all days".to_owned(), |days| format!("{days} days"));
        lines.push(format!("batch {}: {days} summarised in {:.2} s", report.batch_id, report.seconds));
    }
    if lines.is_empty() {
        lines.push("nothing to do: every drop is taken and every day is summarised".to_owned());
    }
    lines.join("\n")
}

fn describe(plan: &Plan) -> String {
    let mut lines = Vec::new();
    let rows: u64 = plan.drops.iter().map(|drop| drop.rows).sum();
    lines.push(format!("drops to take: {} ({rows} rows)", plan.drops.len()));
    lines.extend(
        plan.drops.iter().take(20).map(|drop| format!("  {}  {}  {} rows", drop.drop, drop.interval, drop.rows)),
    );
    if plan.drops.len() > 20 {
        lines.push(format!("  … and {} more", plan.drops.len() - 20));
    }
    let months: Vec<String> = plan.months.iter().map(|month| month.format("%Y-%m").to_string()).collect();
    lines.push(format!(
        "purchase months of their orders: {}",
        if months.is_empty() { "none".to_owned() } else { months.join(", ") }
    ));
    lines.push(format!("days left to summarise: {}", plan.days.map_or("all".to_owned(), |days| days.to_string())));
    lines.push(format!(
        "stale models: {}",
        if plan.stale.is_empty() { "none".to_owned() } else { plan.stale.join(", ") }
    ));
    if plan.rebuild {
        lines.push("a source's model changed: all clean tables are built again from landing".to_owned());
    }
    lines.push(format!(
        "models to run: {}",
        if plan.models.is_empty() { "none".to_owned() } else { plan.models.join(", ") }
    ));
    lines.join("\n")
}
