//! `entrega lake`: the lake's place, and files in and out of it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use entrega_lake::{
    Lake, LakeError,
    policy::Role,
    transfer::{Copied, Object},
};
use entrega_model::{
    drops::{LANDING, MANIFEST_FILE},
    tables::Layer,
};
use futures::{StreamExt as _, TryStreamExt as _};
use indicatif::HumanBytes;
use serde_json::json;

use crate::{
    arguments::lake::{
        LakeFiles, LakeGet, LakeInit, LakeList, LakePut, LakeRemove, LakeUsage, LakeVerb, Printed, RoleArgument,
    },
    output::{say, table},
    progress::bar,
    settings::Settings,
};

/// Files that are copied at once.
const AT_ONCE: usize = 4;

/// Runs the verb.
pub async fn run(settings: &Settings, arguments: LakeFiles) -> anyhow::Result<()> {
    match arguments.verb {
        LakeVerb::Init(arguments) => init(settings, arguments).await,
        LakeVerb::Put(arguments) => put(settings, arguments).await,
        LakeVerb::Get(arguments) => get(settings, arguments).await,
        LakeVerb::Ls(arguments) => list(settings, arguments).await,
        LakeVerb::Rm(arguments) => remove(settings, arguments).await,
        LakeVerb::Du(arguments) => usage(settings, arguments).await,
    }
}

async fn init(settings: &Settings, arguments: LakeInit) -> anyhow::Result<()> {
    let location = settings.lake()?;
    match arguments.print {
        Some(Printed::Layout) => say(&table(&["folder", "what it holds"], Layer::ALL.map(layout))),
        Some(Printed::Policy) => {
            let role = match arguments.role {
                RoleArgument::Runner => Role::Runner,
                RoleArgument::Reader => Role::Reader,
                RoleArgument::Deliverer => Role::Deliverer,
            };
            say(&serde_json::to_string_pretty(&Lake::at(location).await?.policy(role)?)?);
        }
        Some(Printed::Lifecycle) => say(&serde_json::to_string_pretty(&Lake::at(location).await?.lifecycle()?)?),
        None => {
            let lake = Lake::open_or_create(location).await?;
            say(&format!(
                "{} is a lake; drops go to {LANDING}/dt=YYYY-MM-DD/ or {LANDING}/dt=YYYY-MM-DD/hr=HH/",
                lake.url()
            ));
        }
    }
    Ok(())
}

fn layout(layer: Layer) -> Vec<String> {
    let holds = match layer {
        Layer::Landing => "drops as delivered: landing/dt=YYYY-MM-DD/[hr=HH/]; here the order system writes",
        Layer::Ops => "Delta tables: batches, drops, checks",
        Layer::Quarantine => "Delta tables: rows that were not taken, with the reason",
        Layer::Clean => "Delta tables: one row for each thing of the business",
        Layer::Summary => "Delta tables: daily measures",
        Layer::Features => "Delta tables: point-in-time features",
    };
    vec![format!("{}/", layer.name()), holds.to_owned()]
}

/// Only the landing zone is anybody's to change: every other file belongs to a Delta table, whose log counts on it.
fn only_landing(path: &str) -> anyhow::Result<&str> {
    let path = path.trim_matches('/');
    let below = path == LANDING || path.starts_with(&format!("{LANDING}/"));
    if !below || path.split('/').any(|part| matches!(part, "." | "..")) {
        bail!(
            "{path} does not lie below {LANDING}/\nhint: other folders belong to tables; only `entrega run` and `entrega op` change them"
        );
    }
    Ok(path)
}

async fn put(settings: &Settings, arguments: LakePut) -> anyhow::Result<()> {
    let to = only_landing(&arguments.to)?;
    let lake = Lake::open_or_create(settings.lake()?).await?;
    let from = &arguments.from;
    let files = local_files(from)
        .with_context(|| format!("{} cannot be read\nhint: give a file or a folder of this machine", from.display()))?;
    let into_folder = arguments.to.ends_with('/') && from.is_file();
    let name = |file: &Path| {
        let below = file.strip_prefix(from).unwrap_or(file);
        let below = below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
        match (below.is_empty(), into_folder) {
            (true, false) => to.to_owned(),
            (true, true) => format!("{to}/{}", file.file_name().unwrap_or_default().to_string_lossy()),
            (false, _) => format!("{to}/{below}"),
        }
    };
    let progress = bar(files.len() as u64, "copying into the lake");
    // A drop is there once its manifest is, so manifests go last.
    let (manifests, others): (Vec<PathBuf>, Vec<PathBuf>) =
        files.into_iter().partition(|file| file.file_name().is_some_and(|name| name == MANIFEST_FILE));
    let mut copied = Vec::new();
    for files in [others, manifests] {
        let copies = files.into_iter().map(|file| {
            let (lake, progress, name) = (&lake, &progress, name(&file));
            async move {
                let copied = lake.upload(&file, &name).await;
                progress.inc(1);
                copied
            }
        });
        let done: Vec<Copied> = futures::stream::iter(copies).buffered(AT_ONCE).try_collect().await?;
        copied.extend(done);
    }
    progress.finish_and_clear();
    tell(&copied);
    Ok(())
}

