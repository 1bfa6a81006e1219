//! Validate: is a drop what its manifest and the contracts say, before anything of it is read?

use entrega_lake::Lake;
use entrega_model::{
    contract::Contract,
    drops::{Content, MANIFEST_FILE, MANIFEST_VERSION, Manifest},
};

use crate::{OperatorError, Result, load::FileToLoad};

/// A drop that is complete: its folder and manifest.
#[derive(Debug, Clone)]
pub struct Drop {
    /// The folder, relative to the lake.
    pub folder: String,
    /// What it holds.
    pub manifest: Manifest,
    /// When the manifest was last written, Unix milliseconds, as the store says.
    pub modified: i64,
}

impl Drop {
    /// The file of a source, if the drop has one.
    #[must_use]
    pub fn file(&self, contract: &Contract) -> Option<FileToLoad> {
        let entry = self.manifest.files.get(&contract.file)?;
        Some(FileToLoad { drop: self.folder.clone(), name: contract.file.clone(), entry: entry.clone() })
    }
}

/// Reads and checks the manifest of a drop: format, interval, and that every file belongs to a contract.
///
/// # Errors
/// [`OperatorError::Delivery`] that says what is wrong.
pub async fn validate(lake: &Lake, folder: &str, modified: i64, contracts: &[Contract]) -> Result<Drop> {
    let fault = |problem: String, hint: &str| OperatorError::Delivery {
        drop: folder.to_owned(),
        file: MANIFEST_FILE.to_owned(),
        problem,
        hint: hint.to_owned(),
    };
    let text = lake.get(&format!("{folder}/{MANIFEST_FILE}")).await?;
    let text = text.ok_or_else(|| {
        fault("it is not there".to_owned(), "the producer writes it last, when all files are complete")
    })?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| {
        fault(format!("it cannot be read: {error}"), "deliver the drop again; docs/reference/drops.md shows a manifest")
    })?;
    if manifest.version != MANIFEST_VERSION {
        return Err(fault(
            format!("its version is {}", manifest.version),
            "this Entrega understands version 1: update one of the two",
        ));
    }
    if manifest.interval.start >= manifest.interval.end {
        return Err(fault(
            format!("its interval {} is empty", manifest.interval),
            "deliver the drop again with start before end",
        ));
    }
    if let Some(name) = manifest.files.keys().find(|name| contracts.iter().all(|contract| contract.file != **name)) {
        let known: Vec<&str> = contracts.iter().map(|contract| contract.file.as_str()).collect();
        return Err(fault(
            format!("it names the file '{name}', which no contract describes"),
            &format!("files are {}; a new source needs a contract in models/landing", known.join(", ")),
        ));
    }
    for contract in contracts {
        let Some(entry) = manifest.files.get(&contract.file) else { continue };
        if contract.kind == Content::Snapshot && entry.content == Content::Changes {
            return Err(fault(
                format!("it says that {} holds changes, but by its contract each delivery is the whole", contract.file),
                "deliver the whole and say \"snapshot\", or mend the contract",
            ));
        }
        if contract.kind == Content::Changes && entry.content == Content::Snapshot && entry.rows == 0 {
            return Err(fault(
                format!("it says that {} is a whole snapshot without any row", contract.file),
                "that would delete everything: deliver the rows, or say \"changes\"",
            ));
        }
    }
    Ok(Drop { folder: folder.to_owned(), manifest, modified })
}
