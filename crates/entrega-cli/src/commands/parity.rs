//! `entrega parity`: both engines over the same drops, every row compared.

use std::sync::Arc;

use entrega_flow::{Context, ingest::Selection, parity, spark::Cluster};
use entrega_lake::Lake;

use crate::{
    arguments::{Job, spark::Parity},
    commands::run::{Done, Jobs, run_jobs},
    output::{complain, say},
    progress::Bars,
    settings::Settings,
};

/// Runs the verb.
pub async fn run(settings: &Settings, arguments: Parity) -> anyhow::Result<()> {
    let from = settings.context().await?;
    let (left, right) = match (&arguments.with, &arguments.work) {
        (Some(other), _) => (from, Context::new(Lake::open(other).await?, settings.project()?)),
        (None, Some(work)) => Box::pin(both_engines(settings, &from, &arguments, work)).await?,
        (None, None) => {
            anyhow::bail!("no place to work in is given\nhint: add --work URL, or --with the URL of another lake")
        }
    };
    let found = parity::compare(&left, &right).await?;
    say(&found.to_string());
    if found.differences() > 0 {
        anyhow::bail!(
            "{} rows differ between {} and {}\nhint: where engines differ, a model met a trap of their dialects: docs/reference/models.md",
            found.differences(),
            left.lake.url(),
            right.lake.url()
        );
    }
    Ok(())
}

/// Makes two lakes of the same drops, one with each engine.
async fn both_engines(
    settings: &Settings,
    from: &Context,
    arguments: &Parity,
    work: &str,
) -> anyhow::Result<(Context, Context)> {
    let Some(remote) = &arguments.remote else {
        anyhow::bail!(
            "no Spark is given\nhint: add --remote sc://host:port, or set SPARK_REMOTE; `make services` starts one"
        )
    };
    let cluster = Cluster::connect(remote, None).await?;
    let mut embedded = lake(settings, work, "embedded").await?;
    let mut spark = lake(settings, work, "spark").await?;
    for to in [&embedded, &spark] {
        parity::copy_drops(&from.lake, &to.lake, &arguments.drops).await?;
    }
    for context in [&mut embedded, &mut spark] {
        context.progress = Arc::new(Bars::default());
    }
    let rounds: Vec<Selection> = if arguments.drops.is_empty() {
        vec![Selection::All]
    } else {
        arguments.drops.iter().map(|drop| Selection::Folders(vec![drop.clone()])).collect()
    };
    for (round, selection) in rounds.iter().enumerate() {
        let by_spark = !(arguments.alternate && round % 2 == 1);
        spark.cluster = by_spark.then(|| cluster.clone());
        for (name, context) in [("embedded", &embedded), (if by_spark { "Spark" } else { "in turn" }, &spark)] {
            let clock = std::time::Instant::now();
            let jobs = Jobs { job: Job::All, selection, one_by_one: false, hold_damaged: false };
            run_jobs(context, jobs, &mut Done::default()).await?;
            complain(&format!("round {}: {name} took {:.1} s", round + 1, clock.elapsed().as_secs_f64()));
        }
    }
    spark.cluster = None;
    Ok((embedded, spark))
}

/// A new lake in the place to work in.
async fn lake(settings: &Settings, work: &str, name: &str) -> anyhow::Result<Context> {
    let location = format!("{}/{name}", work.trim_end_matches('/'));
    Ok(Context::new(Lake::open_or_create(&location).await?, settings.project()?))
}
