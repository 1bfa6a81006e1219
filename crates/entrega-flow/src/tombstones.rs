//! Tombstones: what the order system says is gone, and what stays gone however late its older rows come.
//!
//! ```text
//!  a row lives, unless one of these is as new as the row or newer:
//!    a tombstone of its own key      a `_deleted` row
//!    a tombstone of its order        so deleting an order takes its items, payments, reviews and customer along
//!    a whole snapshot without it
//! ```
//!
//! A child that lives but whose order does not (it is newer than the deletion, or its order is missing from a whole
//! snapshot) waits in quarantine, as if the order had never come.
//!
//! That is a rule about sets of statements, not about their order of arrival: an old row that comes after its tombstone
//! is as dead as one that came before, and a row that is newer than its tombstone lives again. Hence tombstones are
//! kept (`ops.tombstones`), and each batch applies all of them to the rows that come in and its own to the rows that are
//! stored.
//!
//! An *erased* key (a person who asked to be forgotten) is dead whatever comes later; of it only a digest is kept.

use std::collections::{HashMap, HashSet};

use arrow::{
    array::{Array as _, AsArray as _, BooleanArray, RecordBatch, StringArray},
    compute::cast,
    datatypes::DataType,
    error::ArrowError,
};
use entrega_lake::schema::DROP_COLUMN;
use entrega_model::contract::Contract;
use entrega_operators::keys::{Id, dictionary_value, id};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Why a row is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// A row of a change set said so (`_deleted`).
    Deleted,
    /// A whole snapshot did not hold it; the key is `*`: every row older than that snapshot is gone.
    Absent,
    /// The person behind it asked to be forgotten. The key is a digest.
    Erased,
}

/// The key that stands for every row of a source.
const EVERY: &str = "*";

/// One row of `ops.tombstones`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The source.
    pub source: String,
    /// The key's values, joined by `/`.
    pub key: String,
    /// Why it is gone.
    pub cause: Cause,
    /// The drop that said so: rows as old or older are gone.
    #[serde(rename = "_drop")]
    pub precedence: String,
    /// The batch that learned of it.
    pub batch_id: String,
}

/// The tombstones of a source.
#[derive(Debug, Clone, Default)]
struct Graves {
    /// Newest tombstone by key.
    keys: HashMap<String, String>,
    /// The newest whole snapshot.
    snapshot: Option<String>,
    /// Digests of erased keys.
    erased: HashSet<String>,
}

impl Graves {
    fn holds(&self, source: &str, key: &str, drop: &str) -> bool {
        self.snapshot.as_deref().is_some_and(|snapshot| drop < snapshot)
            || self.keys.get(key).is_some_and(|deleted| drop <= deleted.as_str())
            || (!self.erased.is_empty() && self.erased.contains(&digest(source, key)))
    }

    fn add(&mut self, tombstone: &Tombstone) {
        let newest = match tombstone.cause {
            Cause::Erased => {
                self.erased.insert(tombstone.key.clone());
                return;
            }
            Cause::Absent => self.snapshot.get_or_insert_default(),
            Cause::Deleted => self.keys.entry(tombstone.key.clone()).or_default(),
        };
        if *newest < tombstone.precedence {
            newest.clone_from(&tombstone.precedence);
        }
    }
}

/// What of an erased key is kept.
#[must_use]
pub fn digest(source: &str, key: &str) -> String {
    format!("{:x}", Sha256::digest(format!("{source}/{key}")))
}

/// All tombstones that a batch knows.
#[derive(Debug, Clone, Default)]
pub struct Tombstones {
    known: HashMap<String, Graves>,
    /// Those that this batch brought, by source.
    brought: HashMap<String, Graves>,
    /// The same, to be written.
    pub new: Vec<Tombstone>,
}

impl Tombstones {
    /// Those of earlier batches.
    #[must_use]
    pub fn of(rows: &[Tombstone]) -> Self {
        let mut tombstones = Self::default();
        for row in rows {
            tombstones.known.entry(row.source.clone()).or_default().add(row);
        }
        tombstones
    }

    /// Adds one that this batch brings.
    pub fn bury(&mut self, tombstone: Tombstone) {
        for graves in [&mut self.known, &mut self.brought] {
            graves.entry(tombstone.source.clone()).or_default().add(&tombstone);
        }
        self.new.push(tombstone);
    }

    /// Adds one for everything of a source that is older than a whole snapshot.
    pub fn bury_older(&mut self, source: &str, snapshot: &str, batch_id: &str) {
        self.bury(Tombstone {
            source: source.to_owned(),
            key: EVERY.to_owned(),
            cause: Cause::Absent,
            precedence: snapshot.to_owned(),
            batch_id: batch_id.to_owned(),
        });
    }

    /// The keys of a source that this batch buries one by one, with the drop that said so.
    pub fn brought(&self, source: &str) -> impl Iterator<Item = (&str, &str)> {
        self.brought
            .get(source)
            .into_iter()
            .flat_map(|graves| &graves.keys)
            .map(|(key, drop)| (key.as_str(), drop.as_str()))
    }

    /// The whole snapshot of a source that this batch brings, if any.
    #[must_use]
    pub fn snapshot_brought(&self, source: &str) -> Option<&str> {
        self.brought.get(source)?.snapshot.as_deref()
    }

    /// Whether an order of this age is gone.
    #[must_use]
    pub fn order_is_gone(&self, order: &str, drop: &str) -> bool {
        self.known.get("orders").is_some_and(|graves| graves.holds("orders", order, drop))
    }

