//! Children of orders: customers, items, payments and reviews.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, BooleanArray, Date32Array, RecordBatch, UInt32Array},
    compute::{filter_record_batch, take_record_batch},
};
use entrega_engine::Inputs;
use entrega_lake::{read::days_since_epoch, schema::DROP_COLUMN};
use entrega_model::{contract::Contract, model::Model};
use entrega_operators::{
    check::{Diverted, References, references_hold},
    keys::{Id, dictionary_value, hex, ids, text},
    load::RawRow,
    months::{date, split},
    quarantine::{QuarantineRow, QuarantineState},
    upsert::MovedOrders,
    validate::Drop,
};
use tokio::task::JoinSet;

use super::{
    Batch,
    batch::signed,
    diverted,
    orders::{self, Orders, note_changes},
    returning::{self, Returning},
};
use crate::{
    Context, FlowError, Result,
    order_index::{By, OrderIndex, Place, Stored, look_up},
    source::{ByMonth, Loaded, PURCHASE_MONTH, Route, Unknown, Write, load_files, write},
    tombstones::parent_of,
};

/// Takes all orders and their children of all drops. The files of the next child are parsed while the rows of this one
/// (or, to begin with, of the orders) are written.
pub(super) async fn ingest(
    context: &Context,
    batch: &mut Batch,
    drops: &Arc<[Drop]>,
    mut orders: Orders,
) -> Result<()> {
    let index = Arc::clone(&orders.index);
    let references = Arc::new(references(context, batch).await?);
    let children: Vec<Arc<Child>> = context
        .project
        .contracts()
        .iter()
        .filter_map(|contract| {
            let parent = contract.parent.clone()?;
            let by = By::of(&parent.order_column);
            let moved = if by == By::Customer { &orders.moved_customers } else { &orders.moved };
            Some(Arc::new(Child {
                contract: contract.clone(),
                by,
                column: parent.column,
                index: Arc::clone(&index),
                moved: moved.clone(),
                references: Arc::clone(&references),
            }))
        })
        .collect();
    let mut loading = JoinSet::new();
    let load = |position: usize, loading: &mut JoinSet<_>| {
        if let Some(child) = children.get(position) {
            let (context, child, drops) = (context.clone(), Arc::clone(child), Arc::clone(drops));
            loading.spawn(async move { child.load(&context, &drops).await });
        }
    };
    load(0, &mut loading);
    orders::ingest(context, batch, drops, &mut orders).await?;
    for (position, child) in children.iter().enumerate() {
        let Some(files) = loading.join_next().await else { break };
        load(position + 1, &mut loading);
        child.ingest(context, batch, drops, files.map_err(FlowError::joined)??).await?;
    }
    Ok(())
}

/// The values that items may refer to: keys of sellers and products.
async fn references(context: &Context, batch: &Batch) -> Result<References> {
    let mut references = References::new();
    for (table, column) in [("sellers", "seller_id"), ("products", "product_id")] {
        let rows = context.lake.read_all(batch.clean(table)?, Some(&[column])).await?;
        let known = references.entry(format!("clean.{table}.{column}")).or_default();
        known.add(&rows, column).map_err(FlowError::rows(table))?;
    }
    Ok(references)
}

struct Child {
    contract: Contract,
    by: By,
    column: String,
    index: Arc<OrderIndex>,
    moved: BTreeMap<i32, MovedOrders>,
    references: Arc<References>,
}

impl Child {
    async fn load(&self, context: &Context, drops: &[Drop]) -> Result<Vec<Loaded>> {
        let route = Route::Parent(self.by, self.column.clone(), Arc::clone(&self.index));
        load_files(context, &self.contract, drops, 0..drops.len(), &route).await
    }

