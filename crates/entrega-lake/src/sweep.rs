//! Sweep: deletes data files that no version uses which somebody may still read.
//!
//! What is kept is said by the caller, as paths; what is younger than a moment stays too, because a run that is under way
//! has written files that no commit names yet. After a person was erased nothing old is kept at all.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use entrega_model::tables::TableName;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectMeta, ObjectStore as _, path::Path};
use serde::Serialize;

use crate::{Lake, LakeError, Result, TableState};

/// What a sweep deleted, or would.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
}

impl Swept {
    /// Adds what another sweep deleted.
    pub fn add(&mut self, other: Self) {
        self.files += other.files;
        self.bytes += other.bytes;
    }
}

/// Data files that nothing needs.
#[derive(Debug, Clone, Default)]
pub struct DeadFiles(Vec<ObjectMeta>);

impl DeadFiles {
    /// How many, and how large.
    #[must_use]
    pub fn count(&self) -> Swept {
        Swept { files: self.0.len() as u64, bytes: self.0.iter().map(|object| object.size).sum() }
    }
}

impl Lake {
    /// The files of a state, as paths of the store.
    #[must_use]
    pub fn files_of(&self, state: &TableState) -> HashSet<Path> {
        state.files.iter().map(|file| self.path(&format!("{}/{}", state.name().path(), file.add.path))).collect()
    }

    /// Every Parquet file of a table that `kept` does not name; with `before`, only those that were written earlier.
    ///
    /// # Errors
    /// [`LakeError::Storage`].
    pub async fn dead_files(
        &self,
        table: &TableName,
        kept: &HashSet<Path>,
        before: Option<DateTime<Utc>>,
    ) -> Result<DeadFiles> {
        let folder = self.path(&table.path());
        let found: Vec<_> = self
            .store()
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(|source| LakeError::storage(&folder, source))?;
        let dead = found.into_iter().filter(|object| {
            object.location.extension() == Some("parquet")
                && !object.location.parts().any(|part| part.as_ref() == "_delta_log")
                && !kept.contains(&object.location)
                && before.is_none_or(|before| object.last_modified < before)
        });
        Ok(DeadFiles(dead.collect()))
    }

    /// Deletes dead files.
    ///
    /// # Errors
    /// [`LakeError::Storage`]; what is not deleted is dead the next time.
    pub async fn delete_files(&self, dead: DeadFiles) -> Result<Swept> {
        let swept = dead.count();
        let paths = futures::stream::iter(dead.0.into_iter().map(|object| Ok(object.location))).boxed();
        let failed = |source| LakeError::storage(self.prefix(), source);
        let _: Vec<Path> = self.store().delete_stream(paths).try_collect().await.map_err(failed)?;
        Ok(swept)
    }

    /// Deletes every Parquet file of a table that this state does not name. Call it under the lease, with the published
    /// state: what an unfinished run wrote goes, too. Older versions cannot be read afterwards; the log itself keeps paths and
    /// statistics (dates and counts, no ids).
    ///
    /// # Errors
    /// [`LakeError::Storage`].
    pub async fn sweep(&self, state: &TableState) -> Result<Swept> {
        self.delete_files(self.dead_files(state.name(), &self.files_of(state), None).await?).await
    }
}
