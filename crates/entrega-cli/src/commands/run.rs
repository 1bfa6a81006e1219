//! `entrega run`: ingest, summary, features, or all of them.

use std::sync::Arc;

use entrega_flow::{
    Context, FlowError,
    features::{self, FeaturesReport},
    ingest::{self, Batches, Held, IngestReport, Selection},
    ledger::Ledger,
    plan::{Plan, plan},
    runs,
    summarise::{self, SummaryReport},
};
use serde::Serialize;

use crate::{
    arguments::{Job, Run, catalog::CatalogKind},
    commands::catalog::{follow, wanted},
    output::{complain, say},
    progress::Bars,
    settings::{Settings, with_engine},
};

/// What a run did.
#[derive(Debug, Default, Serialize)]
pub struct Done {
    /// Ingested batches.
    pub ingests: Vec<IngestReport>,
    /// Summaries.
    pub summaries: Vec<SummaryReport>,
    /// The features, if there was something to do.
    pub features: Option<FeaturesReport>,
    /// Drops that were left aside.
    #[serde(serialize_with = "folders")]
    pub held: Vec<Held>,
}

fn folders<S: serde::Serializer>(held: &[Held], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(held.iter().map(|(folder, error)| (folder, error.to_string())))
}

impl Done {
    /// Says on standard error what is worth knowing.
    pub fn warn(&self) {
        for warning in self.ingests.iter().flat_map(|report| &report.warnings) {
            complain(&format!("warning: {warning}"));
        }
    }

    /// An error if drops were left aside.
    pub fn all_taken(self) -> anyhow::Result<()> {
        let names: Vec<String> = self.held.iter().map(|(folder, _)| folder.clone()).collect();
        match self.held.into_iter().next() {
            None => Ok(()),
            Some((_, first)) => Err(anyhow::Error::from(FlowError::from(first)).context(format!(
                "{} left aside, all others are taken: {}",
                if names.len() == 1 {
                    "one damaged drop was".to_owned()
                } else {
                    format!("{} damaged drops were", names.len())
                },
                names.join(", ")
            ))),
        }
    }

    fn batches(&self) -> Vec<String> {
        let ingests = self.ingests.iter().map(|report| report.batch_id.clone());
        let summaries = self.summaries.iter().map(|report| report.batch_id.clone());
        ingests.chain(summaries).chain(self.features.iter().map(|report| report.batch_id.clone())).collect()
    }
}

/// Runs the verb.
pub async fn run(settings: &Settings, arguments: Run) -> anyhow::Result<()> {
    let mut context = with_engine(settings.context().await?, &arguments.engine).await?;
    let selection = match (&arguments.drop, arguments.from, arguments.to) {
        (drops, ..) if !drops.is_empty() => Selection::Folders(drops.clone()),
        (_, None, None) => Selection::All,
        (_, from, to) => Selection::Between(from, to),
    };
    if arguments.dry_run {
        let found = plan(&context, arguments.job.steps(), &selection).await?;
        say(&if arguments.json { serde_json::to_string_pretty(&found)? } else { describe(&found) });
        return Ok(());
    }
    let catalog = match arguments.catalog {
        Some(CatalogKind::Hive) => Some(wanted(&context, &arguments.metastore)?),
        None => None,
    };
    let _lease = context.lake.lease().await?;
    if !arguments.json {
        context.progress = Arc::new(Bars::default());
    }
    let started_at = context.now();
    let mut done = Done::default();
    let jobs = Jobs {
        job: arguments.job,
        selection: &selection,
        one_by_one: arguments.one_by_one,
        hold_damaged: arguments.hold_damaged,
    };
    let result = Box::pin(run_jobs(&context, jobs, &mut done)).await;
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
    done.warn();
    if let Some(catalog) = &catalog {
        follow(&context, catalog).await?;
    }
    done.all_taken()
}

