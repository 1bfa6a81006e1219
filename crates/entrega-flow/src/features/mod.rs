//! Features (ETL 3): what could have been known at each order's decision, and the labels that have matured.
//!
//! ```text
//!  clean.deliveries then ─┐
//!  clean.deliveries now  ─┴▶ changes ─▶ spans of decisions ─▶ models over these and the history before ─┐
//!                               └─────▶ months of labels  ─▶ features.labels ──────────────▶ overlay ──┴▶ replace
//! ```
//!
//! A normal day computes that day's decisions and lays the labels that have matured over the rows of before. A late or
//! corrected event computes every decision again that could see it, see [`changes`].

mod changes;
mod reach;
mod write;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::array::RecordBatch;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use entrega_engine::{Inputs, Wanted};
use entrega_lake::{
    CommitNote, Definition, TableState,
    read::{date_of, days_since_epoch},
};
use entrega_model::{
    model::{Model, WriteMode},
    tables::{Layer, TableName},
};
use entrega_operators::{
    check::{CheckResult, References, check, stop_at_failure},
    months::month_of_day,
};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;

use self::reach::Reach;
use crate::{
    Context, FlowError, Result,
    ingest::{check_rows, open_tables},
    ledger::{BatchRow, Ledger},
    ops,
    restate::{projected, used_columns},
    source::merge_checks,
    tables,
};

/// The days (since 1970-01-01) on which decisions are computed again: spans with both ends, in order, apart.
pub type Spans = Vec<(i32, i32)>;

/// Decisions of a unit of work: enough that the history read before them weighs little, few enough for bounded memory.
const UNIT_DECISIONS: u64 = 400_000;

/// What a features run would do.
#[derive(Debug, Clone, Default)]
pub struct FeaturesPlan {
    /// Days whose decisions are computed again; `None` means all.
    pub spans: Option<Spans>,
    /// Purchase months whose labels are computed again; `None` means all.
    pub months: Option<BTreeSet<i32>>,
    /// Models whose text changed: they are computed whole.
    pub stale: Vec<TableName>,
}

impl FeaturesPlan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stale.is_empty()
            && self.spans.as_ref().is_some_and(Vec::is_empty)
            && self.months.as_ref().is_some_and(BTreeSet::is_empty)
    }

    /// The days whose decisions are computed again; `None` means all.
    #[must_use]
    pub fn days(&self) -> Option<usize> {
        let days = |(first, last): &(i32, i32)| usize::try_from(last - first + 1).unwrap_or(0);
        Some(self.spans.as_ref()?.iter().map(days).sum())
    }
}

/// What a features run did.
#[derive(Debug, Clone, Serialize)]
pub struct FeaturesReport {
    /// The batch.
    pub batch_id: String,
    /// Days whose decisions were computed; `None` means all, or those that Spark found.
    pub days: Option<usize>,
    /// Purchase months whose labels were computed; `None` means all.
    pub months: Option<usize>,
    /// Rows written of each table of decisions.
    pub rows: BTreeMap<String, u64>,
    /// Seconds.
    pub seconds: f64,
}

fn models(context: &Context) -> impl Iterator<Item = &Model> {
    context.project.models().iter().filter(|model| model.table.layer == Layer::Features)
}

/// The models that compute decisions.
fn decisions(context: &Context) -> Vec<Model> {
    models(context).filter(|model| model.write == WriteMode::Decisions).cloned().collect()
}

/// Finds what there is to do.
///
/// # Errors
/// When the ledger or the deliveries cannot be read.
pub async fn plan(context: &Context, ledger: &Ledger) -> Result<FeaturesPlan> {
    let nothing = || FeaturesPlan { spans: Some(Vec::new()), months: Some(BTreeSet::new()), stale: Vec::new() };
    let Some(as_of) = ledger.as_of else { return Ok(nothing()) };
    let Some((last, versions)) = ledger.last_of("features")? else { return Ok(FeaturesPlan::default()) };
    if context.cluster.is_some() {
        // Spark finds the changes itself: their rows are not for the client.
        return Ok(FeaturesPlan::default());
    }
    let stale: Vec<TableName> = models(context)
        .filter(|model| ledger.models.get(&model.table) != Some(&model.fingerprint))
        .map(|model| model.table.clone())
        .collect();
    if !stale.is_empty() {
        return Ok(FeaturesPlan { stale, ..FeaturesPlan::default() });
    }
    let definition = Definition::of(context.project.model(&deliveries())?);
    let now = ledger.state(&context.lake, &definition).await?;
    let version = versions.get(&definition.table).copied();
    let then = context.lake.table(&definition, version).await?;
    let found = changes::between(context, &then, &now, &decisions(context)).await?;
    // The files of then are gone: a person was erased, or the table was vacuumed.
    let Some(mut found) = found else { return Ok(FeaturesPlan::default()) };
    if let Some(before) = last.as_of.filter(|before| *before < as_of) {
        let (first, last) = (before.date().pred_opt().unwrap_or(NaiveDate::MIN), as_of.date());
        let matured = now.files.iter().filter(|file| {
            let promised = file.days.get("order_estimated_delivery_date");
            promised.is_some_and(|(earliest, latest)| *earliest <= last && first <= *latest)
        });
        found.months.extend(matured.filter_map(|file| file.month.map(days_since_epoch)));
    }
    // A change could be seen for months to come, but nothing was or is decided after the newest purchase or hand-over.
    let decided = ["purchase_date", "order_delivered_carrier_date"];
    let newest =
        then.files.iter().chain(&now.files).flat_map(|file| decided.iter().filter_map(|column| file.days.get(*column)));
    let newest = newest.map(|(_, last)| days_since_epoch(*last)).max().unwrap_or(i32::MAX);
    let spans = found.spans.into_iter().filter(|(first, _)| *first <= newest);
    let spans = spans.map(|(first, last)| (first, last.min(newest))).collect();
    Ok(FeaturesPlan { spans: Some(spans), months: Some(found.months), stale })
}

