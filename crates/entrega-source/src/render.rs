//! What a drop holds: from chosen rows to files and their manifest.
//!
//! ```text
//!  chosen rows ──▶ header + raw records ─────────────────────────────▶ bytes, rows, SHA-256 ──▶ manifest
//!                  an order with events to come: its record rewritten
//!  whole state ──▶ the file's own bytes, or (cut) the rows known then
//! ```

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{NaiveDateTime, TimeDelta};
use entrega_model::drops::{Cadence, Content, FileEntry, Interval, MANIFEST_VERSION, Manifest};
use sha2::{Digest as _, Sha256};

use crate::{
    Clock, OrderSystem, SourceTable,
    records::split_fields,
    timeline::{ORDER_EVENTS, OrderLife},
};

/// A drop whose rows are chosen but not yet written down.
#[derive(Debug, Clone)]
pub(crate) struct PlannedDrop<'a> {
    pub interval: Interval,
    pub cadence: Cadence,
    pub rows: Rows<'a>,
}

/// The rows of a drop.
#[derive(Debug, Clone)]
pub(crate) enum Rows<'a> {
    /// These rows, as (table, row), sorted; and the snapshots if it is the first drop.
    Chosen { rows: &'a [(SourceTable, u32)], snapshots: bool },
    /// Everything known at the interval's end.
    State,
}

/// A drop whose files are ready to be written.
#[derive(Debug, Clone)]
pub(crate) struct FilledDrop {
    pub interval: Interval,
    pub cadence: Cadence,
    pub files: Vec<DropFile>,
    /// A folder inside the interval's own, for what is delivered beside it; empty for the drop itself.
    pub place: &'static str,
    /// How much later than usual it was produced.
    pub delay: TimeDelta,
    pub state: ManifestState,
}

/// What becomes of a drop's manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ManifestState {
    Whole,
    /// Only its first half is written.
    Torn,
    /// It is never written: an upload that was given up.
    Missing,
}

impl FilledDrop {
    /// An ordinary drop.
    pub fn new(interval: Interval, cadence: Cadence, files: Vec<DropFile>) -> Self {
        Self { interval, cadence, files, place: "", delay: TimeDelta::zero(), state: ManifestState::Whole }
    }

    /// The folder of the interval.
    pub fn main_folder(&self) -> String {
        self.interval.folder(self.cadence)
    }

    pub fn folder(&self) -> String {
        let main = self.main_folder();
        if self.place.is_empty() { main } else { format!("{main}/{}", self.place) }
    }

    pub fn manifest(&self, clock: &Clock, producer: &str) -> Manifest {
        let files: BTreeMap<_, _> = self.files.iter().map(|file| (file.name.to_owned(), file.entry.clone())).collect();
        Manifest {
            version: MANIFEST_VERSION,
            interval: self.interval,
            cadence: self.cadence,
            produced_at: clock(self.interval) + self.delay,
            producer: producer.to_owned(),
            files,
        }
    }
}

/// One file of a drop, ready to be written.
#[derive(Debug, Clone)]
pub(crate) struct DropFile {
    pub name: &'static str,
    pub bytes: Bytes,
    pub entry: FileEntry,
}

impl PlannedDrop<'_> {
    pub(crate) fn folder(&self) -> String {
        self.interval.folder(self.cadence)
    }

    pub(crate) fn fill(&self, system: &OrderSystem) -> FilledDrop {
        FilledDrop::new(self.interval, self.cadence, self.files(system))
    }

    fn files(&self, system: &OrderSystem) -> Vec<DropFile> {
        match &self.rows {
            Rows::Chosen { rows, snapshots } => {
                let mut files: Vec<DropFile> = rows
                    .chunk_by(|left, right| left.0 == right.0)
                    .map(|chunk| rows_file(system, chunk[0].0, chunk.iter().map(|(_, row)| *row), self.interval.end))
                    .collect();
                if *snapshots {
                    files.extend(
                        [SourceTable::Geolocation, SourceTable::Translation].map(|table| whole_file(system, table)),
                    );
                }
                files
            }
            Rows::State => {
                SourceTable::ALL.into_iter().map(|table| state_file(system, table, self.interval.end)).collect()
            }
        }
    }
}

/// Everything of a table that is known at `end`. When that is everything, the file itself.
fn state_file(system: &OrderSystem, table: SourceTable, end: NaiveDateTime) -> DropFile {
    let timeline = system.timeline();
    if end >= timeline.span().end || table.content() == Content::Snapshot {
        return whole_file(system, table);
    }
    let known: Vec<u32> = if table == SourceTable::Orders {
        let known = |life: &OrderLife| life.known_at(end)[0];
        (0_u32..).zip(timeline.orders()).filter(|(_, life)| known(life)).map(|(row, _)| row).collect()
    } else {
        let known = |moment: &Option<NaiveDateTime>| moment.is_none_or(|moment| moment < end);
        (0_u32..).zip(timeline.appeared(table)).filter(|(_, moment)| known(moment)).map(|(row, _)| row).collect()
    };
    rows_file(system, table, known.into_iter(), end)
}

fn whole_file(system: &OrderSystem, table: SourceTable) -> DropFile {
    let raw = system.table(table);
    drop_file(table, raw.bytes().clone(), raw.len() as u64)
}

fn rows_file(
    system: &OrderSystem,
    table: SourceTable,
    rows: impl ExactSizeIterator<Item = u32>,
    end: NaiveDateTime,
) -> DropFile {
    let raw = system.table(table);
    let mut bytes = Vec::with_capacity(raw.header().len() + 192 * rows.len());
    bytes.extend_from_slice(raw.header());
    end_line(&mut bytes, raw.line_end());
    let count = rows.len();
    for row in rows {
        let row = row as usize;
        let record = raw.record(row);
        match (table == SourceTable::Orders).then(|| system.timeline().orders()[row]) {
            Some(life) if life.last_event() >= end => write_unfinished_order(&mut bytes, system, record, &life, end),
            _ => bytes.extend_from_slice(record),
        }
        end_line(&mut bytes, raw.line_end());
    }
    drop_file(table, bytes.into(), count as u64)
}

/// The order's record with its future left out: unknown events blank, the status as far as it had come.
fn write_unfinished_order(
    bytes: &mut Vec<u8>,
    system: &OrderSystem,
    record: &[u8],
    life: &OrderLife,
    end: NaiveDateTime,
) {
    let raw = system.table(SourceTable::Orders);
    let mut fields = Vec::with_capacity(raw.columns().len());
    split_fields(record, &mut fields);
    for (name, known) in ORDER_EVENTS.into_iter().zip(life.known_at(end)) {
        if !known {
            fields[raw.position(name)] = b"";
        }
    }
    if let Some(stage) = life.stage_at(end) {
        fields[raw.position("order_status")] = stage.as_bytes();
    }
    for (place, field) in fields.iter().enumerate() {
        if place > 0 {
            bytes.push(b',');
        }
        bytes.extend_from_slice(field);
    }
}

fn end_line(bytes: &mut Vec<u8>, line_end: &[u8]) {
    if !bytes.ends_with(b"\n") {
        bytes.extend_from_slice(line_end);
    }
}

/// A file and what the manifest says of it.
pub(crate) fn drop_file(table: SourceTable, bytes: Bytes, rows: u64) -> DropFile {
    let sha256 = Sha256::digest(&bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or_default());
        }
        text
    });
    let entry = FileEntry { rows, bytes: bytes.len() as u64, sha256, content: table.content() };
    DropFile { name: table.file(), bytes, entry }
}
