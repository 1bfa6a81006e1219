//! One source of a batch: its files are loaded, routed to months, reduced to the latest row of each key, run through
//! the source's model and upserted.
//!
//! ```text
//!  files ─▶ load ─▶ route (month of the order) ─▶ units of months ─▶ keep latest ─▶ model ─▶ check ─▶ upsert ─▶ commit
//!                     └─▶ rows whose order is unknown                    (several units at once)
//!  ╰───────────── this file ────────────────╯ ╰──────────────────────────── write.rs ────────────────────────────────╯
//! ```

mod write;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arrow::{
    array::{BooleanArray, RecordBatch},
    compute::filter_record_batch,
    datatypes::{Field, Schema, SchemaRef},
};
use entrega_lake::schema::{DROP_COLUMN, drop_type};
use entrega_model::contract::Contract;
use entrega_operators::{
    keys::{Id, counts_by_value, drop_column, ids, text},
    load::{FileToLoad, Header, LoadedChunk, RawRow, Rejected, landing_schema, load},
    months::{months_of, split},
    validate::Drop,
};
use futures::{StreamExt as _, TryStreamExt as _};

pub use write::{Write, Written, by_precedence, merge_checks, write};

use crate::{
    Context, FlowError, Result,
    order_index::{By, OrderIndex},
    tombstones::Tombstones,
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
    pub header: Arc<Header>,
}

impl Unknown {
    /// Only some of them.
    fn retain(&mut self, kept: &BooleanArray) -> std::result::Result<(), arrow::error::ArrowError> {
        self.rows = filter_record_batch(&self.rows, kept)?;
        let mut row = 0..;
        self.parents.retain(|_| row.next().is_some_and(|row| kept.value(row)));
        let mut row = 0..;
        self.raw.retain(|_| row.next().is_some_and(|row| kept.value(row)));
        Ok(())
    }
}

/// One loaded chunk, routed.
#[derive(Default)]
pub struct Routed {
    /// Rows by month.
    pub by_month: BTreeMap<i32, RecordBatch>,
    /// Ids of orders, with customer and month.
    pub orders: Vec<(Id, Option<Id>, i32)>,
    /// Rows whose order the batch does not hold.
    pub unknown: Option<Unknown>,
    /// What else was found in the chunk.
    pub found: Found,
}

/// What was found in a file, beside rows.
#[derive(Default)]
pub struct Found {
    /// Rejected rows.
    pub rejected: Vec<Rejected>,
    /// Rows that say that they are gone.
    pub deleted: Vec<RecordBatch>,
    /// Values left out, by rule and column, with the first reason.
    pub warned: BTreeMap<String, (u64, String)>,
    /// Records read.
    pub records: u64,
    /// The file's header.
    pub header: Option<Arc<Header>>,
}

impl Found {
    fn of(chunk: &mut LoadedChunk) -> Self {
        Self {
            rejected: std::mem::take(&mut chunk.rejected),
            deleted: chunk.deleted.take().into_iter().collect(),
            warned: std::mem::take(&mut chunk.warned),
            records: chunk.records_read,
            header: Some(Arc::clone(&chunk.header)),
        }
    }

    /// Joins what was found in the next chunk.
    pub fn merge(&mut self, next: Self) {
        self.rejected.extend(next.rejected);
        self.deleted.extend(next.deleted);
        for (check, (rows, reason)) in next.warned {
            self.warned.entry(check).or_insert((0, reason)).0 += rows;
        }
        self.records += next.records;
        self.header = next.header.or(self.header.take());
    }
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
    /// What else was found in the file.
    pub found: Found,
}

impl Loaded {
    /// Takes out rows that are gone; gives how many, by drop.
    ///
    /// # Errors
    /// When rows lack their key.
    pub fn remove_gone(&mut self, contract: &Contract, tombstones: &Tombstones) -> Result<HashMap<String, u64>> {
        let mut removed = remove_gone(contract, tombstones, &mut self.rows)?;
        let error = || FlowError::rows(&contract.file);
        for unknown in &mut self.unknown {
            if let Some(gone) = tombstones.gone(contract, &unknown.rows).map_err(error())? {
                count_gone(&unknown.rows, &gone, &mut removed).map_err(error())?;
                unknown.retain(&arrow::compute::not(&gone).map_err(error())?).map_err(error())?;
            }
        }
        Ok(removed)
    }
}

/// Takes rows out that are gone; gives how many, by drop.
///
/// # Errors
/// When rows lack their key.
pub fn remove_gone(contract: &Contract, tombstones: &Tombstones, rows: &mut ByMonth) -> Result<HashMap<String, u64>> {
    let error = || FlowError::rows(&contract.file);
    let mut removed = HashMap::new();
    for part in rows.values_mut().flatten() {
        if let Some(gone) = tombstones.gone(contract, part).map_err(error())? {
            count_gone(part, &gone, &mut removed).map_err(error())?;
            *part = filter_record_batch(part, &arrow::compute::not(&gone).map_err(error())?).map_err(error())?;
        }
    }
    Ok(removed)
}

fn count_gone(
    rows: &RecordBatch,
    gone: &BooleanArray,
    counts: &mut HashMap<String, u64>,
) -> std::result::Result<(), arrow::error::ArrowError> {
    if let Some(drops) = rows.column_by_name(DROP_COLUMN) {
        for (drop, count) in counts_by_value(&arrow::compute::filter(drops, gone)?) {
            *counts.entry(drop).or_default() += count;
        }
    }
    Ok(())
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
            meter.advance(chunk.found.records);
            loaded.found.merge(chunk.found);
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
pub fn route_chunk(contract: &Contract, precedence: &str, route: &Route, mut chunk: LoadedChunk) -> Result<Routed> {
    let error = || FlowError::rows(&contract.file);
    let rows = with_drop(contract, &chunk.rows, precedence)?;
    let mut routed =
        Routed { by_month: BTreeMap::new(), orders: Vec::new(), unknown: None, found: Found::of(&mut chunk) };
    match route {
        Route::None => {
            routed.by_month.insert(0, rows);
        }
        Route::Own => {
            let found = std::mem::take(&mut routed.found);
            routed = Routed { found, ..route_orders(contract, &rows)? };
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
    Ok(routed)
}

/// Routes orders: each to the month of its own purchase.
///
/// # Errors
/// From Arrow's kernels.
pub fn route_orders(contract: &Contract, rows: &RecordBatch) -> Result<Routed> {
    let error = || FlowError::rows(&contract.file);
    let months = months_of(rows, "order_purchase_timestamp").map_err(error())?;
    let months: Vec<i32> = months.into_iter().map(Option::unwrap_or_default).collect();
    let orders = ids(text(rows, "order_id").map_err(error())?);
    let customers = ids(text(rows, "customer_id").map_err(error())?);
    let named = orders.zip(customers).zip(&months);
    Ok(Routed {
        orders: named.filter_map(|((order, customer), month)| Some((order?, customer, *month))).collect(),
        by_month: split(rows, &months).map_err(error())?,
        ..Routed::default()
    })
}
