//! The end of every script: one row in `ops.batches` names the version of every table, and thereby publishes them.

use std::collections::{BTreeMap, BTreeSet};

use entrega_model::tables::{Layer, TableName};

use crate::{Batch, Result, Script, quote};

/// What a batch says of itself when it is published; expressions of Spark SQL.
#[derive(Debug, Clone)]
pub struct Published {
    /// The tables that it wrote.
    pub written: Vec<TableName>,
    /// The models that it ran, with their fingerprints.
    pub models: BTreeMap<TableName, String>,
    /// Drops taken (BIGINT).
    pub drops: String,
    /// Rows taken (BIGINT).
    pub rows_in: String,
    /// The JSON of what it touched (STRING).
    pub touched: String,
}

impl Published {
    /// Of a batch that takes no drops and touches nothing that others must look at.
    #[must_use]
    pub fn computed(written: Vec<TableName>, models: BTreeMap<TableName, String>) -> Self {
        Self {
            written,
            models,
            drops: "0".to_owned(),
            rows_in: "0".to_owned(),
            touched: quote::text(r#"{"days":[],"months":[]}"#),
        }
    }
}

/// Ends the batch if another one was published since this one was planned.
pub fn nobody_else(script: &mut Script, batch: &Batch) {
    script.stop_if(
        "ops.batches: nobody else published",
        &format!(
            "SELECT CASE WHEN coalesce(max(sequence), 0) <> {} THEN {} END FROM {}",
            batch.sequence - 1,
            quote::text("another run published a batch meanwhile; nothing of this one is seen\nhint: make the script again and run that"),
            batch.place.table(&TableName::new(Layer::Ops, "batches")),
        ),
    );
}

/// The last statements of a batch.
///
/// # Errors
/// When a name is not plain.
pub fn publish(batch: &Batch, published: &Published) -> Result<Script> {
    let mut script = Script::default();
    let ledger = TableName::new(Layer::Ops, "batches");
    let place = &batch.place;
    nobody_else(&mut script, batch);
    let names: BTreeSet<&TableName> = batch.versions.keys().chain(&published.written).collect();
    let versions = names.into_iter().map(|table| {
        let version = if published.written.contains(table) {
            place.newest_version(table)
        } else {
            batch.versions.get(table).copied().unwrap_or_default().to_string()
        };
        format!("concat({}, {version})", quote::text(&format!("\"{table}\":")))
    });
    let versions = versions.collect::<Vec<_>>().join(",\n    ");
    let mut fingerprints = batch.fingerprints.clone();
    fingerprints.extend(published.models.clone());
    let fingerprints: BTreeMap<String, String> =
        fingerprints.into_iter().map(|(table, fingerprint)| (table.to_string(), fingerprint)).collect();
    let fingerprints = serde_json::to_string(&fingerprints).unwrap_or_default();
    script.heavy(
        "publish",
        format!(
            "INSERT INTO {} (sequence, batch_id, job, started_at, published_at, as_of, drops, rows_in, tables, models, touched)\n\
             SELECT CAST({} AS BIGINT), {}, {}, {}, CAST(current_timestamp() AS TIMESTAMP_NTZ), {},\n  CAST({} AS BIGINT), CAST({} AS BIGINT),\n  \
             concat('{{', array_join(array(\n    {versions}), ','), '}}'),\n  {},\n  {}",
            place.table(&ledger),
            batch.sequence,
            quote::text(&batch.id),
            quote::text(batch.job),
            quote::timestamp(batch.started_at),
            quote::timestamp(batch.as_of),
            published.drops,
            published.rows_in,
            quote::text(&fingerprints),
            published.touched,
        ),
    );
    Ok(script)
}
