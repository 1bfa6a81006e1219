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

use std::sync::Arc;

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
    /// For each accepted row its record number in the chunk, if some records were rejected.
    records: Option<Vec<u32>>,
    /// Rejected rows.
    pub rejected: Vec<Rejected>,
    /// Records read, accepted or not.
    pub records_read: u64,
    /// The file's header line.
    pub header: Arc<str>,
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
/// (size, digest, number of records) or its header lacks a required column.
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
    let (mut records, mut chunks_seen) = (0, 0);
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
                let work = move || parse::parse(&contract, &schema, &header, chunk);
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
                records += chunk.records_read;
                chunks_seen += 1;
                Some(Ok(chunk))
            }
            Some(Err(error)) => Some(Err(error)),
            None if chunks_seen == 0 => {
                Some(Err(file.fault("it is empty", "a file without rows still has its header line")))
            }
            None if records == file.entry.rows => None,
            None => Some(Err(file.fault(
                format!("it holds {records} records, its manifest says {}", file.entry.rows),
                "deliver the drop again with a manifest that is true",
            ))),
        })
    })
}

/// Loads CSV text that is already at hand (a quarantined row that is tried again): records without a header, in the
/// contract's own column order as `header` says.
///
/// # Errors
/// From Arrow's kernels.
pub fn load_text(contract: &Contract, header: &Header, text: &str) -> Result<LoadedChunk> {
    let chunk = chunks::Chunk { bytes: bytes::Bytes::copy_from_slice(text.as_bytes()), first_line: 1 };
    parse::parse(contract, &landing_schema(contract), header, chunk).map_err(OperatorError::rows(&contract.file))
}
