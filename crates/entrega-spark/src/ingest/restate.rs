//! Restate: tables that combine all that is known of an order are computed again for the orders that changed.
//!
//! ```text
//!  compared_* ─▶ affected orders ─▶ their rows of every input ─▶ models ─▶ checks ─▶ MERGE
//!                                       days and months of what was and is ─▶ touched
//! ```
//!
//! Orders and everything that belongs to them share the partition of their purchase month, so Spark reads, on every side of
//! every join, only the months of affected orders.

use entrega_model::{
    contract::Contract,
    model::{Model, WriteMode},
    project::Project,
    tables::{EVENT_COLUMNS, Layer, TableName},
};

use super::{facts::Ingest, upsert::HOMES};
use crate::{Batch, Result, Script, check, quote, replace};

/// Dimensions that items refer to: source and key.
const REFERENCES: [(&str, &str); 2] = [("sellers", "seller_id"), ("products", "product_id")];

/// What says something else than before.
const CHANGED: &str = "_fate IN ('inserted', 'updated', 'dead', 'orphaned', 'moved', 'superseded, moved')";

/// The books of orders whose seller or product has not arrived.
#[must_use]
pub fn missing_references() -> TableName {
    TableName::new(Layer::Ops, "missing_references")
}

/// The models that are restated.
pub fn models(project: &Project) -> impl Iterator<Item = &Model> {
    project.models().iter().filter(|model| model.write == WriteMode::Restate)
}

/// Computes the restated tables again for affected orders.
pub fn restate(batch: &Batch, ingest: &Ingest) -> Result<Script> {
    let mut script = Script::default();
    affected(&mut script, batch, ingest)?;
    let place = &batch.place;
    let inputs: std::collections::BTreeSet<&TableName> =
        models(&batch.project).flat_map(|model| &model.reads).filter(|read| read.layer == Layer::Clean).collect();
    for input in &inputs {
        let stored = batch.tables.get(input)?;
        let newest = place.table(input);
        let rows = match &stored.partition {
            None => format!("SELECT * FROM {newest}"),
            Some(_) if stored.columns.iter().any(|column| column.name == "order_id") => format!(
                "SELECT rows.* FROM {newest} AS rows\nLEFT SEMI JOIN affected ON rows.order_id = affected.order_id\nWHERE array_contains(affected_months, rows.purchase_month)"
            ),
            Some(_) => format!(
                "SELECT rows.* FROM {newest} AS rows\nLEFT SEMI JOIN (\n  SELECT customer_id FROM {} AS orders LEFT SEMI JOIN affected ON orders.order_id = affected.order_id\n  WHERE array_contains(affected_months, orders.purchase_month)\n) AS orders ON rows.customer_id = orders.customer_id\nWHERE array_contains(affected_months, rows.purchase_month)",
                place.table(&"clean.orders".parse()?)
            ),
        };
        script.view(&format!("affected_{}", input.name), &rows);
    }
    let mut days = Vec::new();
    for model in models(&batch.project) {
        let name = &model.table.name;
        let text = model.reading(|read| format!("affected_{}", read.name))?;
        script.staged(&format!("made_{name}"), &text);
        let references =
            check::references(model, |table| inputs.contains(table).then(|| format!("affected_{}", table.name)))?;
        check::check(&mut script, model, &format!("made_{name}"), &references)?;
        let then = batch.tables.get(&model.table)?.unwritten(place)?;
        script.staged(
            &format!("old_{name}"),
            &format!(
                "SELECT rows.* FROM {then} AS rows\nLEFT SEMI JOIN affected ON rows.order_id = affected.order_id\nWHERE array_contains(affected_months, rows.purchase_month)"
            ),
        );
        script.extend(write(batch, model)?);
        for relation in [format!("made_{name}"), format!("old_{name}")] {
            days.extend(events(model, &relation, ""));
        }
    }
    missing(&mut script, batch)?;
    touched(&mut script, batch, days)?;
    Ok(script)
}

