//! `entrega compile`: one batch as a script of Spark SQL.

use entrega_flow::{
    ingest::{self, Selection},
    ledger::Ledger,
    spark, summarise,
};

use crate::{
    arguments::spark::{Compile, CompiledJob},
    output::{complain, say},
    settings::Settings,
};

/// Runs the verb.
pub async fn run(settings: &Settings, arguments: Compile) -> anyhow::Result<()> {
    let context = settings.context().await?;
    let ledger = Ledger::open(&context.lake, None).await?;
    let script = match arguments.job {
        CompiledJob::Ingest => {
            let selection =
                if arguments.drop.is_empty() { Selection::All } else { Selection::Folders(arguments.drop.clone()) };
            let plan = ingest::plan(&context, &ledger, &selection).await?;
            spark::ingest_script(&context, &ledger, &plan).await?
        }
        CompiledJob::Summary => {
            let plan = summarise::plan(&context, &ledger)?;
            spark::summary_script(&context, &ledger, &plan).await?
        }
        CompiledJob::Features => spark::features_script(&context, &ledger).await?,
    };
    let Some((batch, script)) = script else {
        complain("nothing to do: every drop is taken, every day summarised, every feature known");
        return Ok(());
    };
    let text = format!(
        "-- Batch {batch} of {}, written by entrega {}.\n-- It is valid as long as nothing else publishes a batch: make it anew then.\n{script}",
        context.lake.url(),
        env!("CARGO_PKG_VERSION")
    );
    match &arguments.out {
        None => say(&text),
        Some(file) => {
            std::fs::write(file, text).map_err(|error| {
                anyhow::anyhow!("{} cannot be written: {error}\nhint: choose another --out", file.display())
            })?;
            complain(&format!("batch {batch}: {} statements in {}", script.statements.len(), file.display()));
        }
    }
    Ok(())
}