    async fn ingest(&self, context: &Context, batch: &mut Batch, drops: &[Drop], mut files: Vec<Loaded>) -> Result<()> {
        let contract = &self.contract;
        let model = context.project.model_of_source(&contract.source)?.clone();
        let base = batch.table(&model.table)?.clone();
        let mut rows = ByMonth::new();
        let mut strangers: Vec<(usize, Unknown)> = Vec::new();
        for loaded in &mut files {
            batch.loaded(&drops[loaded.drop], contract, std::mem::take(&mut loaded.found))?;
        }
        for mut loaded in files {
            let gone = loaded.remove_gone(contract, &batch.tombstones)?;
            batch.superseded(contract, &gone);
            for (month, parts) in loaded.rows {
                rows.entry(month).or_default().extend(parts);
            }
            strangers.extend(loaded.unknown.into_iter().map(|unknown| (loaded.drop, unknown)));
        }
        let mut returned = returning::of(context, batch, contract).await?;
        self.remove_gone(batch, &mut returned)?;
        let buried: Vec<Id> =
            batch.tombstones.brought(&contract.source).filter_map(|(key, _)| parent_of(contract, key)).collect();
        let mut wanted: HashSet<Id> =
            strangers.iter().flat_map(|(_, unknown)| unknown.parents.iter().flatten().copied()).collect();
        wanted.extend(&buried);
        for returning in returned.iter().filter(|returning| !returning.waits_for_order()) {
            wanted.extend(ids(text(&returning.rows, &self.column).map_err(FlowError::rows(&contract.file))?).flatten());
        }
        let places = self.places(context, batch, &wanted).await?;
        for (ordinal, unknown) in strangers {
            self.place(batch, &drops[ordinal], unknown, &places, &mut rows)?;
        }
        self.take_back(batch, &model, &returned, &places, &mut rows)?;
        let (carried, orphaned) = self.carried(context, batch, &base).await?;
        diverted::quarantine(context, batch, drops, contract, orphaned, &[]).await?;
        let mut dead_months = batch.dead_months.clone();
        let place = |id: &Id| self.index.find(self.by, id).or_else(|| places.get(id).copied());
        dead_months.extend(buried.iter().filter_map(place).map(|place| place.month));
        if batch.tombstones.snapshot_brought(&contract.source).is_some() {
            dead_months.extend(base.months().into_iter().map(days_since_epoch));
        }
        let nothing = rows.is_empty() && carried.is_empty() && self.moved.is_empty() && dead_months.is_empty();
        if nothing && base.version.is_some() {
            return Ok(());
        }
        let note = batch.note.clone();
        let job = Write {
            contract,
            model: &model,
            inputs: &Inputs::default(),
            carried,
            moved: self.moved.clone(),
            tombstones: Arc::clone(&batch.tombstones),
            dead_months,
            references: Arc::clone(&self.references),
            keep_changes: !batch.from_nothing,
            note: &note,
        };
        let (state, mut written) = write(context, base, rows, job).await?;
        batch.written(contract, &written);
        let diverted = std::mem::take(&mut written.diverted);
        diverted::quarantine(context, batch, drops, contract, diverted, &returned).await?;
        note_changes(batch, contract, &written)?;
        if self.by == By::Customer {
            for (month, rows) in written.new.iter().chain(&written.old) {
                for rows in rows {
                    let customers = ids(text(rows, &self.column).map_err(FlowError::rows(&contract.file))?);
                    let orders = customers
                        .flatten()
                        .filter_map(|id| self.index.find(By::Customer, &id).or_else(|| places.get(&id).copied()));
                    let orders: Vec<Id> = orders.map(|place| place.order).collect();
                    batch.affected.orders(*month, orders);
                }
            }
        }
        batch.commit(state);
        Ok(())
    }

