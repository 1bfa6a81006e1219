//! Sweep: deletes data files that a table's state does not use, so that what was taken out of a table is gone for good.
//!
//! Older versions cannot be read afterwards. The log itself keeps paths and statistics (dates and counts, no ids).

use std::collections::HashSet;

use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStore as _, path::Path};

use crate::{Lake, LakeError, Result, TableState};

/// What a sweep deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
}

impl Lake {
    /// Deletes every Parquet file of a table that this state does not name. Call it under the lease, with the published
    /// state: what an unfinished run wrote goes, too.
    ///
    /// # Errors
    /// [`LakeError::Storage`].
    pub async fn sweep(&self, state: &TableState) -> Result<Swept> {
        let folder = self.path(&state.name().path());
        let used: HashSet<Path> =
            state.files.iter().map(|file| self.path(&format!("{}/{}", state.name().path(), file.add.path))).collect();
        let failed = |source| LakeError::storage(&folder, source);
        let found: Vec<_> = self.store().list(Some(&folder)).try_collect().await.map_err(failed)?;
        let dead: Vec<_> = found
            .into_iter()
            .filter(|object| {
                object.location.extension() == Some("parquet")
                    && !object.location.parts().any(|part| part.as_ref() == "_delta_log")
                    && !used.contains(&object.location)
            })
            .collect();
        let swept = Swept { files: dead.len() as u64, bytes: dead.iter().map(|object| object.size).sum() };
        let paths = futures::stream::iter(dead.into_iter().map(|object| Ok(object.location))).boxed();
        let _: Vec<Path> = self.store().delete_stream(paths).try_collect().await.map_err(failed)?;
        Ok(swept)
    }
}
