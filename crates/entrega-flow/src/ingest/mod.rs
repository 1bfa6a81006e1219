//! Ingest (ETL 1): drops become the clean tables.
//!
//! ```text
//!  dimensions ─▶ orders (and their index) ─▶ children ─▶ affected orders restated ─▶ books ─▶ publish
//!  snapshots (geolocation) ─────── beside them ───────────────┘
//! ```
//!
//! Everything is computed from what was published; what fails on the way leaves the lake as readers saw it.

mod batch;
mod children;
mod dimensions;
mod diverted;
mod orders;
mod quarantined;
mod returning;
mod snapshots;

use std::{collections::BTreeMap, sync::Arc};

use chrono::NaiveDateTime;
use entrega_lake::{Definition, LakeError, TableState};
use entrega_model::{
    model::{Check, Model, WriteMode},
    tables::{Layer, TableName},
};
use entrega_operators::{OperatorError, check::References, validate::Drop};
use serde::Serialize;

pub use batch::{Batch, check_rows};

use crate::{
    Context, FlowError, Result, discover,
    erase::Erasure,
    ledger::{BatchRow, Ledger, Publication},
    ops,
    quarantine::QuarantineFilter,
    restate::restate,
    tables::{self, DropRow},
};

/// Which of the waiting drops are taken.
#[derive(Debug, Clone, Default)]
pub enum Selection {
    /// All.
    #[default]
    All,
    /// Those of these folders, in the lake's landing zone.
    Folders(Vec<String>),
    /// Those whose interval begins at or after the first and before the second moment.
    Between(Option<NaiveDateTime>, Option<NaiveDateTime>),
}

/// What an ingest did.
#[derive(Debug, Clone, Serialize)]
pub struct IngestReport {
    /// The batch.
    pub batch_id: String,
    /// Drops taken.
    pub drops: usize,
    /// What became of the rows, all files together.
    pub rows: DropRow,
    /// Purchase months in which orders were computed again.
    pub restated_months: usize,
    /// Whether all tables were built again because a model changed.
    pub rebuilt: bool,
    /// What is worth knowing.
    pub warnings: Vec<String>,
    /// Seconds.
    pub seconds: f64,
}

/// How drops are put into batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batches {
    /// As few as memory allows: a batch takes at most so many rows (but at least one drop).
    OfRows(u64),
    /// One for each drop, in the plan's order.
    OneByOne,
}

impl Default for Batches {
    /// Six million rows, about four times the public data set, need less than two gigabytes.
    fn default() -> Self {
        Self::OfRows(6_000_000)
    }
}

/// A drop that was left out because it is damaged, and what is wrong with it.
pub type Held = (String, OperatorError);

/// What an ingest would do.
#[derive(Debug, Clone)]
pub struct IngestPlan {
    /// The drops, oldest precedence first.
    pub drops: Vec<Drop>,
    /// Models whose text changed since they last wrote.
    pub stale: Vec<TableName>,
    /// Whether a changed model makes it necessary to build everything again from landing.
    pub rebuild: bool,
    /// Which rejected rows are tried again.
    pub replay: Option<QuarantineFilter>,
    /// Who is forgotten.
    pub erase: Option<Erasure>,
}

impl IngestPlan {
    /// The batches that do it. What a changed model makes necessary is done by the first of them; when everything is
    /// built again from landing there is but one, so that nobody sees half a lake.
    #[must_use]
    pub fn batches(self, how: Batches) -> Vec<Self> {
        let mut batches: Vec<Vec<Drop>> = Vec::new();
        let mut rows = 0;
        for drop in self.drops {
            let more: u64 = drop.manifest.files.values().map(|file| file.rows).sum();
            let fits = match how {
                _ if self.rebuild => true,
                Batches::OneByOne => false,
                Batches::OfRows(most) => rows + more <= most,
            };
            match batches.last_mut() {
                Some(batch) if fits => {
                    batch.push(drop);
                    rows += more;
                }
                _ => {
                    batches.push(vec![drop]);
                    rows = more;
                }
            }
        }
        if batches.is_empty() {
            batches.push(Vec::new());
        }
        let (mut first, rebuild) = (Some((self.stale, self.replay, self.erase)), self.rebuild);
        let plan = |drops| {
            let (stale, replay, erase) = first.take().unwrap_or_default();
            Self { drops, stale, rebuild, replay, erase }
        };
        batches.into_iter().map(plan).collect()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.drops.is_empty() && self.stale.is_empty() && self.replay.is_none() && self.erase.is_none()
    }
}

/// Whether the ingest makes a model's table.
fn is_ours(model: &Model) -> bool {
    model.table.layer == Layer::Clean
}

