//! `entrega sql`: read-only SQL over the published tables.

use entrega_flow::published::Published;

use crate::{
    arguments::Sql,
    output::{rows, say},
    settings::Settings,
};

/// Runs the verb.
pub async fn run(settings: &Settings, arguments: Sql) -> anyhow::Result<()> {
    let context = settings.context().await?;
    let published = Published::open(&context, arguments.as_of_batch.as_deref()).await?;
    let (schema, batches) = published.reader.query(&arguments.query).await?;
    say(&rows(arguments.output, &schema, &batches)?);
    Ok(())
}
