//! Writing drops into a lake: files first, the manifest last, nothing twice.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use entrega_model::drops::{Interval, LANDING, MANIFEST_FILE, Manifest};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload, path::Path};

use crate::{
    OrderSystem, SourceError,
    render::{FilledDrop, ManifestState, PlannedDrop},
};

/// Drops written at the same time. Enough to hide a store's latency, few enough to keep memory small.
const CONCURRENT_DROPS: usize = 16;

/// Who made the drops of a replay.
pub(crate) const REPLAY: &str = concat!("entrega-replay ", env!("CARGO_PKG_VERSION"));

/// Tells when the drop of an interval was produced. Injected, so that a replay is the same every time.
pub type Clock = Arc<dyn Fn(Interval) -> DateTime<Utc> + Send + Sync>;

/// The default [`Clock`]: five minutes after the interval's end, its wall clock read as UTC.
///
/// ```
/// use entrega_model::drops::{Cadence, Interval};
/// let day = Interval::holding("2018-03-01T07:15:00".parse().unwrap(), Cadence::Daily);
/// assert_eq!(entrega_source::five_minutes_after(day).to_rfc3339(), "2018-03-02T00:05:00+00:00");
/// ```
#[must_use]
pub fn five_minutes_after(interval: Interval) -> DateTime<Utc> {
    (interval.end + TimeDelta::minutes(5)).and_utc()
}

/// What became of one drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was not there (or torn) and is now.
    Written,
    /// It was there already, with the same content.
    Unchanged,
}

/// One drop that is done.
#[derive(Debug, Clone)]
pub struct DropReport {
    /// Its folder in the lake, for example `landing/dt=2018-03-01`.
    pub folder: String,
    /// Written or unchanged.
    pub outcome: Outcome,
    /// Number of data files.
    pub files: usize,
    /// Data rows in them.
    pub rows: u64,
    /// Their size.
    pub bytes: u64,
}

/// How far it is; given to the callback after every drop.
#[derive(Debug)]
pub struct Progress<'a> {
    /// Drops done so far, this one included.
    pub done: usize,
    /// Drops in all.
    pub total: usize,
    /// The drop just done. Drops may finish out of order.
    pub drop: &'a DropReport,
}

/// What a replay or a simulation delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliverySummary {
    /// From the first drop's start to the last one's end.
    pub span: Interval,
    /// Drops in all, a baseline included.
    pub drops: usize,
    /// Of these, drops that were written.
    pub written: usize,
    /// Of these, drops that were there already with the same content.
    pub unchanged: usize,
    /// Of these, drops without rows: a manifest only.
    pub empty: usize,
    /// Data files of all drops.
    pub files: usize,
    /// Data rows of all drops.
    pub rows: u64,
    /// Bytes of all data files.
    pub bytes: u64,
}

impl DeliverySummary {
    pub(crate) fn new(span: Interval) -> Self {
        Self { span, drops: 0, written: 0, unchanged: 0, empty: 0, files: 0, rows: 0, bytes: 0 }
    }

    pub(crate) fn add(&mut self, report: &DropReport) {
        self.drops += 1;
        match report.outcome {
            Outcome::Written => self.written += 1,
            Outcome::Unchanged => self.unchanged += 1,
        }
        self.empty += usize::from(report.files == 0);
        self.files += report.files;
        self.rows += report.rows;
        self.bytes += report.bytes;
    }
}

/// Writes the drops into a lake, skipping those that are there, and refusing (before anything is written) if one of them
/// holds something else.
pub(crate) struct DropWriter {
    pub store: Arc<dyn ObjectStore>,
    pub prefix: Path,
    pub clock: Clock,
    /// Who says that it made the drops.
    pub producer: &'static str,
}

