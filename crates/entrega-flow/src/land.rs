//! Land: CSV files without a manifest, as somebody copied them by hand, become a drop.
//!
//! ```text
//!  local files ──copied──▶ landing/dt=…/land=…/   ┐
//!  files in a folder of the landing zone          ├─▶ which source? ─▶ read by contract ─▶ _manifest.json, last
//!                                                 ┘
//! ```
//!
//! A file's source is told by its name, else by its columns. It is read once by its contract, so that a file which no
//! batch could take is refused here, and nothing of it is left behind.

use std::{
    collections::BTreeMap,
    io::{Read, Seek as _},
    path::{Path, PathBuf},
};

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use entrega_lake::LakeError;
use entrega_model::{
    contract::Contract,
    drops::{Cadence, Content, FileEntry, Interval, LANDING, MANIFEST_FILE, MANIFEST_VERSION, Manifest},
};
use entrega_operators::load::{FileToLoad, Header, load};
use futures::TryStreamExt as _;
use object_store::{GetResultPayload, ObjectStoreExt as _, WriteMultipart};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{Context, FlowError, Result};

/// Bytes that are copied at once.
const BLOCK: usize = 8 << 20;

/// What is to be landed.
#[derive(Debug, Clone)]
pub enum Raw {
    /// Files of this machine; they are copied.
    Files(Vec<PathBuf>),
    /// A folder of the landing zone that holds files but no manifest.
    Folder(String),
}

/// How it is to be landed.
#[derive(Debug, Clone, Default)]
pub struct LandOptions {
    /// The interval that the files tell of; for a folder `dt=…[/hr=…]` that day or hour by default.
    pub interval: Option<Interval>,
    /// Whether files of changes hold the whole instead: rows that they lack are gone.
    pub whole: bool,
}

/// What was landed.
#[derive(Debug, Clone, Serialize)]
pub struct Landed {
    /// The drop's folder.
    pub drop: String,
    /// Its interval.
    pub interval: String,
    /// Its files.
    pub files: BTreeMap<String, LandedFile>,
}

/// One landed file.
#[derive(Debug, Clone, Serialize)]
pub struct LandedFile {
    /// Its source.
    pub source: String,
    /// Its rows.
    pub rows: u64,
    /// Of these, rows that will go to quarantine, by rule.
    pub rejected: BTreeMap<String, u64>,
}

/// Makes a drop of files without a manifest.
///
/// # Errors
/// [`FlowError::Request`] when the files are none of the sources', or no interval is given;
/// [`entrega_operators::OperatorError::Delivery`] when a file cannot be taken. Nothing of it is left then.
pub async fn land(context: &Context, raw: &Raw, options: &LandOptions) -> Result<Landed> {
    match raw {
        Raw::Files(files) => {
            let interval = options.interval.ok_or_else(|| {
                request(
                    "which interval do the files tell of?",
                    "say day=2018-03-01, or from=… and to=…: it decides which of two rows with the same key is newer",
                )
            })?;
            let named = name_files(context, files)?;
            let folder =
                format!("{}/land={}", interval.folder(Cadence::Once), context.now().format("%Y%m%dT%H%M%S%3f"));
            let landed = async {
                for (contract, file) in &named {
                    copy(context, file, &format!("{folder}/{}", contract.file)).await?;
                }
                finish(context, &folder, named.iter().map(|(contract, _)| *contract), interval, options.whole).await
            };
            let landed = landed.await;
            if landed.is_err() {
                context.lake.delete_folder(&folder).await?;
            }
            landed
        }
        Raw::Folder(folder) => {
            let folder = crate::ingest::normal_folder(folder);
            let objects = context.lake.list(&folder).await?.objects;
            if objects.iter().any(|(name, ..)| name == MANIFEST_FILE) {
                return Err(request(
                    format!("{folder} has a manifest already"),
                    "it is a drop; `entrega status` tells whether it waits or was taken",
                ));
            }
            let known: Vec<&Contract> = context
                .project
                .contracts()
                .iter()
                .filter(|contract| objects.iter().any(|(name, ..)| *name == contract.file))
                .collect();
            let stranger = objects.iter().find(|(name, ..)| known.iter().all(|contract| contract.file != *name));
            if known.is_empty() || stranger.is_some() {
                let found = stranger.map_or("nothing".to_owned(), |(name, ..)| name.clone());
                return Err(request(
                    format!("{folder} holds {found}, which is no file of a source"),
                    format!("files in a bucket need their own names: {}", file_names(context)),
                ));
            }
            let interval = options.interval.or_else(|| interval_of(&folder)).ok_or_else(|| {
                request(
                    format!("the folder {folder} does not say which interval its files tell of"),
                    "put them under landing/dt=2018-03-01[/hr=07], or say day=2018-03-01",
                )
            })?;
            finish(context, &folder, known.into_iter(), interval, options.whole).await
        }
    }
}