/// A file, or all files below a folder, by path.
fn local_files(from: &Path) -> std::io::Result<Vec<PathBuf>> {
    if std::fs::metadata(from)?.is_file() {
        return Ok(vec![from.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(from)? {
        files.extend(local_files(&entry?.path())?);
    }
    files.sort();
    Ok(files)
}

async fn get(settings: &Settings, arguments: LakeGet) -> anyhow::Result<()> {
    let lake = Lake::open(settings.lake()?).await?;
    let from = arguments.from.trim_matches('/');
    let objects = some_objects(&lake, from).await?;
    let progress = bar(objects.len() as u64, "copying out of the lake");
    let copies = objects.iter().map(|object| {
        let below = object.path.strip_prefix(from).unwrap_or(&object.path).trim_matches('/');
        let file = match below {
            "" if arguments.to.is_dir() => arguments.to.join(object.path.rsplit('/').next().unwrap_or("object")),
            "" => arguments.to.clone(),
            below => arguments.to.join(below),
        };
        let (lake, progress) = (&lake, &progress);
        async move {
            let copied = lake.download(object, &file).await;
            progress.inc(1);
            copied
        }
    });
    let copied: Vec<Copied> = futures::stream::iter(copies).buffered(AT_ONCE).try_collect().await?;
    progress.finish_and_clear();
    tell(&copied);
    Ok(())
}

/// The objects of a path, of which there must be some.
async fn some_objects(lake: &Lake, path: &str) -> Result<Vec<Object>, LakeError> {
    let found = lake.objects(path).await?;
    if found.is_empty() {
        return Err(LakeError::Location {
            location: format!("{}{path}", lake.url()),
            problem: "there is nothing".to_owned(),
            hint: "`entrega lake ls` shows what the lake holds",
        });
    }
    Ok(found)
}

fn tell(copied: &[Copied]) {
    let bytes = copied.iter().map(|one| if let Copied::Bytes(bytes) = one { *bytes } else { 0 }).sum();
    let present = copied.iter().filter(|one| **one == Copied::Present).count();
    say(&format!("{} files copied, {}; {present} were there already", copied.len() - present, HumanBytes(bytes)));
}

async fn list(settings: &Settings, arguments: LakeList) -> anyhow::Result<()> {
    let lake = Lake::open(settings.lake()?).await?;
    let path = arguments.path.trim_matches('/');
    let mut lines = Vec::new();
    if arguments.recursive {
        lines.extend(
            lake.objects(path).await?.into_iter().map(|object| (object.path, Some((object.size, object.modified)))),
        );
    } else {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        let found = lake.list(path).await?;
        lines.extend(found.folders.iter().map(|name| (format!("{}/", below(name)), None)));
        lines.extend(found.objects.iter().map(|(name, size, modified)| {
            (below(name), Some((*size, chrono::DateTime::from_timestamp_millis(*modified).unwrap_or_default())))
        }));
    }
    if arguments.json {
        let entries: Vec<_> = lines
            .iter()
            .map(|(path, about)| json!({ "path": path, "bytes": about.map(|(size, _)| size), "modified": about.map(|(_, at)| at.to_rfc3339()) }))
            .collect();
        say(&serde_json::to_string_pretty(&entries)?);
        return Ok(());
    }
    let rows = lines.into_iter().map(|(path, about)| {
        let (size, modified) = about.map_or_else(Default::default, |(size, modified)| {
            (HumanBytes(size).to_string(), modified.format("%Y-%m-%d %H:%M:%S").to_string())
        });
        vec![path, size, modified]
    });
    say(&table(&["path", "size", "written (UTC)"], rows));
    Ok(())
}

async fn remove(settings: &Settings, arguments: LakeRemove) -> anyhow::Result<()> {
    let path = only_landing(&arguments.path)?;
    let lake = Lake::open(settings.lake()?).await?;
    let objects = some_objects(&lake, path).await?;
    let alone = objects.len() == 1 && objects[0].path == path;
    if !alone && !arguments.recursive {
        bail!(
            "{path} is a folder with {} files\nhint: --recursive deletes them all; --dry-run only says so",
            objects.len()
        );
    }
    let bytes = HumanBytes(objects.iter().map(|object| object.size).sum());
    if arguments.dry_run {
        for object in &objects {
            say(&object.path);
        }
        say(&format!("{} files, {bytes}, would be deleted", objects.len()));
        return Ok(());
    }
    let _lease = lake.lease().await?;
    lake.remove(&objects).await?;
    say(&format!("{} files deleted, {bytes}", objects.len()));
    Ok(())
}

async fn usage(settings: &Settings, arguments: LakeUsage) -> anyhow::Result<()> {
    let lake = Lake::open(settings.lake()?).await?;
    let path = arguments.path.trim_matches('/');
    let mut folders: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for object in lake.objects(path).await? {
        let below = object.path.strip_prefix(path).unwrap_or(&object.path).trim_start_matches('/');
        let folder = below.split_once('/').map_or(".", |(folder, _)| folder);
        let (files, bytes) = folders.entry(folder.to_owned()).or_default();
        *files += 1;
        *bytes += object.size;
    }
    if arguments.json {
        let entries: Vec<_> = folders
            .iter()
            .map(|(folder, (files, bytes))| json!({ "folder": folder, "files": files, "bytes": bytes }))
            .collect();
        say(&serde_json::to_string_pretty(&entries)?);
        return Ok(());
    }
    let all = folders.values().fold((0, 0), |sum, (files, bytes)| (sum.0 + files, sum.1 + bytes));
    let line =
        |folder: String, (files, bytes): (u64, u64)| vec![folder, files.to_string(), HumanBytes(bytes).to_string()];
    let rows = folders.into_iter().map(|(folder, sums)| line(folder, sums)).chain([line("all".to_owned(), all)]);
    say(&table(&["folder", "files", "size"], rows));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_landing_zone_may_be_changed_by_hand() {
        assert_eq!(only_landing("/landing/dt=2018-01-01/").unwrap(), "landing/dt=2018-01-01");
        for path in ["clean/orders", "landing/../clean", "landings/x", ""] {
            assert!(only_landing(path).is_err(), "{path}");
        }
    }
}
