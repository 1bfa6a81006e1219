//! Load: a delivered CSV file becomes typed rows, and rejected ones with their reason.
//!
//! ```text
//!  file ──chunks (4 MiB, cut at record ends; SHA-256 on the way)──▶ parse (arrow-csv) ──▶ type (contract) ──▶ rows
//!                                                                       └── record by record where that fails ──▶ rejected
//! ```
//!
//! Chunks are parsed on all cores but come back in file order, because the last row of a key wins.

mod chunks;
mod parse;
mod typing;

use std::{collections::BTreeMap, sync::Arc};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use entrega_lake::Lake;
use entrega_model::{contract::Contract, drops::FileEntry};
use futures::{Stream, StreamExt as _};

pub use parse::{Header, RawRow, raw_rows};
pub use typing::landing_schema;

use crate::{OperatorError, Result};

/// A row that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Where it is and what it says.
    pub raw: RawRow,
    /// The rule: `columns`, `encoding`, `required`, `type`, `accepted`, `range`, or a drop rule of the contract.
    pub rule: String,
    /// The reason, with column and value.
    pub reason: String,
}

/// The rows of one chunk of a file.
#[derive(Debug, Clone)]
pub struct LoadedChunk {
    /// Accepted rows: the contract's columns, typed, in file order.
    pub rows: RecordBatch,
    /// Rows that say that they are gone; only what names them is there.
    pub deleted: Option<RecordBatch>,
    /// For each accepted row its record number in the chunk, if some records were rejected.
    records: Option<Vec<u32>>,
    /// Rejected rows.
    pub rejected: Vec<Rejected>,
    /// Values that were left out of accepted rows: how many by rule and column, with the first reason.
    pub warned: BTreeMap<String, (u64, String)>,
    /// A fault for which the contract ends the batch.
    fatal: Option<Rejected>,
    /// Records read, accepted or not.
    pub records_read: u64,
    /// The file's header.
    pub header: Arc<Header>,
    chunk: chunks::Chunk,
}

impl LoadedChunk {
    /// Line and raw text of some accepted rows (ascending), for rows that turn out to be unusable later.
    #[must_use]
    pub fn raw(&self, rows: &[usize]) -> Vec<RawRow> {
        let records: Vec<usize> = match &self.records {
            None => rows.to_vec(),
            Some(records) => rows.iter().map(|row| records[*row] as usize).collect(),
        };
        raw_rows(&self.chunk.bytes, self.chunk.first_line, &records)
    }
}

/// One file to be loaded.
#[derive(Debug, Clone)]
pub struct FileToLoad {
    /// The drop's folder, relative to the lake.
    pub drop: String,
    /// The file's name.
    pub name: String,
    /// What the manifest says of it.
    pub entry: FileEntry,
}

impl FileToLoad {
    /// A value for which the contract ends the batch.
    fn fatal(&self, fault: &Rejected) -> OperatorError {
        self.fault(
            format!("line {}: {}", fault.raw.line, fault.reason),
            "the contract ends the batch for this (on_violation = \"fail\"): deliver the drop again, mended",
        )
    }

    /// A fault of this file.
    pub(crate) fn fault(&self, problem: impl ToString, hint: impl Into<String>) -> OperatorError {
        OperatorError::Delivery {
            drop: self.drop.clone(),
            file: self.name.clone(),
            problem: problem.to_string(),
            hint: hint.into(),
        }
    }
}

