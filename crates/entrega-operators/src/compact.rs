//! Compact: the files of one month become few and sorted ones, with the very same rows.
//!
//! ```text
//!  many, unsorted ─▶ read ─▶ digest ─▶ sort ─▶ write ─▶ read what was written ─▶ digest: the same? ─▶ rewrite
//!                                                                                         └ no ─▶ error, nothing changes
//! ```
//!
//! The new files belong to nothing until the rewrite is committed, so a kill leaves dead files and no more.

use arrow::{
    array::RecordBatch,
    compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch},
    error::ArrowError,
};
use chrono::NaiveDate;
use entrega_lake::{Lake, Rewrite, TableState};

use crate::{OperatorError, Result, row_digest::RowDigest, upsert::FULL_FILE_ROWS};

/// A compacted month.
#[derive(Debug, Default)]
pub struct Compacted {
    /// Files that go and come.
    pub rewrite: Rewrite,
    /// Rows, the same before and after.
    pub rows: u64,
}

/// Writes the files of one month (of an unpartitioned table: all) again, sorted by `order` where it names columns, in files of
/// at most a million rows.
///
/// # Errors
/// [`OperatorError::Changed`] when what was written is not what was read; else from the lake.
pub async fn compact(lake: &Lake, table: &TableState, month: Option<NaiveDate>, order: &[String]) -> Result<Compacted> {
    let rows_error = || OperatorError::rows(table.name());
    let old: Vec<_> = table.files_of(month).collect();
    let read = lake.read(table, &old, None).await?;
    let before = RowDigest::of(&read).map_err(rows_error())?;
    let rows = concat_batches(&table.definition.schema()?, &read).map_err(rows_error())?;
    drop(read);
    let rows = sorted(rows, order).map_err(rows_error())?;
    let mut done = Compacted { rewrite: Rewrite::of_same_rows(), rows: before.rows };
    for file in &old {
        done.rewrite.remove(file);
    }
    let full = usize::try_from(FULL_FILE_ROWS).unwrap_or(usize::MAX);
    for start in (0..rows.num_rows()).step_by(full) {
        let part = rows.slice(start, full.min(rows.num_rows() - start));
        done.rewrite.added.push(lake.write(&table.definition, month, vec![part]).await?);
    }
    drop(rows);
    let written = lake.read(table, &done.rewrite.added.iter().collect::<Vec<_>>(), None).await?;
    let after = RowDigest::of(&written).map_err(rows_error())?;
    if before != after {
        return Err(OperatorError::Changed { table: table.name().to_string(), before: before.rows, after: after.rows });
    }
    Ok(done)
}

/// Rows in the order of some columns, NULLs last.
fn sorted(rows: RecordBatch, order: &[String]) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<SortColumn> = order
        .iter()
        .filter_map(|name| rows.column_by_name(name))
        .map(|values| SortColumn {
            values: values.clone(),
            options: Some(arrow::compute::SortOptions { descending: false, nulls_first: false }),
        })
        .collect();
    if columns.is_empty() {
        return Ok(rows);
    }
    let order = lexsort_to_indices(&columns, None)?;
    take_record_batch(&rows, &order)
}
