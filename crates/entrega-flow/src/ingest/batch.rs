//! A batch on its way: what it builds on, what it has committed, and its books.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use arrow::array::RecordBatch;
use chrono::NaiveDateTime;
use entrega_lake::{CommitNote, Definition, TableState};
use entrega_model::{
    contract::Contract,
    drops::Content,
    model::Severity,
    tables::{Layer, TableName},
};
use entrega_operators::{
    check::CheckResult,
    months::month_of_day,
    quarantine::{QuarantineRow, QuarantineState},
    validate::Drop,
};
use serde_json::json;

use super::{IngestPlan, open_tables};
use crate::{
    Context, FlowError, Result,
    affected::Affected,
    ledger::{Ledger, Touched},
    ops,
    quarantine::QuarantineFilter,
    source::{Found, Written, merge_checks},
    tables::{self, CheckRow, DropRow, MissingReference},
    tombstones::{Cause, Tombstone, Tombstones, key_texts},
};

/// A count of a file's books.
type Field = fn(&mut DropRow) -> &mut i64;

/// A batch that is being made.
pub struct Batch {
    /// Name and facts, for every commit.
    pub note: CommitNote,
    /// When it began.
    pub started_at: NaiveDateTime,
    /// Tables as published; absent ones in a first load or a rebuild.
    pub base: BTreeMap<TableName, TableState>,
    /// Tables that this batch has committed.
    pub committed: BTreeMap<TableName, TableState>,
    /// The books of each file: by drop's precedence, file and whether it is a retry.
    files: BTreeMap<(String, String, bool), DropRow>,
    /// Rows that go into quarantine, by source.
    pub quarantined: BTreeMap<String, Vec<QuarantineRow>>,
    /// Rows that leave quarantine, by source: (`_drop`, line).
    pub released: BTreeMap<String, HashSet<(String, i64)>>,
    /// Results of all checks.
    pub checks: Vec<CheckResult>,
    /// Orders to be restated.
    pub affected: Affected,
    /// Days and months that summaries must look at.
    pub touched: Touched,
    /// Orders whose seller or product is missing, as published.
    pub missing: Vec<MissingReference>,
    /// Keys of dimensions whose attributes changed, by column: orders that use them are restated.
    pub changed_references: BTreeMap<String, HashSet<String>>,
    /// What is said to be gone.
    pub tombstones: Arc<Tombstones>,
    /// Months of stored orders that this batch buries.
    pub dead_months: BTreeSet<i32>,
    /// Which rejected rows are tried again.
    pub replay: Option<QuarantineFilter>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Whether tables are built from nothing.
    pub from_nothing: bool,
}

impl Batch {
    /// Begins a batch.
    pub(super) async fn open(context: &Context, ledger: &Ledger, plan: &IngestPlan) -> Result<Self> {
        let started_at = context.now();
        let sequence = ledger.rows.last().map_or(1, |row| row.sequence + 1);
        let batch_id = format!("{sequence:06}-ingest-{}", started_at.format("%Y%m%dT%H%M%S"));
        let drops: Vec<&str> = plan.drops.iter().take(100).map(|drop| drop.folder.as_str()).collect();
        let facts = json!({ "drops": drops, "inputs": ledger.versions.iter().map(|(table, version)| (table.to_string(), json!(version))).collect::<serde_json::Map<_, _>>() });
        let note = CommitNote { batch: batch_id, operator: "ingest", facts };
        let models =
            context.project.models().iter().filter(|model| model.table.layer == Layer::Clean).map(Definition::of);
        let quarantines = context.project.contracts().iter().map(|contract| tables::quarantine_of(&contract.source));
        let mut base = open_tables(
            context,
            ledger,
            models.chain(quarantines).chain([tables::missing_references(), tables::tombstones()]).collect(),
            plan.rebuild,
        )
        .await?;
        let books = open_tables(context, ledger, vec![tables::drops(), tables::checks()], false).await?;
        base.extend(books);
        let tombstones = tombstones(context, ledger, plan.rebuild).await?;
        let missing = match base.get(&tables::missing_references().table) {
            Some(table) => ops::read(&context.lake, table).await?,
            None => Vec::new(),
        };
        let from_nothing =
            base.get(&TableName::new(Layer::Clean, "orders")).is_none_or(|orders| orders.files.is_empty());
        let mut batch = Self {
            note,
            started_at: started_at.naive_utc(),
            base,
            committed: BTreeMap::new(),
            files: BTreeMap::new(),
            quarantined: BTreeMap::new(),
            released: BTreeMap::new(),
            checks: Vec::new(),
            affected: Affected::default(),
            touched: Touched::default(),
            missing,
            changed_references: BTreeMap::new(),
            tombstones: Arc::new(tombstones),
            dead_months: BTreeSet::new(),
            replay: plan.replay.clone(),
            warnings: Vec::new(),
            from_nothing,
        };
        for drop in &plan.drops {
            batch.begin_drop(drop);
        }
        Ok(batch)
    }

