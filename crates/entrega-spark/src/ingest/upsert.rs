//! Upsert: the latest row of each key, through its model, merged into its table.
//!
//! ```text
//!  read_<source> ─▶ live (not buried) ─▶ placed (month of its order) ─▶ ranked ─▶ model ─▶ compared with what is stored
//!                        │                    └─▶ orphans: quarantine              └─▶ checks      │
//!                        └─▶ counted                                                              MERGE
//! ```

use entrega_model::{contract::Contract, model::Model};

use super::graves;
use crate::{Batch, Result, Script, check, quote, replace};

/// How the rows of a source find their month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By their own purchase.
    Orders,
    /// By their order.
    Child,
    /// They have none.
    Dimension,
}

/// The relation that says where each order lives, after this batch: `order_id`, `customer_id`, `purchase_month`.
pub const HOMES: &str = "homes";

/// Brings a source's rows, which were read and whose graves are dug, into its table.
pub fn upsert(batch: &Batch, contract: &Contract, model: &Model, kind: Kind) -> Result<Script> {
    let mut script = Script::default();
    let source = &contract.source;
    script.staged(
        &format!("live_{source}"),
        &graves::judged(contract, &format!("(SELECT * FROM read_{source} WHERE _fault IS NULL AND NOT _gone)"))?,
    );
    placed(&mut script, contract, kind)?;
    ranked(&mut script, contract, kind)?;
    if kind == Kind::Orders {
        months(&mut script, batch)?;
    }
    let stored = stored(batch, contract, model, kind)?;
    script.view(&format!("stored_{source}"), &stored);
    made(&mut script, batch, contract, model, kind)?;
    let references = check::references(model, |table| Some(batch.place.table(table)))?;
    check::check(&mut script, model, &format!("made_{source}"), &references)?;
    compared(&mut script, contract, model, kind)?;
    merge(&mut script, batch, contract, model, kind)?;
    Ok(script)
}

/// Rows with the month of their order; without one they wait.
fn placed(script: &mut Script, contract: &Contract, kind: Kind) -> Result<()> {
    let source = &contract.source;
    let placed = match (&contract.parent, kind) {
        (Some(parent), Kind::Child) => format!(
            "SELECT live.*, homes.purchase_month\nFROM live_{source} AS live\nLEFT JOIN {HOMES} AS homes ON live.{} = homes.{}\nWHERE NOT live._dead",
            quote::name(&parent.column)?,
            quote::name(&parent.order_column)?
        ),
        _ => format!("SELECT * FROM live_{source} WHERE NOT _dead"),
    };
    script.view(&format!("placed_{source}"), &placed);
    Ok(())
}

/// Of rows with the same key the last one wins; of the others, whether they say the same, and came in the same drop.
fn ranked(script: &mut Script, contract: &Contract, kind: Kind) -> Result<()> {
    let source = &contract.source;
    let key = quote::list(contract.key.iter().map(|column| quote::name(column)).collect::<Result<Vec<_>>>()?);
    let columns = contract.columns.iter().map(|column| quote::name(&column.name)).collect::<Result<Vec<_>>>()?;
    let content = quote::list(columns);
    let known = if kind == Kind::Child { "\nWHERE purchase_month IS NOT NULL" } else { "" };
    script.staged(
        &format!("ranked_{source}"),
        &format!(
            "SELECT *,
  row_number() OVER newest_first AS _place,
  struct({content}) <=> first_value(struct({content})) OVER newest_first AS _same,
  _drop = first_value(_drop) OVER newest_first AS _same_drop
FROM placed_{source}{known}
WINDOW newest_first AS (PARTITION BY {key} ORDER BY _drop DESC NULLS LAST, _line DESC NULLS LAST)"
        ),
    );
    Ok(())
}

/// The months that this batch may write: those of its orders, and those in which orders are stored that it knows of. What
/// Delta reads and writes is bounded by them.
fn months(script: &mut Script, batch: &Batch) -> Result<()> {
    let orders = batch.tables.get(&"clean.orders".parse()?)?.unwritten(&batch.place)?;
    script.variable(
        "batch_months",
        "ARRAY<DATE>",
        &format!(
            "SELECT coalesce(collect_set(month), CAST(array() AS ARRAY<DATE>)) FROM (
  SELECT trunc(CAST(order_purchase_timestamp AS DATE), 'MM') AS month FROM ranked_orders
  UNION ALL SELECT purchase_month FROM known_orders
  UNION ALL SELECT purchase_month FROM {orders} AS orders WHERE {}
)",
            everything(batch)
        ),
    );
    Ok(())
}

