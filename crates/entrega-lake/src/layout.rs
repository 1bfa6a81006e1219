//! Layout: how a table's rows are cut into files, and what that costs its readers.
//!
//! ```text
//!  a month, by purchase time          depth: row groups that a reader of one moment opens
//!  ▐███████▌▐██████▌▐███████▌         1.0  sorted: one of three
//!  ▐████████████████████████▌
//!  ▐███████████████████████▌          2.0  upserted for a while: both
//! ```
//!
//! Everything is found in the log and in the footers of files with more than one row group; no rows are read.

use chrono::NaiveDate;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStoreExt as _, path::Path};
use parquet::{
    errors::ParquetError,
    file::{
        metadata::{ParquetMetaData, ParquetMetaDataReader},
        statistics::Statistics,
    },
};
use serde::Serialize;

use crate::{DataFile, Lake, LakeError, Result, TableState, read::days_since_epoch, write::ROW_GROUP_ROWS};

/// So many footers are read at once.
const FOOTERS_AT_ONCE: usize = 8;

/// So many bytes are read from the end of a file first; most footers are shorter.
const TAIL: u64 = 65_536;

/// The files of one month of a table, or of an unpartitioned table.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MonthLayout {
    /// The month, of partitioned tables.
    pub month: Option<NaiveDate>,
    /// Files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// Rows.
    pub rows: u64,
    /// How many row groups a reader of one moment opens, on average; 1 is best. None if nothing orders the rows.
    pub depth: Option<f64>,
}

/// From the first to the last value of the ordering column in one row group.
type Range = (i64, i64);

impl Lake {
    /// How the rows of a state are cut into files; `order` is the column by which they should be ordered.
    ///
    /// # Errors
    /// [`LakeError::File`] when a footer cannot be read.
    pub async fn layout(&self, state: &TableState, order: Option<&str>) -> Result<Vec<MonthLayout>> {
        let mut months: Vec<Option<NaiveDate>> = state.files.iter().map(|file| file.month).collect();
        months.sort_unstable();
        months.dedup();
        let layouts = months.into_iter().map(|month| async move {
            let files: Vec<&DataFile> = state.files_of(month).collect();
            let mut ranges = Vec::new();
            for file in &files {
                if let Some(order) = order {
                    ranges.extend(self.ranges(state, file, order).await?);
                }
            }
            Ok::<_, LakeError>(MonthLayout {
                month,
                files: files.len() as u64,
                bytes: files.iter().map(|file| u64::try_from(file.add.size).unwrap_or(0)).sum(),
                rows: files.iter().map(|file| file.rows).sum(),
                depth: depth(&ranges),
            })
        });
        futures::stream::iter(layouts.collect::<Vec<_>>()).buffered(FOOTERS_AT_ONCE).try_collect().await
    }

    async fn ranges(&self, state: &TableState, file: &DataFile, order: &str) -> Result<Vec<Range>> {
        if file.rows <= ROW_GROUP_ROWS as u64 {
            let days = file.days.get(order).map(|(first, last)| (*first, *last));
            let days = days.map(|(first, last)| (days_since_epoch(first).into(), days_since_epoch(last).into()));
            return Ok(days.into_iter().collect());
        }
        let path = self.path(&format!("{}/{}", state.name().path(), file.add.path));
        let footer = self.footer(&path, u64::try_from(file.add.size).unwrap_or(0)).await?;
        Ok(ranges(&footer, order))
    }

    async fn footer(&self, path: &Path, size: u64) -> Result<ParquetMetaData> {
        let mut tail = TAIL.min(size);
        loop {
            let bytes = self.store().get_range(path, size - tail..size).await;
            let bytes = bytes.map_err(|source| LakeError::storage(path, source))?;
            let mut reader = ParquetMetaDataReader::new();
            match reader.try_parse_sized(&bytes, size) {
                Err(ParquetError::NeedMoreData(needed)) if needed as u64 > tail && tail < size => {
                    tail = size.min(needed as u64);
                }
                parsed => {
                    let footer = parsed.and_then(|()| reader.finish());
                    return footer.map_err(|error| LakeError::file(path, "reading its footer", error));
                }
            }
        }
    }
}

/// Days for dates and timestamps of microseconds, else the numbers themselves.
fn ranges(footer: &ParquetMetaData, order: &str) -> Vec<Range> {
    const DAY: i64 = 86_400_000_000;
    let columns = footer.row_groups().iter().filter_map(|group| {
        group.columns().iter().find(|column| column.column_path().string() == order)?.statistics().cloned()
    });
    columns
        .filter_map(|statistics| match statistics {
            Statistics::Int32(values) => Some((i64::from(*values.min_opt()?), i64::from(*values.max_opt()?))),
            Statistics::Int64(values) => Some((values.min_opt()?.div_euclid(DAY), values.max_opt()?.div_euclid(DAY))),
            _ => None,
        })
        .collect()
}

/// For a moment that some row has: how many ranges hold it, on average over the ranges' own days.
fn depth(ranges: &[Range]) -> Option<f64> {
    let days: i64 = ranges.iter().map(|(first, last)| last - first + 1).sum();
    let (first, last) = (ranges.iter().map(|range| range.0).min()?, ranges.iter().map(|range| range.1).max()?);
    // Days of the span that some range holds; months are short, so they are simply counted.
    let held = (first..=last).filter(|day| ranges.iter().any(|range| range.0 <= *day && *day <= range.1)).count();
    Some(days as f64 / held.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_one_when_sorted_and_counts_what_overlaps() {
        let near = |ranges: &[Range], expected: f64| (depth(ranges).unwrap() - expected).abs() < 1e-9;
        assert!(near(&[(0, 9), (10, 19), (20, 29)], 1.0));
        assert!(near(&[(0, 29), (0, 29)], 2.0));
        assert!(near(&[(0, 9), (5, 9)], 1.5));
        assert_eq!(depth(&[]), None);
    }
}
