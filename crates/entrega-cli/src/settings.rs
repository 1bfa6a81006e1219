//! Settings: flags, else the environment, else `entrega.toml` in the working folder.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use entrega_flow::{
    Context,
    spark::{Cluster, Explained},
};
use entrega_lake::Lake;
use entrega_model::project::Project;
use serde::Deserialize;

use crate::{
    arguments::spark::{Engine, EngineArguments},
    output::complain,
};

/// The file that may hold settings.
const FILE: &str = "entrega.toml";

/// What every verb needs to know.
#[derive(Debug)]
pub struct Settings {
    lake: Option<String>,
    models: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSettings {
    lake: Option<String>,
    models: Option<PathBuf>,
}

impl Settings {
    /// Settings from flags, environment and file.
    pub fn find(lake: Option<String>, models: Option<PathBuf>) -> anyhow::Result<Self> {
        let file = match std::fs::read_to_string(FILE) {
            Ok(text) => toml::from_str(&text).with_context(|| {
                format!("{FILE} cannot be read\nhint: it may hold lake = \"URL\" and models = \"folder\"")
            })?,
            Err(_) => FileSettings::default(),
        };
        let environment = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        Ok(Self {
            lake: lake.or_else(|| environment("ENTREGA_LAKE")).or(file.lake),
            models: models.or_else(|| environment("ENTREGA_MODELS").map(PathBuf::from)).or(file.models),
        })
    }

    /// The lake's location.
    pub fn lake(&self) -> anyhow::Result<&str> {
        match &self.lake {
            Some(lake) => Ok(lake),
            None => {
                bail!("no lake is given\nhint: use --lake URL, set ENTREGA_LAKE, or write lake = \"URL\" into {FILE}")
            }
        }
    }

    /// Contracts and models.
    pub fn project(&self) -> anyhow::Result<Project> {
        let Some(folder) = &self.models else { return Ok(Project::embedded()?) };
        let mut files = Vec::new();
        for layer in read_dir(folder)?.into_iter().filter(|path| path.is_dir()) {
            for file in read_dir(&layer)?.into_iter().filter(|path| path.is_file()) {
                let text =
                    std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
                let relative = file.strip_prefix(folder).unwrap_or(&file).to_string_lossy().into_owned();
                files.push((relative, text));
            }
        }
        Ok(Project::parse(files)?)
    }

    /// Everything that a run works with, over a lake that exists.
    pub async fn context(&self) -> anyhow::Result<Context> {
        let lake = Lake::open(self.lake()?).await?;
        Ok(Context::new(lake, self.project()?))
    }
}

/// A context whose batches are run by the engine that was asked for.
pub async fn with_engine(mut context: Context, engine: &EngineArguments) -> anyhow::Result<Context> {
    match (engine.engine, &engine.remote) {
        (Engine::Embedded, _) if engine.explain => {
            bail!("--explain shows the plans of Spark\nhint: add --engine spark --remote sc://host:port")
        }
        (Engine::Embedded, _) => {}
        (Engine::Spark, Some(remote)) => {
            let told: Explained = Arc::new(|plan: &str| complain(plan));
            context.cluster = Some(Cluster::connect(remote, engine.explain.then_some(told)).await?);
        }
        (Engine::Spark, None) => {
            bail!(
                "no Spark is given\nhint: add --remote sc://host:port, or set SPARK_REMOTE; `make services` starts one"
            )
        }
    }
    Ok(context)
}

fn read_dir(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| {
        format!("the folder {} cannot be read\nhint: --models wants a folder like models/", folder.display())
    })?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    Ok(paths)
}
