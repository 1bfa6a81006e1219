//! The begin of every script: settings, missing tables, and what nobody published undone.

use entrega_model::tables::{Layer, TableName};

use crate::{Batch, Result, Script, Stored, publish::nobody_else, quote, stored::ddl_type};

/// Settings that give the models the same meaning in every session, and the plans that they need.
pub const SETTINGS: [(&str, &str); 9] = [
    ("spark.sql.session.timeZone", "UTC"),
    ("spark.sql.timestampType", "TIMESTAMP_NTZ"),
    ("spark.sql.ansi.enabled", "true"),
    ("spark.sql.adaptive.enabled", "true"),
    ("spark.sql.adaptive.skewJoin.enabled", "true"),
    // Dimensions (sellers, products, zip codes) fit: 64 MiB of them are sent to every worker rather than shuffled.
    ("spark.sql.autoBroadcastJoinThreshold", "67108864"),
    ("spark.databricks.delta.properties.defaults.enableDeletionVectors", "false"),
    ("spark.databricks.delta.properties.defaults.checkpointInterval", "20"),
    ("spark.databricks.delta.schema.autoMerge.enabled", "false"),
];

/// The first statements of a batch that will write these tables.
///
/// # Errors
/// When the batch lacks one of them, or a name is not plain.
pub fn begin(batch: &Batch, operator: &str, writes: &[TableName]) -> Result<Script> {
    let mut script = Script::default();
    for (name, value) in SETTINGS {
        script.light("settings", format!("SET {name} = {value}"));
    }
    let inputs: serde_json::Map<_, _> =
        batch.versions.iter().map(|(table, version)| (table.to_string(), serde_json::json!(version))).collect();
    let note = serde_json::json!({ "entrega.batch": batch.id, "entrega.operator": operator, "inputs": inputs });
    script.light("settings", format!("SET spark.databricks.delta.commitInfo.userMetadata = {note}"));
    // The ledger is no table of a batch: what it holds was published, whatever its version.
    let ledger = batch.tables.get(&TableName::new(Layer::Ops, "batches"))?;
    if ledger.newest.is_none() {
        script.heavy(format!("{}: create", ledger.table), create(batch, ledger)?);
    }
    // Before anything is undone or written: a script that was compiled may run late.
    nobody_else(&mut script, batch);
    for table in writes {
        let stored = batch.tables.get(table)?;
        match (stored.published, stored.newest) {
            (_, None) => script.heavy(format!("{table}: create"), create(batch, stored)?),
            // A killed run made it; what it holds was never published.
            (None, Some(_)) => {
                script.heavy(format!("{table}: undo"), format!("DELETE FROM {}", batch.place.table(table)));
            }
            (Some(published), Some(newest)) if newest > published => script.heavy(
                format!("{table}: undo"),
                format!("RESTORE TABLE {} TO VERSION AS OF {published}", batch.place.table(table)),
            ),
            _ => {}
        }
    }
    Ok(script)
}

fn create(batch: &Batch, stored: &Stored) -> Result<String> {
    let columns = stored.columns.iter().map(|column| {
        let doc = quote::text(&column.doc);
        Ok(format!("  {} {} COMMENT {doc}", quote::name(&column.name)?, ddl_type(&column.sql_type)))
    });
    let columns = columns.collect::<Result<Vec<_>>>()?.join(",\n");
    let partition = match &stored.partition {
        Some(partition) => format!("\nPARTITIONED BY ({})", quote::name(partition)?),
        None => String::new(),
    };
    Ok(format!(
        "CREATE TABLE IF NOT EXISTS {} (\n{columns}\n) USING delta{partition}\nCOMMENT {}\nTBLPROPERTIES ('delta.enableDeletionVectors' = 'false', 'delta.checkpointInterval' = '20')",
        batch.place.table(&stored.table),
        quote::text(&stored.description)
    ))
}
