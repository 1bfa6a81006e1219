//! A result's rows, put together from the pieces in which they come.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use bytes::{Bytes, BytesMut};

use crate::protocol::execute_plan_response::ArrowBatch;

/// Why rows could not be taken.
#[derive(Debug)]
pub(crate) enum Refused {
    /// They are more than the bound.
    TooLarge,
    /// They are not what they should be.
    Broken(String),
}

impl From<ArrowError> for Refused {
    fn from(error: ArrowError) -> Self {
        Self::Broken(format!("its rows cannot be read: {error}"))
    }
}

/// Rows on their way in: each batch is one Arrow stream, perhaps cut into chunks.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    limit: usize,
    bytes: usize,
    /// Rows until now.
    seen: i64,
    chunks: Vec<Bytes>,
    batches: Vec<RecordBatch>,
}

impl Rows {
    /// No rows yet, and at most `limit` bytes to come.
    pub fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Takes the next piece.
    pub fn take(&mut self, piece: ArrowBatch) -> Result<(), Refused> {
        let index = i64::try_from(self.chunks.len()).unwrap_or(i64::MAX);
        if piece.chunk_index() != index {
            return Err(Refused::Broken(format!("chunk {} of a batch came in place of {index}", piece.chunk_index())));
        }
        if index == 0 && piece.start_offset.is_some_and(|offset| offset != self.seen) {
            return Err(Refused::Broken(format!("row {} came in place of {}", piece.start_offset(), self.seen)));
        }
        self.bytes = self.bytes.saturating_add(piece.data.len());
        if self.bytes > self.limit {
            return Err(Refused::TooLarge);
        }
        let (count, chunks) = (piece.row_count, piece.num_chunks_in_batch().max(1));
        self.chunks.push(piece.data);
        if index + 1 < chunks {
            return Ok(());
        }
        let batches = read(join(std::mem::take(&mut self.chunks)))?;
        let found: usize = batches.iter().map(RecordBatch::num_rows).sum();
        if i64::try_from(found) != Ok(count) {
            return Err(Refused::Broken(format!("a batch of {count} rows has {found}")));
        }
        self.seen += count;
        self.batches.extend(batches);
        Ok(())
    }

    /// All rows, when no more pieces come.
    pub fn finish(self) -> Result<Vec<RecordBatch>, Refused> {
        if self.chunks.is_empty() {
            Ok(self.batches)
        } else {
            Err(Refused::Broken("its last batch has no end".to_owned()))
        }
    }
}

/// Reads one Arrow stream.
pub(crate) fn read(data: Bytes) -> Result<Vec<RecordBatch>, Refused> {
    Ok(StreamReader::try_new(std::io::Cursor::new(data), None)?.collect::<Result<_, _>>()?)
}

fn join(mut chunks: Vec<Bytes>) -> Bytes {
    if chunks.len() == 1 {
        return chunks.remove(0);
    }
    chunks
        .iter()
        .fold(BytesMut::new(), |mut whole, chunk| {
            whole.extend_from_slice(chunk);
            whole
        })
        .freeze()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array};
    use arrow::ipc::writer::StreamWriter;

    use super::*;

    /// Three rows as an Arrow stream.
    fn stream() -> Bytes {
        let column: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
        let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap().into()
    }

    fn piece(data: Bytes, index: i64, of: i64) -> ArrowBatch {
        let (chunk_index, num_chunks_in_batch) = (Some(index), Some(of));
        ArrowBatch { row_count: 3, data, start_offset: Some(0), chunk_index, num_chunks_in_batch }
    }

    fn rows(batches: &[RecordBatch]) -> usize {
        batches.iter().map(RecordBatch::num_rows).sum()
    }

    #[test]
    fn chunks_become_a_batch_however_they_are_cut() {
        let data = stream();
        for cut in 0..data.len() {
            let mut taken = Rows::new(data.len());
            taken.take(piece(data.slice(..cut), 0, 2)).unwrap();
            taken.take(piece(data.slice(cut..), 1, 2)).unwrap();
            assert_eq!(rows(&taken.finish().unwrap()), 3);
        }
    }

    #[test]
    fn what_is_missing_or_doubled_is_found() {
        let data = stream();
        let broken = |pieces: Vec<ArrowBatch>| {
            let mut taken = Rows::new(1 << 20);
            let result = pieces.into_iter().try_for_each(|piece| taken.take(piece));
            matches!(result.and_then(|()| taken.finish().map(drop)), Err(Refused::Broken(_)))
        };
        assert!(broken(vec![piece(data.slice(..9), 0, 2)]));
        assert!(broken(vec![piece(data.slice(9..), 1, 2)]));
        assert!(broken(vec![piece(data.clone(), 0, 1), piece(data.clone(), 0, 1)]));
        assert!(broken(vec![ArrowBatch { row_count: 4, ..piece(data.clone(), 0, 1) }]));
        assert!(broken(vec![piece(data.slice(..9), 0, 1)]));
    }

    #[test]
    fn the_bound_holds_over_all_pieces() {
        let data = stream();
        let mut taken = Rows::new(data.len() * 2 - 1);
        taken.take(ArrowBatch { start_offset: None, ..piece(data.clone(), 0, 0) }).unwrap();
        assert!(matches!(taken.take(ArrowBatch { start_offset: None, ..piece(data, 0, 0) }), Err(Refused::TooLarge)));
    }
}