/// Finds what there is to do.
///
/// # Errors
/// When the ledger or a manifest cannot be read, or a wanted drop is damaged or does not exist.
pub async fn plan(context: &Context, ledger: &Ledger, selection: &Selection) -> Result<IngestPlan> {
    let (plan, held) = plan_around(context, ledger, selection).await?;
    held.into_iter().next().map_or(Ok(plan), |(_, error)| Err(error.into()))
}

/// Finds what there is to do, and which wanted drops cannot be taken because their manifest is damaged.
///
/// # Errors
/// When the ledger or a manifest cannot be read, or a wanted drop does not exist.
pub async fn plan_around(context: &Context, ledger: &Ledger, selection: &Selection) -> Result<(IngestPlan, Vec<Held>)> {
    let models = context.project.models().iter().filter(|model| is_ours(model));
    let stale: Vec<&Model> = models
        .filter(|model| ledger.models.get(&model.table).is_some_and(|known| *known != model.fingerprint))
        .collect();
    let rebuild = stale.iter().any(|model| model.write != WriteMode::Restate);
    let landing = discover::landing(&context.lake).await?;
    let taken = ledger.state(&context.lake, &tables::drops()).await?;
    let taken: Vec<DropRow> = if rebuild { Vec::new() } else { ops::read(&context.lake, &taken).await? };
    let found = discover::waiting(&context.lake, context.project.contracts(), &landing, &taken).await?;
    let (mut drops, damaged) = (found.drops, found.damaged);
    let wanted = |folder: &str| match selection {
        _ if rebuild => true,
        Selection::All => true,
        Selection::Folders(wanted) => wanted.iter().any(|name| normal_folder(name) == folder),
        Selection::Between(from, to) => day_of(folder)
            .is_none_or(|day| from.is_none_or(|from| day >= from.date()) && to.is_none_or(|to| day < to.date())),
    };
    let held: Vec<Held> = damaged.into_iter().filter(|(folder, _)| wanted(folder)).collect();
    match selection {
        Selection::All => {}
        _ if rebuild => {}
        Selection::Folders(wanted) => {
            let wanted: Vec<String> = wanted.iter().map(|folder| normal_folder(folder)).collect();
            if let Some(missing) =
                wanted.iter().find(|folder| landing.complete.iter().all(|(known, _)| known != *folder))
            {
                return Err(FlowError::Request {
                    problem: format!("there is no complete drop '{missing}'"),
                    hint: "`entrega status` lists the drops that wait, and folders without a manifest".to_owned(),
                });
            }
            drops.retain(|drop| wanted.contains(&drop.folder));
        }
        Selection::Between(from, to) => drops.retain(|drop| {
            let start = drop.manifest.interval.start;
            from.is_none_or(|from| start >= from) && to.is_none_or(|to| start < to)
        }),
    }
    let stale = stale.into_iter().map(|model| model.table.clone()).collect();
    Ok((IngestPlan { drops, stale, rebuild, replay: None, erase: None }, held))
}

/// The day of a drop's folder, `landing/dt=…`.
fn day_of(folder: &str) -> Option<chrono::NaiveDate> {
    folder.split('/').find_map(|part| part.strip_prefix("dt=")?.parse().ok())
}

/// A drop's folder as users may write it, relative to the lake or to its landing zone.
pub(crate) fn normal_folder(folder: &str) -> String {
    let folder = folder.trim_matches('/');
    if folder.starts_with("landing/") { folder.to_owned() } else { format!("landing/{folder}") }
}

/// Takes the planned drops as one batch, without those whose files turn out to be damaged: they are added to `held`.
///
/// Nothing of an unpublished batch counts, so it is simply begun again without the drop. That costs a batch for each
/// damaged drop, which is rare; drops may be taken in any order, so the damaged one can come later.
///
/// # Errors
/// When a model, a check or the lake fails; then nothing is published.
pub async fn ingest_around(
    context: &Context,
    mut plan: IngestPlan,
    held: &mut Vec<Held>,
) -> Result<Option<(BatchRow, IngestReport)>> {
    loop {
        let ledger = Ledger::open(&context.lake, None).await?;
        match Box::pin(ingest(context, ledger, plan.clone())).await {
            Err(FlowError::Operator(OperatorError::Delivery { drop, file, problem, hint }))
                if plan.drops.iter().any(|planned| planned.folder == drop) =>
            {
                plan.drops.retain(|planned| planned.folder != drop);
                held.push((drop.clone(), OperatorError::Delivery { drop, file, problem, hint }));
            }
            other => return other,
        }
    }
}

