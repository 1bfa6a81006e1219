//! One source of a batch: its files are loaded, routed to months, reduced to the latest row of each key, run through
//! the source's model and upserted.
//!
//! ```text
//!  files ─▶ load ─▶ route (month of the order) ─▶ units of months ─▶ keep latest ─▶ model ─▶ check ─▶ upsert ─▶ commit
//!                     └─▶ rows whose order is unknown                    (several units at once)
//! ```

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, BooleanArray, Date32Array, RecordBatch, UInt32Array},
    compute::{concat_batches, filter_record_batch, take_record_batch},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use entrega_engine::Inputs;
use entrega_lake::{
    CommitNote, Rewrite, TableState,
    schema::{DROP_COLUMN, drop_type},
};
use entrega_model::{
    contract::Contract,
    model::Model,
    tables::{Layer, TableName},
};
use entrega_operators::{
    check::{CheckResult, References, check, stop_at_failure},
    keep_latest::keep_latest,
    keys::{Id, dictionary_value, drop_column, ids, text},
    load::{FileToLoad, LoadedChunk, RawRow, Rejected, landing_schema, load},
    months::{date, months_of, pack, split, split_by_column},
    upsert::{MovedOrders, UpsertCounts, upsert},
    validate::Drop,
};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::{
    Context, FlowError, Result,
    order_index::{By, OrderIndex},
};

/// Rows of a unit of work: enough that planning costs nothing, few enough that units in flight need little memory.
pub const UNIT_ROWS: usize = 131_072;

/// The column that children get from their order.
pub const PURCHASE_MONTH: &str = "purchase_month";

/// Rows by month; unpartitioned sources keep theirs under month 0.
pub type ByMonth = BTreeMap<i32, Vec<RecordBatch>>;

/// How rows find their month.
#[derive(Clone)]
pub enum Route {
    /// By their own purchase timestamp: orders.
    Own,
    /// By their order.
    Parent(By, String, Arc<OrderIndex>),
    /// They have none: dimensions.
    None,
}

/// A row that cannot be used yet or at all, with its raw text.
#[derive(Debug, Clone)]
pub struct Unknown {
    /// The row, one of its batch.
    pub rows: RecordBatch,
    /// The parents that they refer to.
    pub parents: Vec<Option<Id>>,
    /// Line and text of each.
    pub raw: Vec<RawRow>,
    /// The file's header.
    pub header: Arc<str>,
}

/// One loaded chunk, routed.
pub struct Routed {
    /// Rows by month.
    pub by_month: BTreeMap<i32, RecordBatch>,
    /// Ids of orders, with customer and month.
    pub orders: Vec<(Id, Option<Id>, i32)>,
    /// Rows whose order the batch does not hold.
    pub unknown: Option<Unknown>,
    /// Rejected rows.
    pub rejected: Vec<Rejected>,
    /// Records read.
    pub records: u64,
    /// The file's header.
    pub header: Arc<str>,
}

/// The schema of a source's rows on their way: the contract's columns and `_drop`.
#[must_use]
pub fn transit_schema(contract: &Contract) -> SchemaRef {
    let mut fields = landing_schema(contract).fields().to_vec();
    fields.push(Arc::new(Field::new(DROP_COLUMN, drop_type(), true)));
    Arc::new(Schema::new(fields))
}

/// Rows with their drop.
///
/// # Errors
/// Never in practice.
pub fn with_drop(contract: &Contract, rows: &RecordBatch, precedence: &str) -> Result<RecordBatch> {
    let mut columns = rows.columns().to_vec();
    columns.push(drop_column(precedence, rows.num_rows()));
    RecordBatch::try_new(transit_schema(contract), columns).map_err(FlowError::rows(&contract.file))
}

/// Streams one file's chunks, routed, in file order.
pub fn routed<'a>(
    context: &'a Context,
    contract: &'a Contract,
    file: &'a FileToLoad,
    precedence: &'a str,
    route: &'a Route,
) -> impl futures::Stream<Item = Result<Routed>> + 'a {
    load(&context.lake, contract, file, context.threads)
        .map(move |chunk| {
            let (contract, precedence, route) = (contract.clone(), precedence.to_owned(), route.clone());
            async move {
                let chunk = chunk?;
                tokio::task::spawn_blocking(move || route_chunk(&contract, &precedence, &route, chunk))
                    .await
                    .map_err(FlowError::joined)?
            }
        })
        .buffered(context.threads)
}

/// A file of a drop, loaded whole.
#[derive(Default)]
pub struct Loaded {
    /// Which of the batch's drops it belongs to.
    pub drop: usize,
    /// Rows by month.
    pub rows: ByMonth,
    /// Rows whose order the batch does not hold.
    pub unknown: Vec<Unknown>,
    /// Rejected rows.
    pub rejected: Vec<Rejected>,
    /// Records read.
    pub records: u64,
    /// The file's header.
    pub header: Arc<str>,
}