impl DropWriter {
    pub(crate) async fn write_all(
        &self,
        system: &OrderSystem,
        span: Interval,
        drops: Vec<PlannedDrop<'_>>,
        mut progress: impl FnMut(Progress<'_>),
    ) -> Result<DeliverySummary, SourceError> {
        let total = drops.len();
        let delivered = self.delivered().await?;
        let (there, missing): (Vec<_>, Vec<_>) =
            drops.into_iter().partition(|drop| delivered.contains(&self.path(&drop.folder(), MANIFEST_FILE)));
        let mut summary = DeliverySummary::new(span);
        let mut note = |report: &DropReport| {
            summary.add(report);
            progress(Progress { done: summary.drops, total, drop: report });
        };
        let mut compared =
            stream::iter(there).map(|drop| self.compare(drop.fill(system))).buffer_unordered(CONCURRENT_DROPS);
        while let Some(report) = compared.try_next().await? {
            note(&report);
        }
        let mut written =
            stream::iter(missing).map(|drop| self.write(drop.fill(system))).buffer_unordered(CONCURRENT_DROPS);
        while let Some(report) = written.try_next().await? {
            note(&report);
        }
        Ok(summary)
    }

    /// The manifests that are in the landing folder already.
    pub(crate) async fn delivered(&self) -> Result<HashSet<Path>, SourceError> {
        let landing: Path = self.prefix.parts().chain(Path::from(LANDING).parts()).collect();
        let failed = |source| SourceError::Store { path: landing.to_string(), action: "list", source };
        self.store
            .list(Some(&landing))
            .map_ok(|object| object.location)
            .try_filter(|path| std::future::ready(path.filename() == Some(MANIFEST_FILE)))
            .try_collect()
            .await
            .map_err(failed)
    }

    /// Writes a drop, or compares it with the one that is there. An upload that was given up is written before the
    /// drop of its interval, and left alone once that is there.
    pub(crate) async fn deliver(&self, drop: FilledDrop, there: &HashSet<Path>) -> Result<DropReport, SourceError> {
        if drop.state == ManifestState::Missing {
            if there.contains(&self.path(&drop.main_folder(), MANIFEST_FILE)) {
                return Ok(report(&drop, Outcome::Unchanged));
            }
            self.put_files(&drop).await?;
            return Ok(report(&drop, Outcome::Written));
        }
        if there.contains(&self.path(&drop.folder(), MANIFEST_FILE)) {
            self.compare(drop).await
        } else {
            self.write(drop).await
        }
    }

    async fn compare(&self, drop: FilledDrop) -> Result<DropReport, SourceError> {
        let folder = drop.folder();
        let path = self.path(&folder, MANIFEST_FILE);
        let failed = |source| SourceError::Store { path: path.to_string(), action: "read", source };
        let text = self.store.get(&path).await.map_err(failed)?.bytes().await.map_err(failed)?;
        let wanted = drop.manifest(&self.clock, self.producer);
        let differ = |reason: String| SourceError::OtherDrop { folder: folder.clone(), reason };
        let there: Result<Manifest, _> = serde_json::from_slice(&text);
        if drop.state == ManifestState::Torn {
            // Its text holds who made it and when, which another version or clock says otherwise.
            return match there {
                Ok(_) => Err(differ(format!("{MANIFEST_FILE} is whole, not torn"))),
                Err(_) => Ok(report(&drop, Outcome::Unchanged)),
            };
        }
        let there = there.map_err(|error| differ(format!("{MANIFEST_FILE} cannot be understood: {error}")))?;
        if there.interval != wanted.interval || there.cadence != wanted.cadence {
            let (interval, cadence) = (there.interval, there.cadence);
            return Err(differ(format!(
                "a {cadence} drop of {interval}, not a {} one of {}",
                wanted.cadence, wanted.interval
            )));
        }
        if there.digest() != wanted.digest() {
            let names = there.files.keys().chain(wanted.files.keys());
            let name = names.into_iter().find(|name| there.files.get(*name) != wanted.files.get(*name));
            return Err(differ(format!("other content in {}", name.map_or("its files", String::as_str))));
        }
        Ok(report(&drop, Outcome::Unchanged))
    }

    async fn write(&self, drop: FilledDrop) -> Result<DropReport, SourceError> {
        let folder = drop.folder();
        let manifest = drop.manifest(&self.clock, self.producer);
        let mut json = manifest.to_json().map_err(|source| SourceError::Manifest { folder: folder.clone(), source })?;
        if drop.state == ManifestState::Torn {
            json.truncate(json.len() / 2);
        }
        self.put_files(&drop).await?;
        self.put(&folder, MANIFEST_FILE, json.into()).await?;
        Ok(report(&drop, Outcome::Written))
    }

    async fn put_files(&self, drop: &FilledDrop) -> Result<(), SourceError> {
        let folder = drop.folder();
        for file in &drop.files {
            self.put(&folder, file.name, file.bytes.clone()).await?;
        }
        Ok(())
    }

    pub(crate) async fn put(&self, folder: &str, name: &str, bytes: Bytes) -> Result<(), SourceError> {
        let path = self.path(folder, name);
        let result = self.store.put(&path, PutPayload::from_bytes(bytes)).await;
        result.map_err(|source| SourceError::Store { path: path.to_string(), action: "write", source })?;
        Ok(())
    }

    /// A file of the lake's own folder, if it is there.
    pub(crate) async fn get(&self, name: &str) -> Result<Option<Bytes>, SourceError> {
        let path = self.path("", name);
        let failed = |source| SourceError::Store { path: path.to_string(), action: "read", source };
        match self.store.get(&path).await {
            Ok(found) => found.bytes().await.map(Some).map_err(failed),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(failed(source)),
        }
    }

    pub(crate) fn path(&self, folder: &str, name: &str) -> Path {
        self.prefix.parts().chain(Path::from(folder).parts()).chain([name.into()]).collect()
    }
}

fn report(drop: &FilledDrop, outcome: Outcome) -> DropReport {
    let files = &drop.files;
    DropReport {
        folder: drop.folder(),
        outcome,
        files: files.len(),
        rows: files.iter().map(|file| file.entry.rows).sum(),
        bytes: files.iter().map(|file| file.entry.bytes).sum(),
    }
}
