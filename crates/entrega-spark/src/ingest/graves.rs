//! Graves: what is known to be gone, from earlier batches and from this one (decision 0008).
//!
//! ```text
//!  ops.tombstones then ─┐
//!  rows that say so ────┼─▶ graves_<source>: key, newest drop that said so      a row as old as that, or older, is dead
//!  whole snapshots ─────┘   since_<source>: newest whole snapshot               a row older than that is dead
//!                           erased_<source>: digests                            dead for good
//! ```

use std::fmt::Write as _;

use entrega_model::{
    contract::Contract,
    drops::Content,
    tables::{Layer, TableName},
};

use super::facts::Ingest;
use crate::{Batch, Result, Script, quote};

/// The books of what is gone.
#[must_use]
pub fn tombstones() -> TableName {
    TableName::new(Layer::Ops, "tombstones")
}

/// The key of a row as text, its values joined by `/`.
pub fn key_text(contract: &Contract, row: &str) -> Result<String> {
    let values =
        contract.key.iter().map(|column| Ok(format!("coalesce(CAST({row}.{} AS STRING), '')", quote::name(column)?)));
    Ok(format!("concat_ws('/', {})", quote::list(values.collect::<Result<Vec<_>>>()?)))
}

/// What earlier batches knew to be gone.
const KNOWN: &str = "known_tombstones";

/// Keeps aside what earlier batches knew to be gone: it is read often, and written by this one.
pub fn known(script: &mut Script, batch: &Batch) -> Result<()> {
    let stored = batch.tables.get(&tombstones())?;
    let query = format!("SELECT * FROM {}", stored.unwritten(&batch.place)?);
    if stored.published.is_some() {
        script.staged(KNOWN, &query);
    } else {
        script.view(KNOWN, &query);
    }
    Ok(())
}

/// Makes the graves of a source; its rows were read, and those of orders before those of their children.
pub fn dig(ingest: &Ingest, contract: &Contract) -> Result<Script> {
    let mut script = Script::default();
    let source = &contract.source;
    let key = key_text(contract, "rows")?;
    let mut brought = format!(
        "SELECT {key} AS key, max(_drop) AS _drop\n  FROM read_{source} AS rows WHERE _gone AND _fault IS NULL GROUP BY 1"
    );
    if contract.parent.as_ref().is_some_and(|parent| parent.order_column == "customer_id") {
        // A customer's record names no order: it is buried as deep as its order was.
        brought = format!(
            "{brought}\n  UNION ALL
  SELECT orders.customer_id, max(graves_orders._drop) FROM graves_orders
  INNER JOIN (
    SELECT order_id, customer_id FROM read_orders WHERE _fault IS NULL AND NOT _gone
    UNION ALL SELECT order_id, customer_id FROM known_orders
  ) AS orders ON graves_orders.key = orders.order_id
  GROUP BY 1"
        );
    }
    script.staged(
        &format!("brought_{source}"),
        &format!(
            "SELECT brought.key, max(brought._drop) AS _drop\nFROM (\n  {brought}\n) AS brought\n\
             LEFT JOIN (SELECT key, max(_drop) AS _drop FROM {KNOWN} AS tombstones WHERE source = '{source}' AND cause = 'deleted' GROUP BY key) AS known\n  \
             ON brought.key = known.key\nWHERE known._drop IS NULL OR known._drop < brought._drop\nGROUP BY brought.key"
        ),
    );
    script.view(
        &format!("graves_{source}"),
        &format!(
            "SELECT key, max(_drop) AS _drop FROM (\n  SELECT key, _drop FROM {KNOWN} AS tombstones WHERE source = '{source}' AND cause = 'deleted'\n  \
             UNION ALL SELECT key, _drop FROM brought_{source}\n) GROUP BY key"
        ),
    );
    let wholes = ingest.with_file(contract).filter(|drop| {
        contract.kind == Content::Changes
            && drop.manifest.files.get(&contract.file).is_some_and(|file| file.content == Content::Snapshot)
    });
    let wholes = quote::list(wholes.map(|drop| quote::text(&drop.manifest.precedence())).chain(["''".to_owned()]));
    // A whole snapshot with rejected rows does not say what is gone: its rejected rows may be what is missed.
    script.variable(
        &format!("snapshot_{source}"),
        "STRING",
        &format!(
            "SELECT max(_drop) FROM (SELECT _drop, max(_fault IS NOT NULL) AS rejects FROM read_{source} WHERE _drop IN ({wholes}) GROUP BY _drop) WHERE NOT rejects"
        ),
    );
    script.variable(
        &format!("since_{source}"),
        "STRING",
        &format!("SELECT greatest(snapshot_{source}, max(_drop)) FROM {KNOWN} AS tombstones WHERE source = '{source}' AND cause = 'absent'"),
    );
    script.view(
        &format!("erased_{source}"),
        &format!("SELECT DISTINCT key FROM {KNOWN} AS tombstones WHERE source = '{source}' AND cause = 'erased'"),
    );
    Ok(script)
}

/// Rows (with `_drop`) of a relation, and `_dead`: whether a tombstone beats them.
pub fn judged(contract: &Contract, relation: &str) -> Result<String> {
    let source = &contract.source;
    let key = key_text(contract, "rows")?;
    let mut joins = format!(
        "LEFT JOIN graves_{source} AS own ON own.key = {key}\nLEFT JOIN erased_{source} AS erased ON erased.key = sha2(concat('{source}/', {key}), 256)"
    );
    let mut dead = format!(
        "coalesce(rows._drop < since_{source}, false) OR coalesce(rows._drop <= own._drop, false) OR erased.key IS NOT NULL"
    );
    // A whole snapshot of the orders says nothing of their children.
    if let Some(parent) = contract.parent.as_ref().filter(|parent| parent.order_column == "order_id") {
        let column = quote::name(&parent.column)?;
        let _ = write!(
            joins,
            "\nLEFT JOIN graves_orders AS orders ON orders.key = rows.{column}\nLEFT JOIN erased_orders AS forgotten ON forgotten.key = sha2(concat('orders/', rows.{column}), 256)"
        );
        dead += " OR coalesce(rows._drop <= orders._drop, false) OR forgotten.key IS NOT NULL";
    }
    Ok(format!("SELECT rows.*, {dead} AS _dead\nFROM {relation} AS rows\n{joins}"))
}

/// Writes down what this batch brought.
pub fn write(batch: &Batch, contracts: &[&Contract]) -> Script {
    let mut script = Script::default();
    let id = quote::text(&batch.id);
    let mut parts = Vec::new();
    for contract in contracts {
        let source = &contract.source;
        parts.push(format!(
            "SELECT '{source}' AS source, key, 'deleted' AS cause, _drop, {id} AS batch_id FROM brought_{source}"
        ));
        parts.push(format!(
            "SELECT '{source}', '*', 'absent', snapshot_{source}, {id} WHERE snapshot_{source} IS NOT NULL"
        ));
    }
    let table = batch.place.table(&tombstones());
    script.heavy(
        "ops.tombstones",
        format!("INSERT INTO {table} (source, key, cause, _drop, batch_id)\n{}", parts.join("\nUNION ALL ")),
    );
    script
}