    fn begin_drop(&mut self, drop: &Drop) {
        let files: Vec<String> = if drop.manifest.files.is_empty() {
            vec![String::new()]
        } else {
            drop.manifest.files.keys().cloned().collect()
        };
        for file in files {
            let row = DropRow {
                batch_id: self.note.batch.clone(),
                drop: drop.folder.clone(),
                precedence: drop.manifest.precedence(),
                digest: drop.manifest.digest(),
                manifest_modified: drop.modified,
                interval_start: drop.manifest.interval.start,
                interval_end: drop.manifest.interval.end,
                cadence: drop.manifest.cadence.to_string(),
                file: file.clone(),
                ..DropRow::default()
            };
            self.files.insert((row.precedence.clone(), file, false), row);
        }
    }

    /// The state of a table: as this batch committed it, else as published.
    ///
    /// # Errors
    /// When the project has no such table.
    pub fn table(&self, name: &TableName) -> Result<&TableState> {
        self.committed.get(name).or_else(|| self.base.get(name)).ok_or_else(|| FlowError::Request {
            problem: format!("the project has no table {name}"),
            hint: "`entrega tables` lists the tables".to_owned(),
        })
    }

    /// A clean table by its short name.
    ///
    /// # Errors
    /// When the project has no such table.
    pub fn clean(&self, name: &str) -> Result<&TableState> {
        self.table(&TableName::new(Layer::Clean, name))
    }

    /// Keeps a table that was committed.
    pub fn commit(&mut self, state: TableState) {
        self.committed.insert(state.name().clone(), state);
    }

    /// The books of a file of a drop of this batch.
    pub fn file(&mut self, precedence: &str, contract: &Contract) -> Option<&mut DropRow> {
        self.files.get_mut(&(precedence.to_owned(), contract.file.clone(), false))
    }

    /// Adds a loaded file to the books: records read, rows rejected, what was found of its columns and values, and what
    /// it says is gone.
    ///
    /// # Errors
    /// When a row that is gone lacks its key.
    pub fn loaded(&mut self, drop: &Drop, contract: &Contract, file: Found) -> Result<()> {
        let precedence = drop.manifest.precedence();
        let (dropped, rejected): (Vec<_>, Vec<_>) =
            file.rejected.into_iter().partition(|rejected| contract.drops_by(&rejected.rule));
        let deleted: usize = file.deleted.iter().map(RecordBatch::num_rows).sum();
        if let Some(row) = self.file(&precedence, contract) {
            row.rows_in += signed(file.records);
            row.quarantined += signed(rejected.len() as u64);
            row.deleted += signed(deleted as u64);
            row.dropped += signed(dropped.len() as u64);
            if let Some(first) = dropped.first() {
                row.dropped_by.clone_from(&first.rule);
            }
        }
        let header = file.header.as_deref();
        let new = header.iter().flat_map(|header| &header.unknown).map(|name| format!("new_column({name})"));
        let missing = header.iter().flat_map(|header| &header.missing).map(|name| format!("missing_column({name})"));
        let drifted = new.chain(missing).map(|check| (check, (file.records, None)));
        let warned = file.warned.into_iter().map(|(check, (rows, reason))| (check, (rows, Some(reason))));
        let results = drifted.chain(warned).map(|(check, (failures, sample))| CheckResult {
            table: format!("landing.{}", contract.source),
            drop: Some(drop.folder.clone()),
            check,
            severity: Severity::Warn,
            tolerance: None,
            rows: file.records,
            failures,
            sample,
        });
        self.checks.extend(results);
        for keys in file.deleted {
            self.bury(contract, &keys, &precedence)?;
        }
        let is_whole = drop.manifest.files.get(&contract.file).is_some_and(|entry| entry.content == Content::Snapshot);
        if is_whole && contract.kind == Content::Changes {
            if rejected.is_empty() {
                Arc::make_mut(&mut self.tombstones).bury_older(&contract.source, &precedence, &self.note.batch);
            } else {
                self.warnings.push(format!(
                    "{}/{}: {} rows of this whole snapshot were rejected, so rows that it lacks are kept",
                    drop.folder,
                    contract.file,
                    rejected.len()
                ));
            }
        }
        let header_line = file.header.map(|header| header.line.to_string()).unwrap_or_default();
        let (batch_id, now) = (self.note.batch.clone(), self.started_at);
        let rows = rejected.into_iter().map(|rejected| QuarantineRow {
            precedence: precedence.clone(),
            drop: drop.folder.clone(),
            file: contract.file.clone(),
            line: signed(rejected.raw.line),
            state: QuarantineState::Rejected,
            rule: rejected.rule,
            reason: rejected.reason,
            raw: rejected.raw.text,
            header: header_line.clone(),
            batch_id: batch_id.clone(),
            quarantined_at: now,
        });
        self.quarantined.entry(contract.source.clone()).or_default().extend(rows);
        Ok(())
    }

