//! The ledger: which batches were published, and with what.
//!
//! `ops.batches` gets one row as the very last act of a batch. That row names the version of every table, so it *is*
//! the publication: readers resolve versions there, and the next batch builds on them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use entrega_lake::{
    CommitNote, Definition, Lake, TableState,
    read::{date_of, days_since_epoch},
};
use entrega_model::tables::{Layer, TableName};
use serde::{Deserialize, Serialize};

use crate::{FlowError, Result, care::mark::Mark, ops};

/// One row of `ops.batches`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchRow {
    /// 1, 2, 3 …: the order of publication.
    pub sequence: i64,
    /// The batch's name.
    pub batch_id: String,
    /// `ingest`, `summary`, `features`, `quarantine`, `erase` or `optimize`.
    pub job: String,
    /// When it began, UTC.
    pub started_at: NaiveDateTime,
    /// When it was published, UTC.
    pub published_at: NaiveDateTime,
    /// The end of the newest interval that the lake knows, wall-clock time of the shop.
    pub as_of: Option<NaiveDateTime>,
    /// Drops taken.
    pub drops: i64,
    /// Rows taken.
    pub rows_in: i64,
    /// JSON: table → version.
    pub tables: String,
    /// JSON: model → fingerprint.
    pub models: String,
    /// JSON: days and months that this batch touched.
    pub touched: String,
}

impl BatchRow {
    /// What the batch touched.
    ///
    /// # Errors
    /// [`FlowError::Ledger`].
    pub fn touched(&self) -> Result<Touched> {
        Touched::from_text(&self.touched)
    }

    /// The version of every table that readers saw with the batch.
    ///
    /// # Errors
    /// [`FlowError::Ledger`].
    pub fn versions(&self) -> Result<BTreeMap<TableName, u64>> {
        parse("tables", &self.tables)
    }
}

/// Days and months that a batch touched; what the summaries must look at again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Days (since 1970-01-01) on which something happened that is new or no longer so.
    pub days: BTreeSet<i32>,
    /// Purchase months with a changed order.
    pub months: BTreeSet<i32>,
}

#[derive(Serialize, Deserialize)]
struct TouchedText {
    days: Vec<(NaiveDate, NaiveDate)>,
    months: Vec<NaiveDate>,
}

impl Touched {
    /// Joins another one.
    pub fn merge(&mut self, other: Self) {
        self.days.extend(other.days);
        self.months.extend(other.months);
    }

    fn to_text(&self) -> String {
        let mut ranges: Vec<(i32, i32)> = Vec::new();
        for day in &self.days {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == *day => *last = *day,
                _ => ranges.push((*day, *day)),
            }
        }
        let text = TouchedText {
            days: ranges.into_iter().map(|(first, last)| (date_of(first), date_of(last))).collect(),
            months: self.months.iter().map(|month| date_of(*month)).collect(),
        };
        serde_json::to_string(&text).unwrap_or_default()
    }

    fn from_text(text: &str) -> Result<Self> {
        let text: TouchedText = parse("touched", text)?;
        let days = text.days.iter().flat_map(|(first, last)| days_since_epoch(*first)..=days_since_epoch(*last));
        Ok(Self { days: days.collect(), months: text.months.iter().map(|month| days_since_epoch(*month)).collect() })
    }
}

fn parse<'a, T: Deserialize<'a>>(column: &str, text: &'a str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|error| FlowError::Ledger { table: "ops.batches".to_owned(), problem: format!("{column}: {error}") })
}

