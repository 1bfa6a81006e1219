//! Keep-latest: of rows with the same key, the last one wins.
//!
//! Rows come in precedence order (drops by precedence, records in file order), so the last is the newest. What loses
//! is counted: a *duplicate* said the same as the winner, a *superseded* row something else. Rows that *contradict* the
//! winner although they came in the same drop are handed over, since somebody should know.

use std::collections::HashMap;

use arrow::{
    array::{Array as _, BooleanArray, RecordBatch, UInt32Array},
    compute::{filter_record_batch, kernels::cmp::not_distinct, take_record_batch},
    error::ArrowError,
};
use entrega_lake::schema::DROP_COLUMN;

use crate::keys::{dictionary_value, key_rows};

/// The winners, and what became of the others, counted by drop.
#[derive(Debug)]
pub struct Latest {
    /// One row for each key, in the order of arrival.
    pub rows: RecordBatch,
    /// Rows by drop that said the same as their winner.
    pub duplicates: HashMap<String, u64>,
    /// Rows by drop that a different, newer row replaced.
    pub superseded: HashMap<String, u64>,
    /// Rows that contradict a later one of their own drop, which therefore was at odds with itself. They are counted
    /// nowhere else.
    pub contradicting: RecordBatch,
}

/// Keeps the last row of each key.
///
/// # Errors
/// When a key column is missing.
pub fn keep_latest(rows: &RecordBatch, key: &[String]) -> Result<Latest, ArrowError> {
    let keys = key_rows(rows, key)?;
    let mut winner: hashbrown::HashMap<&[u8], u32> = hashbrown::HashMap::with_capacity(rows.num_rows());
    let mut losers: Vec<(u32, &[u8])> = Vec::new();
    for (row, key) in keys.iter().enumerate() {
        let row = u32::try_from(row).unwrap_or(u32::MAX);
        if let Some(earlier) = winner.insert(key.data(), row) {
            losers.push((earlier, key.data()));
        }
    }
    let mut latest = Latest {
        rows: rows.clone(),
        duplicates: HashMap::new(),
        superseded: HashMap::new(),
        contradicting: rows.slice(0, 0),
    };
    if losers.is_empty() {
        return Ok(latest);
    }
    let lost: Vec<u32> = losers.iter().map(|(row, _)| *row).collect();
    let won: Vec<u32> = losers.iter().map(|(_, key)| winner.get(*key).copied().unwrap_or_default()).collect();
    let mut keep = vec![true; rows.num_rows()];
    for row in &lost {
        keep[*row as usize] = false;
    }
    let (lost, won) = (UInt32Array::from(lost), UInt32Array::from(won));
    let (lost, won) = (take_record_batch(rows, &lost)?, take_record_batch(rows, &won)?);
    let same = same_content(&lost, &won)?;
    if let (Some(lost_drop), Some(won_drop)) = (lost.column_by_name(DROP_COLUMN), won.column_by_name(DROP_COLUMN)) {
        let mut contradicts = vec![false; lost.num_rows()];
        for (row, contradicts) in contradicts.iter_mut().enumerate() {
            let drop = dictionary_value(lost_drop, row);
            *contradicts = !same.value(row) && drop == dictionary_value(won_drop, row);
            if !*contradicts {
                let counts = if same.value(row) { &mut latest.duplicates } else { &mut latest.superseded };
                *counts.entry(drop.to_owned()).or_default() += 1;
            }
        }
        latest.contradicting = filter_record_batch(&lost, &contradicts.into())?;
    }
    latest.rows = filter_record_batch(rows, &BooleanArray::from(keep))?;
    Ok(latest)
}

/// For each pair of rows, whether they say the same, lineage apart.
///
/// # Errors
/// When the two have different columns.
pub fn same_content(left: &RecordBatch, right: &RecordBatch) -> Result<BooleanArray, ArrowError> {
    let mut same = BooleanArray::from(vec![true; left.num_rows()]);
    for (index, field) in left.schema().fields().iter().enumerate() {
        if field.name() == DROP_COLUMN {
            continue;
        }
        let equal = not_distinct(left.column(index), right.column(index))?;
        same = arrow::compute::and(&same, &equal)?;
    }
    debug_assert_eq!(same.null_count(), 0);
    Ok(same)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{ArrayRef, Int32Array, StringArray},
        compute::concat_batches,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::keys::drop_column;

    fn rows(drop: &str, pairs: &[(u8, i32)]) -> RecordBatch {
        let keys: StringArray = pairs.iter().map(|(key, _)| Some(key.to_string())).collect();
        let values: Int32Array = pairs.iter().map(|(_, value)| Some(*value)).collect();
        RecordBatch::try_from_iter([
            ("key", Arc::new(keys) as ArrayRef),
            ("value", Arc::new(values) as ArrayRef),
            (DROP_COLUMN, drop_column(drop, pairs.len())),
        ])
        .unwrap()
    }

    #[test]
    fn the_last_row_wins_and_the_others_are_counted() {
        let (first, second) = (rows("a", &[(1, 1), (1, 2), (2, 5)]), rows("b", &[(1, 2), (2, 6)]));
        let all = concat_batches(&first.schema(), [&first, &second]).unwrap();
        let latest = keep_latest(&all, &["key".to_owned()]).unwrap();
        assert_eq!(latest.rows.num_rows(), 2);
        assert_eq!(latest.duplicates, HashMap::from([("a".to_owned(), 1)]));
        assert_eq!(latest.superseded, HashMap::from([("a".to_owned(), 2)]));
        assert_eq!(latest.contradicting.num_rows(), 0);
    }

    proptest! {
        #[test]
        fn nothing_is_lost(pairs in proptest::collection::vec((0u8..5, 0i32..3), 1..40)) {
            let latest = keep_latest(&rows("a", &pairs), &["key".to_owned()]).unwrap();
            let counted = |counts: &HashMap<String, u64>| counts.values().sum::<u64>();
            let lost = counted(&latest.duplicates) + counted(&latest.superseded);
            let total = (latest.rows.num_rows() + latest.contradicting.num_rows()) as u64 + lost;
            prop_assert_eq!(total, pairs.len() as u64);
        }
    }
}
