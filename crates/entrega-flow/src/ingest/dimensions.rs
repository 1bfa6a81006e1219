//! Dimensions: sellers and products by key, categories and geolocation as snapshots, the calendar by rule.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow::{
    array::{Array as _, AsArray as _, RecordBatch, UInt32Array},
    compute::concat_batches,
    datatypes::Int64Type,
};
use entrega_engine::Inputs;
use entrega_lake::{Rewrite, TableState, schema::DROP_COLUMN};
use entrega_model::{
    contract::Contract,
    drops::Content,
    model::{Model, WriteMode},
    tables::{Layer, TableName},
};
use entrega_operators::{
    calendar,
    check::{References, check, stop_at_failure},
    keep_latest::{keep_latest, same_content},
    keys::{dictionary_value, id, key_rows, text},
    validate::Drop,
};
use futures::TryStreamExt as _;

use super::{Batch, batch::signed};
use crate::{
    Context, FlowError, Result,
    source::{ByMonth, Route, Write, Written, by_precedence, routed, transit_schema, write},
};

/// Takes categories, geolocation, calendar, then products and sellers of all drops.
pub(super) async fn snapshots(context: &Context, batch: &mut Batch, drops: &[Drop]) -> Result<()> {
    let models: Vec<Model> =
        context.project.models().iter().filter(|model| model.table.layer == Layer::Clean).cloned().collect();
    for model in &models {
        match (&model.source, model.write) {
            (Some(source), WriteMode::Snapshot) => {
                snapshot(context, batch, drops, context.project.contract(source)?, model).await?;
            }
            (None, WriteMode::Snapshot) => made(context, batch, model).await?,
            (Some(source), WriteMode::Upsert) => {
                let contract = context.project.contract(source)?;
                if contract.kind == Content::Changes && contract.parent.is_none() && source != "orders" {
                    keyed(context, batch, drops, contract, model).await?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

async fn load_all(context: &Context, batch: &mut Batch, drop: &Drop, contract: &Contract) -> Result<Vec<RecordBatch>> {
    let Some(file) = drop.file(contract) else { return Ok(Vec::new()) };
    let precedence = drop.manifest.precedence();
    context.progress.begin(&format!("{}/{}", drop.folder, file.name), file.entry.rows);
    let mut rows = Vec::new();
    let mut chunks = std::pin::pin!(routed(context, contract, &file, &precedence, &Route::None));
    while let Some(chunk) = chunks.try_next().await? {
        context.progress.advance(chunk.records);
        batch.loaded(drop, contract, &chunk.header, chunk.records, chunk.rejected);
        rows.extend(chunk.by_month.into_values());
    }
    Ok(rows)
}

/// The newest snapshot of the batch replaces the table, unless the table holds a newer one.
async fn snapshot(
    context: &Context,
    batch: &mut Batch,
    drops: &[Drop],
    contract: &Contract,
    model: &Model,
) -> Result<()> {
    let base = batch.table(&model.table)?.clone();
    let with_file: Vec<&Drop> = drops.iter().filter(|drop| drop.file(contract).is_some()).collect();
    let stored = context.lake.read_all(&base, None).await?;
    let stored_drop = stored
        .first()
        .filter(|rows| rows.num_rows() > 0)
        .and_then(|rows| Some(dictionary_value(rows.column_by_name(DROP_COLUMN)?, 0).to_owned()));
    let Some((newest, older)) = with_file.split_last() else {
        if base.version.is_none() {
            let created = context.lake.commit(base, Rewrite::default(), &batch.note).await?;
            batch.commit(created);
        }
        return Ok(());
    };
    for drop in older {
        beaten(batch, drop, contract);
    }
    let precedence = newest.manifest.precedence();
    if stored_drop.is_some_and(|stored| stored > precedence) {
        beaten(batch, newest, contract);
        return Ok(());
    }
    let mut rows = load_all(context, batch, newest, contract).await?;
    let (mut lost, mut replaced) = (0, 0);
    let accepted: u64 = rows.iter().map(|rows| rows.num_rows() as u64).sum();
    // A keyed snapshot (categories) keeps one row a key; geolocation's points are counted by its model.
    let counts_points = model.column("n_points").is_some();
    if !counts_points {
        let whole = concat_batches(&transit_schema(contract), &rows).map_err(FlowError::rows(&contract.file))?;
        let latest = keep_latest(&whole, &contract.key).map_err(FlowError::rows(&contract.file))?;
        lost = latest.duplicates.values().sum();
        replaced = latest.superseded.values().sum();
        if latest.conflicts > 0 {
            batch.warn_of_conflicts(contract, latest.conflicts);
        }
        rows = vec![latest.rows];
    }
    let mut inputs = Inputs::default();
    inputs.add(TableName::new(Layer::Landing, &contract.source), transit_schema(contract), rows);
    let new = context.engine.parallel().run(model, &inputs, None).await?;
    drop(inputs);
    let checks = check(model, &new, &References::new())?;
    stop_at_failure(&checks)?;
    if counts_points {
        let points: i64 = new
            .iter()
            .filter_map(|rows| arrow::compute::sum(rows.column_by_name("n_points")?.as_primitive::<Int64Type>()))
            .sum();
        lost = accepted - points.unsigned_abs();
    }
    let changed = !same_rows(&stored, &new, model)?;
    if let Some(books) = batch.file(&precedence, contract) {
        books.duplicate += signed(lost);
        books.superseded += signed(replaced);
        *(if changed { &mut books.inserted } else { &mut books.unchanged }) += signed(accepted - lost - replaced);
    }
    batch.written(contract, &Written { checks, ..Written::default() });
    let state = replace(context, batch, base, new).await?;
    batch.commit(state);
    if changed && contract.source == "geolocation" && !batch.from_nothing {
        batch.affect_everything();
    }
    Ok(())
}

/// A snapshot that a newer one beats is not even read.
fn beaten(batch: &mut Batch, drop: &Drop, contract: &Contract) {
    let rows = drop.file(contract).map_or(0, |file| file.entry.rows);
    if let Some(books) = batch.file(&drop.manifest.precedence(), contract) {
        books.rows_in += signed(rows);
        books.superseded += signed(rows);
    }
}

/// A table that is made by rule, not delivered.
async fn made(context: &Context, batch: &mut Batch, model: &Model) -> Result<()> {
    let base = batch.table(&model.table)?.clone();
    if base.version.is_some() {
        return Ok(());
    }
    let mut inputs = Inputs::default();
    let rows = calendar::calendar().map_err(FlowError::rows("landing.calendar"))?;
    inputs.add(TableName::new(Layer::Landing, "calendar"), calendar::schema(), vec![rows]);
    let rows = context.engine.run(model, &inputs, None).await?;
    stop_at_failure(&check(model, &rows, &References::new())?)?;
    let state = replace(context, batch, base, rows).await?;
    batch.commit(state);
    Ok(())
}

async fn replace(context: &Context, batch: &Batch, base: TableState, rows: Vec<RecordBatch>) -> Result<TableState> {
    let mut rewrite = Rewrite::default();
    base.files.iter().for_each(|file| rewrite.remove(file));
    if rows.iter().any(|rows| rows.num_rows() > 0) {
        rewrite.added.push(context.lake.write(&base.definition, None, rows).await?);
    }
    Ok(context.lake.commit(base, rewrite, &batch.note).await?)
}

/// Sellers and products: the latest row of each key. When the categories changed, the stored products are run through
/// their model again.
async fn keyed(context: &Context, batch: &mut Batch, drops: &[Drop], contract: &Contract, model: &Model) -> Result<()> {
    let base = batch.table(&model.table)?.clone();
    let mut rows = Vec::new();
    let reads_changed = model.reads.iter().any(|read| batch.committed.contains_key(read));
    if reads_changed && !base.files.is_empty() {
        for stored in context.lake.read_all(&base, None).await? {
            let schema = transit_schema(contract);
            let columns = schema.fields().iter().map(|field| stored.column_by_name(field.name()).cloned());
            let columns = columns.collect::<Option<Vec<_>>>().ok_or_else(|| FlowError::Request {
                problem: format!("{} lacks a column of its contract", model.table),
                hint: "a keyed dimension keeps every column of its contract".to_owned(),
            })?;
            rows.push(RecordBatch::try_new(schema, columns).map_err(FlowError::rows(&model.table))?);
        }
    }
    for drop in drops {
        rows.extend(load_all(context, batch, drop, contract).await?);
    }
    if rows.iter().all(|rows| rows.num_rows() == 0) && base.version.is_some() {
        return Ok(());
    }
    if reads_changed {
        let whole = concat_batches(&transit_schema(contract), &rows).map_err(FlowError::rows(&contract.file))?;
        rows = vec![by_precedence(&whole).map_err(FlowError::rows(&contract.file))?];
    }
    let mut inputs = Inputs::default();
    for read in model.reads.iter().filter(|read| read.layer == Layer::Clean) {
        let state = batch.table(read)?;
        inputs.add(read.clone(), state.definition.schema()?, context.lake.read_all(state, None).await?);
    }
    let note = batch.note.clone();
    let job = Write {
        contract,
        model,
        inputs: &inputs,
        carried: ByMonth::new(),
        moved: BTreeMap::new(),
        references: std::sync::Arc::new(References::new()),
        keep_changes: !batch.from_nothing,
        note: &note,
    };
    let (state, written) = write(context, base, BTreeMap::from([(0, rows)]), job).await?;
    batch.written(contract, &written);
    batch.commit(state);
    for old in written.old.values().flatten() {
        let keys = text(old, &contract.key[0]).map_err(FlowError::rows(&contract.file))?;
        batch
            .changed_references
            .entry(contract.key[0].clone())
            .or_default()
            .extend(keys.iter().flatten().map(str::to_owned));
    }
    Ok(())
}

/// Whether two sets of rows of a table say the same, lineage apart.
fn same_rows(old: &[RecordBatch], new: &[RecordBatch], model: &Model) -> Result<bool> {
    let error = || FlowError::rows(&model.table);
    let (Some(first), Some(_)) = (old.first(), new.first()) else { return Ok(old.is_empty() && new.is_empty()) };
    let (old, new) = (
        concat_batches(&first.schema(), old).map_err(error())?,
        concat_batches(&first.schema(), new).map_err(error())?,
    );
    if old.num_rows() != new.num_rows() {
        return Ok(false);
    }
    let keys = key_rows(&old, &model.grain).map_err(error())?;
    let places: HashMap<Vec<u8>, u32> = keys.iter().zip(0u32..).map(|(key, row)| (key.data().to_vec(), row)).collect();
    let matched: Option<Vec<u32>> =
        key_rows(&new, &model.grain).map_err(error())?.iter().map(|key| places.get(key.data()).copied()).collect();
    let Some(matched) = matched else { return Ok(false) };
    let old = arrow::compute::take_record_batch(&old, &UInt32Array::from(matched)).map_err(error())?;
    let same = same_content(&old, &new).map_err(error())?;
    Ok(same.true_count() == same.len())
}

/// After all sources: marks the orders that use a seller or product which changed or has arrived.
pub(super) async fn changed(context: &Context, batch: &mut Batch) -> Result<()> {
    if batch.from_nothing {
        return Ok(());
    }
    let changed = std::mem::take(&mut batch.changed_references);
    if changed.values().any(|keys| !keys.is_empty()) {
        let items = batch.clean("order_items")?.clone();
        for month in items.months() {
            let files: Vec<_> = items.files_of(Some(month)).collect();
            let mut columns = vec!["order_id"];
            columns.extend(changed.keys().map(String::as_str));
            for rows in context.lake.read(&items, &files, Some(&columns)).await? {
                let orders = text(&rows, "order_id").map_err(FlowError::rows("clean.order_items"))?;
                let mut found = Vec::new();
                for (column, keys) in &changed {
                    let values = text(&rows, column).map_err(FlowError::rows("clean.order_items"))?;
                    let hits =
                        (0..values.len()).filter(|row| values.is_valid(*row) && keys.contains(values.value(*row)));
                    found.extend(hits.filter_map(|row| id(orders.value(row))));
                }
                if !found.is_empty() {
                    batch.affected.orders(entrega_operators::months::month(month), found);
                }
            }
        }
    }
    if batch.missing.is_empty() {
        return Ok(());
    }
    let mut arrived: HashMap<&str, HashSet<String>> = HashMap::new();
    for (source, column) in [("sellers", "seller_id"), ("products", "product_id")] {
        let rows = context.lake.read_all(batch.clean(source)?, Some(&[column])).await?;
        let keys = arrived.entry(source).or_default();
        for rows in &rows {
            keys.extend(text(rows, column).map_err(FlowError::rows(source))?.iter().flatten().map(str::to_owned));
        }
    }
    for missing in &batch.missing {
        if arrived.get(missing.source.as_str()).is_some_and(|keys| keys.contains(&missing.key)) {
            batch.affected.orders(missing.purchase_month, id(&missing.order_id));
        }
    }
    Ok(())
}
