//! Files to and from a lake, for those who would copy them by hand.
//!
//! What was begun can be begun again: a file that is there already, as long and not older, is passed over; a download that
//! was cut goes on where it ended, as long as the object is still the same.

use std::{
    ffi::OsString,
    path::{Path as LocalPath, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{
    Error as StoreError, GetOptions, GetRange, ObjectMeta, ObjectStore as _, ObjectStoreExt as _, buffered::BufWriter,
};
use tokio::{
    fs,
    io::{AsyncReadExt as _, AsyncWriteExt as _},
};

use crate::{Lake, LakeError, Result};

/// Bytes of one part of an upload; larger files go in several, a few at once.
const PART: usize = 8 << 20;
const PARTS_AT_ONCE: usize = 4;

/// An object of a lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its path, relative to the lake.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// When it was written.
    pub modified: DateTime<Utc>,
    /// The store's name of this state of it.
    pub e_tag: Option<String>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// So many bytes were copied; of a download that goes on, the rest.
    Bytes(u64),
    /// It was there already.
    Present,
}

impl Lake {
    /// The objects under a folder of the lake, or the one object of that path, by path.
    ///
    /// # Errors
    /// [`LakeError::Storage`].
    pub async fn objects(&self, relative: &str) -> Result<Vec<Object>> {
        let path = self.path(relative);
        let failed = |source| LakeError::storage(&path, source);
        let mut found: Vec<ObjectMeta> = self.store().list(Some(&path)).try_collect().await.map_err(failed)?;
        if path != *self.prefix() {
            match self.store().head(&path).await {
                Ok(object) => found.push(object),
                Err(StoreError::NotFound { .. }) => {}
                Err(source) => return Err(failed(source)),
            }
        }
        found.sort_by(|a, b| a.location.cmp(&b.location));
        found.dedup_by(|a, b| a.location == b.location);
        let object = |meta: ObjectMeta| {
            let parts = meta.location.prefix_match(self.prefix())?;
            let parts: Vec<String> = parts.map(|part| part.as_ref().to_owned()).collect();
            Some(Object { path: parts.join("/"), size: meta.size, modified: meta.last_modified, e_tag: meta.e_tag })
        };
        Ok(found.into_iter().filter_map(object).collect())
    }

    /// Copies a local file into the lake.
    ///
    /// # Errors
    /// [`LakeError::Local`] when the file cannot be read, [`LakeError::Storage`] when the lake cannot be written. An
    /// object appears whole or not at all.
    pub async fn upload(&self, file: &LocalPath, relative: &str) -> Result<Copied> {
        let unreadable = |source| LakeError::local(file, "reading it", source);
        let path = self.path(relative);
        let failed = |source| LakeError::storage(&path, source);
        let about = fs::metadata(file).await.map_err(unreadable)?;
        let changed: DateTime<Utc> = about.modified().map_err(unreadable)?.into();
        match self.store().head(&path).await {
            Ok(there) if there.size == about.len() && there.last_modified >= changed => return Ok(Copied::Present),
            Ok(_) | Err(StoreError::NotFound { .. }) => {}
            Err(source) => return Err(failed(source)),
        }
        let mut from = fs::File::open(file).await.map_err(unreadable)?;
        let to = BufWriter::with_capacity(Arc::clone(self.store()), path.clone(), PART);
        let mut to = to.with_max_concurrency(PARTS_AT_ONCE);
        let mut copied = 0;
        loop {
            let mut part = Vec::with_capacity(PART);
            let read = (&mut from).take(PART as u64).read_to_end(&mut part).await.map_err(unreadable)?;
            copied += read as u64;
            if read == 0 {
                break;
            }
            if let Err(source) = to.put(part.into()).await {
                // The server forgets what was begun by itself, too; the failure that is told is the first.
                let _ = to.abort().await;
                return Err(failed(source));
            }
        }
        to.shutdown().await.map_err(|error| LakeError::local(file, "copying it into the lake", error))?;
        Ok(Copied::Bytes(copied))
    }

    /// Copies an object into a local file, which appears whole or not at all.
    ///
    /// # Errors
    /// [`LakeError::Storage`] when the object cannot be read, [`LakeError::Local`] when the file cannot be written.
    pub async fn download(&self, object: &Object, file: &LocalPath) -> Result<Copied> {
        let unwritable = |source| LakeError::local(file, "writing it", source);
        if let Ok(there) = fs::metadata(file).await
            && there.len() == object.size
            && there.modified().is_ok_and(|changed| DateTime::<Utc>::from(changed) >= object.modified)
        {
            return Ok(Copied::Present);
        }
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).await.map_err(unwritable)?;
        }
        let path = self.path(&object.path);
        let failed = |source| LakeError::storage(&path, source);
        let begun = unfinished(file, object);
        let had = fs::metadata(&begun).await.map_or(0, |about| about.len()).min(object.size);
        let mut to = fs::OpenOptions::new().create(true).append(true).open(&begun).await.map_err(unwritable)?;
        if had < object.size {
            let range = (had > 0).then_some(GetRange::Offset(had));
            let options = GetOptions { range, if_match: object.e_tag.clone(), ..GetOptions::default() };
            let found = self.store().get_opts(&path, options).await;
            let mut bytes = found.map_err(failed)?.into_stream();
            while let Some(part) = bytes.next().await {
                to.write_all(&part.map_err(failed)?).await.map_err(unwritable)?;
            }
        }
        to.sync_all().await.map_err(unwritable)?;
        fs::rename(&begun, file).await.map_err(unwritable)?;
        Ok(Copied::Bytes(object.size - had))
    }

    /// Deletes objects.
    ///
    /// # Errors
    /// [`LakeError::Storage`]; then some may be gone, and doing it again is safe.
    pub async fn remove(&self, objects: &[Object]) -> Result<()> {
        let paths: Vec<_> = objects.iter().map(|object| Ok(self.path(&object.path))).collect();
        let deleted = self.store().delete_stream(futures::stream::iter(paths).boxed());
        let deleted: std::result::Result<Vec<_>, _> = deleted.try_collect().await;
        deleted.map(|_| ()).map_err(|source| LakeError::storage(self.prefix(), source))
    }
}

