//! Upsert: new rows replace older ones of the same key; nothing else of the table is touched.
//!
//! ```text
//!  month's files     incoming (one row a key)
//!  ┌───────────┐     ┌───────────┐
//!  │ a   old   │◀────│ a   newer │  updated, or unchanged if it says the same
//!  │ b   newer │◀────│ b   older │  superseded: an older row never overwrites a newer one
//!  │ c         │     │ d         │  inserted
//!  └───────────┘     └───────────┘
//! ```
//!
//! Only files that hold a replaced row, or take the inserted ones, are written again.

use std::collections::{HashMap, HashSet};

use arrow::{
    array::{BooleanArray, RecordBatch, UInt32Array},
    compute::{concat_batches, filter, filter_record_batch, take_record_batch},
    error::ArrowError,
};
use chrono::NaiveDate;
use entrega_lake::{Lake, Rewrite, TableState, schema::DROP_COLUMN};

use crate::{
    OperatorError, Result,
    keep_latest::same_content,
    keys::{Id, KeyIndex, counts_by_value, dictionary_value, ids, key_rows, text},
};

/// Above so many rows a file takes no more inserted rows: a new file is begun.
pub const FULL_FILE_ROWS: u64 = 1_000_000;

/// What became of incoming rows, by their drop.
#[derive(Debug, Clone, Default)]
pub struct UpsertCounts {
    /// The key was new.
    pub inserted: HashMap<String, u64>,
    /// A different, older row was replaced.
    pub updated: HashMap<String, u64>,
    /// The table said the same already.
    pub unchanged: HashMap<String, u64>,
    /// The table holds a newer row.
    pub superseded: HashMap<String, u64>,
}

impl UpsertCounts {
    /// Joins the counts of another month.
    pub fn merge(&mut self, other: Self) {
        for (mine, theirs) in [
            (&mut self.inserted, other.inserted),
            (&mut self.updated, other.updated),
            (&mut self.unchanged, other.unchanged),
            (&mut self.superseded, other.superseded),
        ] {
            for (drop, count) in theirs {
                *mine.entry(drop).or_default() += count;
            }
        }
    }
}

/// The change of one month of a table.
#[derive(Debug, Default)]
pub struct Upserted {
    /// Files that go and come.
    pub rewrite: Rewrite,
    /// What became of the incoming rows.
    pub counts: UpsertCounts,
    /// Rows that are new or say something new.
    pub new: Vec<RecordBatch>,
    /// What the replaced and removed rows said.
    pub old: Vec<RecordBatch>,
}

/// Ids of orders that moved to another month.
pub type MovedOrders = HashSet<Id>;

/// Says which of some stored rows leave, whatever comes in; `None` if all stay.
pub type Leaving<'a> = &'a (dyn Fn(&RecordBatch) -> Result<Option<BooleanArray>, ArrowError> + Sync);

/// Which of some stored rows belong to orders that moved to another month.
///
/// # Errors
/// When the rows name neither an order nor a customer.
pub fn moved_rows(rows: &RecordBatch, moved: &MovedOrders) -> Result<Option<BooleanArray>, ArrowError> {
    if moved.is_empty() {
        return Ok(None);
    }
    let parents = text(rows, "order_id").or_else(|_| text(rows, "customer_id"))?;
    Ok(Some(ids(parents).map(|parent| Some(parent.is_some_and(|parent| moved.contains(&parent)))).collect()))
}

