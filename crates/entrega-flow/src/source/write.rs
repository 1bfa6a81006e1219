//! Writing a source: routed rows become the latest row of each key, run through the model, checked and upserted.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, Date32Array, RecordBatch, UInt32Array},
    compute::{concat_batches, filter_record_batch, not, take_record_batch},
    datatypes::{DataType, Field, Schema},
};
use entrega_engine::{Inputs, Wanted};
use entrega_lake::{CommitNote, Rewrite, TableState, schema::DROP_COLUMN};
use entrega_model::{
    contract::Contract,
    model::{Check, Model, Severity},
    tables::{Layer, TableName},
};
use entrega_operators::{
    check::{CheckResult, Diverted, References, check, divert, stop_at_failure},
    keep_latest::{keep_latest, same_content},
    keys::{KeyIndex, counts_by_value, dictionary_value, key_rows},
    months::{date, pack, split_by_column},
    upsert::{MovedOrders, UpsertCounts, moved_rows, upsert},
};
use futures::{StreamExt as _, TryStreamExt as _};

use super::{ByMonth, PURCHASE_MONTH, UNIT_ROWS, transit_schema};
use crate::{Context, FlowError, Result, tombstones::Tombstones};

/// What became of a source's rows.
#[derive(Default)]
pub struct Written {
    /// Counts of the upsert.
    pub counts: UpsertCounts,
    /// Rows that repeat another one of the batch, by drop.
    pub duplicates: HashMap<String, u64>,
    /// Rows that a newer one of the batch beat, by drop.
    pub superseded: HashMap<String, u64>,
    /// Rows of one drop that contradict each other.
    pub conflicts: u64,
    /// Rows that checks send to quarantine.
    pub diverted: Vec<Diverted>,
    /// The same, counted by drop.
    pub diverted_by_drop: HashMap<String, u64>,
    /// Changed rows by month: what they say now.
    pub new: ByMonth,
    /// Changed and removed rows by month: what they said before.
    pub old: ByMonth,
    /// Results of the checks.
    pub checks: Vec<CheckResult>,
}

/// Everything that writing a source needs.
pub struct Write<'a> {
    /// The source's contract.
    pub contract: &'a Contract,
    /// Its model.
    pub model: &'a Model,
    /// Rows of other tables that the model reads.
    pub inputs: &'a Inputs,
    /// Rows of the table itself that moved to another month, in the table's columns.
    pub carried: ByMonth,
    /// Ids of orders (or customers) that left a month.
    pub moved: BTreeMap<i32, MovedOrders>,
    /// What is gone, and the months in which that matters for stored rows.
    pub tombstones: Arc<Tombstones>,
    /// Months with stored rows that this batch buries.
    pub dead_months: BTreeSet<i32>,
    /// What may be referred to.
    pub references: Arc<References>,
    /// Whether to keep what changed; a first load need not.
    pub keep_changes: bool,
    /// The batch.
    pub note: &'a CommitNote,
}

/// Keeps the latest row of each key, runs the model, checks, upserts and commits.
///
/// # Errors
/// When the model, a check or the lake fails.
pub async fn write(
    context: &Context,
    base: TableState,
    mut rows: ByMonth,
    job: Write<'_>,
) -> Result<(TableState, Written)> {
    for month in job.carried.keys().chain(job.moved.keys()).chain(&job.dead_months) {
        rows.entry(*month).or_default();
    }
    let sizes: Vec<_> =
        rows.iter().map(|(month, batches)| (*month, batches.iter().map(RecordBatch::num_rows).sum())).collect();
    let units = pack(sizes, UNIT_ROWS, context.threads);
    let meter = context.progress.begin(&job.model.table.to_string(), units.len() as u64);
    let unit_jobs: Vec<_> = units
        .into_iter()
        .map(|months| {
            let rows: ByMonth = months.iter().filter_map(|month| rows.remove_entry(month)).collect();
            let carried: ByMonth =
                months.iter().filter_map(|month| Some((*month, job.carried.get(month)?.clone()))).collect();
            let moved: BTreeMap<i32, MovedOrders> =
                months.iter().filter_map(|month| Some((*month, job.moved.get(month)?.clone()))).collect();
            UnitJob {
                dead_months: months.iter().filter(|month| job.dead_months.contains(month)).copied().collect(),
                tombstones: Arc::clone(&job.tombstones),
                context: context.clone(),
                contract: job.contract.clone(),
                model: job.model.clone(),
                inputs: job.inputs.clone(),
                base: base.clone(),
                references: Arc::clone(&job.references),
                keep_changes: job.keep_changes,
                rows,
                carried,
                moved,
            }
        })
        .collect();
    let mut written = Written::default();
    let mut rewrite = Rewrite::default();
    let mut running = futures::stream::iter(unit_jobs)
        .map(|unit| async move { tokio::spawn(unit.run()).await.map_err(FlowError::joined)? })
        .buffer_unordered(context.threads);
    while let Some((unit, files)) = running.try_next().await? {
        meter.advance(1);
        written.merge(unit);
        rewrite.merge(files);
    }
    drop(running);
    stop_at_failure(&written.checks)?;
    let state = context.lake.commit(base, rewrite, job.note).await?;
    Ok((state, written))
}