/// What a run is to do.
#[derive(Debug, Clone, Copy)]
pub struct Jobs<'a> {
    /// The job.
    pub job: Job,
    /// Which drops.
    pub selection: &'a Selection,
    /// One batch for each of them.
    pub one_by_one: bool,
    /// Leave damaged ones aside.
    pub hold_damaged: bool,
}

/// Does it.
pub async fn run_jobs(context: &Context, jobs: Jobs<'_>, done: &mut Done) -> anyhow::Result<()> {
    let (selection, steps) = (jobs.selection, jobs.job.steps());
    if steps.ingest {
        let ledger = Ledger::open(&context.lake, None).await?;
        let mut plan = if jobs.hold_damaged {
            let (plan, held) = ingest::plan_around(context, &ledger, selection).await?;
            done.held = held;
            plan
        } else {
            ingest::plan(context, &ledger, selection).await?
        };
        // In the order of the request: late drops may be taken in any order.
        if let (true, Selection::Folders(wanted)) = (jobs.one_by_one, selection) {
            plan.drops
                .sort_by_key(|drop| wanted.iter().position(|folder| drop.folder.ends_with(folder.trim_matches('/'))));
        }
        let batches = if jobs.one_by_one { Batches::OneByOne } else { Batches::default() };
        for plan in plan.batches(batches) {
            let taken = if jobs.hold_damaged {
                ingest::ingest_around(context, plan, &mut done.held).await?
            } else {
                let ledger = Ledger::open(&context.lake, None).await?;
                Box::pin(ingest::ingest(context, ledger, plan)).await?
            };
            done.ingests.extend(taken.map(|(_, report)| report));
            if jobs.one_by_one && steps.summary {
                summary(context, done).await?;
            }
        }
    }
    if steps.summary {
        summary(context, done).await?;
    }
    if steps.features {
        let ledger = Ledger::open(&context.lake, None).await?;
        let plan = features::plan(context, &ledger).await?;
        done.features = features::compute(context, ledger, plan).await?.map(|(_, report)| report);
    }
    Ok(())
}

/// Brings the daily tables up to date.
pub async fn summary(context: &Context, done: &mut Done) -> anyhow::Result<()> {
    let ledger = Ledger::open(&context.lake, None).await?;
    let plan = summarise::plan(context, &ledger)?;
    done.summaries.extend(summarise::summarise(context, ledger, plan).await?.map(|(_, report)| report));
    Ok(())
}

/// What was done, for people.
pub fn tell(done: &Done) -> String {
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
            "  {} inserted, {} updated, {} unchanged, {} superseded, {} duplicate, {} quarantined, {} waiting, {} dropped by rule{}",
            rows.inserted, rows.updated, rows.unchanged, rows.superseded, rows.duplicate, rows.quarantined, rows.waiting, rows.dropped,
            if rows.deleted > 0 { format!(", {} deletions", rows.deleted) } else { String::new() }
        ));
    }
    for report in &done.summaries {
        let days = report.days.map_or("all days".to_owned(), |days| format!("{days} days"));
        lines.push(format!("batch {}: {days} summarised in {:.2} s", report.batch_id, report.seconds));
    }
    if let Some(report) = &done.features {
        let days = match (report.days, report.months) {
            (Some(days), _) => format!("{days} days"),
            (None, Some(months)) => format!("the days that could see a change, labels of {months} months"),
            (None, None) => "all days".to_owned(),
        };
        let rows: Vec<String> = report.rows.iter().map(|(table, rows)| format!("{rows} rows of {table}")).collect();
        lines.push(format!("batch {}: features of {days} in {:.2} s", report.batch_id, report.seconds));
        lines.push(format!("  {}", rows.join(", ")));
    }
    if lines.is_empty() {
        lines.push("nothing to do: every drop is taken, every day summarised, every feature known".to_owned());
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
        "days of decisions left to compute: {}",
        plan.decision_days.map_or("all".to_owned(), |days| days.to_string())
    ));
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