    /// Puts rows whose order the lake holds into its month; the others wait.
    fn place(
        &self,
        batch: &mut Batch,
        drop: &Drop,
        unknown: Unknown,
        places: &HashMap<Id, Place>,
        rows: &mut ByMonth,
    ) -> Result<()> {
        let error = || FlowError::rows(&self.contract.file);
        let months: Vec<Option<i32>> =
            unknown.parents.iter().map(|parent| Some(places.get(parent.as_ref()?)?.month)).collect();
        let known: BooleanArray = months.iter().map(|month| Some(month.is_some())).collect();
        let found = filter_record_batch(&unknown.rows, &known).map_err(error())?;
        let found_months: Vec<i32> = months.iter().flatten().copied().collect();
        for (month, part) in split(&found, &found_months).map_err(error())? {
            rows.entry(month).or_default().push(part);
        }
        let orphans: Vec<&RawRow> =
            unknown.raw.iter().zip(&months).filter(|(_, month)| month.is_none()).map(|(raw, _)| raw).collect();
        if let Some(books) = batch.file(&drop.manifest.precedence(), &self.contract) {
            books.waiting += signed(orphans.len() as u64);
        }
        let (batch_id, now) = (batch.note.batch.clone(), batch.started_at);
        let waiting = orphans.into_iter().map(|raw| {
            self.orphan(QuarantineRow {
                precedence: drop.manifest.precedence(),
                drop: drop.folder.clone(),
                file: self.contract.file.clone(),
                line: signed(raw.line),
                state: QuarantineState::Waiting,
                rule: String::new(),
                reason: String::new(),
                raw: raw.text.clone(),
                header: unknown.header.line.to_string(),
                batch_id: batch_id.clone(),
                quarantined_at: now,
            })
        });
        batch.quarantined.entry(self.contract.source.clone()).or_default().extend(waiting);
        Ok(())
    }

    /// Where orders live that the batch does not hold.
    async fn places(&self, context: &Context, batch: &Batch, wanted: &HashSet<Id>) -> Result<HashMap<Id, Place>> {
        let orders = batch.base.get(batch.clean("orders")?.name());
        let Some(orders) = orders.filter(|_| !wanted.is_empty()) else { return Ok(HashMap::new()) };
        let found = look_up(&context.lake, orders, self.by, wanted).await?;
        let alive = |stored: &Stored| !batch.tombstones.order_is_gone(&hex(&stored.place.order), &stored.drop);
        Ok(found.into_iter().filter(|(_, stored)| alive(stored)).map(|(id, stored)| (id, stored.place)).collect())
    }

    /// Of the rows that may come back, those whose tombstone has come leave the quarantine and go nowhere else.
    fn remove_gone(&self, batch: &mut Batch, returned: &mut [Returning]) -> Result<()> {
        let error = || FlowError::rows(&self.contract.file);
        for returning in returned {
            let Some(gone) = batch.tombstones.gone(&self.contract, &returning.rows).map_err(error())? else { continue };
            for row in (0..gone.len()).filter(|row| gone.value(*row)) {
                batch.retry(&returning.origin[row], &self.contract);
            }
            let count = gone.true_count() as u64;
            let drop = returning.origin.first().map(|row| row.precedence.clone()).unwrap_or_default();
            batch.superseded(&self.contract, &HashMap::from([(drop, count)]));
            returning.retain(&arrow::compute::not(&gone).map_err(error())?).map_err(error())?;
        }
        Ok(())
    }

    /// Takes rows back from quarantine: those whose order is there, and what else they refer to. A rejected row that is
    /// good now, but whose order is not there, waits for it.
    fn take_back(
        &self,
        batch: &mut Batch,
        model: &Model,
        returned: &[Returning],
        places: &HashMap<Id, Place>,
        rows: &mut ByMonth,
    ) -> Result<()> {
        let error = || FlowError::rows(&self.contract.file);
        for returning in returned {
            let parents: Vec<Option<Id>> = ids(text(&returning.rows, &self.column).map_err(error())?).collect();
            let referring = references_hold(model, &returning.rows, &self.references)?;
            let mut months = Vec::new();
            let mut taken = Vec::with_capacity(parents.len());
            for ((parent, origin), holds) in parents.iter().zip(&returning.origin).zip(referring) {
                let place =
                    parent.and_then(|parent| self.index.find(self.by, &parent).or(places.get(&parent).copied()));
                let month = place.filter(|_| holds).map(|place| place.month);
                taken.push(month.is_some());
                match month {
                    Some(month) => {
                        months.push(month);
                        batch.retry(origin, &self.contract);
                    }
                    None if origin.state == QuarantineState::Rejected && place.is_none() => {
                        let waiting = self.orphan(origin.clone());
                        batch.quarantined.entry(self.contract.source.clone()).or_default().push(waiting);
                    }
                    None => {}
                }
            }
            let found = filter_record_batch(&returning.rows, &taken.into()).map_err(error())?;
            for (month, part) in split(&found, &months).map_err(error())? {
                rows.entry(month).or_default().push(part);
            }
        }
        // Rows that come back are older than some and newer than others: precedence decides, not arrival.
        for batches in rows.values_mut() {
            batches.sort_by_key(|rows| {
                rows.column_by_name(DROP_COLUMN)
                    .filter(|_| rows.num_rows() > 0)
                    .map(|drops| dictionary_value(drops, 0).to_owned())
            });
        }
        Ok(())
    }

