//! The arithmetic: rows in, sums out.

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, BooleanArray, Int64Array},
    buffer::{NullBuffer, ScalarBuffer},
    datatypes::Int64Type,
    row::{RowConverter, SortField},
};
use datafusion::common::{Result, exec_err};
use hashbrown::HashMap;

/// A trailing range: rows from `t - reach` (from the beginning if `None`) to `t - gap`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Frame {
    pub reach: Option<i64>,
    pub gap: i64,
}

/// The place of a row in the results; rows that nobody wants have none.
const UNWANTED: u32 = u32::MAX;

/// All rows by time, and which of them want results.
pub(super) struct Timeline {
    times: ScalarBuffer<i64>,
    by_time: Vec<u32>,
    places: Vec<u32>,
    wanted: usize,
}

impl Timeline {
    /// Orders rows by their times; `wanted` says which of them get results, in their own order.
    pub(super) fn new(times: &ArrayRef, wanted: &BooleanArray) -> Result<Self> {
        if times.null_count() > 0 {
            return exec_err!("a RANGE window is ordered by a column with NULLs; leave such rows out before it");
        }
        let times = times.as_primitive::<Int64Type>().values().clone();
        if u32::try_from(times.len()).is_err() {
            return exec_err!("{} rows are too many for one range window", times.len());
        }
        let by_time = by_time(&times);
        let mut next = 0;
        let places = wanted
            .values()
            .iter()
            .map(|wanted| {
                let place = if wanted { next } else { UNWANTED };
                next += u32::from(wanted);
                place
            })
            .collect();
        Ok(Self { times, by_time, places, wanted: next as usize })
    }
}

/// The rows in the order of their times. Time and row fit into one word, unless the times span more than a century.
fn by_time(times: &[i64]) -> Vec<u32> {
    let (earliest, latest) = (times.iter().min().copied().unwrap_or(0), times.iter().max().copied().unwrap_or(0));
    let word = |(row, time): (u32, &i64)| {
        let after = u32::try_from(time.checked_sub(earliest)?).ok()?;
        Some(u64::from(after) << u32::BITS | u64::from(row))
    };
    if latest.checked_sub(earliest).is_some_and(|span| u32::try_from(span).is_ok()) {
        let mut words: Vec<u64> = (0..).zip(times).filter_map(word).collect();
        words.sort_unstable();
        // The lower half is the row.
        #[allow(clippy::cast_possible_truncation)]
        return words.into_iter().map(|word| word as u32).collect();
    }
    let mut rows: Vec<u32> = (0..).take(times.len()).collect();
    rows.sort_by_key(|row| times[*row as usize]);
    rows
}

/// The rows of a partitioning: one partition after the other, by time inside each.
pub(super) struct Partitioning<'a> {
    timeline: &'a Timeline,
    rows: Vec<u32>,
    times: Vec<i64>,
    /// Where each partition begins; one more than there are partitions.
    starts: Vec<u32>,
}

impl<'a> Partitioning<'a> {
    /// Groups the rows of a timeline by key columns; without any there is one partition. Rows that no frame of a wanted row
    /// reaches are left out: those of partitions without one, and those further back than `reach` from the first.
    pub(super) fn new(timeline: &'a Timeline, keys: &[ArrayRef], reach: Option<i64>) -> Result<Self> {
        let codes = codes(keys, timeline.times.len())?;
        let partitions = codes.iter().max().map_or(0, |last| *last as usize + 1);
        let mut is_wanted = vec![false; partitions];
        let mut first = i64::MAX;
        for (row, _) in timeline.places.iter().enumerate().filter(|(_, place)| **place != UNWANTED) {
            is_wanted[codes[row] as usize] = true;
            first = first.min(timeline.times[row]);
        }
        let earliest = reach.map_or(i64::MIN, |reach| first.saturating_sub(reach));
        let begin = timeline.by_time.partition_point(|row| timeline.times[*row as usize] < earliest);
        let reached =
            || timeline.by_time[begin..].iter().copied().filter(|row| is_wanted[codes[*row as usize] as usize]);
        let mut starts = vec![0u32; partitions + 1];
        for row in reached() {
            starts[codes[row as usize] as usize + 1] += 1;
        }
        for partition in 0..partitions {
            starts[partition + 1] += starts[partition];
        }
        let mut next = starts.clone();
        let mut rows = vec![0u32; starts[partitions] as usize];
        for row in reached() {
            let place = &mut next[codes[row as usize] as usize];
            rows[*place as usize] = row;
            *place += 1;
        }
        let times = rows.iter().map(|row| timeline.times[*row as usize]).collect();
        Ok(Self { timeline, rows, times, starts })
    }