/// Takes the planned drops as one batch and publishes it; `None` if there is nothing to do.
///
/// # Errors
/// When a drop, a model, a check or the lake fails; then nothing is published.
pub async fn ingest(context: &Context, ledger: Ledger, plan: IngestPlan) -> Result<Option<(BatchRow, IngestReport)>> {
    if plan.is_empty() {
        return Ok(None);
    }
    if let Some(cluster) = &context.cluster {
        return Box::pin(crate::spark::ingest(context, cluster, ledger, plan)).await;
    }
    let clock = std::time::Instant::now();
    let mut batch = Batch::open(context, &ledger, &plan).await?;
    let step = |name: &str| tracing::info!(target: "entrega", step = name, seconds = clock.elapsed().as_secs_f64());
    step("opened");
    if let Some(erasure) = &plan.erase {
        erasure.enter(context, &mut batch).await?;
    }
    let drops: Arc<[Drop]> = plan.drops.into();
    let mut snapshots = dimensions::ingest(context, &mut batch, &drops).await?;
    step("dimensions");
    let erased = plan.erase.iter().flat_map(Erasure::orders).collect();
    let orders = orders::load(context, &mut batch, &drops, erased).await?;
    step("orders loaded");
    children::ingest(context, &mut batch, &drops, orders).await?;
    step("orders and children");
    snapshots.settle(context, &mut batch, None).await?;
    step("snapshots");
    dimensions::changed(context, &mut batch).await?;
    if plan.stale.iter().any(|table| context.project.model(table).is_ok_and(|model| model.write == WriteMode::Restate))
    {
        batch.affect_everything();
    }
    let restated = batch.affected.0.len();
    let absent = context.project.models().iter().any(|model| {
        model.write == WriteMode::Restate && batch.table(&model.table).is_ok_and(|table| table.version.is_none())
    });
    if restated > 0 || plan.rebuild || absent {
        restate(context, &mut batch).await?;
    }
    step("restated");
    batch.reconcile()?;
    quarantined::write(context, &mut batch).await?;
    batch.write_books(context).await?;
    let rows = batch.total();
    let mut warnings = batch.findings();
    warnings.append(&mut batch.warnings);
    let report = IngestReport {
        batch_id: batch.note.batch.clone(),
        drops: drops.len(),
        restated_months: restated,
        rebuilt: plan.rebuild,
        warnings,
        seconds: clock.elapsed().as_secs_f64(),
        rows,
    };
    let publication = Publication {
        batch_id: batch.note.batch.clone(),
        job: if plan.erase.is_some() { "erase" } else { "ingest" },
        started_at: batch.started_at,
        published_at: context.now().naive_utc(),
        as_of: drops.iter().map(|drop| drop.manifest.interval.end).max(),
        drops: i64::try_from(drops.len()).unwrap_or(i64::MAX),
        rows_in: report.rows.rows_in,
        models: context
            .project
            .models()
            .iter()
            .filter(|model| is_ours(model))
            .map(|model| (model.table.clone(), model.fingerprint.clone()))
            .collect(),
        tables: batch.committed.into_values().collect(),
        touched: batch.touched,
    };
    let row = ledger.publish(&context.lake, publication).await?;
    Ok(Some((row, report)))
}

/// Opens tables at their published versions, several at once.
pub(crate) async fn open_tables(
    context: &Context,
    ledger: &Ledger,
    definitions: Vec<Definition>,
    empty: bool,
) -> Result<BTreeMap<TableName, TableState>> {
    let mut tasks = Vec::new();
    for definition in definitions {
        let version = if empty { None } else { ledger.versions.get(&definition.table).copied() };
        let lake = context.lake.clone();
        tasks.push(tokio::spawn(async move { lake.table(&definition, version).await }));
    }
    let mut tables = BTreeMap::new();
    for task in tasks {
        let state: Result<TableState, LakeError> = task.await.map_err(FlowError::joined)?;
        let state = state?;
        tables.insert(state.name().clone(), state);
    }
    Ok(tables)
}

/// The values that a model's relationship checks may refer to, from published tables.
///
/// # Errors
/// When a check names a table or column that does not exist.
pub async fn references(context: &Context, ledger: &Ledger, model: &Model) -> Result<References> {
    let mut references = References::new();
    for check in &model.checks {
        let Check::Relationship { to, .. } = check else { continue };
        let (table, column) = to.rsplit_once('.').unwrap_or((to, ""));
        let state = ledger.state(&context.lake, &Definition::of(context.project.model(&table.parse()?)?)).await?;
        let rows = context.lake.read_all(&state, Some(&[column])).await?;
        references.entry(to.clone()).or_default().add(&rows, column).map_err(FlowError::rows(table))?;
    }
    Ok(references)
}