/// The orders to be computed again, with the months in which they live and lived.
fn affected(script: &mut Script, batch: &Batch, ingest: &Ingest) -> Result<()> {
    let place = &batch.place;
    let mut parts = Vec::new();
    for contract in batch.project.contracts() {
        let source = &contract.source;
        if is_of_orders(contract) {
            for row in ["new", "old"] {
                parts.push(format!("SELECT {row}.order_id, {row}.purchase_month FROM compared_{source} WHERE {row} IS NOT NULL AND {CHANGED}"));
            }
        } else if contract.parent.is_some() {
            for row in ["new", "old"] {
                parts.push(format!(
                    "SELECT homes.order_id, homes.purchase_month FROM compared_{source} AS compared INNER JOIN {HOMES} AS homes ON compared.{row}.customer_id = homes.customer_id WHERE {CHANGED}"
                ));
            }
        }
    }
    let items = place.table(&"clean.order_items".parse()?);
    for (source, key) in REFERENCES {
        parts.push(format!(
            "SELECT items.order_id, items.purchase_month FROM {items} AS items INNER JOIN (SELECT DISTINCT old.{key} AS key FROM compared_{source} WHERE _fate IN ('updated', 'dead')) AS changed ON items.{key} = changed.key"
        ));
        let missing = batch.tables.get(&missing_references())?.unwritten(place)?;
        parts.push(format!(
            "SELECT missing.order_id, date_add(DATE '1970-01-01', missing.purchase_month) FROM {missing} AS missing INNER JOIN {} AS arrived ON missing.source = '{source}' AND missing.key = arrived.{key}",
            place.table(&TableName::new(Layer::Clean, source))
        ));
    }
    let all = if ingest.stale.is_empty() { "changed_geolocation" } else { "true" };
    parts.push(format!(
        "SELECT order_id, purchase_month FROM {} AS orders WHERE {all}",
        place.table(&"clean.orders".parse()?)
    ));
    script.staged(
        "affected",
        &format!(
            "SELECT DISTINCT order_id, purchase_month FROM (\n  {}\n) WHERE order_id IS NOT NULL",
            parts.join("\n  UNION ALL ")
        ),
    );
    script.variable(
        "affected_months",
        "ARRAY<DATE>",
        "SELECT coalesce(collect_set(purchase_month), CAST(array() AS ARRAY<DATE>)) FROM affected",
    );
    Ok(())
}

fn is_of_orders(contract: &Contract) -> bool {
    contract.column("order_id").is_some()
}

/// Rows of affected orders leave, and come as they are now.
fn write(batch: &Batch, model: &Model) -> Result<Script> {
    let mut script = Script::default();
    let name = &model.table.name;
    let columns = model.columns.iter().map(|column| quote::name(&column.name)).collect::<Result<Vec<_>>>()?;
    if batch.tables.get(&model.table)?.published.is_none() {
        replace::insert(&mut script, batch, model, &format!("made_{name}"))?;
        return Ok(script);
    }
    let keys: Vec<String> = model.grain.iter().map(|column| quote::name(column)).collect::<Result<_>>()?;
    // An order that moved has its old row in another month: the month is part of what is matched.
    let on = |left: &str, right: &str| {
        keys.iter()
            .map(String::as_str)
            .chain(["`purchase_month`"])
            .map(|key| format!("{left}.{key} = {right}.{key}"))
            .collect::<Vec<_>>()
            .join(" AND ")
    };
    script.heavy(
        format!("{}: restate", model.table),
        format!(
            "MERGE INTO {} AS stored
USING (
  SELECT false AS _leaves, {columns} FROM made_{name}
  UNION ALL
  SELECT true, {columns} FROM old_{name} AS old LEFT ANTI JOIN made_{name} AS new ON {}
) AS changes
ON {}
  AND array_contains(affected_months, stored.purchase_month)
WHEN MATCHED AND changes._leaves THEN DELETE
WHEN MATCHED THEN UPDATE SET {}
WHEN NOT MATCHED AND NOT changes._leaves THEN INSERT ({columns}) VALUES ({})",
            batch.place.table(&model.table),
            on("old", "new"),
            on("stored", "changes"),
            quote::list(columns.iter().map(|column| format!("stored.{column} = changes.{column}"))),
            quote::list(columns.iter().map(|column| format!("changes.{column}"))),
            columns = quote::list(&columns),
        ),
    );
    Ok(script)
}

