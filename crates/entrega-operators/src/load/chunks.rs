//! Cutting a file into chunks at record ends, while its digest is computed.

use std::io::Read as _;

use bytes::{Bytes, BytesMut};
use entrega_lake::{Lake, LakeError};
use futures::{Stream, StreamExt as _};
use object_store::{Error as StoreError, GetResultPayload, ObjectStoreExt as _};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::FileToLoad;
use crate::Result;

/// Bytes of a chunk: large enough that per-chunk costs vanish, small enough that a few in flight need little memory.
const CHUNK_BYTES: usize = 4 << 20;

/// A run of whole records.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The records.
    pub bytes: Bytes,
    /// The line number (from 1) of the first.
    pub first_line: u64,
}

/// Where record ends lie, over any number of blocks. A quote opens a field only at the field's start, as CSV readers
/// see it, so that a stray quote inside a field does not swallow the rest of the file.
#[derive(Debug, Default)]
struct RecordEnds {
    quoted: bool,
    closed_at: Option<usize>,
    lines: u64,
}

impl RecordEnds {
    /// The position after the last record end in `bytes[from..]`, if any, and the lines up to it.
    fn last(&mut self, bytes: &[u8], from: usize) -> Option<(usize, u64)> {
        let mut found = None;
        for at in memchr::memchr2_iter(b'"', b'\n', &bytes[from..]).map(|at| at + from) {
            if bytes[at] == b'\n' {
                self.lines += 1;
                if !self.quoted {
                    found = Some((at + 1, self.lines));
                }
            } else if self.quoted {
                self.quoted = false;
                self.closed_at = Some(at);
            } else {
                let doubled = at > 0 && self.closed_at == Some(at - 1);
                let opens = at == 0
                    || matches!(bytes[at - 1], b',' | b'\n' | b'\r')
                    || (at == 3 && bytes.starts_with(&[0xef, 0xbb, 0xbf]));
                self.quoted = doubled || opens;
            }
        }
        found
    }
}

/// Streams a file's chunks; ends with an error when size or digest are not the manifest's.
pub fn chunks(lake: &Lake, file: &FileToLoad) -> impl Stream<Item = Result<Chunk>> + use<> {
    let (sender, receiver) = mpsc::channel(2);
    let (lake, file) = (lake.clone(), file.clone());
    tokio::spawn(async move {
        if let Err(error) = produce(&lake, &file, &sender).await {
            // The receiver may be gone already: then nobody waits for the error.
            let _ = sender.send(Err(error)).await;
        }
    });
    futures::stream::unfold(receiver, |mut receiver| async move { receiver.recv().await.map(|item| (item, receiver)) })
}

/// The longest header that is looked for.
const HEADER_BYTES: u64 = 64 << 10;

/// The first bytes of a file, its header among them.
pub async fn first(lake: &Lake, file: &FileToLoad) -> Result<Chunk> {
    let path = lake.path(&format!("{}/{}", file.drop, file.name));
    let end = HEADER_BYTES.min(file.entry.bytes);
    let bytes = match lake.store().get_range(&path, 0..end).await {
        Ok(bytes) => bytes,
        Err(error) => return Err(not_read(file, &path, error)),
    };
    Ok(Chunk { bytes, first_line: 1 })
}

fn not_read(file: &FileToLoad, path: &object_store::path::Path, error: StoreError) -> crate::OperatorError {
    match error {
        StoreError::NotFound { .. } => file
            .fault("the manifest names it, but it is not there", "deliver the drop again, files first, manifest last"),
        other => LakeError::storage(path, other).into(),
    }
}

