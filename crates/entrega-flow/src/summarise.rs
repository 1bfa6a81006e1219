//! Summarise (ETL 2): the daily tables, for the days that changed or have ended since the last time.
//!
//! ```text
//!  touched days ─▶ months whose files may hold such a day (statistics) ─▶ models by unit ─▶ add up ─▶ replace those days
//! ```
//!
//! Measures are additive, so each unit of months gives a part and the parts are added up by the table's keys.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::{
    array::{AsArray as _, BooleanArray, RecordBatch},
    compute::filter_record_batch,
    datatypes::Date32Type,
};
use chrono::{NaiveDate, NaiveDateTime};
use entrega_engine::{Inputs, Wanted};
use entrega_lake::{
    CommitNote, Definition, Rewrite, TableState,
    read::{date_of, days_since_epoch},
};
use entrega_model::{
    model::{Model, WriteMode},
    tables::{Layer, TableName},
};
use entrega_operators::{
    check::{CheckResult, References, check, stop_at_failure},
    months::{date, month_of_day, pack, split_by_column},
};
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;

use crate::{
    Context, FlowError, Result,
    ingest::{check_rows, open_tables},
    ledger::{BatchRow, Ledger, Touched},
    ops,
    restate::{projected, used_columns},
    source::UNIT_ROWS,
    tables,
};

/// What a summary run did.
#[derive(Debug, Clone, Serialize)]
pub struct SummaryReport {
    /// The batch.
    pub batch_id: String,
    /// Days recomputed; `None` means all.
    pub days: Option<usize>,
    /// Purchase months recomputed; `None` means all.
    pub months: Option<usize>,
    /// Seconds.
    pub seconds: f64,
}

/// What a summary run would do.
#[derive(Debug, Clone, Default)]
pub struct SummaryPlan {
    /// The days to be recomputed; `None` means all.
    pub days: Option<BTreeSet<i32>>,
    /// The purchase months to be recomputed; `None` means all.
    pub months: Option<BTreeSet<i32>>,
    /// Models whose text changed: they are recomputed whole.
    pub stale: Vec<TableName>,
}

impl SummaryPlan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stale.is_empty()
            && self.days.as_ref().is_some_and(BTreeSet::is_empty)
            && self.months.as_ref().is_some_and(BTreeSet::is_empty)
    }
}

fn models(context: &Context) -> impl Iterator<Item = &Model> {
    context.project.models().iter().filter(|model| model.table.layer == Layer::Summary)
}

/// Finds what there is to do.
///
/// # Errors
/// When the ledger cannot be read.
pub fn plan(context: &Context, ledger: &Ledger) -> Result<SummaryPlan> {
    if ledger.rows.is_empty() {
        return Ok(SummaryPlan { days: Some(BTreeSet::new()), months: Some(BTreeSet::new()), stale: Vec::new() });
    }
    let Some((Touched { mut days, months }, before)) = ledger.touched_since_summary()? else {
        return Ok(SummaryPlan::default());
    };
    // Days that have ended meanwhile: their promises can be counted now.
    if let (Some(before), Some(now)) = (before, ledger.as_of) {
        days.extend(days_since_epoch(before.date())..days_since_epoch(now.date()));
    }
    let stale = models(context)
        .filter(|model| ledger.models.get(&model.table) != Some(&model.fingerprint))
        .map(|model| model.table.clone())
        .collect();
    Ok(SummaryPlan { days: Some(days), months: Some(months), stale })
}

/// Recomputes what the plan names and publishes it; `None` if there is nothing to do.
///
/// # Errors
/// When a model, a check or the lake fails; then nothing is published.
pub async fn summarise(
    context: &Context,
    ledger: Ledger,
    plan: SummaryPlan,
) -> Result<Option<(BatchRow, SummaryReport)>> {
    let Some(as_of) = ledger.as_of.filter(|_| !plan.is_empty()) else { return Ok(None) };
    if let Some(cluster) = &context.cluster {
        return Box::pin(crate::spark::summarise(context, cluster, ledger, plan)).await;
    }
    let clock = std::time::Instant::now();
    let begun = ledger.begin("summary", "summarise", context.now());
    let wanted =
        context.project.models().iter().filter(|model| matches!(model.table.layer, Layer::Clean | Layer::Summary));
    let states =
        open_tables(context, &ledger, wanted.map(Definition::of).chain([tables::checks()]).collect(), false).await?;
    let run = Arc::new(Run { context: context.clone(), states, as_of, note: begun.note.clone() });
    let mut committed = Vec::new();
    let mut checks = Vec::new();
    for group in groups(context, &plan) {
        for (table, results) in run.compute(group).await? {
            committed.push(table);
            checks.extend(results);
        }
    }
    let table = run.states[&tables::checks().table].clone();
    committed.push(ops::append(&context.lake, table, &check_rows(&begun.batch_id, &checks), &begun.note).await?);
    let report = SummaryReport {
        batch_id: begun.batch_id.clone(),
        days: plan.days.as_ref().map(BTreeSet::len),
        months: plan.months.as_ref().map(BTreeSet::len),
        seconds: clock.elapsed().as_secs_f64(),
    };
    let models = models(context).map(|model| (model.table.clone(), model.fingerprint.clone())).collect();
    let publication = begun.publication(committed, models, context.now());
    let row = ledger.publish(&context.lake, publication).await?;
    Ok(Some((row, report)))
}

