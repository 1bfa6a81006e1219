//! Recording runs: `ops.runs` gets a row for every run that published something or failed.

use chrono::{DateTime, Utc};
use entrega_lake::CommitNote;

use crate::{
    Context, Result, ops,
    tables::{self, RunRow},
};

/// Records a run that has just ended. The table is read at its latest version: it is a log, no batch publishes it.
///
/// # Errors
/// From the lake.
pub async fn record(
    context: &Context,
    job: &str,
    started_at: DateTime<Utc>,
    error: Option<String>,
    batches: &[String],
) -> Result<()> {
    let definition = tables::runs();
    let version = context.lake.delta_table(&definition.table, None).await?.and_then(|delta| delta.version());
    let table = context.lake.table(&definition, version).await?;
    let run_id = format!("run-{}", started_at.format("%Y%m%dT%H%M%S%3f"));
    let row = RunRow {
        run_id: run_id.clone(),
        job: job.to_owned(),
        started_at: started_at.naive_utc(),
        finished_at: context.now().naive_utc(),
        state: if error.is_some() { "failed" } else { "succeeded" }.to_owned(),
        error,
        batches: batches.join(" "),
    };
    let note = CommitNote { batch: run_id, operator: "record", facts: serde_json::Value::Null };
    ops::append(&context.lake, table, &[row], &note).await?;
    Ok(())
}
