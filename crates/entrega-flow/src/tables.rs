//! The books beside the ledger: drops, checks, runs and missing references, and the quarantine.

use chrono::NaiveDateTime;
use entrega_lake::Definition;
use entrega_model::{
    project::Project,
    tables::{Layer, TableName},
};
use entrega_operators::quarantine;
use serde::{Deserialize, Serialize};

use crate::{ledger, ops};

/// One row of `ops.drops`: what became of one file of one drop in one batch. A drop without files has one row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DropRow {
    /// The batch.
    pub batch_id: String,
    /// The drop's folder.
    pub drop: String,
    /// Its place in the order of drops.
    #[serde(rename = "_drop")]
    pub precedence: String,
    /// The manifest's digest.
    pub digest: String,
    /// The manifest's last change, Unix milliseconds.
    pub manifest_modified: i64,
    /// Start of the interval.
    pub interval_start: NaiveDateTime,
    /// End of the interval.
    pub interval_end: NaiveDateTime,
    /// hourly, daily or once.
    pub cadence: String,
    /// The file; empty for a drop without files.
    pub file: String,
    /// Whether these are rows that had waited in quarantine.
    pub retried: bool,
    /// Rows of the file.
    pub rows_in: i64,
    /// Rows with a new key.
    pub inserted: i64,
    /// Rows that replaced an older one.
    pub updated: i64,
    /// Rows that the table held already.
    pub unchanged: i64,
    /// Rows that a newer one beat.
    pub superseded: i64,
    /// Rows that repeat another of the batch.
    pub duplicate: i64,
    /// Rows that were rejected.
    pub quarantined: i64,
    /// Rows that wait for their order.
    pub waiting: i64,
    /// Rows that say that their key is gone.
    pub deleted: i64,
    /// Rows dropped by the rule in `dropped_by`.
    pub dropped: i64,
    /// The rule that dropped them.
    pub dropped_by: String,
}

impl DropRow {
    /// Adds the counts of another file.
    pub fn add(&mut self, other: &Self) {
        self.rows_in += other.rows_in;
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
        self.superseded += other.superseded;
        self.duplicate += other.duplicate;
        self.quarantined += other.quarantined;
        self.waiting += other.waiting;
        self.deleted += other.deleted;
        self.dropped += other.dropped;
    }

    /// Rows that the counts account for; equals `rows_in` when all is well.
    #[must_use]
    pub fn accounted(&self) -> i64 {
        self.inserted
            + self.updated
            + self.unchanged
            + self.superseded
            + self.duplicate
            + self.quarantined
            + self.waiting
            + self.deleted
            + self.dropped
    }
}

/// The definition of `ops.drops`.
#[must_use]
pub fn drops() -> Definition {
    ops::definition(
        Layer::Ops,
        "drops",
        "One row per batch, drop and file: what became of its rows. rows_in is the sum of the counts after it.",
        &[
            ("batch_id", "STRING", "Batch that took the drop."),
            ("drop", "STRING", "Folder of the drop."),
            ("_drop", "STRING", "Place in the order of drops: interval end, production time, digest."),
            ("digest", "STRING", "SHA-256 of what the manifest says of the drop's contents."),
            ("manifest_modified", "BIGINT", "Last change of the manifest, Unix milliseconds."),
            ("interval_start", "TIMESTAMP", "Start of the interval, wall-clock time of the shop."),
            ("interval_end", "TIMESTAMP", "End of the interval (exclusive)."),
            ("cadence", "STRING", "hourly, daily or once."),
            ("file", "STRING", "File; empty for a drop without files."),
            ("retried", "BOOLEAN", "Whether these rows had waited in quarantine since an earlier batch."),
            ("rows_in", "BIGINT", "Rows of the file."),
            ("inserted", "BIGINT", "Rows with a new key."),
            ("updated", "BIGINT", "Rows that replaced an older one."),
            ("unchanged", "BIGINT", "Rows that the table held already."),
            ("superseded", "BIGINT", "Rows that a newer one beat."),
            ("duplicate", "BIGINT", "Rows that repeat another of the batch."),
            ("quarantined", "BIGINT", "Rows that were rejected."),
            ("waiting", "BIGINT", "Rows that wait for their order."),
            ("deleted", "BIGINT", "Rows that say that their key is gone."),
            ("dropped", "BIGINT", "Rows that a named rule drops."),
            ("dropped_by", "STRING", "That rule."),
        ],
    )
}

