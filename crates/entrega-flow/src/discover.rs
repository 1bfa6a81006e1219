//! Discover: which drops lie in the landing zone, and which of them no published batch holds.

use std::collections::{HashMap, HashSet};

use entrega_lake::Lake;
use entrega_model::{
    contract::Contract,
    drops::{LANDING, MANIFEST_FILE},
};
use entrega_operators::validate::{Drop, validate};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::{Result, tables::DropRow};

/// Listings at once.
const CONCURRENCY: usize = 16;

/// What lies in the landing zone.
#[derive(Debug, Default)]
pub struct Landing {
    /// Folders with a manifest, and the manifest's last change.
    pub complete: Vec<(String, i64)>,
    /// Folders that hold files but no manifest.
    pub incomplete: Vec<String>,
}

/// Lists the landing zone.
///
/// # Errors
/// From the lake.
pub async fn landing(lake: &Lake) -> Result<Landing> {
    let mut found = Landing::default();
    let days = lake.list(LANDING).await?.folders;
    let mut folders =
        days.iter().filter(|day| day.starts_with("dt=")).map(|day| format!("{LANDING}/{day}")).collect::<Vec<_>>();
    while !folders.is_empty() {
        let listings: Vec<_> = futures::stream::iter(folders.into_iter().map(|folder| async move {
            let listing = lake.list(&folder).await?;
            Ok::<_, crate::FlowError>((folder, listing))
        }))
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
        folders = Vec::new();
        for (folder, listing) in listings {
            match listing.objects.iter().find(|(name, ..)| name == MANIFEST_FILE) {
                Some((_, _, modified)) => found.complete.push((folder.clone(), *modified)),
                None if !listing.objects.is_empty() => found.incomplete.push(folder.clone()),
                None => {}
            }
            folders.extend(listing.folders.iter().map(|name| format!("{folder}/{name}")));
        }
    }
    found.complete.sort();
    found.incomplete.sort();
    Ok(found)
}

/// Drops that wait.
#[derive(Debug, Default)]
pub struct Waiting {
    /// Those that can be taken, oldest precedence first.
    pub drops: Vec<Drop>,
    /// Those whose manifest is wrong, with what is wrong.
    pub damaged: Vec<(String, entrega_operators::OperatorError)>,
}

/// The drops that no published batch holds, oldest precedence first. A drop that was delivered again under the same
/// name is taken if its contents changed.
///
/// # Errors
/// When the lake cannot be read; a wrong manifest is no error here, it is told.
pub async fn waiting(lake: &Lake, contracts: &[Contract], landing: &Landing, taken: &[DropRow]) -> Result<Waiting> {
    let mut known: HashMap<&str, (i64, HashSet<&str>)> = HashMap::new();
    for row in taken {
        let entry = known.entry(row.drop.as_str()).or_default();
        entry.0 = entry.0.max(row.manifest_modified);
        entry.1.insert(row.digest.as_str());
    }
    let candidates = landing
        .complete
        .iter()
        .filter(|(folder, modified)| known.get(folder.as_str()).is_none_or(|(seen, _)| seen != modified));
    let candidates: Vec<_> = candidates.cloned().collect();
    let validations: Vec<_> =
        candidates.iter().map(|(folder, modified)| validate(lake, folder, *modified, contracts)).collect();
    let validated: Vec<_> = futures::stream::iter(validations).buffered(CONCURRENCY).collect().await;
    let (mut drops, mut damaged) = (Vec::new(), Vec::new());
    for ((folder, _), result) in candidates.iter().zip(validated) {
        match result {
            Ok(drop) => drops.push(drop),
            Err(error @ entrega_operators::OperatorError::Delivery { .. }) => damaged.push((folder.clone(), error)),
            Err(other) => return Err(other.into()),
        }
    }
    drops.retain(|drop| {
        known.get(drop.folder.as_str()).is_none_or(|(_, digests)| !digests.contains(drop.manifest.digest().as_str()))
    });
    drops.sort_by_key(|drop| (drop.manifest.precedence(), drop.folder.clone()));
    Ok(Waiting { drops, damaged })
}
