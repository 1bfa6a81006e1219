//! Batches that Spark runs: planned here, written as scripts by `entrega-spark`, executed through Spark Connect.
//!
//! ```text
//!  ledger, drops, statistics ─▶ facts.rs ─▶ Script ─┬─ Cluster::run ─▶ Spark, statement by statement ─▶ reports.rs
//!  (what is published, nothing of the rows)         └─ `entrega compile` ─▶ a file
//! ```
//!
//! A script is all that Spark gets, and it ends with the publication. So a batch of Spark is as atomic as one of the
//! embedded engine, and both may take turns on one lake.

mod cluster;
mod facts;
mod reports;

use chrono::NaiveDateTime;
use entrega_model::{
    model::{Model, Severity},
    tables::STAGING,
};
use entrega_spark::{Script, features::FeaturesPlan};

pub use cluster::{Cluster, Explained};

use crate::{
    Context, FlowError, Result,
    features::FeaturesReport,
    ingest::{IngestPlan, IngestReport},
    ledger::{BatchRow, Ledger},
    summarise::{SummaryPlan, SummaryReport},
};

/// The script of an ingest of the planned drops; `None` if there is nothing to do.
///
/// # Errors
/// When a drop's header is not as its contract says, or the plan asks for what only the embedded engine does.
pub async fn ingest_script(context: &Context, ledger: &Ledger, plan: &IngestPlan) -> Result<Option<(String, Script)>> {
    if plan.is_empty() {
        return Ok(None);
    }
    let only_embedded = |what: &str| FlowError::Request {
        problem: format!("{what} is done by the embedded engine only"),
        hint: "run it once without --engine spark; the tables are the same".to_owned(),
    };
    if plan.rebuild {
        return Err(only_embedded("building all tables again after a model changed"));
    }
    if plan.replay.is_some() || plan.erase.is_some() {
        return Err(only_embedded("trying rejected rows again, or erasing a person,"));
    }
    let sets_aside = |model: &&Model| model.checks.iter().any(|check| check.severity() == Severity::Quarantine);
    if let Some(model) = context.project.models().iter().find(sets_aside) {
        return Err(only_embedded(&format!("setting rows aside by a check ({} has one)", model.table)));
    }
    let as_of = plan.drops.iter().map(|drop| drop.manifest.interval.end).max().max(ledger.as_of);
    let Some(as_of) = as_of else { return Ok(None) };
    let batch = facts::batch(context, ledger, "ingest", as_of).await?;
    let ingest = facts::ingest(context, ledger, plan).await?;
    let script = entrega_spark::ingest::script(&batch, &ingest, &facts::calendar())?;
    Ok(Some((batch.id, script)))
}

/// The script of a summary; `None` if there is nothing to do.
///
/// # Errors
/// When the lake cannot be read, or a model does not fit.
pub async fn summary_script(
    context: &Context,
    ledger: &Ledger,
    plan: &SummaryPlan,
) -> Result<Option<(String, Script)>> {
    let Some(as_of) = ledger.as_of.filter(|_| !plan.is_empty()) else { return Ok(None) };
    let batch = facts::batch(context, ledger, "summary", as_of).await?;
    let script = entrega_spark::summary::script(&batch, &facts::summary(context, ledger, plan).await?)?;
    Ok(Some((batch.id, script)))
}

/// The script of features; `None` if there is nothing to do.
///
/// # Errors
/// When the lake cannot be read, or a model does not fit.
pub async fn features_script(context: &Context, ledger: &Ledger) -> Result<Option<(String, Script)>> {
    let Some((as_of, plan)) = features_plan(context, ledger).await? else { return Ok(None) };
    script_of_features(context, ledger, as_of, &plan).await.map(Some)
}

async fn features_plan(context: &Context, ledger: &Ledger) -> Result<Option<(NaiveDateTime, FeaturesPlan)>> {
    let Some(as_of) = ledger.as_of else { return Ok(None) };
    Ok(facts::features(context, ledger, as_of).await?.map(|plan| (as_of, plan)))
}

async fn script_of_features(
    context: &Context,
    ledger: &Ledger,
    as_of: NaiveDateTime,
    plan: &FeaturesPlan,
) -> Result<(String, Script)> {
    let batch = facts::batch(context, ledger, "features", as_of).await?;
    let script = entrega_spark::features::script(&batch, plan)?;
    Ok((batch.id, script))
}

/// Runs the script of a batch, and leaves nothing of what it computed on its way, nor what a killed one left.
async fn run(context: &Context, cluster: &Cluster, job: &str, script: &Script) -> Result<()> {
    context.lake.delete_folder(STAGING).await?;
    let done = cluster.run(context, job, script).await;
    if let Err(error) = context.lake.delete_folder(STAGING).await {
        tracing::warn!(target: "entrega", %error, "what the batch computed on its way stays in {STAGING} until the next one");
    }
    done
}

/// Takes the planned drops on a cluster.
///
/// # Errors
/// When the script cannot be made, or Spark fails; then nothing is published.
pub async fn ingest(
    context: &Context,
    cluster: &Cluster,
    ledger: Ledger,
    plan: IngestPlan,
) -> Result<Option<(BatchRow, IngestReport)>> {
    let clock = std::time::Instant::now();
    let Some((batch, script)) = ingest_script(context, &ledger, &plan).await? else { return Ok(None) };
    run(context, cluster, "ingest", &script).await?;
    reports::ingest(context, &batch, plan.drops.len(), clock.elapsed()).await.map(Some)
}

/// Summarises on a cluster.
///
/// # Errors
/// When the script cannot be made, or Spark fails; then nothing is published.
pub async fn summarise(
    context: &Context,
    cluster: &Cluster,
    ledger: Ledger,
    plan: SummaryPlan,
) -> Result<Option<(BatchRow, SummaryReport)>> {
    let clock = std::time::Instant::now();
    let Some((batch, script)) = summary_script(context, &ledger, &plan).await? else { return Ok(None) };
    run(context, cluster, "summary", &script).await?;
    reports::summary(context, &batch, &plan, clock.elapsed()).await.map(Some)
}

/// Computes features on a cluster.
///
/// # Errors
/// When the script cannot be made, or Spark fails; then nothing is published.
pub async fn features(
    context: &Context,
    cluster: &Cluster,
    ledger: Ledger,
) -> Result<Option<(BatchRow, FeaturesReport)>> {
    let clock = std::time::Instant::now();
    let Some((as_of, plan)) = features_plan(context, &ledger).await? else { return Ok(None) };
    let (batch, script) = script_of_features(context, &ledger, as_of, &plan).await?;
    run(context, cluster, "features", &script).await?;
    let months = plan.since.map(|since| since.relabelled().len());
    reports::features(context, &batch, months, clock.elapsed()).await.map(Some)
}
