//! What every script is given: the lake, its tables, and the batch's place in the ledger.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use entrega_model::{
    project::Project,
    tables::{STAGING, TableName},
};

use crate::{Place, stored::Tables};

/// The facts of one batch.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Where the lake lies.
    pub place: Place,
    /// Contracts and models.
    pub project: Project,
    /// Every table that the batch reads or writes, books included.
    pub tables: Tables,
    /// The name of the batch.
    pub id: String,
    /// `ingest`, `summary` or `features`.
    pub job: &'static str,
    /// Its place in the ledger: the last one's plus one.
    pub sequence: i64,
    /// When it began, UTC.
    pub started_at: NaiveDateTime,
    /// The end of the newest interval that the lake knows with this batch.
    pub as_of: NaiveDateTime,
    /// Version of every table that was ever published.
    pub versions: BTreeMap<TableName, u64>,
    /// Fingerprint of the model that wrote each table, as published.
    pub fingerprints: BTreeMap<TableName, String>,
}

impl Batch {
    /// The folder of what this batch computes on its way.
    #[must_use]
    pub fn staging(&self) -> String {
        self.place.url(&format!("{STAGING}/{}", self.id))
    }
}