/// One row of `ops.checks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckRow {
    /// The batch.
    pub batch_id: String,
    /// The table.
    pub table: String,
    /// The drop, if the check looked at one.
    pub drop: Option<String>,
    /// The check.
    pub check: String,
    /// fail, quarantine or warn.
    pub severity: String,
    /// Rows looked at.
    pub rows: i64,
    /// Rows for which it does not hold.
    pub failures: i64,
    /// The first offending value.
    pub sample: Option<String>,
}

/// The definition of `ops.checks`.
#[must_use]
pub fn checks() -> Definition {
    ops::definition(
        Layer::Ops,
        "checks",
        "One row per batch, table and check that ran before the commit; for tables of landing, one per drop with a finding.",
        &[
            ("batch_id", "STRING", "Batch."),
            ("table", "STRING", "Table; landing.<source> for what was found in a delivered file."),
            ("drop", "STRING", "Drop, for what was found in a delivered file."),
            ("check", "STRING", "Check and its columns."),
            ("severity", "STRING", "fail stops the batch, quarantine diverts the rows, warn is recorded."),
            ("rows", "BIGINT", "Rows looked at: those about to be committed."),
            ("failures", "BIGINT", "Rows for which the check does not hold."),
            ("sample", "STRING", "First offending value."),
        ],
    )
}

/// One row of `ops.runs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// The run's name.
    pub run_id: String,
    /// The job asked for.
    pub job: String,
    /// Start, UTC.
    pub started_at: NaiveDateTime,
    /// End, UTC.
    pub finished_at: NaiveDateTime,
    /// succeeded or failed.
    pub state: String,
    /// The error, with its causes.
    pub error: Option<String>,
    /// The batches that it published, separated by blanks.
    pub batches: String,
}

/// The definition of `ops.runs`.
#[must_use]
pub fn runs() -> Definition {
    ops::definition(
        Layer::Ops,
        "runs",
        "One row per run that published something or failed.",
        &[
            ("run_id", "STRING", "Name of the run."),
            ("job", "STRING", "Job asked for."),
            ("started_at", "TIMESTAMP", "Start, UTC."),
            ("finished_at", "TIMESTAMP", "End, UTC."),
            ("state", "STRING", "succeeded or failed."),
            ("error", "STRING", "Error with its causes."),
            ("batches", "STRING", "Batches that the run published."),
        ],
    )
}

/// One row of `ops.missing_references`: an order that refers to a seller or product which has not arrived.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MissingReference {
    /// The dimension: `sellers` or `products`.
    pub source: String,
    /// The key that is missing.
    pub key: String,
    /// The order.
    pub order_id: String,
    /// The order's month, days since 1970-01-01.
    pub purchase_month: i32,
}

/// The definition of `ops.missing_references`.
#[must_use]
pub fn missing_references() -> Definition {
    ops::definition(
        Layer::Ops,
        "missing_references",
        "Orders that refer to a seller or product which has not arrived; they are restated when it does.",
        &[
            ("source", "STRING", "Dimension: sellers or products."),
            ("key", "STRING", "Key that is missing."),
            ("order_id", "STRING", "Order that refers to it."),
            ("purchase_month", "INT", "Purchase month of the order, days from 1970-01-01 to its first day."),
        ],
    )
}

/// The definition of `ops.tombstones`.
#[must_use]
pub fn tombstones() -> Definition {
    ops::definition(
        Layer::Ops,
        "tombstones",
        "One row per key that was said to be gone: rows as old as _drop or older are dead, however late they come.",
        &[
            ("source", "STRING", "Source, for example orders."),
            (
                "key",
                "STRING",
                "Values of the key, joined by '/'; '*' for everything older than a whole snapshot; a digest for erased ones.",
            ),
            (
                "cause",
                "STRING",
                "deleted: a row said so; absent: a whole snapshot did not hold it; erased: a person asked for it.",
            ),
            ("_drop", "STRING", "Drop that said so: interval end, production time, digest."),
            ("batch_id", "STRING", "Batch that learned of it."),
        ],
    )
}

/// The definition of `quarantine.<source>`.
#[must_use]
pub fn quarantine_of(source: &str) -> Definition {
    Definition {
        table: TableName::new(Layer::Quarantine, source),
        description: format!("Rows of {source} that were rejected, or that wait for their order."),
        columns: quarantine::columns().into(),
        partition: None,
    }
}

/// Every table of a lake of this project: the models', the books', the quarantine's.
#[must_use]
pub fn all(project: &Project) -> Vec<Definition> {
    let models = project.models().iter().map(Definition::of);
    let quarantines = project.contracts().iter().map(|contract| quarantine_of(&contract.source));
    models
        .chain([ledger::batches(), drops(), checks(), runs(), missing_references(), tombstones()])
        .chain(quarantines)
        .collect()
}
