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
use entrega_lake::schema::DROP_COLUMN;
use entrega_model::contract::Contract;
use entrega_operators::{
    check::References,
    keys::{Id, dictionary_value, ids, text},
    load::{Header, RawRow, load_text},
    months::{date, split},
    quarantine::{QuarantineRow, QuarantineState},
    upsert::MovedOrders,
    validate::Drop,
};
use tokio::task::JoinSet;

use super::{
    Batch,
    batch::signed,
    orders::{self, Orders, note_changes},
};
use crate::{
    Context, FlowError, Result, ops,
    order_index::{By, OrderIndex, Place, look_up},
    source::{ByMonth, Loaded, PURCHASE_MONTH, Route, Unknown, Write, load_files, with_drop, write},
    tables,
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
    orders::ingest(context, batch, &mut orders).await?;
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

    async fn ingest(&self, context: &Context, batch: &mut Batch, drops: &[Drop], files: Vec<Loaded>) -> Result<()> {
        let contract = &self.contract;
        let model = context.project.model_of_source(&contract.source)?.clone();
        let base = batch.table(&model.table)?.clone();
        let mut rows = ByMonth::new();
        let mut strangers: Vec<(usize, Unknown)> = Vec::new();
        for loaded in files {
            batch.loaded(&drops[loaded.drop], contract, &loaded.header, loaded.records, loaded.rejected);
            for (month, parts) in loaded.rows {
                rows.entry(month).or_default().extend(parts);
            }
            strangers.extend(loaded.unknown.into_iter().map(|unknown| (loaded.drop, unknown)));
        }
        let mut places: HashMap<Id, Place> = HashMap::new();
        if !strangers.is_empty() {
            let wanted: HashSet<Id> =
                strangers.iter().flat_map(|(_, unknown)| unknown.parents.iter().flatten().copied()).collect();
            let orders = batch.base.get(batch.clean("orders")?.name()).cloned();
            if let Some(orders) = orders {
                let found = look_up(&context.lake, &orders, self.by, &wanted).await?;
                places = found.into_iter().map(|(id, stored)| (id, stored.place)).collect();
            }
        }
        for (ordinal, unknown) in strangers {
            self.place(batch, &drops[ordinal], unknown, &places, &mut rows)?;
        }
        self.retry(context, batch, &mut rows).await?;
        let carried = self.carried(context, &base).await?;
        if rows.is_empty() && carried.is_empty() && self.moved.is_empty() && base.version.is_some() {
            return Ok(());
        }
        let note = batch.note.clone();
        let job = Write {
            contract,
            model: &model,
            inputs: &Inputs::default(),
            carried,
            moved: self.moved.clone(),
            references: Arc::clone(&self.references),
            keep_changes: !batch.from_nothing,
            note: &note,
        };
        let (state, written) = write(context, base, rows, job).await?;
        batch.written(contract, &written);
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
        let waiting = orphans.into_iter().map(|raw| QuarantineRow {
            precedence: drop.manifest.precedence(),
            drop: drop.folder.clone(),
            file: self.contract.file.clone(),
            line: signed(raw.line),
            state: QuarantineState::Waiting,
            rule: "parent".to_owned(),
            reason: format!("its order ({}) has not arrived", self.column),
            raw: raw.text.clone(),
            header: unknown.header.to_string(),
            batch_id: batch_id.clone(),
            quarantined_at: now,
        });
        batch.quarantined.entry(self.contract.source.clone()).or_default().extend(waiting);
        Ok(())
    }

    /// Tries waiting rows again: those whose order this batch brought are taken.
    async fn retry(&self, context: &Context, batch: &mut Batch, rows: &mut ByMonth) -> Result<()> {
        let table = batch.table(&tables::quarantine_of(&self.contract.source).table)?.clone();
        let waiting: Vec<QuarantineRow> = ops::read(&context.lake, &table).await?;
        let mut groups: BTreeMap<(String, String), Vec<QuarantineRow>> = BTreeMap::new();
        for row in waiting.into_iter().filter(|row| row.state == QuarantineState::Waiting) {
            groups.entry((row.precedence.clone(), row.header.clone())).or_default().push(row);
        }
        let error = || FlowError::rows(&self.contract.file);
        let mut arrived: Vec<RecordBatch> = Vec::new();
        for ((precedence, header), group) in groups {
            let names = csv::ReaderBuilder::new().has_headers(false).from_reader(header.as_bytes()).records().next();
            let names =
                names.and_then(Result::ok).map(|record| record.iter().map(str::to_owned).collect()).unwrap_or_default();
            let header = Header::of(&self.contract, names);
            let text_of_rows = group.iter().map(|row| row.raw.as_str()).collect::<Vec<_>>().join("\n");
            let chunk = load_text(&self.contract, &header, &text_of_rows)?;
            if chunk.rows.num_rows() != group.len() {
                continue;
            }
            let parents = ids(text(&chunk.rows, &self.column).map_err(error())?);
            let here: BooleanArray = parents
                .map(|parent| Some(parent.is_some_and(|parent| self.index.find(self.by, &parent).is_some())))
                .collect();
            for (row, _) in group.iter().enumerate().filter(|(row, _)| here.value(*row)) {
                batch.retry(&group[row], &self.contract);
            }
            let found = filter_record_batch(&chunk.rows, &here).map_err(error())?;
            arrived.push(with_drop(&self.contract, &found, &precedence)?);
        }
        for found in arrived.into_iter().filter(|found| found.num_rows() > 0) {
            let parents = ids(text(&found, &self.column).map_err(error())?);
            let months: Vec<i32> = parents
                .map(|parent| {
                    parent.and_then(|parent| self.index.find(self.by, &parent)).map_or(0, |place| place.month)
                })
                .collect();
            for (month, part) in split(&found, &months).map_err(error())? {
                rows.entry(month).or_default().push(part);
            }
        }
        // Waiting rows are older than some and newer than others: precedence decides, not arrival.
        for batches in rows.values_mut() {
            batches.sort_by_key(|rows| {
                rows.column_by_name(DROP_COLUMN)
                    .filter(|_| rows.num_rows() > 0)
                    .map(|drops| dictionary_value(drops, 0).to_owned())
            });
        }
        Ok(())
    }

    /// The stored rows of orders that moved, as rows of their new month.
    async fn carried(&self, context: &Context, base: &entrega_lake::TableState) -> Result<ByMonth> {
        let error = || FlowError::rows(base.name());
        let mut carried = ByMonth::new();
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
                let leaving = take_record_batch(&rows, &UInt32Array::from(leaving)).map_err(error())?;
                let months: Vec<i32> = parents
                    .iter()
                    .map(|parent| {
                        parent.and_then(|parent| self.index.find(self.by, &parent)).map_or(*month, |place| place.month)
                    })
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
        Ok(carried)
    }
}