pub(crate) fn deliveries() -> TableName {
    TableName::new(Layer::Clean, "deliveries")
}

/// Computes what the plan names and publishes it; `None` if there is nothing to do.
///
/// # Errors
/// When a model, a check or the lake fails; then nothing is published.
pub async fn compute(
    context: &Context,
    ledger: Ledger,
    plan: FeaturesPlan,
) -> Result<Option<(BatchRow, FeaturesReport)>> {
    if let Some(cluster) = &context.cluster {
        return Box::pin(crate::spark::features(context, cluster, ledger)).await;
    }
    let Some(as_of) = ledger.as_of.filter(|_| !plan.is_empty()) else { return Ok(None) };
    let clock = std::time::Instant::now();
    let begun = ledger.begin("features", "features", context.now());
    let wanted =
        context.project.models().iter().filter(|model| matches!(model.table.layer, Layer::Clean | Layer::Features));
    let states =
        open_tables(context, &ledger, wanted.map(Definition::of).chain([tables::checks()]).collect(), false).await?;
    let mut run = Run { context: context.clone(), states, as_of, note: begun.note.clone(), checks: Vec::new() };
    let mut committed = Vec::new();
    for model in models(context).filter(|model| model.write == WriteMode::ReplaceMonths) {
        committed.push(run.labels(model, plan.months.as_ref()).await?);
    }
    let (tables, rows) = run.decisions(&plan).await?;
    committed.extend(tables);
    let table = run.states[&tables::checks().table].clone();
    let checks = check_rows(&begun.batch_id, &run.checks);
    committed.push(ops::append(&context.lake, table, &checks, &begun.note).await?);
    let report = FeaturesReport {
        batch_id: begun.batch_id.clone(),
        days: plan.days(),
        months: plan.months.as_ref().map(BTreeSet::len),
        rows,
        seconds: clock.elapsed().as_secs_f64(),
    };
    let models = models(context).map(|model| (model.table.clone(), model.fingerprint.clone())).collect();
    let publication = begun.publication(committed, models, context.now());
    let row = ledger.publish(&context.lake, publication).await?;
    Ok(Some((row, report)))
}

struct Run {
    context: Context,
    states: BTreeMap<TableName, TableState>,
    as_of: NaiveDateTime,
    note: CommitNote,
    checks: Vec<CheckResult>,
}

impl Run {
    fn state(&self, table: &TableName) -> Result<&TableState> {
        self.states.get(table).ok_or_else(|| FlowError::Request {
            problem: format!("a model of features reads {table}, which no model makes"),
            hint: "`entrega tables` lists the tables".to_owned(),
        })
    }