/// Whether any stored row may have to leave: a whole snapshot came.
fn everything(batch: &Batch) -> String {
    let sources =
        batch.project.contracts().iter().filter(|contract| contract.parent.is_some() || contract.source == "orders");
    let came: Vec<String> = sources.map(|contract| format!("snapshot_{} IS NOT NULL", contract.source)).collect();
    came.join(" OR ")
}

/// The stored rows that this batch may meet, and whether they are dead now.
fn stored(batch: &Batch, contract: &Contract, model: &Model, kind: Kind) -> Result<String> {
    let then = batch.tables.get(&model.table)?.unwritten(&batch.place)?;
    let rows = if kind == Kind::Dimension {
        then
    } else {
        format!("(SELECT * FROM {then} WHERE array_contains(batch_months, purchase_month))")
    };
    graves::judged(contract, &rows)
}

/// The model over the latest rows.
fn made(script: &mut Script, batch: &Batch, contract: &Contract, model: &Model, kind: Kind) -> Result<()> {
    let source = &contract.source;
    let mut columns = contract.columns.iter().map(|column| quote::name(&column.name)).collect::<Result<Vec<_>>>()?;
    if kind == Kind::Child {
        columns.push("purchase_month".to_owned());
    }
    columns.push("_drop".to_owned());
    let columns = quote::list(columns);
    let latest = format!("SELECT {columns} FROM ranked_{source} WHERE _place = 1");
    // Stored rows go through their model again when what it reads beside them has changed: the translation of products.
    let reads: Vec<_> = model.reads.iter().filter(|read| read.layer == entrega_model::tables::Layer::Clean).collect();
    let latest = if reads.is_empty() {
        latest
    } else {
        let key = quote::list(contract.key.iter().map(|column| quote::name(column)).collect::<Result<Vec<_>>>()?);
        let changed = reads.iter().map(|read| format!("changed_{}", read.name)).collect::<Vec<_>>().join(" OR ");
        format!(
            "SELECT {columns} FROM (
  SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY _drop DESC NULLS LAST, _fresh DESC NULLS LAST) AS _newest FROM (
    SELECT *, true AS _fresh FROM ({latest})
    UNION ALL SELECT {columns}, false FROM stored_{source} WHERE ({changed}) AND NOT _dead
  )
) WHERE _newest = 1"
        )
    };
    script.view(&format!("landing_{source}"), &latest);
    let place = &batch.place;
    let text = model.reading(|read| {
        if read.layer == entrega_model::tables::Layer::Landing {
            format!("landing_{}", read.name)
        } else {
            place.table(read)
        }
    })?;
    script.staged(&format!("made_{source}"), &text);
    Ok(())
}

