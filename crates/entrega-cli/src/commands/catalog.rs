//! `entrega catalog`: a Hive Metastore is told what the lake publishes.

use std::sync::Arc;

use anyhow::bail;
use entrega_flow::{
    Context,
    catalog::{self, Catalog},
    spark::Cluster,
};

use crate::{
    arguments::catalog::{CatalogSync, CatalogVerb, MetastoreArguments},
    output::{complain, say},
    progress::Bars,
    settings::Settings,
};

/// Runs the verb.
pub async fn run(settings: &Settings, verb: CatalogVerb) -> anyhow::Result<()> {
    let CatalogVerb::Sync(CatalogSync { metastore, remote }) = verb;
    let mut context = settings.context().await?;
    context.progress = Arc::new(Bars::default());
    if let (true, Some(remote)) = (metastore.orc, remote) {
        context.cluster = Some(Cluster::connect(&remote, None).await?);
    }
    let wanted = wanted(&context, &metastore)?;
    let changes = catalog::sync(&context, &wanted).await?;
    for change in changes.iter().filter(|change| !change.is_unchanged()) {
        say(&change.to_string());
    }
    say(&format!("{} tables, in step", changes.len()));
    Ok(())
}

/// The catalog that the arguments name.
pub fn wanted(context: &Context, arguments: &MetastoreArguments) -> anyhow::Result<Catalog> {
    let Some(metastore) = arguments.metastore.clone() else {
        bail!("no metastore is given\nhint: add --metastore thrift://host:9083, or set ENTREGA_METASTORE_URI")
    };
    if arguments.orc && context.cluster.is_none() {
        bail!(
            "--orc needs a Spark that writes the files\nhint: add --remote sc://host:port (and to `run`, --engine spark), or set SPARK_REMOTE"
        )
    }
    let (prefix, links, orc) = (arguments.prefix.clone(), arguments.links, arguments.orc);
    Ok(Catalog { metastore, prefix, links, orc })
}

/// Keeps the metastore in step after a run.
pub async fn follow(context: &Context, catalog: &Catalog) -> anyhow::Result<()> {
    let changes = catalog::sync(context, catalog).await.map_err(|error| {
        anyhow::Error::from(error).context(
            "the run is published, but the metastore is not in step\nhint: `entrega catalog sync` sets it right",
        )
    })?;
    let changed = changes.iter().filter(|change| !change.is_unchanged()).count();
    complain(&format!("metastore: {changed} of {} tables brought in step", changes.len()));
    Ok(())
}
