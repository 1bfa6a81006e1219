//! What an ingest takes: drops as their manifests declare them, and the headers of their files.

use std::collections::{BTreeMap, BTreeSet};

use entrega_model::{contract::Contract, drops::Manifest, tables::TableName};

/// One drop.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// Its folder, relative to the lake: `landing/dt=…`.
    pub folder: String,
    /// What it says of itself.
    pub manifest: Manifest,
    /// When the manifest was last written, Unix milliseconds.
    pub modified: i64,
    /// The header line of each of its files.
    pub headers: BTreeMap<String, Columns>,
}

/// The columns of a file, as its header names them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Columns {
    /// The header as one line of CSV.
    pub line: String,
    /// How many columns there are.
    pub count: usize,
    /// For each column of the contract, its place in the file, if it is there.
    pub places: Vec<Option<usize>>,
    /// Where the file says which rows are gone, if it does.
    pub deleted: Option<usize>,
    /// Columns that the contract does not know.
    pub unknown: Vec<String>,
    /// Columns of the contract that the file lacks.
    pub missing: Vec<String>,
}

/// What an ingest does beside taking drops.
#[derive(Debug, Clone, Default)]
pub struct Ingest {
    /// The drops, oldest precedence first.
    pub drops: Vec<Delivered>,
    /// The headers of rows that wait in quarantine, by source.
    pub waiting: BTreeMap<String, BTreeSet<Columns>>,
    /// Restated models whose text changed: all orders are computed again.
    pub stale: Vec<TableName>,
}

impl Ingest {
    /// The drops that have a source's file.
    pub fn with_file<'a>(&'a self, contract: &'a Contract) -> impl Iterator<Item = &'a Delivered> {
        self.drops.iter().filter(|drop| drop.manifest.files.contains_key(&contract.file))
    }
}

/// The days of the calendar that are more than a day.
#[derive(Debug, Clone)]
pub struct Calendar {
    /// Its first day.
    pub first: chrono::NaiveDate,
    /// Its last day.
    pub last: chrono::NaiveDate,
    /// Day, holiday, peak season.
    pub special: Vec<(chrono::NaiveDate, Option<String>, Option<String>)>,
}