    /// Buries the keys of rows that are gone.
    fn bury(&mut self, contract: &Contract, rows: &RecordBatch, precedence: &str) -> Result<()> {
        for key in key_texts(rows, &contract.key).map_err(FlowError::rows(&contract.file))? {
            self.bury_key(&contract.source, key, Cause::Deleted, precedence);
        }
        Ok(())
    }

    /// Buries one key.
    pub fn bury_key(&mut self, source: &str, key: String, cause: Cause, precedence: &str) {
        let tombstone = Tombstone {
            source: source.to_owned(),
            key,
            cause,
            precedence: precedence.to_owned(),
            batch_id: self.note.batch.clone(),
        };
        Arc::make_mut(&mut self.tombstones).bury(tombstone);
    }

    /// What a person should know of the columns and values found: a line for each check, not one for each drop.
    #[must_use]
    pub fn findings(&self) -> Vec<String> {
        let mut by_check: BTreeMap<(&str, &str), (u64, &str, u64)> = BTreeMap::new();
        for result in self.checks.iter().filter(|result| result.failures > 0) {
            let Some(drop) = result.drop.as_deref() else { continue };
            let known = by_check.entry((&result.table, &result.check)).or_insert((0, drop, 0));
            known.0 += 1;
            known.2 += result.failures;
        }
        let told = by_check.into_iter().map(|((table, check), (drops, first, rows))| {
            let more = if drops > 1 { format!(" and {} more", drops - 1) } else { String::new() };
            format!("{table}: {check} in {rows} rows of {first}{more}")
        });
        told.collect()
    }

    /// Adds to the books what became of a source's rows.
    pub fn written(&mut self, contract: &Contract, written: &Written) {
        let counts: [(&HashMap<String, u64>, Field); 6] = [
            (&written.counts.inserted, |row| &mut row.inserted),
            (&written.counts.updated, |row| &mut row.updated),
            (&written.counts.unchanged, |row| &mut row.unchanged),
            (&written.counts.superseded, |row| &mut row.superseded),
            (&written.superseded, |row| &mut row.superseded),
            (&written.duplicates, |row| &mut row.duplicate),
        ];
        for (counts, field) in counts {
            for (drop, count) in counts {
                if let Some(row) = self.books_of(drop, contract) {
                    *field(row) += signed(*count);
                }
            }
        }
        for (drop, count) in &written.diverted_by_drop {
            if let Some(row) = self.books_of(drop, contract) {
                row.quarantined += signed(*count);
            }
        }
        if written.conflicts > 0 {
            self.warn_of_conflicts(contract, written.conflicts);
        }
        merge_checks(&mut self.checks, written.checks.clone());
    }

    /// The books of a file of a drop: of this batch, or of rows that came back from quarantine.
    fn books_of(&mut self, precedence: &str, contract: &Contract) -> Option<&mut DropRow> {
        let fresh = self.files.contains_key(&(precedence.to_owned(), contract.file.clone(), false));
        self.files.get_mut(&(precedence.to_owned(), contract.file.clone(), !fresh))
    }

    /// Adds to the books rows that a tombstone beats.
    pub fn superseded(&mut self, contract: &Contract, counts: &HashMap<String, u64>) {
        for (drop, count) in counts {
            if let Some(row) = self.books_of(drop, contract) {
                row.superseded += signed(*count);
            }
        }
    }

