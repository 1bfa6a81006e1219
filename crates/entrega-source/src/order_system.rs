//! The order system: the nine CSV files of the Olist data set, from Kaggle's zip or from a folder.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufReader, Read as _},
    path::Path,
};

use bytes::Bytes;
use zip::{ZipArchive, result::ZipError};

use crate::{RawTable, SourceError, SourceTable, timeline::Timeline};

/// Everything the order system knows, as raw records, with the time at which each became known.
#[derive(Debug)]
pub struct OrderSystem {
    tables: Vec<RawTable>,
    timeline: Timeline,
}

impl OrderSystem {
    /// Reads a zip or a folder that holds the nine files; other files are passed over. In a zip, folders do not matter.
    ///
    /// # Errors
    /// A path that leads nowhere, something that is not a zip, missing files or columns, damaged or truncated files, and
    /// timestamps that cannot be read.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        if !path.exists() {
            return Err(SourceError::NotFound { path: path.to_owned() });
        }
        let mut files = if path.is_dir() { read_folder(path)? } else { read_zip(path)? };
        let missing: Vec<String> = SourceTable::ALL
            .iter()
            .filter(|table| files.get(table.file()).is_none_or(Option::is_none))
            .map(|table| table.file().to_owned())
            .collect();
        if !missing.is_empty() {
            let found = files.into_keys().collect();
            return Err(SourceError::MissingFiles { path: path.to_owned(), missing, found });
        }
        let tables = SourceTable::ALL
            .into_iter()
            .map(|table| {
                let bytes = files.get_mut(table.file()).and_then(Option::take).unwrap_or_default();
                RawTable::parse(table, bytes)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let timeline = Timeline::of(&tables)?.ok_or_else(|| SourceError::NoEvents { path: path.to_owned() })?;
        Ok(Self { tables, timeline })
    }

    /// One of the nine tables.
    #[must_use]
    pub fn table(&self, table: SourceTable) -> &RawTable {
        &self.tables[table.index()]
    }

    /// When each row became known.
    #[must_use]
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }
}

/// The CSV files by name; only the nine that matter are read.
type Files = BTreeMap<String, Option<Bytes>>;

fn is_wanted(name: &str) -> bool {
    SourceTable::ALL.iter().any(|table| table.file() == name)
}

fn read_folder(path: &Path) -> Result<Files, SourceError> {
    let failed = |at: &Path| {
        let path = at.to_owned();
        move |source| SourceError::Read { path, source }
    };
    let mut files = Files::new();
    for entry in fs::read_dir(path).map_err(failed(path))? {
        let entry = entry.map_err(failed(path))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_wanted(&name) {
            let bytes = fs::read(entry.path()).map_err(failed(&entry.path()))?;
            files.insert(name, Some(bytes.into()));
        } else if name.to_ascii_lowercase().ends_with(".csv") {
            files.insert(name, None);
        }
    }
    Ok(files)
}

fn read_zip(path: &Path) -> Result<Files, SourceError> {
    let failed = |source| SourceError::Read { path: path.to_owned(), source };
    let damaged = |source| SourceError::DamagedZip { path: path.to_owned(), source };
    let mut magic = Vec::new();
    File::open(path).and_then(|file| file.take(2).read_to_end(&mut magic)).map_err(failed)?;
    if magic != b"PK" {
        return Err(SourceError::NotAZip { path: path.to_owned() });
    }
    let file = File::open(path).map_err(failed)?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let mut files = Files::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(damaged)?;
        let full_name = String::from_utf8_lossy(member.name_raw()).into_owned();
        let name = full_name.rsplit('/').next().unwrap_or_default().to_owned();
        if is_wanted(&name) && !full_name.starts_with("__MACOSX/") {
            let mut bytes = Vec::with_capacity(usize::try_from(member.size()).unwrap_or_default().min(1 << 30));
            member.read_to_end(&mut bytes).map_err(|error| damaged(ZipError::Io(error)))?;
            files.insert(name, Some(bytes.into()));
        } else if name.to_ascii_lowercase().ends_with(".csv") {
            files.entry(name).or_insert(None);
        }
    }
    Ok(files)
}
