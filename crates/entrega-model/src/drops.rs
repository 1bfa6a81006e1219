//! Drops: what the order system delivers for one interval.
//!
//! ```text
//!  landing/dt=2018-03-01/                     a daily drop, interval [2018-03-01, 2018-03-02)
//!  landing/dt=2018-03-01/hr=07/               an hourly drop, interval [07:00, 08:00)
//!      olist_orders_dataset.csv
//!      …
//!      _manifest.json                         written last: without it the drop is not there yet
//! ```
//!
//! Which row wins, when several drops hold the same key, is a total order over drops: interval end, then the
//! time of production, then the manifest's digest. [`Manifest::precedence`] spells that order as one string, so
//! that tables can hold it in a column and any engine can compare it.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Timelike as _, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The name of the file that makes a folder a drop.
pub const MANIFEST_FILE: &str = "_manifest.json";

/// The folder of the lake that holds all drops.
pub const LANDING: &str = "landing";

/// How often the order system delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cadence {
    /// One drop for each hour.
    Hourly,
    /// One drop for each day.
    Daily,
    /// One drop for an arbitrary span (a first load, a hand-made delivery).
    Once,
}

impl fmt::Display for Cadence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Once => "once",
        })
    }
}

/// A half-open span of Brazilian wall-clock time, `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Interval {
    /// First moment inside.
    pub start: NaiveDateTime,
    /// First moment after.
    pub end: NaiveDateTime,
}

impl Interval {
    /// The interval of `cadence` that holds `moment`; for [`Cadence::Once`] the day.
    ///
    /// ```
    /// use entrega_model::drops::{Cadence, Interval};
    /// let moment = "2018-03-01T07:15:00".parse().unwrap();
    /// let hour = Interval::holding(moment, Cadence::Hourly);
    /// assert_eq!(hour.to_string(), "[2018-03-01 07:00, 2018-03-01 08:00)");
    /// ```
    #[must_use]
    pub fn holding(moment: NaiveDateTime, cadence: Cadence) -> Self {
        let hour = if cadence == Cadence::Hourly { moment.hour() } else { 0 };
        let start = moment.date().and_time(chrono::NaiveTime::MIN) + TimeDelta::hours(i64::from(hour));
        let length = if cadence == Cadence::Hourly { TimeDelta::hours(1) } else { TimeDelta::days(1) };
        Self { start, end: start + length }
    }

    /// Whether `moment` falls inside.
    #[must_use]
    pub fn contains(&self, moment: NaiveDateTime) -> bool {
        self.start <= moment && moment < self.end
    }

    /// The folder of this interval's drop, relative to the lake: `landing/dt=…[/hr=…]`. A drop that covers
    /// several days lies under its last day.
    #[must_use]
    pub fn folder(&self, cadence: Cadence) -> String {
        let last = self.end - TimeDelta::seconds(1);
        let day = last.format("%Y-%m-%d");
        match cadence {
            Cadence::Hourly => format!("{LANDING}/dt={day}/hr={:02}", last.hour()),
            Cadence::Daily | Cadence::Once => format!("{LANDING}/dt={day}"),
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "[{}, {})", self.start.format("%Y-%m-%d %H:%M"), self.end.format("%Y-%m-%d %H:%M"))
    }
}

/// Whether a file holds the rows that changed in the interval, or the whole state at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// The rows that changed.
    Changes,
    /// Every row there is.
    Snapshot,
}

/// One file of a drop, as its producer declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Data rows (records, not lines), without the header.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, 64 lower-case hex digits.
    pub sha256: String,
    /// Changes or snapshot.
    pub content: Content,
}

/// What a drop says of itself: `_manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of this manifest; 1.
    pub version: u32,
    /// The span whose events the drop holds.
    #[serde(flatten)]
    pub interval: Interval,
    /// How often drops of this kind come.
    pub cadence: Cadence,
    /// When the producer wrote the drop.
    pub produced_at: DateTime<Utc>,
    /// Who wrote it, for example `entrega-replay 0.1.0`.
    pub producer: String,
    /// The files by name; empty for an interval without events.
    pub files: BTreeMap<String, FileEntry>,
}

/// The manifest format that this version writes and understands.
pub const MANIFEST_VERSION: u32 = 1;

impl Manifest {
    /// The JSON text that is written to [`MANIFEST_FILE`].
    ///
    /// # Errors
    /// Never in practice: every field has a JSON form.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// SHA-256 of what the drop holds: interval and files, but neither producer nor time of production, so that the
    /// same delivery written twice has one digest.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(format!("{}\n{}\n", self.interval.start, self.interval.end));
        for (name, file) in &self.files {
            hasher.update(format!("{name}\t{}\t{}\t{:?}\n", file.rows, file.sha256, file.content));
        }
        format!("{:x}", hasher.finalize())
    }

    /// The drop's place in the total order of drops, as text that sorts in that order:
    /// `<interval end>.<produced at>.<digest, 12 digits>`. Tables keep it in `_drop`, as lineage and as precedence.
    #[must_use]
    pub fn precedence(&self) -> String {
        format!(
            "{}.{}.{}",
            self.interval.end.format("%Y%m%dT%H%M%S"),
            self.produced_at.format("%Y%m%dT%H%M%S"),
            &self.digest()[..12]
        )
    }
}
