//! Status: what the lake knows, what waits, and what is missing.

use std::collections::HashSet;

use chrono::NaiveDateTime;
use entrega_model::{contract::Contract, drops::Interval};
use serde::Serialize;

use crate::{
    Context, Result, discover,
    ledger::{BatchRow, Ledger},
    ops,
    tables::{self, DropRow},
};

/// The state of a lake.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The end of the newest interval known.
    pub as_of: Option<NaiveDateTime>,
    /// Drops taken so far.
    pub drops_taken: usize,
    /// Folders of drops that wait.
    pub waiting: Vec<String>,
    /// Drops whose manifest is wrong, with what is wrong.
    pub damaged: Vec<(String, String)>,
    /// Folders that hold files but no manifest.
    pub without_manifest: Vec<String>,
    /// From the first drop's start to the last one's end.
    pub covered: Option<Interval>,
    /// Intervals between the first and the last drop that no drop covers.
    pub gaps: Vec<Interval>,
    /// How each source's drops arrive.
    pub arrivals: Vec<Arrivals>,
    /// Rows in quarantine by source: rejected and waiting.
    pub quarantine: Vec<(String, u64)>,
    /// The last batches, newest first.
    pub batches: Vec<BatchRow>,
}

/// How the drops of a source arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Arrivals {
    /// The source.
    pub source: String,
    /// Drops with a file of it.
    pub drops: u64,
    /// Of these, drops that came after a later one had been taken.
    pub late: u64,
    /// Of these, drops whose interval had been delivered before.
    pub repeated: u64,
    /// Seconds from the interval's end to the drop's production: the median,
    pub median_seconds: i64,
    /// and the longest.
    pub longest_seconds: i64,
}

/// How drops arrive, by file. Lateness is measured against the end of the interval by the producer's clock, because
/// that is what the producer can mend; order of arrival by the batches that took the drops.
#[must_use]
pub fn arrivals(contracts: &[Contract], taken: &[DropRow]) -> Vec<Arrivals> {
    let of_source = |contract: &Contract| {
        let mut rows: Vec<&DropRow> = taken.iter().filter(|row| !row.retried && row.file == contract.file).collect();
        rows.sort_by_key(|row| (&row.batch_id, &row.precedence));
        let (mut newest, mut seen, mut known) = (None, HashSet::new(), HashSet::new());
        let (mut late, mut repeated, mut lateness) = (0, 0, Vec::new());
        for batch in rows.chunk_by(|left, right| left.batch_id == right.batch_id) {
            for row in batch.iter().filter(|row| known.insert((&row.drop, &row.digest))) {
                late += u64::from(newest.is_some_and(|newest| row.interval_end < newest));
                repeated += u64::from(!seen.insert((row.interval_start, row.interval_end)));
                lateness
                    .extend(produced_at(&row.precedence).map(|produced| (produced - row.interval_end).num_seconds()));
            }
            newest = newest.max(batch.iter().map(|row| row.interval_end).max());
        }
        lateness.sort_unstable();
        let longest_seconds = *lateness.last()?;
        let median_seconds = lateness[lateness.len() / 2];
        let drops = lateness.len() as u64;
        Some(Arrivals { source: contract.source.clone(), drops, late, repeated, median_seconds, longest_seconds })
    };
    contracts.iter().filter_map(of_source).collect()
}

/// When a drop was produced, as its precedence says.
fn produced_at(precedence: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(precedence.split('.').nth(1)?, "%Y%m%dT%H%M%S").ok()
}

/// Looks at the lake.
///
/// # Errors
/// When the ledger or a manifest cannot be read.
pub async fn status(context: &Context, batches: usize) -> Result<Status> {
    let ledger = Ledger::open(&context.lake, None).await?;
    let taken_table = ledger.state(&context.lake, &tables::drops()).await?;
    let taken: Vec<DropRow> = ops::read(&context.lake, &taken_table).await?;
    let landing = discover::landing(&context.lake).await?;
    let waiting = discover::waiting(&context.lake, context.project.contracts(), &landing, &taken).await?;
    let mut intervals: Vec<Interval> = taken
        .iter()
        .filter(|row| !row.retried)
        .map(|row| Interval { start: row.interval_start, end: row.interval_end })
        .collect();
    intervals.extend(waiting.drops.iter().map(|drop| drop.manifest.interval));
    let mut folders: Vec<&str> = taken.iter().map(|row| row.drop.as_str()).collect();
    folders.sort_unstable();
    folders.dedup();
    let mut quarantine = Vec::new();
    for contract in context.project.contracts() {
        let table = ledger.state(&context.lake, &tables::quarantine_of(&contract.source)).await?;
        if table.rows() > 0 {
            quarantine.push((contract.source.clone(), table.rows()));
        }
    }
    Ok(Status {
        as_of: ledger.as_of,
        drops_taken: folders.len(),
        waiting: waiting.drops.into_iter().map(|drop| drop.folder).collect(),
        damaged: waiting.damaged.into_iter().map(|(folder, error)| (folder, error.to_string())).collect(),
        without_manifest: landing.incomplete,
        covered: intervals
            .iter()
            .map(|interval| interval.start)
            .min()
            .zip(intervals.iter().map(|interval| interval.end).max())
            .map(|(start, end)| Interval { start, end }),
        gaps: gaps(intervals),
        arrivals: arrivals(context.project.contracts(), &taken),
        quarantine,
        batches: ledger.rows.iter().rev().take(batches).cloned().collect(),
    })
}

/// The spans between the first start and the last end that no interval covers.
///
/// ```
/// use entrega_flow::status::gaps;
/// use entrega_model::drops::{Cadence, Interval};
/// let day = |text: &str| Interval::holding(format!("{text}T00:00:00").parse().unwrap(), Cadence::Daily);
/// let found = gaps(vec![day("2018-03-01"), day("2018-03-04"), day("2018-03-02")]);
/// assert_eq!(found, vec![day("2018-03-03")]);
/// ```
#[must_use]
pub fn gaps(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.sort_unstable();
    let mut found = Vec::new();
    let mut covered: Option<NaiveDateTime> = None;
    for interval in intervals {
        if let Some(end) = covered.filter(|end| *end < interval.start) {
            found.push(Interval { start: end, end: interval.start });
        }
        covered = covered.max(Some(interval.end));
    }
    found
}