/// The definition of `ops.batches`.
#[must_use]
pub fn batches() -> Definition {
    ops::definition(
        Layer::Ops,
        "batches",
        "One row per published batch; the newest names the version of every table that readers see.",
        &[
            ("sequence", "BIGINT", "Order of publication, from 1."),
            ("batch_id", "STRING", "Name of the batch."),
            ("job", "STRING", "Job that made it: ingest, summary, features, quarantine, erase or optimize."),
            ("started_at", "TIMESTAMP", "When it began, UTC."),
            ("published_at", "TIMESTAMP", "When it was published, UTC."),
            ("as_of", "TIMESTAMP", "End of the newest interval that the lake knows, wall-clock time of the shop."),
            ("drops", "BIGINT", "Drops taken."),
            ("rows_in", "BIGINT", "Rows taken."),
            ("tables", "STRING", "JSON: table and version."),
            ("models", "STRING", "JSON: model and fingerprint of what wrote its table."),
            ("touched", "STRING", "JSON: day ranges and purchase months that the batch touched."),
        ],
    )
}

/// What was published last, and the history needed to go on.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// The table itself, at its latest version.
    table: TableState,
    /// All rows, oldest first.
    pub rows: Vec<BatchRow>,
    /// Version of every table that was ever published.
    pub versions: BTreeMap<TableName, u64>,
    /// Fingerprint of the model that wrote each table.
    pub models: BTreeMap<TableName, String>,
    /// The end of the newest interval known.
    pub as_of: Option<NaiveDateTime>,
}

impl Ledger {
    /// Reads the ledger of a lake; an empty lake has an empty one. With `batch`, as it was when that batch was published.
    ///
    /// # Errors
    /// [`FlowError::Ledger`], or [`FlowError::Request`] when there is no such batch.
    pub async fn open(lake: &Lake, batch: Option<&str>) -> Result<Self> {
        let definition = batches();
        let version = match lake.delta_table(&definition.table, None).await? {
            Some(delta) => delta.version(),
            None => None,
        };
        let table = lake.table(&definition, version).await?;
        let mut rows: Vec<BatchRow> = ops::read(lake, &table).await?;
        rows.sort_by_key(|row| row.sequence);
        if let Some(batch) = batch {
            let place = rows.iter().position(|row| row.batch_id == batch || row.sequence.to_string() == batch);
            let place = place.ok_or_else(|| FlowError::Request {
                problem: format!("there is no batch '{batch}'"),
                hint: format!(
                    "the last batches are {}",
                    rows.iter().rev().take(5).map(|row| row.batch_id.as_str()).collect::<Vec<_>>().join(", ")
                ),
            })?;
            if rows[place].sequence < Mark::read(lake).await?.readable_from {
                return Err(FlowError::Request {
                    problem: format!("batch '{batch}' is older than what the last vacuum kept"),
                    hint: "choose a later batch, or none for the newest".to_owned(),
                });
            }
            if rows[place + 1..].iter().any(|row| row.job == "erase") {
                return Err(FlowError::Request {
                    problem: format!("batch '{batch}' was published before a person was erased; its versions are gone"),
                    hint: "choose a later batch, or none for the newest".to_owned(),
                });
            }
            rows.truncate(place + 1);
        }
        let (mut versions, mut models, mut as_of) = (BTreeMap::new(), BTreeMap::new(), None);
        if let Some(last) = rows.last() {
            versions = last.versions()?;
            models = parse("models", &last.models)?;
            as_of = last.as_of;
        }
        Ok(Self { table, rows, versions, models, as_of })
    }

    /// A table at its published version.
    ///
    /// # Errors
    /// From the lake.
    pub async fn state(&self, lake: &Lake, definition: &Definition) -> Result<TableState> {
        Ok(lake.table(definition, self.versions.get(&definition.table).copied()).await?)
    }

    /// Sets up a batch of a job: its name, its time, and what its commits say of themselves.
    #[must_use]
    pub fn begin(&self, job: &'static str, operator: &'static str, now: DateTime<Utc>) -> Begun {
        let sequence = self.rows.last().map_or(1, |row| row.sequence + 1);
        let batch_id = format!("{sequence:06}-{job}-{}", now.format("%Y%m%dT%H%M%S"));
        let inputs: serde_json::Map<_, _> =
            self.versions.iter().map(|(table, version)| (table.to_string(), serde_json::json!(version))).collect();
        let note = CommitNote { batch: batch_id.clone(), operator, facts: serde_json::json!({ "inputs": inputs }) };
        Begun { batch_id, job, started_at: now.naive_utc(), note }
    }