/// What of a table is recomputed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Extent {
    Whole,
    Days(Arc<Vec<NaiveDate>>),
    Months(Arc<BTreeSet<i32>>),
}

/// Models that share an extent: their inputs are read once.
fn groups(context: &Context, plan: &SummaryPlan) -> Vec<(Extent, Vec<Model>)> {
    let mut groups: Vec<(Extent, Vec<Model>)> = Vec::new();
    for model in models(context) {
        let extent = match (model.write, &plan.days, &plan.months) {
            _ if plan.stale.contains(&model.table) => Extent::Whole,
            (WriteMode::ReplaceDays, Some(days), _) => {
                Extent::Days(Arc::new(days.iter().map(|day| date_of(*day)).collect()))
            }
            (WriteMode::ReplaceMonths, _, Some(months)) => Extent::Months(Arc::new(months.clone())),
            _ => Extent::Whole,
        };
        if matches!(&extent, Extent::Days(days) if days.is_empty())
            || matches!(&extent, Extent::Months(months) if months.is_empty())
        {
            continue;
        }
        match groups.iter_mut().find(|(known, _)| *known == extent) {
            Some((_, models)) => models.push(model.clone()),
            None => groups.push((extent, vec![model.clone()])),
        }
    }
    groups
}

struct Run {
    context: Context,
    states: BTreeMap<TableName, TableState>,
    as_of: NaiveDateTime,
    note: CommitNote,
}

/// A table that was computed, checked and committed.
type Finished = (TableState, Vec<CheckResult>);

impl Run {
    async fn compute(self: &Arc<Self>, (extent, models): (Extent, Vec<Model>)) -> Result<Vec<Finished>> {
        let reads: BTreeSet<&TableName> =
            models.iter().flat_map(|model| model.reads.iter()).filter(|read| read.layer == Layer::Clean).collect();
        let (mut partitioned, mut dimensions) = (Vec::new(), Inputs::default());
        dimensions.add_as_of(self.as_of);
        for read in reads {
            let state = self.states.get(read).cloned().ok_or_else(|| FlowError::Request {
                problem: format!("a summary reads {read}, which no model makes"),
                hint: "`entrega tables` lists the tables".to_owned(),
            })?;
            let columns = used_columns(&state, models.iter().filter(|model| model.reads.contains(read)));
            if state.definition.partition.is_some() {
                partitioned.push((state, columns));
            } else {
                let names: Vec<&str> = columns.iter().map(String::as_str).collect();
                let rows = self.context.lake.read_all(&state, Some(&names)).await?;
                dimensions.add(read.clone(), projected(&state, &names)?, rows);
            }
        }
        let mut months: BTreeMap<i32, usize> = BTreeMap::new();
        for (state, _) in &partitioned {
            for file in state.files.iter().filter(|file| wanted(&extent, file)) {
                let month = file.month.map(days_since_epoch).unwrap_or_default();
                let rows = months.entry(month).or_default();
                *rows = (*rows).max(usize::try_from(file.rows).unwrap_or(usize::MAX));
            }
        }
        let units = pack(months, UNIT_ROWS, self.context.threads);
        let names: Vec<String> = models.iter().map(|model| model.table.to_string()).collect();
        let meter = self.context.progress.begin(&names.join(", "), units.len() as u64);
        let shared = Arc::new((models, partitioned, dimensions, extent));
        let mut parts: Vec<Vec<Vec<RecordBatch>>> = vec![Vec::new(); shared.0.len()];
        let mut running = futures::stream::iter(units)
            .map(|months| {
                let (run, shared) = (Arc::clone(self), Arc::clone(&shared));
                async move {
                    tokio::spawn(async move { run.unit(&shared.0, &shared.1, &shared.2, &shared.3, &months).await })
                        .await
                        .map_err(FlowError::joined)?
                }
            })
            .buffer_unordered(self.context.threads);
        while let Some(results) = running.try_next().await? {
            meter.advance(1);
            for (part, rows) in parts.iter_mut().zip(results) {
                part.push(rows);
            }
        }
        drop(running);
        let meter = Arc::new(self.context.progress.begin("adding up, checking, writing", shared.0.len() as u64));
        let mut parts: Vec<_> = shared.0.iter().zip(parts).collect();
        // The largest first: no worker is left alone with it at the end.
        parts.sort_by_key(|(_, parts)| {
            std::cmp::Reverse(parts.iter().flatten().map(RecordBatch::num_rows).sum::<usize>())
        });
        let finishing = parts.into_iter().map(|(model, parts)| {
            let (run, model, extent, meter) = (Arc::clone(self), model.clone(), shared.3.clone(), Arc::clone(&meter));
            async move {
                let finished = tokio::spawn(async move { run.finish(&model, &extent, parts).await }).await;
                meter.advance(1);
                finished.map_err(FlowError::joined)?
            }
        });
        futures::stream::iter(finishing.collect::<Vec<_>>()).buffered(self.context.threads).try_collect().await
    }