    /// Warns of rows that contradict each other inside one drop.
    pub fn warn_of_conflicts(&mut self, contract: &Contract, rows: u64) {
        self.warnings.push(format!(
            "{}: {rows} rows contradict a later row with the same key in the same drop; the later one was taken",
            contract.file
        ));
    }

    /// Opens the books for rows that waited since an earlier batch.
    pub fn retry(&mut self, row: &QuarantineRow, contract: &Contract) {
        let key = (row.precedence.clone(), contract.file.clone(), true);
        let batch_id = self.note.batch.clone();
        let books = self.files.entry(key).or_insert_with(|| DropRow {
            batch_id,
            drop: row.drop.clone(),
            precedence: row.precedence.clone(),
            file: contract.file.clone(),
            retried: true,
            ..DropRow::default()
        });
        books.rows_in += 1;
        self.released.entry(contract.source.clone()).or_default().insert((row.precedence.clone(), row.line));
    }

    /// Marks every order of the lake.
    pub fn affect_everything(&mut self) {
        let months: Vec<i32> = match self.clean("orders") {
            Ok(orders) => orders.months().into_iter().map(entrega_lake::read::days_since_epoch).collect(),
            Err(_) => Vec::new(),
        };
        for month in months {
            self.affected.all(month);
        }
    }

    /// Notes days on which something happened, and the month of the order.
    pub fn touch(&mut self, days: impl IntoIterator<Item = i32>, month: i32) {
        debug_assert_eq!(month, month_of_day(month));
        self.touched.days.extend(days);
        self.touched.months.insert(month);
    }

    /// Every row of every file must be accounted for.
    ///
    /// # Errors
    /// [`FlowError::Unreconciled`].
    pub fn reconcile(&self) -> Result<()> {
        match self.files.values().find(|row| row.rows_in != row.accounted()) {
            None => Ok(()),
            Some(row) => Err(FlowError::Unreconciled {
                drop: row.drop.clone(),
                file: row.file.clone(),
                rows_in: row.rows_in.unsigned_abs(),
                accounted: row.accounted().unsigned_abs(),
            }),
        }
    }

    /// All files' books added up.
    #[must_use]
    pub fn total(&self) -> DropRow {
        let mut total = DropRow { batch_id: self.note.batch.clone(), ..DropRow::default() };
        self.files.values().for_each(|row| total.add(row));
        total
    }

    /// Writes the books: drops, checks, missing references.
    pub(super) async fn write_books(&mut self, context: &Context) -> Result<()> {
        let drops = self.table(&tables::drops().table)?.clone();
        let drop_rows: Vec<DropRow> = self.files.values().cloned().collect();
        let checks = self.table(&tables::checks().table)?.clone();
        let check_rows: Vec<CheckRow> = check_rows(&self.note.batch, &self.checks);
        let (drops, checks) = futures::try_join!(
            ops::append(&context.lake, drops, &drop_rows, &self.note),
            ops::append(&context.lake, checks, &check_rows, &self.note),
        )?;
        self.commit(drops);
        self.commit(checks);
        let definition = tables::tombstones();
        if let Some(table) = self.base.get(&definition.table).cloned()
            && (table.version.is_none() || !self.tombstones.new.is_empty())
        {
            let written = ops::append(&context.lake, table, &self.tombstones.new, &self.note).await?;
            self.commit(written);
        }
        Ok(())
    }
}

/// What earlier batches know to be gone. When everything is built again from landing, only what was erased stays so:
/// all else is said again by the drops.
async fn tombstones(context: &Context, ledger: &Ledger, rebuild: bool) -> Result<Tombstones> {
    let table = ledger.state(&context.lake, &tables::tombstones()).await?;
    let rows: Vec<Tombstone> = ops::read(&context.lake, &table).await?;
    let kept: Vec<Tombstone> = rows.into_iter().filter(|row| !rebuild || row.cause == Cause::Erased).collect();
    let mut tombstones = Tombstones::of(&kept);
    if rebuild {
        tombstones.new = kept;
    }
    Ok(tombstones)
}

/// Check results as rows of `ops.checks`.
#[must_use]
pub fn check_rows(batch_id: &str, checks: &[CheckResult]) -> Vec<CheckRow> {
    checks
        .iter()
        .map(|result| CheckRow {
            batch_id: batch_id.to_owned(),
            table: result.table.clone(),
            drop: result.drop.clone(),
            check: result.check.clone(),
            severity: result.severity.name().to_owned(),
            rows: signed(result.rows),
            failures: signed(result.failures),
            sample: result.sample.clone(),
        })
        .collect()
}

pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
