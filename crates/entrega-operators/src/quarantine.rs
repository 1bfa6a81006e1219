//! Quarantine: rows that were rejected, or that wait for their order.
//!
//! A quarantined row keeps its raw text, so that it can be tried again exactly as it was delivered.

use chrono::NaiveDateTime;
use entrega_model::model::ModelColumn;
use serde::{Deserialize, Serialize};

/// Why a row is in quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuarantineState {
    /// It breaks a rule.
    Rejected,
    /// Its order has not arrived; tried again with every batch.
    Waiting,
}

/// One row of `quarantine.<source>`; its key is (`_drop`, line).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineRow {
    /// The drop's place in the order of drops.
    #[serde(rename = "_drop")]
    pub precedence: String,
    /// The drop's folder.
    pub drop: String,
    /// The file.
    pub file: String,
    /// The row's first line in the file.
    pub line: i64,
    /// Rejected or waiting.
    pub state: QuarantineState,
    /// The rule that it broke.
    pub rule: String,
    /// What was wrong, with column and value.
    pub reason: String,
    /// The row as delivered.
    pub raw: String,
    /// The file's header, for reading the row again.
    pub header: String,
    /// The batch that quarantined it.
    pub batch_id: String,
    /// When.
    pub quarantined_at: NaiveDateTime,
}

/// The columns of every quarantine table.
#[must_use]
pub fn columns() -> Vec<ModelColumn> {
    [
        ("_drop", "STRING", "Interval end, production time and digest of the drop: its place in the order of drops."),
        ("drop", "STRING", "Folder of the drop."),
        ("file", "STRING", "File in the drop."),
        ("line", "BIGINT", "First line of the row in the file, from 1."),
        ("state", "STRING", "rejected: breaks a rule; waiting: its order, or something else that it refers to, is not there."),
        ("rule", "STRING", "Rule that the row broke: columns, encoding, required, type, accepted or range; or of a check: unique, not_null, accepted, relationship, parent."),
        ("reason", "STRING", "What was wrong, with column and value."),
        ("raw", "STRING", "The row as delivered."),
        ("header", "STRING", "Header of the file."),
        ("batch_id", "STRING", "Batch that quarantined the row."),
        ("quarantined_at", "TIMESTAMP", "When, UTC."),
    ]
    .map(|(name, sql_type, doc)| ModelColumn::new(name, sql_type, doc))
    .into()
}
