//! The plan of a run: which models it runs, over which intervals, months and days, and why.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use entrega_lake::read::date_of;
use entrega_model::tables::Layer;
use entrega_operators::load::load;
use entrega_operators::months::months_of;
use futures::TryStreamExt as _;
use serde::Serialize;

use crate::{
    Context, FlowError, Result, features,
    ingest::{self, IngestPlan, Selection},
    ledger::Ledger,
    summarise,
};

/// A drop of the plan.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedDrop {
    /// Its folder.
    pub drop: String,
    /// Its interval.
    pub interval: String,
    /// Its rows.
    pub rows: u64,
}

/// The steps of a run.
#[derive(Debug, Clone, Copy)]
pub struct Steps {
    /// Drops become clean tables.
    pub ingest: bool,
    /// Daily tables.
    pub summary: bool,
    /// Features and labels.
    pub features: bool,
}

/// What a run would do; nothing is written to find out.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// Drops to be taken.
    pub drops: Vec<PlannedDrop>,
    /// Models that would run.
    pub models: Vec<String>,
    /// Models whose text changed since they last wrote.
    pub stale: Vec<String>,
    /// Whether a changed model makes it necessary to build all clean tables again.
    pub rebuild: bool,
    /// Purchase months of the drops' own orders.
    pub months: Vec<NaiveDate>,
    /// Days of the summaries that earlier batches left to do; `None` means all.
    pub days: Option<usize>,
    /// Days of decisions that earlier batches left to do; `None` means all.
    pub decision_days: Option<usize>,
}

/// Finds out what a run of these jobs would do.
///
/// # Errors
/// When the ledger or a drop cannot be read.
pub async fn plan(context: &Context, steps: Steps, selection: &Selection) -> Result<Plan> {
    let ledger = Ledger::open(&context.lake, None).await?;
    let mut plan = Plan {
        drops: Vec::new(),
        models: Vec::new(),
        stale: Vec::new(),
        rebuild: false,
        months: Vec::new(),
        days: Some(0),
        decision_days: Some(0),
    };
    if steps.ingest {
        let found = ingest::plan(context, &ledger, selection).await?;
        plan.months = months(context, &found).await?;
        plan.drops = found
            .drops
            .iter()
            .map(|drop| PlannedDrop {
                drop: drop.folder.clone(),
                interval: drop.manifest.interval.to_string(),
                rows: drop.manifest.files.values().map(|file| file.rows).sum(),
            })
            .collect();
        plan.rebuild = found.rebuild;
        plan.stale.extend(found.stale.iter().map(ToString::to_string));
        if !found.is_empty() {
            plan.models.extend(models_of(context, Layer::Clean));
        }
    }
    if steps.summary {
        let found = summarise::plan(context, &ledger)?;
        plan.stale.extend(found.stale.iter().map(ToString::to_string));
        if !found.is_empty() || !plan.models.is_empty() {
            plan.models.extend(models_of(context, Layer::Summary));
        }
        plan.days = found.days.map(|days| days.len());
    }
    if steps.features {
        let found = features::plan(context, &ledger).await?;
        plan.stale.extend(found.stale.iter().map(ToString::to_string));
        if !found.is_empty() || !plan.models.is_empty() {
            plan.models.extend(models_of(context, Layer::Features));
        }
        plan.decision_days = found.days();
    }
    Ok(plan)
}

fn models_of(context: &Context, layer: Layer) -> impl Iterator<Item = String> {
    context.project.models().iter().filter(move |model| model.table.layer == layer).map(|model| model.table.to_string())
}

/// The purchase months of the orders in some drops.
async fn months(context: &Context, plan: &IngestPlan) -> Result<Vec<NaiveDate>> {
    let contract = context.project.contract("orders")?;
    let mut months = BTreeSet::new();
    for file in plan.drops.iter().filter_map(|drop| drop.file(contract)) {
        let mut chunks = std::pin::pin!(load(&context.lake, contract, &file, context.threads));
        while let Some(chunk) = chunks.try_next().await? {
            let found = months_of(&chunk.rows, "order_purchase_timestamp").map_err(FlowError::rows(&file.name))?;
            months.extend(found.into_iter().flatten());
        }
    }
    Ok(months.into_iter().map(date_of).collect())
}