struct UnitJob {
    context: Context,
    contract: Contract,
    model: Model,
    inputs: Inputs,
    base: TableState,
    references: Arc<References>,
    keep_changes: bool,
    rows: ByMonth,
    carried: ByMonth,
    moved: BTreeMap<i32, MovedOrders>,
    tombstones: Arc<Tombstones>,
    dead_months: BTreeSet<i32>,
}

impl UnitJob {
    async fn run(mut self) -> Result<(Written, Rewrite)> {
        let error = || FlowError::rows(&self.model.table);
        let mut written = Written::default();
        let landing = gather(&self.contract, std::mem::take(&mut self.rows))?;
        let latest = keep_latest(&landing, &self.contract.key).map_err(error())?;
        drop(landing);
        written.duplicates = latest.duplicates;
        written.superseded = latest.superseded;
        written.contradicting(&self.model, latest.contradicting);
        let source = TableName::new(Layer::Landing, &self.contract.source);
        self.inputs.add(source, latest.rows.schema(), vec![latest.rows]);
        let rows = self.context.engine.run(&self.model, &self.inputs, Wanted::All).await?;
        self.inputs = Inputs::default();
        written.checks = check(&self.model, &rows, &self.references)?;
        let (rows, diverted) = divert(&self.model, rows, &self.references)?;
        written.divert(diverted);
        let mut parts = match &self.model.partition {
            Some(column) => split_by_column(&rows, column).map_err(error())?,
            None => BTreeMap::from([(0, rows)]),
        };
        let schema = self.base.definition.schema()?;
        let mut brought_along: BTreeMap<i32, HashMap<String, u64>> = BTreeMap::new();
        for (month, carried) in self.carried {
            let part = parts.entry(month).or_default();
            let arriving = concat_batches(&schema, part.iter()).map_err(error())?;
            let carried = concat_batches(&schema, &carried).map_err(error())?;
            let joined = join_carried(&arriving, &carried, &self.model.grain).map_err(error())?;
            written.add_lost(joined.unchanged, joined.superseded);
            brought_along.insert(month, by_drop(&joined.carried));
            *part = vec![joined.arriving, joined.carried];
        }
        for month in self.moved.keys().chain(&self.dead_months) {
            parts.entry(*month).or_default();
        }
        let mut rewrite = Rewrite::default();
        let nobody = HashSet::new();
        for (month, batches) in parts {
            let incoming = concat_batches(&schema, &batches).map_err(error())?;
            let partition = self.model.partition.is_some().then(|| date(month));
            let moved = self.moved.get(&month).unwrap_or(&nobody);
            let leaving = |stored: &RecordBatch| {
                Ok(match (moved_rows(stored, moved)?, self.tombstones.buried(&self.contract, stored)?) {
                    (Some(moved), Some(buried)) => Some(arrow::compute::or(&moved, &buried)?),
                    (moved, buried) => moved.or(buried),
                })
            };
            let done = upsert(&self.context.lake, &self.base, partition, incoming, &self.model.grain, &leaving).await?;
            rewrite.merge(done.rewrite);
            written.counts.merge(done.counts);
            if self.keep_changes {
                written.new.entry(month).or_default().extend(done.new);
                written.old.entry(month).or_default().extend(done.old);
            }
        }
        Ok((written, rewrite))
    }
}

/// Rows that arrive and stored rows that move into the same month, one row for each key.
struct Joined {
    arriving: RecordBatch,
    carried: RecordBatch,
    /// Arriving rows that lost, by drop: to one that says the same, to one that says something else.
    unchanged: HashMap<String, u64>,
    superseded: HashMap<String, u64>,
}

/// A stored row that moves is one more version of its key: precedence decides between it and a row that arrives. Of the
/// stored ones that lose nothing is counted; they were when they came.
fn join_carried(
    arriving: &RecordBatch,
    carried: &RecordBatch,
    grain: &[String],
) -> std::result::Result<Joined, arrow::error::ArrowError> {
    let places = KeyIndex::new(arriving, grain)?;
    let keys = key_rows(carried, grain)?;
    let drop_of = |rows: &RecordBatch, row: usize| {
        rows.column_by_name(DROP_COLUMN).map_or(String::new(), |drops| dictionary_value(drops, row).to_owned())
    };
    let (mut arrives, mut stays) = (vec![true; arriving.num_rows()], vec![true; carried.num_rows()]);
    let (mut lost, mut winners) = (Vec::new(), Vec::new());
    for (row, key) in keys.iter().enumerate() {
        let Some(rival) = places.find(key.data()) else { continue };
        if drop_of(carried, row) > drop_of(arriving, rival as usize) {
            arrives[rival as usize] = false;
            lost.push(rival);
            winners.push(u32::try_from(row).unwrap_or(u32::MAX));
        } else {
            stays[row] = false;
        }
    }
    let beaten = take_record_batch(arriving, &UInt32Array::from(lost))?;
    let same = same_content(&beaten, &take_record_batch(carried, &UInt32Array::from(winners))?)?;
    Ok(Joined {
        unchanged: by_drop(&filter_record_batch(&beaten, &same)?),
        superseded: by_drop(&filter_record_batch(&beaten, &not(&same)?)?),
        arriving: filter_record_batch(arriving, &arrives.into())?,
        carried: filter_record_batch(carried, &stays.into())?,
    })
}