    /// The rows that some models read, of purchase months for which `wanted` holds; dimensions whole.
    async fn inputs(&self, models: &[&Model], wanted: impl Fn(i32) -> bool) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        inputs.add_as_of(self.as_of);
        let reads: BTreeSet<&TableName> =
            models.iter().flat_map(|model| &model.reads).filter(|read| read.layer != Layer::Ops).collect();
        for read in reads {
            let state = self.state(read)?;
            let columns = used_columns(state, models.iter().copied().filter(|model| model.reads.contains(read)));
            let names: Vec<&str> = columns.iter().map(String::as_str).collect();
            let files: Vec<_> = state
                .files
                .iter()
                .filter(|file| file.month.is_none_or(|month| wanted(days_since_epoch(month))))
                .collect();
            let rows = self.context.lake.read(state, &files, Some(&names)).await?;
            inputs.add(read.clone(), projected(state, &names)?, rows);
        }
        Ok(inputs)
    }

    /// Computes the labels of some months again.
    async fn labels(&mut self, model: &Model, months: Option<&BTreeSet<i32>>) -> Result<TableState> {
        let meter = self.context.progress.begin(&model.table.to_string(), 1);
        let wanted = |month| months.is_none_or(|months| months.contains(&month));
        let inputs = self.inputs(&[model], wanted).await?;
        let rows = self.context.engine.run(model, &inputs, Wanted::All).await?;
        let results = check(model, &rows, &References::new())?;
        stop_at_failure(&results)?;
        merge_checks(&mut self.checks, results);
        let base = self.state(&model.table)?.clone();
        let rewrite = write::replace_months(&self.context, &base, rows, wanted).await?;
        let state = self.context.lake.commit(base, rewrite, &self.note).await?;
        self.states.insert(model.table.clone(), state.clone());
        meter.advance(1);
        Ok(state)
    }

    /// Computes decisions again, lays labels over the others, and commits.
    async fn decisions(&mut self, plan: &FeaturesPlan) -> Result<(Vec<TableState>, BTreeMap<String, u64>)> {
        let models = Arc::new(decisions(&self.context));
        let units = self.units(plan.spans.as_ref())?;
        let names: Vec<String> = models.iter().map(|model| model.table.to_string()).collect();
        let meter = self.context.progress.begin(&names.join(", "), units.len() as u64);
        let mut computed: Vec<Vec<RecordBatch>> = vec![Vec::new(); models.len()];
        let at_once = (self.context.threads / models.len().max(1)).max(1);
        let running: Vec<_> = units.into_iter().map(|unit| self.unit(&models, unit)).collect();
        let mut running = futures::stream::iter(running).buffered(at_once);
        let mut checks = Vec::new();
        while let Some(results) = running.try_next().await? {
            meter.advance(1);
            for (rows, (new, found)) in computed.iter_mut().zip(results) {
                rows.extend(new);
                merge_checks(&mut checks, found);
            }
        }
        drop(running);
        merge_checks(&mut self.checks, checks);
        stop_at_failure(&self.checks)?;
        let run = &*self;
        let writing = models.iter().zip(computed).map(|(model, rows)| async move {
            let base = run.state(&model.table)?.clone();
            let labels = model.labels.as_ref().map(|labels| run.state(labels)).transpose()?;
            let written = (model.table.to_string(), rows.iter().map(|rows| rows.num_rows() as u64).sum());
            let changed = write::Changed { spans: plan.spans.as_ref(), months: plan.months.as_ref(), labels };
            let rewrite = write::replace_decisions(&run.context, &base, rows, &changed).await?;
            Ok::<_, FlowError>((run.context.lake.commit(base, rewrite, &run.note).await?, written))
        });
        let (tables, written) = futures::future::try_join_all(writing).await?.into_iter().unzip();
        Ok((tables, written))
    }

    /// The spans in pieces of bounded work.
    fn units(&self, spans: Option<&Spans>) -> Result<Spans> {
        let orders = self.state(&deliveries())?;
        let mut sizes: BTreeMap<i32, u64> = BTreeMap::new();
        let mut last = days_since_epoch(self.as_of.date());
        for file in &orders.files {
            *sizes.entry(file.month.map(days_since_epoch).unwrap_or_default()).or_default() += file.rows;
            last = last.max(file.days.values().map(|(_, latest)| days_since_epoch(*latest)).max().unwrap_or(last));
        }
        let whole = || sizes.keys().next().map(|first| (*first, last)).into_iter().collect();
        let spans = spans.cloned().unwrap_or_else(whole);
        let mut units = Vec::new();
        for (first, last) in spans {
            let (mut begin, mut decisions) = (first, 0);
            for (month, rows) in sizes.range(..=last).filter(|(month, _)| **month > first) {
                decisions += rows;
                if decisions > UNIT_DECISIONS {
                    units.push((begin, month - 1));
                    (begin, decisions) = (*month, *rows);
                }
            }
            units.push((begin, last));
        }
        Ok(units)
    }

    /// Computes the decisions of a span of days: one result for each model.
    async fn unit(
        &self,
        models: &Arc<Vec<Model>>,
        (first, last): (i32, i32),
    ) -> Result<Vec<(Vec<RecordBatch>, Vec<CheckResult>)>> {
        let reach = Reach::new(models.iter());
        let earliest = month_of_day(reach.earliest(first));
        let mut inputs =
            self.inputs(&models.iter().collect::<Vec<_>>(), |month| month >= earliest && month <= last).await?;
        inputs
            .keep(&deliveries(), |orders| reach.mattering(orders, first))
            .map_err(FlowError::rows("clean.deliveries"))?;
        let day = |day: i32| date_of(day).and_time(NaiveTime::MIN);
        let span = (day(first), day(last.saturating_add(1)));
        let inputs = Arc::new(inputs);
        let running = models.iter().map(|model| {
            let (engine, inputs, model) = (self.context.engine.clone(), Arc::clone(&inputs), model.clone());
            tokio::spawn(async move {
                let clock = std::time::Instant::now();
                let rows = engine.run(&model, &inputs, Wanted::Decided(span.0, span.1)).await?;
                tracing::info!(target: "entrega", model = %model.table, seconds = clock.elapsed().as_secs_f64());
                let results = check(&model, &rows, &References::new())?;
                Ok::<_, FlowError>((rows, results))
            })
        });
        futures::future::join_all(running.collect::<Vec<_>>())
            .await
            .into_iter()
            .map(|joined| joined.map_err(FlowError::joined)?)
            .collect()
    }
}
