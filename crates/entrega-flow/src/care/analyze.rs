//! Analyze: what the files of each table are like. No row is read.

use chrono::{DateTime, Utc};
use entrega_lake::{Definition, LogLength, MonthLayout, Swept};
use entrega_model::tables::{Layer, TableName};
use entrega_operators::upsert::FULL_FILE_ROWS;
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;

use crate::{Context, Result, care, ledger::Ledger};

/// What a table's files are like.
#[derive(Debug, Clone, Serialize)]
pub struct TableFacts {
    /// The table.
    pub table: TableName,
    /// The version that readers see.
    pub version: u64,
    /// Files of that version.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// Rows.
    pub rows: u64,
    /// Files that could be fewer: beyond one for each month and million rows.
    pub needless_files: u64,
    /// The largest month's rows as a multiple of the median month's; 1 if there are no months.
    pub skew: f64,
    /// Files whose log entry tells no range of values, so that no reader can skip them.
    pub without_ranges: u64,
    /// The column by which rows should be ordered.
    pub order: Option<String>,
    /// Row groups that a reader of one moment opens, on average over the rows; 1 is best.
    pub depth: Option<f64>,
    /// The log.
    pub log: LogLength,
    /// Files that no version needs which is kept.
    pub dead: Swept,
    /// Files that only older versions need which are kept.
    pub held: Swept,
    /// The same by month.
    pub months: Vec<MonthLayout>,
}

/// Looks at the files of tables that were published; `since` says which versions are kept.
///
/// # Errors
/// When a log or a footer cannot be read.
pub async fn analyze(
    context: &Context,
    ledger: &Ledger,
    wanted: &[TableName],
    since: DateTime<Utc>,
) -> Result<Vec<TableFacts>> {
    let definitions = care::chosen(context, wanted)?;
    let oldest = care::oldest_batch(context, ledger, since).await?;
    let meter = context.progress.begin("looking at tables", definitions.len() as u64);
    let facts = definitions.into_iter().map(|definition| {
        let meter = &meter;
        async move {
            let facts = facts(context, ledger, &definition, (oldest, since)).await;
            meter.advance(1);
            facts
        }
    });
    let facts: Vec<_> =
        futures::stream::iter(facts.collect::<Vec<_>>()).buffered(context.threads.max(2)).try_collect().await?;
    Ok(facts.into_iter().flatten().collect())
}

async fn facts(
    context: &Context,
    ledger: &Ledger,
    definition: &Definition,
    (oldest, since): (usize, DateTime<Utc>),
) -> Result<Option<TableFacts>> {
    let (lake, table) = (&context.lake, &definition.table);
    let Some(log) = lake.log_length(table).await? else { return Ok(None) };
    let version = ledger.versions.get(table).copied().unwrap_or(log.latest);
    let state = lake.table(definition, Some(version)).await?;
    let order = care::order_of(definition);
    let months = lake.layout(&state, order).await?;
    let oldest = care::oldest_version(ledger, table, oldest)?.unwrap_or(log.latest);
    let kept = lake.files_since(table, oldest).await?;
    let dead = lake.dead_files(table, &kept, Some(since)).await?.count();
    let unused = lake.dead_files(table, &lake.files_of(&state), None).await?.count();
    let rows: u64 = state.rows();
    let least = |month: &MonthLayout| month.rows.div_ceil(FULL_FILE_ROWS).max(1);
    // The books join their own files.
    let needless =
        |month: &MonthLayout| if table.layer == Layer::Ops { 0 } else { month.files.saturating_sub(least(month)) };
    Ok(Some(TableFacts {
        table: table.clone(),
        version,
        files: state.files.len() as u64,
        bytes: months.iter().map(|month| month.bytes).sum(),
        rows,
        needless_files: months.iter().map(needless).sum(),
        skew: skew(&months),
        without_ranges: state.files.iter().filter(|file| order.is_some() && file.days.is_empty()).count() as u64,
        order: order.map(str::to_owned),
        depth: mean_depth(&months),
        log,
        dead,
        held: Swept { files: unused.files.saturating_sub(dead.files), bytes: unused.bytes.saturating_sub(dead.bytes) },
        months,
    }))
}

fn skew(months: &[MonthLayout]) -> f64 {
    let mut rows: Vec<u64> = months.iter().map(|month| month.rows).collect();
    rows.sort_unstable();
    match (rows.last(), rows.get(rows.len() / 2)) {
        (Some(largest), Some(median)) if *median > 0 => *largest as f64 / *median as f64,
        _ => 1.0,
    }
}

/// The mean of the months, each as often as it has rows.
fn mean_depth(months: &[MonthLayout]) -> Option<f64> {
    let known = || months.iter().filter_map(|month| Some((month.depth?, month.rows as f64)));
    let rows: f64 = known().map(|(_, rows)| rows).sum();
    (rows > 0.0).then(|| known().map(|(depth, rows)| depth * rows).sum::<f64>() / rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(rows: u64, depth: Option<f64>) -> MonthLayout {
        MonthLayout { rows, depth, ..MonthLayout::default() }
    }

    #[test]
    fn skew_compares_the_largest_month_with_the_median_one() {
        let months = [month(10, None), month(20, None), month(60, None)];
        assert!((skew(&months) - 3.0).abs() < 1e-9);
        assert!((skew(&[]) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn depth_counts_each_month_as_often_as_it_has_rows() {
        let months = [month(10, Some(1.0)), month(30, Some(3.0)), month(1000, None)];
        assert!((mean_depth(&months).unwrap() - 2.5).abs() < 1e-9);
        assert_eq!(mean_depth(&[month(5, None)]), None);
    }
}