/// Where a download grows: the name tells of which state of the object it is.
fn unfinished(file: &LocalPath, object: &Object) -> PathBuf {
    let mut name = file.file_name().map_or_else(|| OsString::from("download"), OsString::from);
    name.push(format!(".{}-{}.part", object.modified.timestamp_millis(), object.size));
    file.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lake_with(path: &str, bytes: &'static [u8]) -> (tempfile::TempDir, Lake, Object) {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open_or_create(folder.path().join("lake").to_str().unwrap()).await.unwrap();
        lake.put(path, bytes.into()).await.unwrap();
        let object = lake.objects(path).await.unwrap().remove(0);
        (folder, lake, object)
    }

    #[tokio::test]
    async fn a_file_goes_in_once_and_comes_out_as_it_was() {
        let (folder, lake, _) = lake_with("landing/other.csv", b"x").await;
        let local = folder.path().join("orders.csv");
        let contents = vec![7_u8; PART + 3];
        std::fs::write(&local, &contents).unwrap();
        let size = contents.len() as u64;
        assert_eq!(lake.upload(&local, "landing/orders.csv").await.unwrap(), Copied::Bytes(size));
        assert_eq!(lake.upload(&local, "landing/orders.csv").await.unwrap(), Copied::Present);
        let found = lake.objects("landing").await.unwrap();
        assert_eq!(
            found.iter().map(|object| object.path.as_str()).collect::<Vec<_>>(),
            ["landing/orders.csv", "landing/other.csv"]
        );
        let copy = folder.path().join("down/orders.csv");
        assert_eq!(lake.download(&found[0], &copy).await.unwrap(), Copied::Bytes(size));
        assert_eq!(std::fs::read(&copy).unwrap(), contents);
        assert_eq!(lake.download(&found[0], &copy).await.unwrap(), Copied::Present);
        lake.remove(&found).await.unwrap();
        assert!(lake.objects("landing").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_download_that_was_cut_goes_on() {
        let (folder, lake, object) = lake_with("landing/a.csv", b"0123456789").await;
        let copy = folder.path().join("a.csv");
        std::fs::write(unfinished(&copy, &object), b"0123").unwrap();
        assert_eq!(lake.download(&object, &copy).await.unwrap(), Copied::Bytes(6));
        assert_eq!(std::fs::read(&copy).unwrap(), b"0123456789");
    }

    #[tokio::test]
    async fn a_file_that_changed_since_is_copied_again() {
        let (folder, lake, object) = lake_with("landing/a.csv", b"old").await;
        let local = folder.path().join("a.csv");
        assert_eq!(lake.download(&object, &local).await.unwrap(), Copied::Bytes(3));
        std::fs::write(&local, b"newer").unwrap();
        assert_eq!(lake.upload(&local, "landing/a.csv").await.unwrap(), Copied::Bytes(5));
    }
}