async fn produce(lake: &Lake, file: &FileToLoad, sender: &mpsc::Sender<Result<Chunk>>) -> Result<()> {
    let path = lake.path(&format!("{}/{}", file.drop, file.name));
    let found = lake.store().get(&path).await.map_err(|error| not_read(file, &path, error))?;
    let mut cutter = Cutter::new(file.clone(), sender.clone());
    match found.payload {
        GetResultPayload::File(mut local, _) => {
            let work = move || {
                let mut block = vec![0; CHUNK_BYTES];
                loop {
                    let read = local.read(&mut block).map_err(|error| cutter.file.fault(error, "check the disk"))?;
                    if read == 0 {
                        return cutter.finish();
                    }
                    if !cutter.add(&block[..read]) {
                        return Ok(());
                    }
                }
            };
            let done = tokio::task::spawn_blocking(work).await;
            done.unwrap_or_else(|error| Err(file.fault(error, "this is a bug; please report it")))
        }
        GetResultPayload::Stream(mut stream) => {
            let mut pieces = Vec::new();
            while let Some(piece) = stream.next().await {
                pieces.push(piece.map_err(|source| LakeError::storage(&path, source))?);
            }
            let work = move || {
                for piece in pieces {
                    if !cutter.add(&piece) {
                        return Ok(());
                    }
                }
                cutter.finish()
            };
            let done = tokio::task::spawn_blocking(work).await;
            done.unwrap_or_else(|error| Err(file.fault(error, "this is a bug; please report it")))
        }
    }
}

struct Cutter {
    file: FileToLoad,
    sender: mpsc::Sender<Result<Chunk>>,
    hasher: Sha256,
    size: u64,
    pending: BytesMut,
    seen: usize,
    ends: RecordEnds,
    line: u64,
}

impl Cutter {
    fn new(file: FileToLoad, sender: mpsc::Sender<Result<Chunk>>) -> Self {
        Self {
            file,
            sender,
            hasher: Sha256::new(),
            size: 0,
            pending: BytesMut::new(),
            seen: 0,
            ends: RecordEnds::default(),
            line: 1,
        }
    }

    /// Takes a block; `false` when nobody reads any more.
    fn add(&mut self, block: &[u8]) -> bool {
        self.hasher.update(block);
        self.size += block.len() as u64;
        self.pending.extend_from_slice(block);
        let found = self.ends.last(&self.pending, self.seen);
        self.seen = self.pending.len();
        // Below the size of a chunk more is waited for, unless this was the last block.
        match found {
            Some((end, lines)) if self.pending.len() >= CHUNK_BYTES || self.size >= self.file.entry.bytes => {
                self.send(end, lines)
            }
            _ => true,
        }
    }

    fn send(&mut self, end: usize, lines: u64) -> bool {
        let bytes = self.pending.split_to(end).freeze();
        self.seen -= end;
        self.ends.closed_at = self.ends.closed_at.and_then(|at| at.checked_sub(end));
        let chunk = Chunk { bytes, first_line: self.line };
        self.line = lines + 1;
        self.sender.blocking_send(Ok(chunk)).is_ok()
    }

    fn finish(mut self) -> Result<()> {
        let digest = format!("{:x}", self.hasher.clone().finalize());
        let again = "the file was cut or changed after its manifest was written: deliver the drop again";
        if self.size != self.file.entry.bytes {
            let problem = format!("it has {} bytes, its manifest says {}", self.size, self.file.entry.bytes);
            return Err(self.file.fault(problem, again));
        }
        if digest != self.file.entry.sha256 {
            let problem = format!("its SHA-256 is {digest}, its manifest says {}", self.file.entry.sha256);
            return Err(self.file.fault(problem, again));
        }
        if !self.pending.is_empty() {
            let (end, lines) = (self.pending.len(), self.ends.lines);
            self.send(end, lines);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_inside_quotes_is_no_record_end() {
        let text = b"a,\"x\ny\"\nb,\"said \"\"no\"\"\n\"\nc,stray\" quote\nd";
        let mut ends = RecordEnds::default();
        let (end, lines) = ends.last(text, 0).unwrap();
        assert_eq!(&text[end..], b"d");
        assert_eq!(lines, 5);
    }

    #[test]
    fn blocks_may_be_cut_anywhere() {
        let text = b"a,\"x\ny\"\nb,\"said \"\"no\"\"\n\"\nc,1\n";
        for cut in 1..text.len() {
            let mut ends = RecordEnds::default();
            ends.last(&text[..cut], 0);
            assert_eq!(ends.last(text, cut).map(|(end, _)| end), Some(text.len()), "cut at {cut}");
        }
    }
}
