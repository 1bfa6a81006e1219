//! Orders: they are taken first, because every other row of an order lives in the order's month.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use arrow::{array::BooleanArray, compute::filter_record_batch};
use entrega_lake::{read::days_since_epoch, schema::DROP_COLUMN};
use entrega_model::contract::Contract;
use entrega_operators::{
    check::References,
    keys::{Id, dictionary_value, ids, text},
    upsert::MovedOrders,
    validate::Drop,
};
use futures::TryStreamExt as _;

use super::Batch;
use crate::{
    Context, FlowError, Result,
    order_index::{By, OrderIndex, look_up},
    source::{ByMonth, Route, Write, Written, routed, write},
};

/// The orders of a batch, and those that moved to another month.
pub struct Orders {
    /// Where the batch's orders live.
    pub index: Arc<OrderIndex>,
    /// Orders that left a month.
    pub moved: BTreeMap<i32, MovedOrders>,
    /// Their customers.
    pub moved_customers: BTreeMap<i32, MovedOrders>,
    rows: ByMonth,
    /// Rows, by drop, of orders that live in another month.
    beaten: HashMap<String, u64>,
}

/// Loads the orders of all drops and finds where each of them lives.
pub(super) async fn load(context: &Context, batch: &mut Batch, drops: &[Drop]) -> Result<Orders> {
    let contract = context.project.contract("orders")?.clone();
    let base = batch.clean("orders")?.clone();
    let mut taken = Taken::default();
    for (ordinal, drop) in drops.iter().enumerate() {
        let Some(file) = drop.file(&contract) else { continue };
        let precedence = drop.manifest.precedence();
        let meter = context.progress.begin(&format!("{}/{}", drop.folder, file.name), file.entry.rows);
        taken.index.reserve(usize::try_from(file.entry.rows).unwrap_or(0));
        let mut chunks = std::pin::pin!(routed(context, &contract, &file, &precedence, &Route::Own));
        while let Some(mut chunk) = chunks.try_next().await? {
            meter.advance(chunk.records);
            batch.loaded(drop, &contract, &chunk.header, chunk.records, std::mem::take(&mut chunk.rejected));
            taken.add(chunk, ordinal, !batch.from_nothing);
        }
    }
    let (mut index, mut rows) = (taken.index, taken.rows);
    let (mut orders, mut customers) = (BTreeMap::<i32, MovedOrders>::new(), BTreeMap::<i32, MovedOrders>::new());
    let mut strays = taken.crossed;
    if !batch.from_nothing && !taken.seen.is_empty() {
        let wanted: HashSet<Id> = taken.seen.keys().copied().collect();
        for (order, stored) in look_up(&context.lake, &base, By::Order, &wanted).await? {
            let Some((month, customer, ordinal)) = taken.seen.get(&order) else { continue };
            if stored.place.month == *month {
                continue;
            }
            if stored.drop > drops[*ordinal].manifest.precedence() {
                // The lake knows better: the row is only counted, its children follow the stored month.
                index.insert(order, stored.customer, stored.place.month);
                strays.insert(order, stored.place.month);
            } else {
                orders.entry(stored.place.month).or_default().insert(order);
                let of_month = customers.entry(stored.place.month).or_default();
                of_month.extend(stored.customer.into_iter().chain(*customer));
            }
        }
    }
    let beaten = remove_strays(&mut rows, &strays)?;
    Ok(Orders { index: Arc::new(index), moved: orders, moved_customers: customers, rows, beaten })
}

/// Writes loaded orders.
pub(super) async fn ingest(context: &Context, batch: &mut Batch, orders: &mut Orders) -> Result<()> {
    let contract = context.project.contract("orders")?.clone();
    let model = context.project.model_of_source("orders")?.clone();
    let base = batch.table(&model.table)?.clone();
    let (rows, beaten) = (std::mem::take(&mut orders.rows), std::mem::take(&mut orders.beaten));
    let inputs = entrega_engine::Inputs::default();
    let job = Write {
        contract: &contract,
        model: &model,
        inputs: &inputs,
        carried: ByMonth::new(),
        moved: orders.moved.clone(),
        references: Arc::new(References::new()),
        keep_changes: !batch.from_nothing,
        note: &batch.note.clone(),
    };
    if rows.is_empty() && job.moved.is_empty() && base.version.is_some() {
        batch.written(&contract, &Written { superseded: beaten, ..Written::default() });
        return Ok(());
    }
    let months: Vec<i32> = rows.keys().copied().collect();
    let (state, mut written) = write(context, base.clone(), rows, job).await?;
    for (drop, count) in beaten {
        *written.superseded.entry(drop).or_default() += count;
    }
    batch.written(&contract, &written);
    for month in months {
        if base.months().iter().all(|known| days_since_epoch(*known) != month) {
            batch.affected.all(month);
        }
    }
    note_changes(batch, &contract, &written)?;
    batch.commit(state);
    Ok(())
}

#[derive(Default)]
struct Taken {
    index: OrderIndex,
    rows: ByMonth,
    /// Month, customer and drop of each order of the batch, if the lake may hold some of them.
    seen: HashMap<Id, (i32, Option<Id>, usize)>,
    /// Orders that the batch itself puts into several months, with the last of them.
    crossed: HashMap<Id, i32>,
}

impl Taken {
    fn add(&mut self, chunk: crate::source::Routed, ordinal: usize, remember: bool) {
        for (order, customer, month) in chunk.orders {
            let before = self.index.find(By::Order, &order).map(|place| place.month);
            self.index.insert(order, customer, month);
            if before.is_some_and(|before| before != month) || self.crossed.contains_key(&order) {
                self.crossed.insert(order, month);
            }
            if remember {
                self.seen.insert(order, (month, customer, ordinal));
            }
        }
        for (month, rows) in chunk.by_month {
            self.rows.entry(month).or_default().push(rows);
        }
    }
}

/// Takes out rows of orders that live in another month; gives how many, by drop.
fn remove_strays(rows: &mut ByMonth, home: &HashMap<Id, i32>) -> Result<HashMap<String, u64>> {
    let mut removed: HashMap<String, u64> = HashMap::new();
    if home.is_empty() {
        return Ok(removed);
    }
    let error = || FlowError::rows("orders");
    for (month, batches) in rows.iter_mut() {
        for batch in batches {
            let stays: BooleanArray = ids(text(batch, "order_id").map_err(error())?)
                .map(|order| Some(order.and_then(|order| home.get(&order)).is_none_or(|home| home == month)))
                .collect();
            if stays.true_count() == batch.num_rows() {
                continue;
            }
            if let Some(drops) = batch.column_by_name(DROP_COLUMN) {
                for row in (0..batch.num_rows()).filter(|row| !stays.value(*row)) {
                    *removed.entry(dictionary_value(drops, row).to_owned()).or_default() += 1;
                }
            }
            *batch = filter_record_batch(batch, &stays).map_err(error())?;
        }
    }
    Ok(removed)
}

/// Marks the orders of changed rows as affected, and the days of what they said before and say now as touched.
pub(super) fn note_changes(batch: &mut Batch, contract: &Contract, written: &Written) -> Result<()> {
    for (month, rows) in written.new.iter().chain(&written.old) {
        if rows.is_empty() {
            continue;
        }
        if contract.source != "customers" {
            batch.affected.rows(*month, rows)?;
        }
        let days = crate::restate::event_days(rows);
        batch.touch(days, *month);
    }
    Ok(())
}
