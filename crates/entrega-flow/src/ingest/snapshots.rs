//! Snapshots: files that hold the whole of a small truth, of which the newest replaces its table.
//!
//! They need nothing of the batch, so each is loaded and computed beside the other steps; only what it leaves in the
//! batch's books waits until it is settled.

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{AsArray as _, RecordBatch, UInt32Array},
    compute::concat_batches,
    datatypes::Int64Type,
};
use entrega_engine::{Inputs, Wanted};
use entrega_lake::{Rewrite, TableState, schema::DROP_COLUMN};
use entrega_model::{
    contract::Contract,
    model::{Model, WriteMode},
    tables::{Layer, TableName},
};
use entrega_operators::{
    check::{References, check, stop_at_failure},
    keep_latest::{keep_latest, same_content},
    keys::{KeyIndex, dictionary_value, key_rows},
    validate::Drop,
};
use tokio::task::JoinSet;

use super::{Batch, batch::signed, dimensions::replace};
use crate::{
    Context, FlowError, Result,
    source::{Loaded, Route, Written, load_files, transit_schema},
};

/// Snapshots on their way.
pub(super) struct Snapshots(JoinSet<Result<(Job, Outcome)>>);

/// One snapshot table to be brought up to date.
struct Job {
    contract: Contract,
    model: Model,
    base: TableState,
    drops: Arc<[Drop]>,
}

/// What is to be done about a snapshot table.
enum Outcome {
    /// No drop of the batch has one.
    Absent,
    /// The table holds a newer one.
    Beaten,
    /// The newest of the batch.
    Taken(Box<Taken>),
}

/// A snapshot that was loaded and computed.
struct Taken {
    file: Loaded,
    written: Written,
    /// Rows that repeat another, and rows that a later one of the same file beat.
    lost: u64,
    replaced: u64,
    accepted: u64,
    rows: Vec<RecordBatch>,
    changed: bool,
}

impl Snapshots {
    /// Begins all snapshots that some of the models keep.
    pub(super) fn begin(context: &Context, batch: &Batch, drops: &Arc<[Drop]>, models: &[Model]) -> Result<Self> {
        let mut running = JoinSet::new();
        for model in models.iter().filter(|model| model.write == WriteMode::Snapshot) {
            let Some(source) = &model.source else { continue };
            let job = Job {
                contract: context.project.contract(source)?.clone(),
                model: model.clone(),
                base: batch.table(&model.table)?.clone(),
                drops: Arc::clone(drops),
            };
            let context = context.clone();
            running.spawn(async move {
                let outcome = job.compute(&context).await?;
                Ok((job, outcome))
            });
        }
        Ok(Self(running))
    }

    /// Commits snapshots and closes their books: until the tables in `needed` are there, or all of them.
    pub(super) async fn settle(
        &mut self,
        context: &Context,
        batch: &mut Batch,
        needed: Option<&BTreeSet<TableName>>,
    ) -> Result<()> {
        let is_snapshot = |name: &&TableName| {
            context.project.model(name).is_ok_and(|model| model.write == WriteMode::Snapshot && model.source.is_some())
        };
        let mut open: Option<Vec<&TableName>> = needed.map(|needed| needed.iter().filter(is_snapshot).collect());
        while open.as_ref().is_none_or(|open| !open.is_empty()) {
            let Some(done) = self.0.join_next().await else { break };
            let (job, outcome) = done.map_err(FlowError::joined)??;
            if let Some(open) = &mut open {
                open.retain(|name| **name != job.model.table);
            }
            job.settle(context, batch, outcome).await?;
        }
        Ok(())
    }
}

impl Job {
    /// The batch's drops that have the file, oldest first.
    fn with_file(&self) -> Vec<usize> {
        (0..self.drops.len()).filter(|ordinal| self.drops[*ordinal].file(&self.contract).is_some()).collect()
    }

