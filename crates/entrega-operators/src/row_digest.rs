//! Row digest: one number for the rows of a table, whatever their order and however they are cut into files.
//!
//! Each row is written as bytes by Arrow's row format and hashed by SHA-256; the first halves of the hashes are added up. So
//! the same rows give the same number, a lost, doubled or changed one gives another.

use arrow::{
    array::RecordBatch,
    error::ArrowError,
    row::{RowConverter, SortField},
};
use sha2::{Digest as _, Sha256};

/// The digest of some rows.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{Int32Array, RecordBatch};
/// use entrega_operators::row_digest::RowDigest;
/// let rows = |values: Vec<i32>| RecordBatch::try_from_iter([("n", Arc::new(Int32Array::from(values)) as _)]).unwrap();
/// let whole = RowDigest::of(&[rows(vec![1, 2, 3])]).unwrap();
/// assert_eq!(whole, RowDigest::of(&[rows(vec![3]), rows(vec![2, 1])]).unwrap());
/// assert_ne!(whole, RowDigest::of(&[rows(vec![1, 2, 2])]).unwrap());
/// assert_ne!(whole, RowDigest::of(&[rows(vec![1, 2, 3, 3])]).unwrap());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowDigest {
    /// Rows.
    pub rows: u64,
    sum: u128,
}

impl RowDigest {
    /// The digest of batches of one schema.
    ///
    /// # Errors
    /// When a column's type has no row format.
    pub fn of(batches: &[RecordBatch]) -> Result<Self, ArrowError> {
        let mut digest = Self::default();
        for batch in batches {
            let fields =
                batch.schema().fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
            let rows = RowConverter::new(fields)?.convert_columns(batch.columns())?;
            for row in &rows {
                let hash = Sha256::digest(row.data());
                let half = hash.iter().take(16).fold(0u128, |number, byte| (number << 8) | u128::from(*byte));
                digest.sum = digest.sum.wrapping_add(half);
            }
            digest.rows += batch.num_rows() as u64;
        }
        Ok(digest)
    }
}