/// Orders that refer to a seller or product which is not there: those of before that were not computed again, and those found
/// now.
fn missing(script: &mut Script, batch: &Batch) -> Result<()> {
    let table = batch.tables.get(&missing_references())?;
    let place = &batch.place;
    let then = table.unwritten(place)?;
    let found = REFERENCES.map(|(source, key)| {
        format!(
            "SELECT '{source}' AS source, items.{key} AS key, items.order_id, datediff(items.purchase_month, DATE '1970-01-01') AS purchase_month FROM affected_order_items AS items LEFT ANTI JOIN {} AS known ON items.{key} = known.{key} WHERE items.{key} IS NOT NULL",
            place.table(&TableName::new(Layer::Clean, source))
        )
    });
    script.staged(
        "missing_now",
        &format!(
            "SELECT DISTINCT source, key, order_id, CAST(purchase_month AS INT) AS purchase_month FROM (
  {}
  UNION ALL SELECT missing.* FROM (SELECT source, key, order_id, purchase_month FROM {then} AS missing) AS missing LEFT ANTI JOIN affected ON missing.order_id = affected.order_id
)",
            found.join("\n  UNION ALL ")
        ),
    );
    let table = place.table(&missing_references());
    script.heavy("ops.missing_references", format!("DELETE FROM {table}"));
    script.heavy(
        "ops.missing_references",
        format!("INSERT INTO {table} (source, key, order_id, purchase_month) SELECT source, key, order_id, purchase_month FROM missing_now"),
    );
    Ok(())
}

/// Days of the events of rows, as queries of one DATE column.
fn events(model: &Model, relation: &str, prefix: &str) -> Vec<String> {
    let columns = EVENT_COLUMNS.iter().filter(|column| model.column(column).is_some());
    columns.map(|column| format!("SELECT CAST({prefix}{column} AS DATE) AS day FROM {relation}")).collect()
}

/// `touched_text`: the JSON of the days on which something happened that is new or no longer so, and of the months with a
/// changed order.
fn touched(script: &mut Script, batch: &Batch, mut days: Vec<String>) -> Result<()> {
    for contract in
        batch.project.contracts().iter().filter(|contract| contract.parent.is_some() || contract.source == "orders")
    {
        let model = batch.project.model_of_source(&contract.source)?;
        let compared = format!("compared_{} WHERE {CHANGED}", contract.source);
        for row in ["new.", "old."] {
            days.extend(events(model, &compared, row));
        }
    }
    days.push("SELECT CAST(review_creation_date AS DATE) FROM affected_order_reviews".to_owned());
    script.variable(
        "touched_text",
        "STRING",
        &format!(
            "WITH days AS (
  SELECT DISTINCT day FROM (
    {}
  ) WHERE day IS NOT NULL
),

islands AS (
  SELECT min(day) AS first, max(day) AS last
  FROM (SELECT day, date_sub(day, row_number() OVER (ORDER BY day)) AS island FROM days)
  GROUP BY island
)

SELECT concat(
  '{{\"days\":[', (SELECT coalesce(array_join(array_sort(collect_list(concat('[\"', first, '\",\"', last, '\"]'))), ','), '') FROM islands),
  '],\"months\":[', array_join(transform(array_sort(affected_months), month -> concat('\"', month, '\"')), ','), ']}}'
)",
            days.join("\n    UNION ALL ")
        ),
    );
    Ok(())
}