    /// Computes the table from the newest snapshot of the batch, unless the table holds a newer one.
    async fn compute(&self, context: &Context) -> Result<Outcome> {
        let (contract, model) = (&self.contract, &self.model);
        let stored = context.lake.read_all(&self.base, None).await?;
        let stored_drop = stored
            .first()
            .filter(|rows| rows.num_rows() > 0)
            .and_then(|rows| Some(dictionary_value(rows.column_by_name(DROP_COLUMN)?, 0).to_owned()));
        let Some(newest) = self.with_file().pop() else { return Ok(Outcome::Absent) };
        if stored_drop.is_some_and(|stored| stored > self.drops[newest].manifest.precedence()) {
            return Ok(Outcome::Beaten);
        }
        let files = load_files(context, contract, &self.drops, newest..newest + 1, &Route::None).await?;
        let Some(mut file) = files.into_iter().next() else { return Ok(Outcome::Absent) };
        let mut rows: Vec<RecordBatch> = std::mem::take(&mut file.rows).into_values().flatten().collect();
        let mut written = Written::default();
        let (mut lost, mut replaced) = (0, 0);
        let accepted: u64 = rows.iter().map(|rows| rows.num_rows() as u64).sum();
        // A keyed snapshot (categories) keeps one row a key; geolocation's points are counted by its model.
        let counts_points = model.column("n_points").is_some();
        if !counts_points {
            let whole = concat_batches(&transit_schema(contract), &rows).map_err(FlowError::rows(&contract.file))?;
            let latest = keep_latest(&whole, &contract.key).map_err(FlowError::rows(&contract.file))?;
            lost = latest.duplicates.values().sum();
            replaced = latest.superseded.values().sum();
            written.conflicts = latest.contradicting.num_rows() as u64;
            replaced += written.conflicts;
            rows = vec![latest.rows];
        }
        let mut inputs = Inputs::default();
        inputs.add(TableName::new(Layer::Landing, &contract.source), transit_schema(contract), rows);
        let rows = context.engine.run(model, &inputs, Wanted::All).await?;
        drop(inputs);
        written.checks = check(model, &rows, &References::new())?;
        stop_at_failure(&written.checks)?;
        if counts_points {
            let points: i64 = rows
                .iter()
                .filter_map(|rows| arrow::compute::sum(rows.column_by_name("n_points")?.as_primitive::<Int64Type>()))
                .sum();
            lost = accepted - points.unsigned_abs();
        }
        let changed = !same_rows(&stored, &rows, model)?;
        Ok(Outcome::Taken(Box::new(Taken { file, written, lost, replaced, accepted, rows, changed })))
    }

    async fn settle(self, context: &Context, batch: &mut Batch, outcome: Outcome) -> Result<()> {
        let mut beaten = self.with_file();
        let taken = match outcome {
            Outcome::Absent if self.base.version.is_none() => {
                let created = context.lake.commit(self.base, Rewrite::default(), &batch.note).await?;
                batch.commit(created);
                return Ok(());
            }
            Outcome::Absent => return Ok(()),
            Outcome::Beaten => None,
            Outcome::Taken(taken) => {
                beaten.pop();
                Some(taken)
            }
        };
        for ordinal in beaten {
            // A snapshot that a newer one beats was not even read.
            let drop = &self.drops[ordinal];
            let rows = drop.file(&self.contract).map_or(0, |file| file.entry.rows);
            if let Some(books) = batch.file(&drop.manifest.precedence(), &self.contract) {
                books.rows_in += signed(rows);
                books.superseded += signed(rows);
            }
        }
        let Some(taken) = taken else { return Ok(()) };
        let (contract, file) = (&self.contract, taken.file);
        let newest = &self.drops[file.drop];
        batch.loaded(newest, contract, file.found)?;
        if let Some(books) = batch.file(&newest.manifest.precedence(), contract) {
            books.duplicate += signed(taken.lost);
            books.superseded += signed(taken.replaced);
            let kept = signed(taken.accepted - taken.lost - taken.replaced);
            *(if taken.changed { &mut books.inserted } else { &mut books.unchanged }) += kept;
        }
        batch.written(contract, &taken.written);
        let state = replace(context, batch, self.base, taken.rows).await?;
        batch.commit(state);
        if taken.changed && contract.source == "geolocation" && !batch.from_nothing {
            batch.affect_everything();
        }
        Ok(())
    }
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
    let places = KeyIndex::new(&old, &model.grain).map_err(error())?;
    let keys = key_rows(&new, &model.grain).map_err(error())?;
    let matched: Option<Vec<u32>> = keys.iter().map(|key| places.find(key.data())).collect();
    let Some(matched) = matched else { return Ok(false) };
    let old = arrow::compute::take_record_batch(&old, &UInt32Array::from(matched)).map_err(error())?;
    let same = same_content(&old, &new).map_err(error())?;
    Ok(same.true_count() == same.len())
}