fn request(problem: impl Into<String>, hint: impl Into<String>) -> FlowError {
    FlowError::Request { problem: problem.into(), hint: hint.into() }
}

fn file_names(context: &Context) -> String {
    context.project.contracts().iter().map(|contract| contract.file.as_str()).collect::<Vec<_>>().join(", ")
}

/// The interval of a folder `dt=…[/hr=…]`.
fn interval_of(folder: &str) -> Option<Interval> {
    let part = |name: &str| folder.split('/').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    let day: NaiveDate = part("dt")?.parse().ok()?;
    let midnight = day.and_time(NaiveTime::MIN);
    match part("hr").and_then(|hour| hour.parse().ok()).filter(|hour| *hour < 24) {
        Some(hour) => Some(Interval::holding(midnight + TimeDelta::hours(hour), Cadence::Hourly)),
        None => Some(Interval::holding(midnight, Cadence::Daily)),
    }
}

/// An interval as people say it: a day, or two moments.
///
/// # Errors
/// [`FlowError::Request`] for what is none.
pub fn interval(day: Option<&str>, from: Option<&str>, to: Option<&str>) -> Result<Option<Interval>> {
    let wrong = |text: &str| request(format!("'{text}' is no time"), "write 2018-03-01 or '2018-03-01 07:00:00'");
    let moment = |text: &str| -> Result<NaiveDateTime> {
        let day = text.parse::<NaiveDate>().map(|day| day.and_time(NaiveTime::MIN));
        day.or_else(|_| text.replace(' ', "T").parse()).map_err(|_| wrong(text))
    };
    match (day, from, to) {
        (None, None, None) => Ok(None),
        (Some(day), None, None) => Ok(Some(Interval::holding(moment(day)?, Cadence::Daily))),
        (None, Some(from), Some(to)) => {
            let (start, end) = (moment(from)?, moment(to)?);
            if start < end {
                Ok(Some(Interval { start, end }))
            } else {
                Err(request(format!("{from} is not before {to}"), "the interval's end comes after its start"))
            }
        }
        _ => Err(request("the interval is not clear", "say day=2018-03-01, or both from=… and to=… (exclusive)")),
    }
}

/// The source of each file: by its name, else by its columns.
fn name_files<'a, 'b>(context: &'a Context, files: &'b [PathBuf]) -> Result<Vec<(&'a Contract, &'b Path)>> {
    if files.is_empty() {
        return Err(request("no file is given", "name the CSV files, or drop=landing/dt=… for files that are there"));
    }
    let mut named: Vec<(&Contract, &Path)> = Vec::new();
    for file in files {
        let contract = source_of(context, file)?;
        if let Some((_, other)) = named.iter().find(|(known, _)| known.source == contract.source) {
            return Err(request(
                format!("{} and {} are both {}", other.display(), file.display(), contract.source),
                "a drop has one file of each source: land them one after the other",
            ));
        }
        named.push((contract, file));
    }
    Ok(named)
}

fn source_of<'a>(context: &'a Context, file: &Path) -> Result<&'a Contract> {
    let cannot_read =
        |error: std::io::Error| request(format!("{}: {error}", file.display()), "name files that are there");
    let mut opened = std::fs::File::open(file).map_err(cannot_read)?;
    let contracts = context.project.contracts();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if let Some(contract) = contracts.iter().find(|contract| contract.file == name) {
        return Ok(contract);
    }
    let mut start = Vec::new();
    (&mut opened).take(64 << 10).read_to_end(&mut start).map_err(cannot_read)?;
    let start = String::from_utf8_lossy(&start);
    let line = start.trim_start_matches('\u{feff}').lines().next().unwrap_or_default();
    let fits = |contract: &&Contract| {
        let header = Header::of(contract, line);
        contract
            .columns
            .iter()
            .all(|column| !column.required || !header.missing.iter().any(|name| name == column.header()))
            && !header.names.is_empty()
    };
    let mut fitting = contracts.iter().filter(fits);
    match (fitting.next(), fitting.next()) {
        (Some(contract), None) => Ok(contract),
        (None, _) => Err(request(
            format!("{}: no source has these columns: {line}", file.display()),
            format!("a file is known by its name ({}) or by its columns", file_names(context)),
        )),
        (Some(one), Some(other)) => Err(request(
            format!("{}: its columns fit both {} and {}", file.display(), one.source, other.source),
            format!("give it its name: one of {}", file_names(context)),
        )),
    }
}