/// Loads a source's files of all drops, oldest first, without touching the batch: it may run beside other steps.
///
/// # Errors
/// When a file is not what its manifest says, or the lake fails.
pub async fn load_files(
    context: &Context,
    contract: &Contract,
    drops: &[Drop],
    wanted: std::ops::Range<usize>,
    route: &Route,
) -> Result<Vec<Loaded>> {
    let mut files = Vec::new();
    for (ordinal, drop) in drops.iter().enumerate().take(wanted.end).skip(wanted.start) {
        let Some(file) = drop.file(contract) else { continue };
        let precedence = drop.manifest.precedence();
        let meter = context.progress.begin(&format!("{}/{}", drop.folder, file.name), file.entry.rows);
        let mut loaded = Loaded { drop: ordinal, ..Loaded::default() };
        let mut chunks = std::pin::pin!(routed(context, contract, &file, &precedence, route));
        while let Some(chunk) = chunks.try_next().await? {
            meter.advance(chunk.records);
            loaded.records += chunk.records;
            loaded.header = chunk.header;
            loaded.rejected.extend(chunk.rejected);
            loaded.unknown.extend(chunk.unknown);
            for (month, part) in chunk.by_month {
                loaded.rows.entry(month).or_default().push(part);
            }
        }
        files.push(loaded);
    }
    Ok(files)
}

/// Routes one chunk.
///
/// # Errors
/// From Arrow's kernels.
pub fn route_chunk(contract: &Contract, precedence: &str, route: &Route, chunk: LoadedChunk) -> Result<Routed> {
    let error = || FlowError::rows(&contract.file);
    let rows = with_drop(contract, &chunk.rows, precedence)?;
    let mut routed = Routed {
        by_month: BTreeMap::new(),
        orders: Vec::new(),
        unknown: None,
        rejected: Vec::new(),
        records: chunk.records_read,
        header: Arc::clone(&chunk.header),
    };
    match route {
        Route::None => {
            routed.by_month.insert(0, rows);
        }
        Route::Own => {
            let months = months_of(&rows, "order_purchase_timestamp").map_err(error())?;
            let months: Vec<i32> = months.into_iter().map(Option::unwrap_or_default).collect();
            let orders = ids(text(&rows, "order_id").map_err(error())?);
            let customers = ids(text(&rows, "customer_id").map_err(error())?);
            routed.orders = orders
                .zip(customers)
                .zip(&months)
                .filter_map(|((order, customer), month)| Some((order?, customer, *month)))
                .collect();
            routed.by_month = split(&rows, &months).map_err(error())?;
        }
        Route::Parent(by, column, index) => {
            let parents: Vec<Option<Id>> = ids(text(&rows, column).map_err(error())?).collect();
            let places: Vec<Option<i32>> =
                parents.iter().map(|parent| index.find(*by, parent.as_ref()?).map(|place| place.month)).collect();
            let strangers: Vec<usize> = (0..places.len()).filter(|row| places[*row].is_none()).collect();
            if strangers.is_empty() {
                let months: Vec<i32> = places.into_iter().flatten().collect();
                routed.by_month = split(&rows, &months).map_err(error())?;
            } else {
                let known: BooleanArray = places.iter().map(|place| Some(place.is_some())).collect();
                let unknown = arrow::compute::not(&known).map_err(error())?;
                let months: Vec<i32> = places.into_iter().flatten().collect();
                routed.by_month =
                    split(&filter_record_batch(&rows, &known).map_err(error())?, &months).map_err(error())?;
                routed.unknown = Some(Unknown {
                    rows: filter_record_batch(&rows, &unknown).map_err(error())?,
                    parents: strangers.iter().map(|row| parents[*row]).collect(),
                    raw: chunk.raw(&strangers),
                    header: Arc::clone(&chunk.header),
                });
            }
        }
    }
    routed.rejected = chunk.rejected;
    Ok(routed)
}

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
    for month in job.carried.keys().chain(job.moved.keys()) {
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
        written.conflicts = latest.conflicts;
        let source = TableName::new(Layer::Landing, &self.contract.source);
        self.inputs.add(source, latest.rows.schema(), vec![latest.rows]);
        let rows = self.context.engine.run(&self.model, &self.inputs, None).await?;
        self.inputs = Inputs::default();
        written.checks = check(&self.model, &rows, &self.references)?;
        stop_at_failure(&written.checks)?;
        let mut parts = match &self.model.partition {
            Some(column) => split_by_column(&rows, column).map_err(error())?,
            None => BTreeMap::from([(0, rows)]),
        };
        let schema = self.base.definition.schema()?;
        for (month, carried) in self.carried {
            // A stored row that moves is one more version of its key: precedence decides between it and new ones.
            let part = parts.entry(month).or_default();
            part.extend(carried);
            let ordered = by_precedence(&concat_batches(&schema, part.iter()).map_err(error())?).map_err(error())?;
            let latest = keep_latest(&ordered, &self.model.grain).map_err(error())?;
            written.add_lost(latest.duplicates, latest.superseded);
            *part = vec![latest.rows];
        }
        for month in self.moved.keys() {
            parts.entry(*month).or_default();
        }
        let mut rewrite = Rewrite::default();
        let nobody = HashSet::new();
        for (month, batches) in parts {
            let incoming = concat_batches(&schema, &batches).map_err(error())?;
            let partition = self.model.partition.is_some().then(|| date(month));
            let moved = self.moved.get(&month).unwrap_or(&nobody);
            let done = upsert(&self.context.lake, &self.base, partition, incoming, &self.model.grain, moved).await?;
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

impl Written {
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
        match mine.iter_mut().find(|known| known.table == result.table && known.check == result.check) {
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
