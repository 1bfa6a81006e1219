//! Table care: looking at how tables lie in the lake, and putting them in shape again.
//!
//! ```text
//!  ledger ─▶ published states ─▶ analyze ─▶ facts ─▶ advice, the most worth first
//!                │                                      │
//!                ├─▶ optimize  files written again, the same rows, published as a batch of its own
//!                └─▶ vacuum    what no kept version needs is deleted; the log is cut
//! ```
//!
//! Care never holds up an ingest: the long part works from what is published and needs no lease. For the commit the lease
//! is taken for a moment, and what an ingest has changed meanwhile is left for the next time.

pub mod advice;
pub mod analyze;
pub mod mark;
pub mod optimize;
#[cfg(test)]
mod tests;
pub mod vacuum;

use self::mark::Mark;
use chrono::{DateTime, TimeDelta, Utc};
use entrega_lake::Definition;
use entrega_model::{
    model::ModelColumn,
    tables::{Layer, TableName},
};

use crate::{Context, FlowError, Result, ledger::Ledger, tables};

/// For so long what was published stays readable, unless somebody says otherwise.
pub const KEPT: TimeDelta = TimeDelta::days(7);

/// A reader of one moment should not open more row groups than this.
const DEEP: f64 = 1.5;

/// More commits than this after the last checkpoint make opening a table slow; a table's own commits write one more often.
const LONG_LOG: u64 = 40;

/// The column by which a table's rows should be ordered, so that a question about some days reads few of them: its first date
/// or timestamp, which is when the thing happened. The books are small, and read whole.
#[must_use]
pub fn order_of(definition: &Definition) -> Option<&str> {
    let orders = |column: &&ModelColumn| {
        matches!(column.sql_type.as_str(), "DATE" | "TIMESTAMP") && definition.partition.as_ref() != Some(&column.name)
    };
    let has_order = !matches!(definition.table.layer, Layer::Ops | Layer::Quarantine);
    definition.columns.iter().filter(|_| has_order).find(orders).map(|column| column.name.as_str())
}

/// The tables that exist, in the order of the data's way; only `wanted` if that names some.
///
/// # Errors
/// [`FlowError::Request`] for a name that no table has.
pub fn chosen(context: &Context, wanted: &[TableName]) -> Result<Vec<Definition>> {
    let all = tables::all(&context.project);
    if let Some(unknown) = wanted.iter().find(|table| all.iter().all(|definition| definition.table != **table)) {
        return Err(FlowError::Request {
            problem: format!("there is no table {unknown}"),
            hint: format!(
                "tables are {}",
                all.iter().map(|definition| definition.table.to_string()).collect::<Vec<_>>().join(", ")
            ),
        });
    }
    Ok(all.into_iter().filter(|definition| wanted.is_empty() || wanted.contains(&definition.table)).collect())
}

/// The oldest batch that is kept, as its place in the ledger: what was published when `since` was now, or when features were
/// last computed, because the next features compare with that; never one that an earlier vacuum did not keep.
///
/// # Errors
/// From the lake.
pub async fn oldest_batch(context: &Context, ledger: &Ledger, since: DateTime<Utc>) -> Result<usize> {
    let readable = Mark::read(&context.lake).await?.readable_from;
    let then = ledger.rows.iter().rposition(|row| row.published_at <= since.naive_utc()).unwrap_or(0);
    let compared = ledger.rows.iter().rposition(|row| row.job == "features").unwrap_or(then);
    let readable = ledger.rows.partition_point(|row| row.sequence < readable);
    Ok(then.min(compared).max(readable))
}

/// The oldest version of a table that somebody may still read, if the batches from this place on are kept. `None` for tables
/// that none of them has published: of the ledger and the log of runs only the newest version is ever read.
///
/// # Errors
/// [`FlowError::Ledger`].
pub fn oldest_version(ledger: &Ledger, table: &TableName, oldest_batch: usize) -> Result<Option<u64>> {
    for row in ledger.rows.iter().skip(oldest_batch) {
        if let Some(version) = row.versions()?.get(table) {
            return Ok(Some(*version));
        }
    }
    Ok(None)
}
