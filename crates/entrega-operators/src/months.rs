//! Rows by month: the partition of every table that follows orders.

use std::collections::BTreeMap;

use arrow::{
    array::{Array, AsArray as _, RecordBatch, UInt32Array},
    compute::take_record_batch,
    datatypes::{DataType, Date32Type, TimestampMicrosecondType},
    error::ArrowError,
};
use chrono::{Datelike as _, NaiveDate};
use entrega_lake::read::{date_of, days_since_epoch};

/// Rows whose computation costs no more than planning it.
const FEW_ROWS: usize = 8_192;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// The first of the month of a day, both as days since 1970-01-01.
#[must_use]
pub fn month_of_day(day: i32) -> i32 {
    let date = date_of(day);
    day - i32::try_from(date.day0()).unwrap_or(0)
}

/// The first of the month of each moment of a timestamp column; NULL stays NULL.
///
/// # Errors
/// When the column is missing or no timestamp.
pub fn months_of(batch: &RecordBatch, column: &str) -> Result<Vec<Option<i32>>, ArrowError> {
    let found = batch.column_by_name(column).filter(|found| matches!(found.data_type(), DataType::Timestamp(..)));
    let found = found.ok_or_else(|| ArrowError::SchemaError(format!("no timestamp column {column}")))?;
    let moments = found.as_primitive::<TimestampMicrosecondType>();
    // Neighbours often share a day: the last answer is kept.
    let mut last = (i64::MIN, 0);
    Ok(moments
        .iter()
        .map(|moment| {
            let day = moment?.div_euclid(DAY);
            if day != last.0 {
                last = (day, month_of_day(i32::try_from(day).unwrap_or(i32::MAX)));
            }
            Some(last.1)
        })
        .collect())
}

/// Splits rows by a month given for each of them, keeping their order inside a month.
///
/// # Errors
/// From Arrow's kernels.
pub fn split(batch: &RecordBatch, months: &[i32]) -> Result<BTreeMap<i32, RecordBatch>, ArrowError> {
    let mut counts: BTreeMap<i32, usize> = BTreeMap::new();
    for month in months {
        *counts.entry(*month).or_default() += 1;
    }
    if counts.len() <= 1 {
        return Ok(counts.into_keys().map(|month| (month, batch.clone())).collect());
    }
    let mut offset = 0;
    let mut starts = BTreeMap::new();
    for (month, count) in &counts {
        starts.insert(*month, offset);
        offset += count;
    }
    if months.is_sorted() {
        return Ok(counts.into_iter().map(|(month, count)| (month, batch.slice(starts[&month], count))).collect());
    }
    // A counting sort: one gather for all months, then slices of it.
    let mut next = starts.clone();
    let mut order = vec![0u32; months.len()];
    for (row, month) in months.iter().enumerate() {
        if let Some(position) = next.get_mut(month) {
            order[*position] = u32::try_from(row).unwrap_or(u32::MAX);
            *position += 1;
        }
    }
    let sorted = take_record_batch(batch, &UInt32Array::from(order))?;
    Ok(counts.into_iter().map(|(month, count)| (month, sorted.slice(starts[&month], count))).collect())
}

/// Splits rows by their partition column.
///
/// # Errors
/// When the column is missing, no DATE, or NULL in some row.
pub fn split_by_column(batches: &[RecordBatch], column: &str) -> Result<BTreeMap<i32, Vec<RecordBatch>>, ArrowError> {
    let mut parts: BTreeMap<i32, Vec<RecordBatch>> = BTreeMap::new();
    for batch in batches {
        let found = batch.column_by_name(column).and_then(|found| found.as_primitive_opt::<Date32Type>());
        let found = found.ok_or_else(|| ArrowError::SchemaError(format!("no DATE column {column}")))?;
        if found.null_count() > 0 {
            return Err(ArrowError::InvalidArgumentError(format!("the partition column {column} is NULL in a row")));
        }
        for (month, part) in split(batch, found.values())? {
            parts.entry(month).or_default().push(part);
        }
    }
    Ok(parts)
}

/// Packs months into units of work of about `most` rows (a month is never divided), one for each worker if there is
/// enough to do, and of like size, so that small months share the cost of planning, large ones bound memory and no worker is left alone.
///
/// ```
/// use entrega_operators::months::pack;
/// let units = pack([(1, 50_000), (2, 30_000), (3, 20_000), (4, 10_000)], 1_000_000, 2);
/// assert_eq!(units, vec![vec![1, 4], vec![2, 3]]);
/// assert_eq!(pack([(1, 50), (2, 30)], 1_000_000, 2), vec![vec![1, 2]]);
/// ```
#[must_use]
pub fn pack(months: impl IntoIterator<Item = (i32, usize)>, most: usize, workers: usize) -> Vec<Vec<i32>> {
    let mut months: Vec<(i32, usize)> = months.into_iter().collect();
    months.sort_by_key(|(month, rows)| (std::cmp::Reverse(*rows), *month));
    let total: usize = months.iter().map(|(_, rows)| rows).sum();
    // A plan costs as much as some thousand rows: a small batch is not divided.
    let useful = workers.min(total / FEW_ROWS + 1).max(1);
    let wanted = total.div_ceil(most.max(1)).next_multiple_of(useful).clamp(1, months.len().max(1));
    let mut units: Vec<(usize, Vec<i32>)> = vec![(0, Vec::new()); wanted];
    for (month, rows) in months {
        // The largest month still to come goes where least is: near enough to an even split.
        if let Some(unit) = units.iter_mut().min_by_key(|(size, _)| *size) {
            unit.0 += rows;
            unit.1.push(month);
        }
    }
    units.retain(|(_, months)| !months.is_empty());
    units.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    units
        .into_iter()
        .map(|(_, mut months)| {
            months.sort_unstable();
            months
        })
        .collect()
}

/// A month as a date.
#[must_use]
pub fn date(month: i32) -> NaiveDate {
    date_of(month)
}

/// A date's month as days since 1970-01-01.
#[must_use]
pub fn month(date: NaiveDate) -> i32 {
    month_of_day(days_since_epoch(date))
}
