//! What can go wrong between the order system and its drops, worded for the person at the terminal.

use std::{io, path::PathBuf};

use chrono::{NaiveDate, NaiveDateTime};

/// An order system that cannot be read, or drops that cannot be written. Every message names the file (and line) and
/// ends with a hint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The path leads nowhere.
    #[error(
        "{path}: there is no such file or folder\nhint: name the downloaded zip of the Olist data set, or the folder of its nine CSV files"
    )]
    NotFound {
        /// The path as given.
        path: PathBuf,
    },

    /// The path is a file, but no zip archive.
    #[error(
        "{path}: is not a zip archive\nhint: name the zip as Kaggle serves it, or the folder (not one file) of its nine CSV files"
    )]
    NotAZip {
        /// The path as given.
        path: PathBuf,
    },

    /// A zip archive that starts well but cannot be read.
    #[error(
        "{path}: the zip archive is truncated or damaged ({source})\nhint: download it again; `unzip -t` names the damaged member"
    )]
    DamagedZip {
        /// The path as given.
        path: PathBuf,
        /// What the zip reader met.
        source: zip::result::ZipError,
    },

    /// Some of the nine CSV files are not there.
    #[error("{path}: missing {}; found {}\nhint: an order system has nine CSV files, under the names that Kaggle gives them", .missing.join(", "), listed(.found))]
    MissingFiles {
        /// The zip or folder.
        path: PathBuf,
        /// The expected names that are not there.
        missing: Vec<String>,
        /// The CSV files that are there.
        found: Vec<String>,
    },

    /// A file could not be read.
    #[error("{path}: cannot be read ({source})\nhint: check the permissions and the disk")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A header lacks columns: left out or renamed.
    #[error("{file}, line 1: missing column {}; found {}\nhint: a renamed column counts as missing; the order may differ, the names may not", .missing.join(", "), listed(.found))]
    MissingColumns {
        /// The CSV file.
        file: String,
        /// The columns that the header lacks.
        missing: Vec<String>,
        /// The columns that it has.
        found: Vec<String>,
    },

    /// The file ends in the middle of a record.
    #[error(
        "{file}, line {line}: the file ends inside this record ({reason})\nhint: the file was truncated; unpack or download it again"
    )]
    Truncated {
        /// The CSV file.
        file: String,
        /// Where the last record starts, from 1.
        line: usize,
        /// How the end shows.
        reason: String,
    },

    /// A record with more or fewer fields than the header.
    #[error(
        "{file}, line {line}: {found} fields where the header has {expected}\nhint: look for an unquoted comma or quote in this line"
    )]
    FieldCount {
        /// The CSV file.
        file: String,
        /// Where the record starts, from 1.
        line: usize,
        /// Fields of the header.
        expected: usize,
        /// Fields of the record.
        found: usize,
    },

    /// A timestamp that decides when a row is exported cannot be read.
    #[error(
        "{file}, line {line}: {column} is {value:?}, not a timestamp\nhint: write it as 2018-03-01 07:15:00; without it the row has no place in time"
    )]
    Timestamp {
        /// The CSV file.
        file: String,
        /// Where the record starts, from 1.
        line: usize,
        /// The column.
        column: &'static str,
        /// What stands there.
        value: String,
    },

    /// There are files but no order.
    #[error(
        "{path}: no event at all, so there is nothing to replay\nhint: olist_orders_dataset.csv needs at least one order"
    )]
    NoEvents {
        /// The zip or folder.
        path: PathBuf,
    },

    /// `--from` and `--to` leave nothing over.
    #[error(
        "nothing lies between {from} and {to}: the order system's events go from {first} to {last}\nhint: --from and --to are days, both inclusive"
    )]
    EmptySpan {
        /// The asked first day.
        from: NaiveDate,
        /// The asked last day.
        to: NaiveDate,
        /// Day of the first event.
        first: NaiveDate,
        /// Day of the last event.
        last: NaiveDate,
    },

    /// `--to` of a single drop lies before the first event.
    #[error("nothing is known yet at {to}: the first event is on {first}\nhint: choose a later --to")]
    NothingKnown {
        /// The asked moment.
        to: NaiveDateTime,
        /// Day of the first event.
        first: NaiveDate,
    },

    /// A folder already holds another delivery.
    #[error(
        "{folder}: already holds another drop ({reason})\nhint: replay into an empty lake, or remove that folder; a delivered drop is never overwritten"
    )]
    OtherDrop {
        /// The drop's folder in the lake.
        folder: String,
        /// How the two differ.
        reason: String,
    },

    /// The lake refuses.
    #[error(
        "{path}: cannot {action} ({source})\nhint: check that the lake's folder may be written and its disk has room"
    )]
    Store {
        /// The object.
        path: String,
        /// What was tried: "write", "read", "list".
        action: &'static str,
        /// What the store said.
        source: object_store::Error,
    },

    /// A manifest could not be written down as JSON.
    #[error("{folder}: the manifest has no JSON form ({source})\nhint: this is a fault of entrega; please report it")]
    Manifest {
        /// The drop's folder in the lake.
        folder: String,
        /// What the JSON writer met.
        source: serde_json::Error,
    },

    /// Days that cannot be simulated.
    #[error(
        "a shop cannot be simulated from {from} to {to}\nhint: the last day is on or after the first, and at most a hundred years later"
    )]
    SimulatedSpan {
        /// The first day.
        from: NaiveDate,
        /// The last day.
        to: NaiveDate,
    },

    /// The lake's drops are from a shop that was simulated with other options.
    #[error(
        "the lake holds another simulated shop\n  it has   {found}\n  asked is {wanted}\nhint: simulate into an empty lake; to go on with the shop that is there, use --follow"
    )]
    OtherShop {
        /// The options of the shop that is there.
        found: String,
        /// The options of the shop that was asked for.
        wanted: String,
    },

    /// Nothing to follow.
    #[error(
        "the lake holds no simulated shop that could be followed: it has no _simulated.json\nhint: begin one with `entrega simulate` without --follow; drops of a replay cannot be followed"
    )]
    NoSimulatedShop,

    /// What the shop was simulated with cannot be read.
    #[error(
        "_simulated.json cannot be understood ({problem})\nhint: simulate again with the options that the shop was simulated with, after removing this file"
    )]
    DamagedNote {
        /// What is wrong with it.
        problem: String,
    },

    /// The simulated shop's parameters make no sense.
    #[error("the simulated shop cannot be made: {problem}\nhint: this is a fault of entrega; please report it")]
    Parameters {
        /// What is wrong with them.
        problem: String,
    },

    /// A worker gave up.
    #[error(
        "a worker stopped before its work was done ({problem})\nhint: this is a fault of entrega; please report it"
    )]
    Worker {
        /// How it ended.
        problem: String,
    },
}

impl SourceError {
    pub(crate) fn worker(error: tokio::task::JoinError) -> Self {
        Self::Worker { problem: error.to_string() }
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