    /// How deep an order of this age was deleted: rows as old as that are gone. `None` if it was not.
    #[must_use]
    pub fn depth_of_order(&self, order: &str, drop: &str) -> Option<&str> {
        let deleted = self.known.get("orders")?.keys.get(order)?;
        (drop <= deleted.as_str()).then_some(deleted)
    }

    /// Which of some rows (with `_drop`) are gone; `None` if all live.
    ///
    /// # Errors
    /// When the rows lack their key.
    pub fn gone(&self, contract: &Contract, rows: &RecordBatch) -> Result<Option<BooleanArray>, ArrowError> {
        Self::found(&self.known, contract, rows)
    }

    /// Which of some stored rows this batch buries; `None` if none.
    ///
    /// # Errors
    /// When the rows lack their key.
    pub fn buried(&self, contract: &Contract, rows: &RecordBatch) -> Result<Option<BooleanArray>, ArrowError> {
        Self::found(&self.brought, contract, rows)
    }

    fn found(
        graves: &HashMap<String, Graves>,
        contract: &Contract,
        rows: &RecordBatch,
    ) -> Result<Option<BooleanArray>, ArrowError> {
        // A customer is named by its order's own column; its tombstones are therefore its source's own.
        let orders = match &contract.parent {
            Some(parent) if parent.order_column == "order_id" => graves.get("orders"),
            _ => None,
        };
        let own = graves.get(&contract.source);
        if rows.num_rows() == 0 || (own.is_none() && orders.is_none()) {
            return Ok(None);
        }
        let keys = key_texts(rows, &contract.key)?;
        let parents = match (&contract.parent, orders) {
            (Some(parent), Some(_)) => Some(key_texts(rows, std::slice::from_ref(&parent.column))?),
            _ => None,
        };
        let drops = rows
            .column_by_name(DROP_COLUMN)
            .ok_or_else(|| ArrowError::SchemaError(format!("no column {DROP_COLUMN}")))?;
        let gone: BooleanArray = (0..rows.num_rows())
            .map(|row| {
                let drop = dictionary_value(drops, row);
                let by_key = own.is_some_and(|graves| graves.holds(&contract.source, &keys[row], drop));
                // A whole snapshot of the orders says nothing of their children.
                let by_order = orders.zip(parents.as_ref()).is_some_and(|(graves, parents)| {
                    graves.keys.get(&parents[row]).is_some_and(|deleted| drop <= deleted.as_str())
                        || (!graves.erased.is_empty() && graves.erased.contains(&digest("orders", &parents[row])))
                });
                Some(by_key || by_order)
            })
            .collect();
        Ok(Some(gone).filter(|gone| gone.true_count() > 0))
    }
}

/// The key of each row as text, its values joined by `/`.
///
/// # Errors
/// When a column is missing.
pub fn key_texts(rows: &RecordBatch, key: &[String]) -> Result<Vec<String>, ArrowError> {
    let columns = key.iter().map(|name| {
        let column = rows.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("no column {name}")))?;
        Ok(cast(column, &DataType::Utf8)?.as_string::<i32>().clone())
    });
    let columns: Vec<StringArray> = columns.collect::<Result<_, ArrowError>>()?;
    let value = |column: &StringArray, row: usize| {
        if column.is_valid(row) { column.value(row).to_owned() } else { String::new() }
    };
    Ok((0..rows.num_rows())
        .map(|row| columns.iter().map(|column| value(column, row)).collect::<Vec<_>>().join("/"))
        .collect())
}

/// The order (or customer) that a child's key names.
#[must_use]
pub fn parent_of(contract: &Contract, key: &str) -> Option<Id> {
    let parent = &contract.parent.as_ref()?.column;
    let place = contract.key.iter().position(|column| column == parent)?;
    key.split('/').nth(place).and_then(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tombstone(source: &str, key: &str, cause: Cause, drop: &str) -> Tombstone {
        Tombstone {
            source: source.to_owned(),
            key: key.to_owned(),
            cause,
            precedence: drop.to_owned(),
            batch_id: String::new(),
        }
    }

    #[test]
    fn a_row_lives_when_it_is_newer_than_its_tombstone() {
        let tombstones = Tombstones::of(&[tombstone("orders", "o1", Cause::Deleted, "2")]);
        assert!(tombstones.order_is_gone("o1", "1"));
        assert!(tombstones.order_is_gone("o1", "2"));
        assert!(!tombstones.order_is_gone("o1", "3"));
        assert!(!tombstones.order_is_gone("o2", "1"));
    }

    #[test]
    fn a_whole_snapshot_buries_what_is_older() {
        let mut tombstones = Tombstones::default();
        tombstones.bury_older("orders", "2", "batch");
        assert!(tombstones.order_is_gone("o1", "1"));
        assert!(!tombstones.order_is_gone("o1", "2"));
    }

    #[test]
    fn the_newest_tombstone_counts_in_whatever_order_they_come() {
        let rows = [tombstone("orders", "o1", Cause::Deleted, "4"), tombstone("orders", "o1", Cause::Deleted, "2")];
        for rows in [rows.clone(), [rows[1].clone(), rows[0].clone()]] {
            assert!(Tombstones::of(&rows).order_is_gone("o1", "3"));
        }
    }

    #[test]
    fn an_erased_key_never_comes_back() {
        let erased = tombstone("orders", &digest("orders", "o1"), Cause::Erased, "1");
        assert!(Tombstones::of(&[erased]).order_is_gone("o1", "9"));
    }
}