    /// For each wanted row, the first and the last (exclusive) row of its frame, as positions in the partitioning.
    pub(super) fn bounds(&self, frame: Frame) -> Vec<(u32, u32)> {
        let mut bounds = vec![(0, 0); self.timeline.wanted];
        for partition in self.starts.windows(2) {
            let [begin, end] = [partition[0] as usize, partition[1] as usize];
            let (mut first, mut last) = (begin, begin);
            for position in begin..end {
                let time = self.times[position];
                let latest = time.saturating_sub(frame.gap);
                while last < end && self.times[last] <= latest {
                    last += 1;
                }
                if let Some(reach) = frame.reach {
                    let earliest = time.saturating_sub(reach);
                    while first < end && self.times[first] < earliest {
                        first += 1;
                    }
                }
                let place = self.timeline.places[self.rows[position] as usize];
                if place != UNWANTED {
                    // A frame whose end lies before its start is empty.
                    bounds[place as usize] = (u32_of(first), u32_of(last.max(first)));
                }
            }
        }
        bounds
    }

    /// Running totals of an argument over the rows of the partitioning.
    pub(super) fn totals(&self, values: &Int64Array) -> Totals {
        // Wrapping: a difference of wrapped totals is right whenever the sum itself fits.
        let mut total = 0i64;
        let mut totals = Vec::with_capacity(self.rows.len() + 1);
        totals.push(0);
        let Some(nulls) = values.nulls().filter(|nulls| nulls.null_count() > 0) else {
            totals.extend(self.rows.iter().map(|row| {
                total = total.wrapping_add(values.value(*row as usize));
                total
            }));
            return Totals { totals, counts: None };
        };
        let mut count = 0u32;
        let mut counts = Vec::with_capacity(self.rows.len() + 1);
        counts.push(0);
        for row in self.rows.iter().map(|row| *row as usize) {
            if nulls.is_valid(row) {
                total = total.wrapping_add(values.value(row));
                count += 1;
            }
            totals.push(total);
            counts.push(count);
        }
        Totals { totals, counts: Some(counts) }
    }
}

/// Running totals, and how many values are in them where some are NULL.
pub(super) struct Totals {
    totals: Vec<i64>,
    counts: Option<Vec<u32>>,
}

impl Totals {
    /// The sum of each frame; NULL where a frame holds no value.
    pub(super) fn sums(&self, bounds: &[(u32, u32)]) -> Int64Array {
        let sum = |(first, last): &(u32, u32)| self.totals[*last as usize].wrapping_sub(self.totals[*first as usize]);
        let any = |(first, last): &(u32, u32)| match &self.counts {
            None => last > first,
            Some(counts) => counts[*last as usize] > counts[*first as usize],
        };
        let values: ScalarBuffer<i64> = bounds.iter().map(sum).collect();
        Int64Array::new(values, Some(bounds.iter().map(any).collect::<NullBuffer>()))
    }
}

/// A number for each row: equal keys, equal numbers, from 0 without gaps.
fn codes(keys: &[ArrayRef], rows: usize) -> Result<Vec<u32>> {
    if keys.is_empty() {
        return Ok(vec![0; rows]);
    }
    let mut codes = Vec::with_capacity(rows);
    if let [key] = keys
        && let Some(key) = key.as_string_opt::<i32>()
    {
        let mut known: HashMap<Option<&str>, u32> = HashMap::new();
        for value in key {
            let next = u32_of(known.len());
            codes.push(*known.entry(value).or_insert(next));
        }
        return Ok(codes);
    }
    let kinds = keys.iter().map(|key| SortField::new(key.data_type().clone())).collect();
    let mut known: HashMap<Vec<u8>, u32> = HashMap::new();
    for row in &RowConverter::new(kinds)?.convert_columns(keys)? {
        let next = u32_of(known.len());
        codes.push(*known.entry_ref(row.as_ref()).or_insert(next));
    }
    Ok(codes)
}

/// Positions are below the number of rows, which was checked to fit.
fn u32_of(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