/// Upserts rows (the table's columns, one row for each key, all of `month`) into one month of a table, or into an
/// unpartitioned table when `month` is `None`.
///
/// # Errors
/// From the lake, or when rows lack a key column.
pub async fn upsert(
    lake: &Lake,
    table: &TableState,
    month: Option<NaiveDate>,
    incoming: RecordBatch,
    grain: &[String],
    leaving: Leaving<'_>,
) -> Result<Upserted> {
    let rows_error = || OperatorError::rows(table.name());
    let mut done = Upserted::default();
    let mut pending = Incoming::new(incoming, grain).map_err(rows_error())?;
    let files: Vec<_> = table.files_of(month).collect();
    let mut kept_files = Vec::new();
    let mut rewritten: Vec<RecordBatch> = Vec::new();
    for file in files {
        let existing = lake.read(table, &[file], None).await?;
        let schema = table.definition.schema()?;
        let existing = concat_batches(&schema, &existing).map_err(rows_error())?;
        match pending.meet(&existing, grain, leaving, &mut done).map_err(rows_error())? {
            None => kept_files.push((file, existing)),
            Some(rest) => {
                done.rewrite.remove(file);
                rewritten.push(rest);
            }
        }
    }
    let arriving = pending.into_arriving(&mut done).map_err(rows_error())?;
    if arriving.num_rows() > 0 {
        // Inserted rows join a file that is written anyway, or the last one that is not full.
        if rewritten.is_empty()
            && let Some((file, existing)) = kept_files.pop()
            && file.rows < FULL_FILE_ROWS
        {
            done.rewrite.remove(file);
            rewritten.push(existing);
        }
        rewritten.push(arriving);
    }
    rewritten.retain(|batch| batch.num_rows() > 0);
    if !rewritten.is_empty() {
        done.rewrite.added.push(lake.write(&table.definition, month, rewritten).await?);
    }
    Ok(done)
}

/// Incoming rows and what is known of them so far.
struct Incoming {
    rows: RecordBatch,
    by_key: KeyIndex,
    fate: Vec<Fate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Inserted,
    Updated,
    /// Says the same but is newer: written, so that the row's precedence is remembered.
    Confirmed,
    /// The very row that the table holds.
    Known,
    Superseded,
}

impl Incoming {
    fn new(rows: RecordBatch, grain: &[String]) -> Result<Self, ArrowError> {
        let by_key = KeyIndex::new(&rows, grain)?;
        if by_key.len() != rows.num_rows() {
            return Err(ArrowError::InvalidArgumentError(format!(
                "{} incoming rows share a key ({})",
                rows.num_rows() - by_key.len(),
                grain.join(", ")
            )));
        }
        let fate = vec![Fate::Inserted; rows.num_rows()];
        Ok(Self { rows, by_key, fate })
    }

