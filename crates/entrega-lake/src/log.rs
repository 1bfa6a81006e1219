//! A table's Delta log as files: how long it is, what its commits added, and cutting off what no kept version needs.
//!
//! ```text
//!  _delta_log/   0.json … 40.checkpoint.parquet, 41.json … 57.json
//!                └─ trimmed once no kept version needs it ─┘  └─ read each time that the table is opened
//! ```

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use deltalake::checkpoints;
use entrega_model::tables::TableName;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::{Lake, LakeError, Result};

/// So many commits are read at once.
const COMMITS_AT_ONCE: usize = 16;

/// How long a log is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LogLength {
    /// Files in `_delta_log`.
    pub entries: u64,
    /// Their size.
    pub bytes: u64,
    /// The newest version.
    pub latest: u64,
    /// The version of the newest checkpoint.
    pub checkpoint: Option<u64>,
}

impl LogLength {
    /// Commits that are read one by one when the table is opened.
    #[must_use]
    pub fn since_checkpoint(&self) -> u64 {
        self.checkpoint.map_or(self.latest + 1, |checkpoint| self.latest.saturating_sub(checkpoint))
    }
}

#[derive(Deserialize)]
struct Line {
    add: Option<Added>,
}

#[derive(Deserialize)]
struct Added {
    path: String,
}

impl Lake {
    /// How long a table's log is; `None` if there is no table.
    ///
    /// # Errors
    /// [`LakeError::Storage`].
    pub async fn log_length(&self, table: &TableName) -> Result<Option<LogLength>> {
        let mut length = LogLength::default();
        let mut commits = 0;
        for (name, bytes, _) in self.list(&log_folder(table)).await?.objects {
            length.entries += 1;
            length.bytes += bytes;
            let Some(version) = name.get(..20).and_then(|digits| digits.parse::<u64>().ok()) else { continue };
            if name.contains(".checkpoint.") {
                length.checkpoint = length.checkpoint.max(Some(version));
            } else {
                commits += 1;
                length.latest = length.latest.max(version);
            }
        }
        Ok((commits > 0).then_some(length))
    }

    /// The files that a table needs to be read at `version`, at any later one and at the newest, whether that is published
    /// or left by a run that was killed.
    ///
    /// # Errors
    /// [`LakeError::Table`] when the log cannot be read that far back.
    pub async fn files_since(&self, table: &TableName, version: u64) -> Result<HashSet<Path>> {
        let path = |relative: &str| self.path(&format!("{}/{relative}", table.path()));
        let mut files = HashSet::new();
        let Some(delta) = self.delta_table(table, Some(version)).await? else { return Ok(files) };
        files.extend(crate::table::data_files(&delta, table)?.iter().map(|file| path(&file.add.path)));
        let latest = self.log_length(table).await?.map_or(version, |length| length.latest);
        let reads = (version + 1..=latest).map(|version| async move {
            let commit = format!("{}/{version:020}.json", log_folder(table));
            let missing = || LakeError::Shape {
                table: table.to_string(),
                problem: format!("its log has no commit {version}, which a kept version needs"),
                hint: "nothing was deleted; look who cleans the folder _delta_log",
            };
            self.get(&commit).await?.ok_or_else(missing)
        });
        let mut reads = futures::stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(COMMITS_AT_ONCE);
        while let Some(commit) = reads.try_next().await? {
            for line in serde_json::Deserializer::from_slice(&commit).into_iter::<Line>() {
                let line = line.map_err(|error| LakeError::file(log_folder(table), "reading a commit", error))?;
                files.extend(line.add.map(|added| path(&added.path)));
            }
        }
        Ok(files)
    }

    /// Writes a checkpoint of a table's newest version, so that opening it reads one file instead of all commits.
    ///
    /// # Errors
    /// [`LakeError::Table`].
    pub async fn checkpoint(&self, table: &TableName) -> Result<()> {
        let Some(delta) = self.delta_table(table, None).await? else { return Ok(()) };
        let failed = |error| LakeError::table(table, "writing a checkpoint", error);
        checkpoints::create_checkpoint(&delta, None).await.map_err(failed)
    }

    /// Deletes entries of a table's log that are older than `before` and that neither `version` nor a later one needs; gives
    /// how many.
    ///
    /// # Errors
    /// [`LakeError::Table`].
    pub async fn trim_log(&self, table: &TableName, version: u64, before: DateTime<Utc>) -> Result<u64> {
        let Some(delta) = self.delta_table(table, None).await? else { return Ok(0) };
        let log = delta.log_store();
        let trimmed = checkpoints::cleanup_expired_logs_for(version, log.as_ref(), before.timestamp_millis(), None);
        let trimmed = trimmed.await.map_err(|error| LakeError::table(table, "trimming its log", error))?;
        Ok(trimmed as u64)
    }
}

fn log_folder(table: &TableName) -> String {
    format!("{}/_delta_log", table.path())
}
