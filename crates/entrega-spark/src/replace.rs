//! Replacing what was computed.
//!
//! ```text
//!  month of the table as published ──── rows of other days ─┐
//!  computed rows (staged, checked) ─────────────────────────┴─▶ the month anew
//! ```
//!
//! A month that is touched is written anew, as the embedded engine does: its DELETE names nothing but partitions, so
//! Delta drops their files without reading one, and what comes is one file for each month (REBALANCE; more where a
//! month is large) instead of one more for each batch. Both are commits of their own: nobody sees either before the
//! ledger names the second. `INSERT … REPLACE WHERE` would be one commit, but takes columns by name only from Spark 4.2
//! on, and no session variables.

use std::collections::BTreeSet;

use chrono::{Datelike as _, NaiveDate};
use entrega_model::model::Model;

use crate::{Batch, Extent, Result, Script, extent, quote};

/// The name under which a model's rows are staged.
#[must_use]
pub fn view_of(model: &Model) -> String {
    format!("rows_of_{}_{}", model.table.layer.name(), model.table.name)
}

/// Replaces an extent of a model's table by the rows of a view.
///
/// # Errors
/// When the batch does not know the table, or a name is not plain.
pub fn replace(script: &mut Script, batch: &Batch, model: &Model, extent: &Extent, rows: &str) -> Result<()> {
    let partition = model.partition.as_ref().map(|column| quote::name(column)).transpose()?;
    match (extent, &partition) {
        (Extent::Months(months), Some(partition)) => {
            delete(script, batch, model, Some(&extent::is_one_of(partition, months)))?;
            insert(script, batch, model, rows)
        }
        (Extent::Days(days), Some(partition)) => {
            let touched: BTreeSet<NaiveDate> = days.iter().filter_map(|day| day.with_day(1)).collect();
            let touched = extent::is_one_of(partition, &touched);
            delete(script, batch, model, Some(&touched))?;
            let stored = batch.tables.get(&model.table)?;
            let columns = columns(model)?;
            let kept = format!(
                "(\n  SELECT {columns}\n  FROM {}\n  WHERE {touched}\n    AND NOT {}\n  UNION ALL\n  SELECT {columns}\n  FROM {rows}\n)",
                stored.then(&batch.place)?,
                extent::is_within("`date`", days),
            );
            insert(script, batch, model, &kept)
        }
        (Extent::Days(days), None) => {
            delete(script, batch, model, Some(&extent::is_within("`date`", days)))?;
            insert(script, batch, model, rows)
        }
        (Extent::Whole, _) | (Extent::Months(_), None) => {
            delete(script, batch, model, None)?;
            insert(script, batch, model, rows)
        }
    }
}

/// Deletes the rows for which a condition holds; without one, all. A table that was never published has none.
///
/// # Errors
/// When the batch does not know the table.
pub fn delete(script: &mut Script, batch: &Batch, model: &Model, condition: Option<&str>) -> Result<()> {
    if batch.tables.get(&model.table)?.published.is_none() {
        return Ok(());
    }
    let condition = condition.map(|condition| format!("\nWHERE {condition}")).unwrap_or_default();
    let table = batch.place.table(&model.table);
    script.heavy(format!("{}: delete", model.table), format!("DELETE FROM {table}{condition}"));
    Ok(())
}

/// Inserts the rows of a relation, by the names of columns.
///
/// # Errors
/// When a name is not plain.
pub fn insert(script: &mut Script, batch: &Batch, model: &Model, rows: &str) -> Result<()> {
    let columns = columns(model)?;
    let hint = match &model.partition {
        Some(partition) => format!("/*+ REBALANCE({}) */", quote::name(partition)?),
        None => "/*+ REBALANCE */".to_owned(),
    };
    let table = batch.place.table(&model.table);
    script.heavy(
        format!("{}: insert", model.table),
        format!("INSERT INTO {table}\n  ({columns})\nSELECT {hint}\n  {columns}\nFROM {rows}"),
    );
    Ok(())
}

fn columns(model: &Model) -> Result<String> {
    quote::names(model.columns.iter().map(|column| &column.name))
}