    /// Compares with a file's rows; gives what must stay of the file, or `None` if the file is not touched.
    fn meet(
        &mut self,
        existing: &RecordBatch,
        grain: &[String],
        leaving: Leaving<'_>,
        done: &mut Upserted,
    ) -> Result<Option<RecordBatch>, ArrowError> {
        let keys = key_rows(existing, grain)?;
        let mut pairs: (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
        if !self.by_key.is_empty() {
            for (key, row) in keys.iter().zip(0u32..) {
                if let Some(incoming) = self.by_key.find(key.data()) {
                    pairs.0.push(row);
                    pairs.1.push(incoming);
                }
            }
        }
        let mut stay = vec![true; existing.num_rows()];
        let mut touched = false;
        let mut gone: Vec<u32> = Vec::new();
        if let Some(leaves) = leaving(existing)? {
            for (row, stay) in stay.iter_mut().enumerate().filter(|(row, _)| leaves.value(*row)) {
                *stay = false;
                touched = true;
                gone.push(u32::try_from(row).unwrap_or(u32::MAX));
            }
        }
        let (there, here) = (UInt32Array::from(pairs.0), UInt32Array::from(pairs.1));
        let (old, new) = (take_record_batch(existing, &there)?, take_record_batch(&self.rows, &here)?);
        let same = same_content(&old, &new)?;
        for pair in 0..there.len() {
            let fate = fate(&old, &new, pair, same.value(pair));
            self.fate[here.value(pair) as usize] = fate;
            let stayed = &mut stay[there.value(pair) as usize];
            if fate == Fate::Updated && *stayed {
                gone.push(there.value(pair));
            }
            if matches!(fate, Fate::Updated | Fate::Confirmed) {
                *stayed = false;
                touched = true;
            }
        }
        if !gone.is_empty() {
            done.old.push(take_record_batch(existing, &UInt32Array::from(gone))?);
        }
        touched.then(|| filter_record_batch(existing, &BooleanArray::from(stay))).transpose()
    }

    /// The rows to be written, after all files were met.
    fn into_arriving(self, done: &mut Upserted) -> Result<RecordBatch, ArrowError> {
        let mask =
            |wanted: &dyn Fn(Fate) -> bool| self.fate.iter().map(|fate| Some(wanted(*fate))).collect::<BooleanArray>();
        if let Some(drops) = self.rows.column_by_name(DROP_COLUMN) {
            for (counts, fates) in [
                (&mut done.counts.inserted, [Fate::Inserted, Fate::Inserted]),
                (&mut done.counts.updated, [Fate::Updated, Fate::Updated]),
                (&mut done.counts.unchanged, [Fate::Confirmed, Fate::Known]),
                (&mut done.counts.superseded, [Fate::Superseded, Fate::Superseded]),
            ] {
                *counts = counts_by_value(&filter(drops, &mask(&|fate| fates.contains(&fate)))?);
            }
        }
        let new = filter_record_batch(&self.rows, &mask(&|fate| matches!(fate, Fate::Inserted | Fate::Updated)))?;
        if new.num_rows() > 0 {
            done.new.push(new);
        }
        filter_record_batch(&self.rows, &mask(&|fate| !matches!(fate, Fate::Known | Fate::Superseded)))
    }
}

fn fate(old: &RecordBatch, new: &RecordBatch, row: usize, same: bool) -> Fate {
    let drop =
        |batch: &RecordBatch| batch.column_by_name(DROP_COLUMN).map(|column| dictionary_value(column, row).to_owned());
    let (old, new) = (drop(old), drop(new));
    match new.cmp(&old) {
        std::cmp::Ordering::Less => Fate::Superseded,
        std::cmp::Ordering::Equal if same => Fate::Known,
        _ if same => Fate::Confirmed,
        _ => Fate::Updated,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, StringArray};
    use entrega_lake::{CommitNote, Definition};
    use entrega_model::{
        model::ModelColumn,
        tables::{Layer, TableName},
    };

    use super::*;
    use crate::keys::drop_column;

    fn column(name: &str, sql_type: &str) -> ModelColumn {
        ModelColumn::new(name, sql_type, "")
    }

    fn rows(drop: &str, pairs: &[(&str, i32)]) -> RecordBatch {
        let keys: StringArray = pairs.iter().map(|(key, _)| Some(*key)).collect();
        let values: Int32Array = pairs.iter().map(|(_, value)| Some(*value)).collect();
        let fields = [
            ("key", Arc::new(keys) as ArrayRef, true),
            ("value", Arc::new(values) as ArrayRef, true),
            (DROP_COLUMN, drop_column(drop, pairs.len()), true),
        ];
        RecordBatch::try_from_iter_with_nullable(fields).unwrap()
    }

    #[tokio::test]
    async fn newer_rows_win_whatever_the_order_of_arrival() {
        let lake = Lake::at("memory:///test").await.unwrap();
        let definition = Definition {
            table: TableName::new(Layer::Clean, "things"),
            description: String::new(),
            columns: vec![column("key", "STRING"), column("value", "INT"), column(DROP_COLUMN, "STRING")].into(),
            partition: None,
        };
        let grain = ["key".to_owned()];
        let note = CommitNote { batch: "b".to_owned(), operator: "upsert", facts: serde_json::Value::Null };
        let mut table = TableState::absent(definition);
        for (drop, pairs) in
            [("2", vec![("a", 2), ("b", 2)]), ("1", vec![("a", 1), ("c", 1)]), ("3", vec![("b", 2), ("c", 3)])]
        {
            let done = upsert(&lake, &table, None, rows(drop, &pairs), &grain, &|_| Ok(None)).await.unwrap();
            table = lake.commit(table, done.rewrite, &note).await.unwrap();
        }
        let all = lake.read_all(&table, None).await.unwrap();
        let all = concat_batches(&all[0].schema(), &all).unwrap();
        let mut found: Vec<_> = (0..all.num_rows())
            .map(|row| {
                let value = all.column(1).as_any().downcast_ref::<Int32Array>().unwrap().value(row);
                (
                    text(&all, "key").unwrap().value(row).to_owned(),
                    value,
                    dictionary_value(all.column(2), row).to_owned(),
                )
            })
            .collect();
        found.sort();
        let expected = [("a", 2, "2"), ("b", 2, "3"), ("c", 3, "3")];
        assert_eq!(found, expected.map(|(key, value, drop)| (key.to_owned(), value, drop.to_owned())));
        assert_eq!(table.version, Some(2));
    }
}