/// Streams a file's rows in file order. The stream ends with an error when the file is not what the manifest says
/// (size, digest, number of records), its columns or values are such that the contract ends the batch, or more of its
/// rows are rejected than the contract bears.
///
/// # Errors
/// [`OperatorError::Delivery`] or a lake error, as items of the stream.
pub fn load<'a>(
    lake: &'a Lake,
    contract: &'a Contract,
    file: &'a FileToLoad,
    threads: usize,
) -> impl Stream<Item = Result<LoadedChunk>> + 'a {
    let schema: SchemaRef = landing_schema(contract);
    let contract = Arc::new(contract.clone());
    let shared = Arc::new(file.clone());
    let mut seen = Seen::default();
    let (tolerance, drops) = (contract.tolerance, contract.clone());
    let mut header: Option<Arc<Header>> = None;
    let chunks = chunks::chunks(lake, file);
    let typed = chunks
        .map(move |chunk| {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => return futures::future::Either::Left(std::future::ready(Err(error))),
            };
            let (chunk, header) = match &header {
                Some(header) => (chunk, Arc::clone(header)),
                None => match Header::take(&contract, &shared, chunk) {
                    Ok((found, rest)) => {
                        let found = Arc::new(found);
                        header = Some(Arc::clone(&found));
                        (rest, found)
                    }
                    Err(error) => return futures::future::Either::Left(std::future::ready(Err(error))),
                },
            };
            let (contract, schema, shared) = (Arc::clone(&contract), Arc::clone(&schema), Arc::clone(&shared));
            futures::future::Either::Right(async move {
                let work = move || parse::parse(&contract, &schema, header, chunk);
                match tokio::task::spawn_blocking(work).await {
                    Ok(loaded) => loaded.map_err(OperatorError::rows(&shared.name)),
                    Err(error) => Err(shared.fault(error, "this is a bug; please report it")),
                }
            })
        })
        .buffered(threads.max(1));
    // After the last chunk the number of records is known.
    let counted = typed.map(Some).chain(futures::stream::once(std::future::ready(None)));
    counted.filter_map(move |item| {
        std::future::ready(match item {
            Some(Ok(chunk)) => {
                seen.add(&drops, &chunk);
                Some(chunk.fatal.as_ref().map_or(Ok(()), |fatal| Err(file.fatal(fatal))).map(|()| chunk))
            }
            Some(Err(error)) => Some(Err(error)),
            None if seen.chunks == 0 => {
                Some(Err(file.fault("it is empty", "a file without rows still has its header line")))
            }
            None if seen.records != file.entry.rows => Some(Err(file.fault(
                format!("it holds {} records, its manifest says {}", seen.records, file.entry.rows),
                "deliver the drop again with a manifest that is true",
            ))),
            None if !tolerance.bears(seen.rejected, seen.records) => Some(Err(file.fault(
                format!(
                    "{} of {} rows are not as the contract says; line {}: {}",
                    seen.rejected,
                    seen.records,
                    seen.first.as_ref().map_or(0, |first| first.raw.line),
                    seen.first.as_ref().map_or("", |first| first.reason.as_str())
                ),
                "did a column change its form? deliver the drop again, or mend the contract or its tolerance (models/landing)",
            ))),
            None => None,
        })
    })
}

/// What was seen of a file.
#[derive(Default)]
struct Seen {
    chunks: u64,
    records: u64,
    rejected: u64,
    first: Option<Rejected>,
}

impl Seen {
    fn add(&mut self, contract: &Contract, chunk: &LoadedChunk) {
        self.chunks += 1;
        self.records += chunk.records_read;
        for rejected in chunk.rejected.iter().filter(|rejected| !contract.drops_by(&rejected.rule)) {
            self.rejected += 1;
            self.first.get_or_insert_with(|| rejected.clone());
        }
    }
}

/// The header of a file, if its contract bears it. Only the file's first bytes are read.
///
/// # Errors
/// [`OperatorError::Delivery`] when the file is not there, is empty, or lacks columns.
pub async fn header(lake: &Lake, contract: &Contract, file: &FileToLoad) -> Result<Header> {
    Header::take(contract, file, chunks::first(lake, file).await?).map(|(header, _)| header)
}

/// Loads CSV text that is already at hand (quarantined rows that are tried again): records without a header, in the
/// column order that `header` says.
///
/// # Errors
/// From Arrow's kernels.
pub fn load_text(contract: &Contract, header: Arc<Header>, text: &str) -> Result<LoadedChunk> {
    let chunk = chunks::Chunk { bytes: bytes::Bytes::copy_from_slice(text.as_bytes()), first_line: 1 };
    parse::parse(contract, &landing_schema(contract), header, chunk).map_err(OperatorError::rows(&contract.file))
}
