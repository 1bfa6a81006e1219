//! Orders: they are taken first, because every other row of an order lives in the order's month.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use arrow::{
    array::BooleanArray,
    compute::{filter_record_batch, not},
};
use entrega_lake::{TableState, read::days_since_epoch, schema::DROP_COLUMN};
use entrega_model::contract::Contract;
use entrega_operators::{
    check::References,
    keys::{Id, dictionary_value, hex, id, ids, text},
    upsert::MovedOrders,
    validate::Drop,
};
use futures::TryStreamExt as _;

use super::{Batch, diverted, returning};
use crate::{
    Context, FlowError, Result,
    order_index::{By, OrderIndex, look_up},
    source::{ByMonth, Found, Route, Routed, Write, Written, route_orders, routed, write},
    tombstones::{Cause, Tombstones},
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

/// Loads the orders of all drops and finds where each of them lives; `erased` are to be forgotten.
pub(super) async fn load(context: &Context, batch: &mut Batch, drops: &[Drop], erased: HashSet<Id>) -> Result<Orders> {
    let contract = context.project.contract("orders")?.clone();
    let base = batch.clean("orders")?.clone();
    let mut chunks: Vec<(Arc<str>, Routed)> = Vec::new();
    let mut expected = 0;
    for drop in drops {
        let Some(file) = drop.file(&contract) else { continue };
        let precedence: Arc<str> = drop.manifest.precedence().into();
        let meter = context.progress.begin(&format!("{}/{}", drop.folder, file.name), file.entry.rows);
        expected += usize::try_from(file.entry.rows).unwrap_or(0);
        let mut found = Found::default();
        let mut stream = std::pin::pin!(routed(context, &contract, &file, &precedence, &Route::Own));
        while let Some(mut chunk) = stream.try_next().await? {
            meter.advance(chunk.found.records);
            found.merge(std::mem::take(&mut chunk.found));
            chunks.push((Arc::clone(&precedence), chunk));
        }
        batch.loaded(drop, &contract, found)?;
    }
    for back in returning::of(context, batch, &contract).await? {
        for row in &back.origin {
            batch.retry(row, &contract);
        }
        let precedence = back.origin.first().map_or("", |row| row.precedence.as_str()).into();
        chunks.push((precedence, route_orders(&contract, &back.rows)?));
    }
    // Rows that come back are older than some and newer than others: precedence decides, not arrival.
    chunks.sort_by(|left, right| left.0.cmp(&right.0));
    remove_dead(batch, &contract, &mut chunks)?;
    let mut taken = Taken::default();
    taken.index.reserve(expected);
    for (precedence, chunk) in chunks {
        taken.add(chunk, &precedence, !batch.from_nothing);
    }
    let mut left = Left::default();
    bury_stored(context, batch, &base, &taken, erased, &mut left).await?;
    let (mut index, mut rows) = (taken.index, taken.rows);
    let mut strays = taken.crossed;
    if !batch.from_nothing && !taken.seen.is_empty() {
        let wanted: HashSet<Id> = taken.seen.keys().copied().collect();
        for (order, stored) in look_up(&context.lake, &base, By::Order, &wanted).await? {
            let Some((month, customer, precedence)) = taken.seen.get(&order) else { continue };
            if stored.place.month == *month {
                continue;
            }
            if stored.drop.as_str() > &**precedence {
                // The lake knows better: the row is only counted, its children follow the stored month.
                index.insert(order, stored.customer, stored.place.month);
                strays.insert(order, stored.place.month);
            } else {
                left.add(stored.place.month, order, stored.customer.into_iter().chain(*customer));
            }
        }
    }
    let beaten = remove_strays(&mut rows, &strays)?;
    Ok(Orders { index: Arc::new(index), moved: left.orders, moved_customers: left.customers, rows, beaten })
}

/// Orders that leave the month where they are stored, and their customers.
#[derive(Default)]
struct Left {
    orders: BTreeMap<i32, MovedOrders>,
    customers: BTreeMap<i32, MovedOrders>,
}

impl Left {
    fn add(&mut self, month: i32, order: Id, customers: impl IntoIterator<Item = Id>) {
        self.orders.entry(month).or_default().insert(order);
        self.customers.entry(month).or_default().extend(customers);
    }
}

/// Takes out orders that are gone, and buries the customers of deleted ones with them, so that their records do not wait
/// for ever.
fn remove_dead(batch: &mut Batch, contract: &Contract, chunks: &mut [(Arc<str>, Routed)]) -> Result<()> {
    let error = || FlowError::rows("orders");
    let mut removed = HashMap::new();
    for (precedence, chunk) in chunks {
        let tombstones = Arc::clone(&batch.tombstones);
        for (order, customer, _) in &chunk.orders {
            bury_customer(batch, &tombstones, order, *customer, precedence);
        }
        chunk.orders.retain(|(order, ..)| !tombstones.order_is_gone(&hex(order), precedence));
        for rows in chunk.by_month.values_mut() {
            if let Some(gone) = tombstones.gone(contract, rows).map_err(error())? {
                *removed.entry(precedence.to_string()).or_default() += gone.true_count() as u64;
                *rows = filter_record_batch(rows, &not(&gone).map_err(error())?).map_err(error())?;
            }
        }
    }
    batch.superseded(contract, &removed);
    Ok(())
}

/// Finds the stored orders that this batch says are gone. Their months are written again; those that do not live again in
/// this batch leave, and what belongs to them goes along or waits for them.
async fn bury_stored(
    context: &Context,
    batch: &mut Batch,
    base: &TableState,
    taken: &Taken,
    mut wanted: HashSet<Id>,
    left: &mut Left,
) -> Result<()> {
    let tombstones = Arc::clone(&batch.tombstones);
    wanted.extend(tombstones.brought("orders").filter_map(|(order, _)| id(order)));
    let mut bury = |batch: &mut Batch, month: i32, order: Id, customer: Option<Id>, drop: &str| {
        if tombstones.order_is_gone(&hex(&order), drop) {
            batch.dead_months.insert(month);
            bury_customer(batch, &tombstones, &order, customer, drop);
            if !taken.seen.contains_key(&order) {
                left.add(month, order, customer);
            }
        }
    };
    if tombstones.snapshot_brought("orders").is_none() {
        if !wanted.is_empty() {
            for (order, stored) in look_up(&context.lake, base, By::Order, &wanted).await? {
                bury(batch, stored.place.month, order, stored.customer, &stored.drop);
            }
        }
        return Ok(());
    }
    // Any stored order may be missing from a whole snapshot.
    for month in base.months() {
        let files: Vec<_> = base.files_of(Some(month)).collect();
        for rows in context.lake.read(base, &files, Some(&["order_id", "customer_id", DROP_COLUMN])).await? {
            let error = || FlowError::rows("clean.orders");
            let orders = ids(text(&rows, "order_id").map_err(error())?);
            let customers = ids(text(&rows, "customer_id").map_err(error())?);
            let Some(drops) = rows.column_by_name(DROP_COLUMN) else { continue };
            for (row, (order, customer)) in orders.zip(customers).enumerate() {
                let Some(order) = order else { continue };
                bury(batch, days_since_epoch(month), order, customer, dictionary_value(drops, row));
            }
        }
    }
    Ok(())
}

/// Buries the customer of an order that was deleted, as deep as the order.
fn bury_customer(batch: &mut Batch, tombstones: &Tombstones, order: &Id, customer: Option<Id>, drop: &str) {
    if let (Some(depth), Some(customer)) = (tombstones.depth_of_order(&hex(order), drop), customer) {
        batch.bury_key("customers", hex(&customer), Cause::Deleted, depth);
    }
}

/// Writes loaded orders.
pub(super) async fn ingest(context: &Context, batch: &mut Batch, drops: &[Drop], orders: &mut Orders) -> Result<()> {
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
        tombstones: Arc::clone(&batch.tombstones),
        dead_months: batch.dead_months.clone(),
        references: Arc::new(References::new()),
        keep_changes: !batch.from_nothing,
        note: &batch.note.clone(),
    };
    if rows.is_empty() && job.moved.is_empty() && job.dead_months.is_empty() && base.version.is_some() {
        batch.written(&contract, &Written { superseded: beaten, ..Written::default() });
        return Ok(());
    }
    let months: Vec<i32> = rows.keys().copied().collect();
    let (state, mut written) = write(context, base.clone(), rows, job).await?;
    for (drop, count) in beaten {
        *written.superseded.entry(drop).or_default() += count;
    }
    batch.written(&contract, &written);
    let diverted = std::mem::take(&mut written.diverted);
    diverted::quarantine(context, batch, drops, &contract, diverted, &[]).await?;
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
    seen: HashMap<Id, (i32, Option<Id>, Arc<str>)>,
    /// Orders that the batch itself puts into several months, with the last of them.
    crossed: HashMap<Id, i32>,
}

impl Taken {
    fn add(&mut self, chunk: Routed, precedence: &Arc<str>, remember: bool) {
        for (order, customer, month) in chunk.orders {
            let before = self.index.find(By::Order, &order).map(|place| place.month);
            self.index.insert(order, customer, month);
            if before.is_some_and(|before| before != month) || self.crossed.contains_key(&order) {
                self.crossed.insert(order, month);
            }
            if remember {
                self.seen.insert(order, (month, customer, Arc::clone(precedence)));
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
