//! Dimensions: sellers and products by key, the calendar by rule; categories and geolocation are [`super::snapshots`].

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use arrow::{
    array::{Array as _, RecordBatch},
    compute::concat_batches,
};
use entrega_engine::{Inputs, Wanted};
use entrega_lake::{Rewrite, TableState};
use entrega_model::{
    contract::Contract,
    drops::Content,
    model::{Model, WriteMode},
    tables::{Layer, TableName},
};
use entrega_operators::{
    calendar,
    check::{Known, References, check, stop_at_failure},
    keys::{id, text},
    validate::Drop,
};

use super::{Batch, diverted, returning, snapshots::Snapshots};
use crate::{
    Context, FlowError, Result,
    source::{ByMonth, Route, Write, by_precedence, load_files, remove_gone, transit_schema, write},
};

/// Takes the calendar, products and sellers of all drops. The snapshots are begun first; those that nothing needs yet
/// (geolocation, the largest file of all) go on beside the next steps.
pub(super) async fn ingest(context: &Context, batch: &mut Batch, drops: &Arc<[Drop]>) -> Result<Snapshots> {
    let models: Vec<Model> =
        context.project.models().iter().filter(|model| model.table.layer == Layer::Clean).cloned().collect();
    let mut snapshots = Snapshots::begin(context, batch, drops, &models)?;
    for model in &models {
        match (&model.source, model.write) {
            (None, WriteMode::Snapshot) => made(context, batch, model).await?,
            (Some(source), WriteMode::Upsert) => {
                let contract = context.project.contract(source)?;
                if contract.kind == Content::Changes && contract.parent.is_none() && source != "orders" {
                    snapshots.settle(context, batch, Some(&model.reads)).await?;
                    keyed(context, batch, drops, contract, model).await?;
                }
            }
            _ => {}
        }
    }
    Ok(snapshots)
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
    let rows = context.engine.run(model, &inputs, Wanted::All).await?;
    stop_at_failure(&check(model, &rows, &References::new())?)?;
    let state = replace(context, batch, base, rows).await?;
    batch.commit(state);
    Ok(())
}

pub(super) async fn replace(
    context: &Context,
    batch: &Batch,
    base: TableState,
    rows: Vec<RecordBatch>,
) -> Result<TableState> {
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
    let mut files = load_files(context, contract, drops, 0..drops.len(), &Route::None).await?;
    for file in &mut files {
        batch.loaded(&drops[file.drop], contract, std::mem::take(&mut file.found))?;
    }
    for mut file in files {
        let gone = file.remove_gone(contract, &batch.tombstones)?;
        batch.superseded(contract, &gone);
        rows.extend(file.rows.into_values().flatten());
    }
    let returned = returning::of(context, batch, contract).await?;
    for returning in &returned {
        for row in &returning.origin {
            batch.retry(row, contract);
        }
        let mut back = ByMonth::from([(0, vec![returning.rows.clone()])]);
        let gone = remove_gone(contract, &batch.tombstones, &mut back)?;
        batch.superseded(contract, &gone);
        rows.extend(back.into_values().flatten());
    }
    let buries = batch.tombstones.brought(&contract.source).next().is_some()
        || batch.tombstones.snapshot_brought(&contract.source).is_some();
    if rows.iter().all(|rows| rows.num_rows() == 0) && !buries && base.version.is_some() {
        return Ok(());
    }
    if reads_changed || !returned.is_empty() {
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
        tombstones: Arc::clone(&batch.tombstones),
        dead_months: if buries { BTreeSet::from([0]) } else { BTreeSet::new() },
        references: Arc::new(References::new()),
        keep_changes: !batch.from_nothing,
        note: &note,
    };
    let (state, mut written) = write(context, base, BTreeMap::from([(0, rows)]), job).await?;
    batch.written(contract, &written);
    let diverted = std::mem::take(&mut written.diverted);
    diverted::quarantine(context, batch, drops, contract, diverted, &returned).await?;
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
    let mut arrived: HashMap<&str, Known> = HashMap::new();
    for (source, column) in [("sellers", "seller_id"), ("products", "product_id")] {
        let rows = context.lake.read_all(batch.clean(source)?, Some(&[column])).await?;
        arrived.entry(source).or_default().add(&rows, column).map_err(FlowError::rows(source))?;
    }
    for missing in &batch.missing {
        if arrived.get(missing.source.as_str()).is_some_and(|keys| keys.contains(&missing.key)) {
            batch.affected.orders(missing.purchase_month, id(&missing.order_id));
        }
    }
    Ok(())
}