/// Copies a local file into the lake.
async fn copy(context: &Context, file: &Path, to: &str) -> Result<()> {
    let path = context.lake.path(to);
    let failed = |source| FlowError::from(LakeError::storage(&path, source));
    let unreadable =
        |error: std::io::Error| request(format!("{}: {error}", file.display()), "check the file and its disk");
    let mut opened = std::fs::File::open(file).map_err(unreadable)?;
    let mut writer = WriteMultipart::new(context.lake.store().put_multipart(&path).await.map_err(failed)?);
    let mut block = vec![0; BLOCK];
    loop {
        let read = opened.read(&mut block).map_err(unreadable)?;
        if read == 0 {
            break;
        }
        writer.wait_for_capacity(2).await.map_err(failed)?;
        writer.write(&block[..read]);
    }
    writer.finish().await.map_err(failed)?;
    Ok(())
}

/// Measures and checks the files of a folder, and writes its manifest.
async fn finish(
    context: &Context,
    folder: &str,
    contracts: impl Iterator<Item = &Contract>,
    interval: Interval,
    whole: bool,
) -> Result<Landed> {
    let (mut entries, mut files) = (BTreeMap::new(), BTreeMap::new());
    for contract in contracts {
        let mut entry = measure(context, &format!("{folder}/{}", contract.file)).await?;
        entry.content = if whole { Content::Snapshot } else { contract.kind };
        let file = FileToLoad { drop: folder.to_owned(), name: contract.file.clone(), entry };
        let mut rejected = BTreeMap::new();
        let mut chunks = std::pin::pin!(load(&context.lake, contract, &file, context.threads));
        while let Some(chunk) = chunks.try_next().await? {
            for row in chunk.rejected {
                *rejected.entry(row.rule).or_default() += 1;
            }
        }
        let rows = file.entry.rows;
        files.insert(contract.file.clone(), LandedFile { source: contract.source.clone(), rows, rejected });
        entries.insert(contract.file.clone(), file.entry.clone());
    }
    let manifest = Manifest {
        version: MANIFEST_VERSION,
        interval,
        cadence: Cadence::Once,
        produced_at: context.now(),
        producer: concat!("entrega op land ", env!("CARGO_PKG_VERSION")).to_owned(),
        files: entries,
    };
    let json = manifest.to_json().map_err(|error| request(error.to_string(), "this is a bug; please report it"))?;
    context.lake.put(&format!("{folder}/{MANIFEST_FILE}"), json.into()).await?;
    debug_assert!(folder.starts_with(LANDING));
    Ok(Landed { drop: folder.to_owned(), interval: interval.to_string(), files })
}

/// Rows, bytes and digest of a CSV file of the lake.
pub(crate) async fn measure(context: &Context, relative: &str) -> Result<FileEntry> {
    let path = context.lake.path(relative);
    let failed = |source| FlowError::from(LakeError::storage(&path, source));
    let found = context.lake.store().get(&path).await.map_err(failed)?;
    let measured = match found.payload {
        GetResultPayload::File(mut file, _) => {
            let work = move || {
                file.rewind()?;
                measure_read(file)
            };
            tokio::task::spawn_blocking(work).await.map_err(FlowError::joined)?
        }
        GetResultPayload::Stream(stream) => {
            let pieces: Vec<bytes::Bytes> = stream.try_collect().await.map_err(failed)?;
            measure_read(std::io::Cursor::new(pieces.concat()))
        }
    };
    measured.map_err(|error| request(format!("{relative}: {error}"), "check the file"))
}

fn measure_read(source: impl Read) -> std::io::Result<FileEntry> {
    let mut counted = Counted { source, hasher: Sha256::new(), bytes: 0 };
    let mut rows = 0;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(&mut counted);
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(std::io::Error::other)? {
        rows += 1;
    }
    drop(reader);
    let sha256 = format!("{:x}", counted.hasher.finalize());
    Ok(FileEntry { rows, bytes: counted.bytes, sha256, content: Content::Changes })
}

/// A reader that remembers how much it read, and its digest.
struct Counted<R> {
    source: R,
    hasher: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_tells_its_interval() {
        let told = |folder: &str| interval_of(folder).map(|interval| interval.to_string());
        assert_eq!(told("landing/dt=2018-03-01/x=1").unwrap(), "[2018-03-01 00:00, 2018-03-02 00:00)");
        assert_eq!(told("landing/dt=2018-03-01/hr=07").unwrap(), "[2018-03-01 07:00, 2018-03-01 08:00)");
        assert_eq!(told("landing/upload"), None);
    }

    #[test]
    fn records_are_counted_not_lines() {
        let entry = measure_read(&b"a,b\n1,\"x\ny\"\n\n2,z"[..]).unwrap();
        assert_eq!((entry.rows, entry.bytes), (2, 16));
    }

    #[test]
    fn half_an_interval_is_refused() {
        assert!(interval(None, Some("2018-03-01"), None).is_err());
        assert!(interval(None, Some("2018-03-02"), Some("2018-03-01")).is_err());
        assert!(interval(None, None, None).unwrap().is_none());
    }
}