    /// The last batch of a job, and the versions that readers saw with it.
    ///
    /// # Errors
    /// [`FlowError::Ledger`].
    pub fn last_of(&self, job: &str) -> Result<Option<(&BatchRow, BTreeMap<TableName, u64>)>> {
        let last = self.rows.iter().rfind(|row| row.job == job);
        last.map(|row| Ok((row, row.versions()?))).transpose()
    }

    /// What was touched since the last summary batch; `None` if there never was one.
    ///
    /// # Errors
    /// [`FlowError::Ledger`].
    pub fn touched_since_summary(&self) -> Result<Option<(Touched, Option<NaiveDateTime>)>> {
        let Some(last) = self.rows.iter().rposition(|row| row.job == "summary") else { return Ok(None) };
        let mut touched = Touched::default();
        for row in &self.rows[last + 1..] {
            touched.merge(row.touched()?);
        }
        Ok(Some((touched, self.rows[last].as_of)))
    }

    /// Publishes a batch: the new versions replace those of before, all others stay.
    ///
    /// # Errors
    /// [`entrega_lake::LakeError::Busy`] when another run published meanwhile.
    pub async fn publish(mut self, lake: &Lake, batch: Publication) -> Result<BatchRow> {
        for table in batch.tables {
            if let Some(version) = table.version {
                self.versions.insert(table.definition.table, version);
            }
        }
        self.models.extend(batch.models);
        let row = BatchRow {
            sequence: self.rows.last().map_or(1, |row| row.sequence + 1),
            batch_id: batch.batch_id,
            job: batch.job.to_owned(),
            started_at: batch.started_at,
            published_at: batch.published_at,
            as_of: batch.as_of.max(self.as_of),
            drops: batch.drops,
            rows_in: batch.rows_in,
            tables: serde_json::to_string(&self.versions).unwrap_or_default(),
            models: serde_json::to_string(&self.models).unwrap_or_default(),
            touched: batch.touched.to_text(),
        };
        let note = CommitNote { batch: row.batch_id.clone(), operator: "publish", facts: serde_json::Value::Null };
        ops::append(lake, self.table, std::slice::from_ref(&row), &note).await?;
        Ok(row)
    }
}

/// A batch that has begun.
#[derive(Debug, Clone)]
pub struct Begun {
    /// The batch's name.
    pub batch_id: String,
    job: &'static str,
    /// When it began, UTC.
    pub started_at: NaiveDateTime,
    /// What its commits say.
    pub note: CommitNote,
}

impl Begun {
    /// What a batch publishes that takes no drops: tables made of what was there already.
    #[must_use]
    pub fn publication(
        self,
        tables: Vec<TableState>,
        models: BTreeMap<TableName, String>,
        now: DateTime<Utc>,
    ) -> Publication {
        Publication {
            batch_id: self.batch_id,
            job: self.job,
            started_at: self.started_at,
            published_at: now.naive_utc(),
            as_of: None,
            drops: 0,
            rows_in: 0,
            tables,
            models,
            touched: Touched::default(),
        }
    }
}

/// What a batch publishes.
#[derive(Debug)]
pub struct Publication {
    /// The batch's name.
    pub batch_id: String,
    /// `ingest`, `summary`, `features`, `quarantine`, `erase` or `optimize`.
    pub job: &'static str,
    /// When it began.
    pub started_at: NaiveDateTime,
    /// Now.
    pub published_at: NaiveDateTime,
    /// The end of its newest interval.
    pub as_of: Option<NaiveDateTime>,
    /// Drops taken.
    pub drops: i64,
    /// Rows taken.
    pub rows_in: i64,
    /// Tables that it committed.
    pub tables: Vec<TableState>,
    /// Models that it ran.
    pub models: BTreeMap<TableName, String>,
    /// What it touched.
    pub touched: Touched,
}