/// Rows counted by drop.
fn by_drop(rows: &RecordBatch) -> HashMap<String, u64> {
    rows.column_by_name(DROP_COLUMN).map(counts_by_value).unwrap_or_default()
}

impl Written {
    /// Rows that contradict a later one of their own drop: quarantined if the model says so, else beaten, with a warning.
    fn contradicting(&mut self, model: &Model, rows: RecordBatch) {
        if rows.num_rows() == 0 {
            return;
        }
        let quarantine = |check: &Check| matches!(check, Check::Unique { severity: Severity::Quarantine, .. });
        if model.checks.iter().any(quarantine) {
            let reason = format!(
                "a later row of the same drop has the same key ({}) and says something else",
                model.grain.join(", ")
            );
            self.divert(vec![Diverted { rows, rule: "unique", reason }]);
        } else {
            self.conflicts += rows.num_rows() as u64;
            self.add_lost(HashMap::new(), by_drop(&rows));
        }
    }

    fn divert(&mut self, diverted: Vec<Diverted>) {
        for diverted in &diverted {
            for (drop, count) in by_drop(&diverted.rows) {
                *self.diverted_by_drop.entry(drop).or_default() += count;
            }
        }
        self.diverted.extend(diverted);
    }

    fn add_lost(&mut self, duplicates: HashMap<String, u64>, superseded: HashMap<String, u64>) {
        for (mine, theirs) in [(&mut self.duplicates, duplicates), (&mut self.superseded, superseded)] {
            for (drop, count) in theirs {
                *mine.entry(drop).or_default() += count;
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.counts.merge(other.counts);
        self.add_lost(other.duplicates, other.superseded);
        self.conflicts += other.conflicts;
        self.divert(other.diverted);
        for (mine, theirs) in [(&mut self.new, other.new), (&mut self.old, other.old)] {
            for (month, rows) in theirs {
                mine.entry(month).or_default().extend(rows);
            }
        }
        merge_checks(&mut self.checks, other.checks);
    }
}

/// Rows in precedence order; those of one drop keep theirs.
///
/// # Errors
/// From Arrow's kernels.
pub fn by_precedence(rows: &RecordBatch) -> std::result::Result<RecordBatch, arrow::error::ArrowError> {
    let Some(drops) = rows.column_by_name(DROP_COLUMN) else { return Ok(rows.clone()) };
    let mut order: Vec<u32> = (0..u32::try_from(rows.num_rows()).unwrap_or(u32::MAX)).collect();
    order.sort_by_key(|row| dictionary_value(drops, *row as usize));
    take_record_batch(rows, &UInt32Array::from(order))
}

/// Adds up results of the same checks over different rows.
pub fn merge_checks(mine: &mut Vec<CheckResult>, theirs: Vec<CheckResult>) {
    for result in theirs {
        match mine
            .iter_mut()
            .find(|known| (&known.table, &known.check, &known.drop) == (&result.table, &result.check, &result.drop))
        {
            Some(known) => {
                known.rows += result.rows;
                known.failures += result.failures;
                known.sample = known.sample.take().or(result.sample);
            }
            None => mine.push(result),
        }
    }
}

/// A unit's rows as one batch of `landing.<source>`: with `purchase_month` where the source has a parent.
fn gather(contract: &Contract, rows: ByMonth) -> Result<RecordBatch> {
    let error = || FlowError::rows(&contract.file);
    let transit = transit_schema(contract);
    let mut months: Vec<i32> = Vec::new();
    let mut batches = Vec::new();
    for (month, parts) in rows {
        for part in parts {
            months.resize(months.len() + part.num_rows(), month);
            batches.push(part);
        }
    }
    let whole = concat_batches(&transit, &batches).map_err(error())?;
    if contract.parent.is_none() {
        return Ok(whole);
    }
    let mut fields = transit.fields().to_vec();
    fields.push(Arc::new(Field::new(PURCHASE_MONTH, DataType::Date32, true)));
    let mut columns: Vec<ArrayRef> = whole.columns().to_vec();
    columns.push(Arc::new(Date32Array::from(months)));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(error())
}