/// What becomes of each new row, and which stored ones leave.
fn compared(script: &mut Script, contract: &Contract, model: &Model, kind: Kind) -> Result<()> {
    let source = &contract.source;
    let keys = contract.key.iter().map(|column| {
        let column = quote::name(column)?;
        Ok(format!("new.{column} = old.{column}"))
    });
    let keys = keys.collect::<Result<Vec<_>>>()?.join(" AND ");
    let columns = model.columns.iter().map(|column| quote::name(&column.name)).collect::<Result<Vec<_>>>()?;
    let content = |row: &str| {
        let content = columns.iter().filter(|column| *column != "`_drop`");
        quote::list(content.map(|column| format!("{row}.{column}")))
    };
    let row = |row: &str| {
        let fields = columns.iter().map(|column| format!("'{}', {row}.{column}", column.trim_matches('`')));
        format!("named_struct({})", quote::list(fields))
    };
    let (moved, home) = match (&contract.parent, kind) {
        (Some(parent), Kind::Child) => (
            "homes.purchase_month IS DISTINCT FROM old.purchase_month",
            format!(
                "\nLEFT JOIN {HOMES} AS homes ON old.{} = homes.{}",
                quote::name(&parent.column)?,
                quote::name(&parent.order_column)?
            ),
        ),
        _ => ("false", String::new()),
    };
    let lost = if kind == Kind::Child { "old._drop IS NOT NULL AND homes.purchase_month IS NULL" } else { "false" };
    let home_month = if kind == Kind::Child { "homes.purchase_month" } else { "CAST(NULL AS DATE)" };
    script.staged(
        &format!("compared_{source}"),
        &format!(
            "SELECT * FROM (
  SELECT
    CASE
      WHEN new._drop IS NULL AND old._dead THEN 'dead'
      WHEN new._drop IS NULL AND {lost} THEN 'orphaned'
      WHEN new._drop IS NULL AND {moved} THEN 'moved'
      WHEN new._drop IS NULL THEN 'kept'
      WHEN old._drop IS NULL THEN 'inserted'
      WHEN new._drop < old._drop AND NOT old._dead AND {moved} THEN 'superseded, moved'
      WHEN new._drop < old._drop AND NOT old._dead THEN 'superseded'
      WHEN struct({new}) <=> struct({old}) AND new._drop = old._drop THEN 'known'
      WHEN struct({new}) <=> struct({old}) THEN 'confirmed'
      ELSE 'updated'
    END AS _fate,
    CASE WHEN new._drop IS NOT NULL THEN {new_row} END AS new,
    CASE WHEN old._drop IS NOT NULL THEN {old_row} END AS old,
    {home_month} AS _home
  FROM made_{source} AS new
  FULL OUTER JOIN stored_{source} AS old ON {keys}{home}
) WHERE _fate <> 'kept'",
            new = content("new"),
            old = content("old"),
            new_row = row("new"),
            old_row = row("old"),
        ),
    );
    Ok(())
}

/// One MERGE: rows that come or say something new, rows that move with their order, rows that leave. What was never
/// published has no rows to meet.
fn merge(script: &mut Script, batch: &Batch, contract: &Contract, model: &Model, kind: Kind) -> Result<()> {
    let source = &contract.source;
    let columns = model.columns.iter().map(|column| quote::name(&column.name)).collect::<Result<Vec<_>>>()?;
    if batch.tables.get(&model.table)?.published.is_none() {
        let rows = quote::list(columns.iter().map(|column| format!("new.{column}")));
        return replace::insert(
            script,
            batch,
            model,
            &format!("(SELECT {rows} FROM compared_{source} WHERE new IS NOT NULL)"),
        );
    }
    let from = |row: &str| {
        let fields = columns.iter().map(|column| match (row, column.as_str()) {
            ("old", "`purchase_month`") if kind == Kind::Child => "_home AS purchase_month".to_owned(),
            _ => format!("{row}.{column}"),
        });
        quote::list(fields)
    };
    let on = contract.key.iter().map(|column| {
        let column = quote::name(column)?;
        Ok(format!("stored.{column} = changes.{column}"))
    });
    let on = on.collect::<Result<Vec<_>>>()?.join(" AND ");
    let bound =
        if kind == Kind::Dimension { "" } else { "\n  AND array_contains(batch_months, stored.purchase_month)" };
    let sets = quote::list(columns.iter().map(|column| format!("stored.{column} = changes.{column}")));
    script.heavy(
        format!("{}: upsert", model.table),
        format!(
            "MERGE INTO {table} AS stored
USING (
  SELECT false AS _leaves, {new} FROM compared_{source} WHERE _fate IN ('inserted', 'updated', 'confirmed')
  UNION ALL
  SELECT false, {old} FROM compared_{source} WHERE _fate IN ('moved', 'superseded, moved')
  UNION ALL
  SELECT true, {gone} FROM compared_{source} WHERE _fate IN ('dead', 'orphaned')
) AS changes
ON {on}{bound}
WHEN MATCHED AND changes._leaves THEN DELETE
WHEN MATCHED THEN UPDATE SET {sets}
WHEN NOT MATCHED AND NOT changes._leaves THEN INSERT ({names}) VALUES ({values})",
            table = batch.place.table(&model.table),
            new = from("new"),
            old = from("old"),
            gone = quote::list(columns.iter().map(|column| format!("old.{column}"))),
            names = quote::list(&columns),
            values = quote::list(columns.iter().map(|column| format!("changes.{column}"))),
        ),
    );
    Ok(())
}