    /// A row in quarantine that waits for its order.
    fn orphan(&self, row: QuarantineRow) -> QuarantineRow {
        QuarantineRow {
            state: QuarantineState::Waiting,
            rule: "parent".to_owned(),
            reason: self.without_order(),
            ..row
        }
    }

    /// Why a row waits.
    fn without_order(&self) -> String {
        format!("its order ({}) is not there", self.column)
    }

    /// The stored rows of orders that moved, as rows of their new month; and rows whose order is no more, although they
    /// are newer than what says so.
    async fn carried(
        &self,
        context: &Context,
        batch: &Batch,
        base: &entrega_lake::TableState,
    ) -> Result<(ByMonth, Vec<Diverted>)> {
        let error = || FlowError::rows(base.name());
        let (mut carried, mut orphaned) = (ByMonth::new(), Vec::new());
        for (month, moved) in &self.moved {
            let files: Vec<_> = base.files_of(Some(date(*month))).collect();
            for rows in context.lake.read(base, &files, None).await? {
                let parents: Vec<Option<Id>> = ids(text(&rows, &self.column).map_err(error())?).collect();
                let leaving = parents
                    .iter()
                    .zip(0u32..)
                    .filter(|(parent, _)| parent.is_some_and(|parent| moved.contains(&parent)));
                let (parents, leaving): (Vec<Option<Id>>, Vec<u32>) =
                    leaving.map(|(parent, row)| (*parent, row)).unzip();
                if leaving.is_empty() {
                    continue;
                }
                let mut leaving = take_record_batch(&rows, &UInt32Array::from(leaving)).map_err(error())?;
                let gone = batch.tombstones.gone(&self.contract, &leaving).map_err(error())?;
                let place = |parent: &Option<Id>| self.index.find(self.by, parent.as_ref()?).map(|place| place.month);
                let places: Vec<Option<i32>> = parents.iter().map(place).collect();
                let dead = |row: usize| gone.as_ref().is_some_and(|gone| gone.value(row));
                let stays: BooleanArray =
                    places.iter().enumerate().map(|(row, month)| Some(month.is_some() && !dead(row))).collect();
                let waits: BooleanArray =
                    places.iter().enumerate().map(|(row, month)| Some(month.is_none() && !dead(row))).collect();
                if waits.true_count() > 0 {
                    let rows = filter_record_batch(&leaving, &waits).map_err(error())?;
                    orphaned.push(Diverted { rows, rule: "parent", reason: self.without_order() });
                }
                leaving = filter_record_batch(&leaving, &stays).map_err(error())?;
                let months: Vec<i32> = places
                    .iter()
                    .enumerate()
                    .filter(|(row, _)| stays.value(*row))
                    .filter_map(|(_, month)| *month)
                    .collect();
                let schema = leaving.schema();
                let columns = schema.fields().iter().zip(leaving.columns()).map(|(field, column)| {
                    if field.name() == PURCHASE_MONTH {
                        Arc::new(Date32Array::from(months.clone())) as ArrayRef
                    } else {
                        Arc::clone(column)
                    }
                });
                let leaving = RecordBatch::try_new(Arc::clone(&schema), columns.collect()).map_err(error())?;
                for (month, part) in split(&leaving, &months).map_err(error())? {
                    carried.entry(month).or_default().push(part);
                }
            }
        }
        Ok((carried, orphaned))
    }
}