    /// Adds up the parts of a table, checks and commits it.
    async fn finish(&self, model: &Model, extent: &Extent, parts: Vec<Vec<RecordBatch>>) -> Result<Finished> {
        let add_up = model.write == WriteMode::ReplaceDays && parts.len() > 1;
        let rows: Vec<RecordBatch> = parts.into_iter().flatten().collect();
        let rows = if add_up { self.context.engine.add_up(model, rows).await? } else { rows };
        let results = check(model, &rows, &References::new())?;
        stop_at_failure(&results)?;
        let base = self.states[&model.table].clone();
        let rewrite = self.replace(model, &base, extent, rows).await?;
        Ok((self.context.lake.commit(base, rewrite, &self.note).await?, results))
    }

    async fn unit(
        &self,
        models: &[Model],
        partitioned: &[(TableState, Vec<String>)],
        dimensions: &Inputs,
        extent: &Extent,
        months: &[i32],
    ) -> Result<Vec<Vec<RecordBatch>>> {
        let mut inputs = dimensions.clone();
        for (state, columns) in partitioned {
            let names: Vec<&str> = columns.iter().map(String::as_str).collect();
            let files: Vec<_> = months.iter().flat_map(|month| state.files_of(Some(date(*month)))).collect();
            let rows = self.context.lake.read(state, &files, Some(&names)).await?;
            inputs.add(state.name().clone(), projected(state, &names)?, rows);
        }
        let mut results = Vec::new();
        for model in models {
            let wanted = match extent {
                Extent::Days(days) if model.write == WriteMode::ReplaceDays => Wanted::Days(days),
                _ => Wanted::All,
            };
            let clock = std::time::Instant::now();
            let rows = self.context.engine.run(model, &inputs, wanted).await?;
            tracing::info!(target: "entrega", model = %model.table, months = months.len(), seconds = clock.elapsed().as_secs_f64());
            results.push(rows);
        }
        Ok(results)
    }

    /// Replaces the recomputed days or months of a table.
    async fn replace(
        &self,
        model: &Model,
        base: &TableState,
        extent: &Extent,
        rows: Vec<RecordBatch>,
    ) -> Result<Rewrite> {
        let error = || FlowError::rows(&model.table);
        let mut parts = match &model.partition {
            Some(column) => split_by_column(&rows, column).map_err(error())?,
            None => BTreeMap::from([(0, rows)]),
        };
        let touched: BTreeSet<i32> = match extent {
            Extent::Whole => {
                base.files.iter().map(|file| file.month.map(days_since_epoch).unwrap_or_default()).collect()
            }
            Extent::Days(days) => days.iter().map(|day| month_of_day(days_since_epoch(*day))).collect(),
            Extent::Months(months) => (**months).clone(),
        };
        for month in touched {
            parts.entry(month).or_default();
        }
        let writing = parts.into_iter().map(|(month, mut rows)| async move {
            let mut rewrite = Rewrite::default();
            let partition = model.partition.is_some().then(|| date(month));
            for file in base.files_of(partition) {
                if let Extent::Days(days) = extent {
                    for kept in self.context.lake.read(base, &[file], None).await? {
                        rows.push(without_days(&kept, days).map_err(error())?);
                    }
                }
                rewrite.remove(file);
            }
            rows.retain(|rows| rows.num_rows() > 0);
            if !rows.is_empty() {
                rewrite.added.push(self.context.lake.write(&base.definition, partition, rows).await?);
            }
            Ok::<_, FlowError>(rewrite)
        });
        let mut writing = futures::stream::iter(writing.collect::<Vec<_>>()).buffer_unordered(self.context.threads);
        let mut rewrite = Rewrite::default();
        while let Some(part) = writing.try_next().await? {
            rewrite.merge(part);
        }
        Ok(rewrite)
    }
}

/// Whether a file may matter for an extent.
fn wanted(extent: &Extent, file: &entrega_lake::DataFile) -> bool {
    match extent {
        Extent::Whole => true,
        Extent::Months(months) => file.month.is_some_and(|month| months.contains(&days_since_epoch(month))),
        Extent::Days(days) => file.may_hold_day(|first, last| {
            let next = days.partition_point(|day| *day < first);
            days.get(next).is_some_and(|day| *day <= last)
        }),
    }
}

fn without_days(rows: &RecordBatch, days: &[NaiveDate]) -> std::result::Result<RecordBatch, arrow::error::ArrowError> {
    let column = rows.column_by_name("date").and_then(|column| column.as_primitive_opt::<Date32Type>());
    let column = column.ok_or_else(|| arrow::error::ArrowError::SchemaError("no DATE column date".to_owned()))?;
    let keep: BooleanArray =
        column.iter().map(|day| Some(day.is_none_or(|day| days.binary_search(&date_of(day)).is_err()))).collect();
    filter_record_batch(rows, &keep)
}
