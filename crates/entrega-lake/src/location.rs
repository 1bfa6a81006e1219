//! Where a lake is: a URL or a local path, opened as an object store and a prefix.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use entrega_model::drops::LANDING;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{
    Error as StoreError, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload, local::LocalFileSystem,
    memory::InMemory, path::Path,
};
use url::Url;

use crate::{LakeError, Result, s3, steady::Steady};

/// The file that makes a prefix a lake.
const MARKER: &str = "_entrega.json";

/// A lake: one prefix of an object store.
///
/// Invariant: all paths that are given to it are relative to that prefix.
#[derive(Debug, Clone)]
pub struct Lake {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    url: Url,
}

impl Lake {
    /// The lake at a URL (`file:///…`, `s3://bucket/prefix`, `memory:///…`) or a local path; the place need not exist yet.
    ///
    /// # Errors
    /// [`LakeError::Location`] when the URL's scheme is unknown or the path is a file.
    pub async fn at(location: &str) -> Result<Self> {
        let wrong = |problem: String, hint| LakeError::Location { location: location.to_owned(), problem, hint };
        let url = match Url::parse(location) {
            Ok(url) if url.scheme().len() > 1 => url,
            _ => {
                let path = std::path::absolute(PathBuf::from(location))
                    .map_err(|error| wrong(error.to_string(), "give a folder or a URL such as file:///data/lake"))?;
                Url::from_directory_path(&path)
                    .map_err(|()| wrong("the path has no URL form".to_owned(), "give an absolute folder"))?
            }
        };
        match url.scheme() {
            "file" => {
                let path = url
                    .to_file_path()
                    .map_err(|()| wrong("the URL is no local path".to_owned(), "write file:///absolute/folder"))?;
                // A folder's URL ends with a slash, with which no path is a file: look at the path without it.
                if path.components().collect::<PathBuf>().is_file() {
                    return Err(wrong("it is a file".to_owned(), "a lake is a folder"));
                }
                let prefix = Path::from_absolute_path(&path)
                    .map_err(|error| wrong(error.to_string(), "choose a folder whose name is plain text"))?;
                let store: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new());
                Ok(Self { store, prefix, url })
            }
            "memory" => {
                let prefix = Path::parse(url.path().trim_matches('/'))
                    .map_err(|error| wrong(error.to_string(), "write memory:///name"))?;
                Ok(Self { store: Arc::new(InMemory::new()), prefix, url })
            }
            "s3" | "s3a" => {
                let (store, prefix) = s3::open(&url).await?;
                Ok(Self { store: Arc::new(Steady(store)), prefix, url })
            }
            other => Err(wrong(
                format!("the scheme '{other}' is not one that lakes can have"),
                "use a local folder, file:///…, or s3://bucket/prefix",
            )),
        }
    }

    /// The lake at a location that must already be one.
    ///
    /// # Errors
    /// [`LakeError::Location`] when nothing marks the place as a lake.
    pub async fn open(location: &str) -> Result<Self> {
        let lake = Self::at(location).await?;
        match lake.store.head(&lake.path(MARKER)).await {
            Ok(_) => Ok(lake),
            // Somebody's own export may have made the landing zone before Entrega ever saw the place.
            Err(StoreError::NotFound { .. }) if !lake.list(LANDING).await?.folders.is_empty() => Ok(lake),
            Err(StoreError::NotFound { .. }) => Err(LakeError::Location {
                location: location.to_owned(),
                problem: format!("it holds neither {MARKER} nor drops under {LANDING}/"),
                hint: "`entrega replay --source ZIP --lake URL` makes a lake; check --lake for a typing error",
            }),
            Err(source) => Err(LakeError::storage(lake.path(MARKER), source)),
        }
    }

    /// The lake at a location, made if the place is empty.
    ///
    /// # Errors
    /// [`LakeError::Location`] when the place holds something that is not a lake, [`LakeError::Storage`] when it
    /// cannot be written.
    pub async fn open_or_create(location: &str) -> Result<Self> {
        match Self::open(location).await {
            Err(LakeError::Location { problem, .. }) if problem.contains(MARKER) => {}
            done => return done,
        }
        let lake = Self::at(location).await?;
        if lake.url.scheme() == "file"
            && let Ok(path) = lake.url.to_file_path()
        {
            std::fs::create_dir_all(&path).map_err(|error| LakeError::Location {
                location: location.to_owned(),
                problem: error.to_string(),
                hint: "choose a folder that you may write to",
            })?;
        }
        let listing = lake.list("").await?;
        if !listing.objects.is_empty() || !listing.folders.is_empty() {
            return Err(LakeError::Location {
                location: location.to_owned(),
                problem: "it holds other things and is not a lake".to_owned(),
                hint: "choose an empty or new folder or prefix",
            });
        }
        let marker = br#"{"format": 1, "made_by": "entrega"}"#;
        lake.store
            .put(&lake.path(MARKER), PutPayload::from_static(marker))
            .await
            .map_err(|source| LakeError::storage(lake.path(MARKER), source))?;
        Ok(lake)
    }

    /// The object store, rooted at the store's own root.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The lake's prefix in [`Self::store`].
    #[must_use]
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// The lake's URL, with a trailing slash.
    #[must_use]
    pub fn url(&self) -> Url {
        let mut url = self.url.clone();
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        url
    }

    /// The local folder, for lakes on this machine's disk.
    #[must_use]
    pub fn local_folder(&self) -> Option<PathBuf> {
        (self.url.scheme() == "file").then(|| self.url.to_file_path().ok()).flatten()
    }

    /// The store path of a path relative to the lake.
    #[must_use]
    pub fn path(&self, relative: &str) -> Path {
        let mut path = self.prefix.clone();
        for part in relative.split('/').filter(|part| !part.is_empty()) {
            path = path.join(part);
        }
        path
    }

    /// The bytes of an object, or `None` if it is not there.
    ///
    /// # Errors
    /// [`LakeError::Storage`].
    pub async fn get(&self, relative: &str) -> Result<Option<Bytes>> {
        let path = self.path(relative);
        match self.store.get(&path).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(|source| LakeError::storage(&path, source))?)),
            Err(StoreError::NotFound { .. }) => Ok(None),
            Err(source) => Err(LakeError::storage(&path, source)),
        }
    }

    /// Writes an object, replacing it.
    ///
    /// # Errors
    /// [`LakeError::Storage`].
    pub async fn put(&self, relative: &str, bytes: Bytes) -> Result<()> {
        let path = self.path(relative);
        let put = self.store.put_opts(&path, bytes.into(), PutMode::Overwrite.into());
        put.await.map(|_| ()).map_err(|source| LakeError::storage(&path, source))
    }

    /// Deletes an object; one that is not there is no error.
    ///
    /// # Errors
    /// [`LakeError::Storage`].
    pub async fn delete(&self, relative: &str) -> Result<()> {
        let path = self.path(relative);
        match self.store.delete(&path).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(source) => Err(LakeError::storage(&path, source)),
        }
    }

    /// The names directly under a folder: sub-folders and objects with size and time of change (milliseconds).
    ///
    /// # Errors
    /// [`LakeError::Storage`].
    pub async fn list(&self, relative: &str) -> Result<Listing> {
        let path = self.path(relative);
        let found = self.store.list_with_delimiter(Some(&path)).await;
        let found = found.map_err(|source| LakeError::storage(&path, source))?;
        let name = |path: &Path| path.filename().unwrap_or_default().to_owned();
        Ok(Listing {
            folders: found.common_prefixes.iter().map(name).collect(),
            // In a bucket a folder may be an object itself: some servers and tools keep an empty one by that name.
            objects: found
                .objects
                .iter()
                .filter(|object| object.location != path)
                .map(|object| (name(&object.location), object.size, object.last_modified.timestamp_millis()))
                .collect(),
        })
    }

    /// Deletes a folder with everything under it; none is as good.
    ///
    /// # Errors
    /// [`LakeError::Storage`].
    pub async fn delete_folder(&self, relative: &str) -> Result<()> {
        let path = self.path(relative);
        if self.local_folder().is_some() {
            // Deleting its objects would leave a disk's folders, and a folder is what others look for.
            let folder = LocalFileSystem::new().path_to_filesystem(&path);
            let folder = folder.map_err(|source| LakeError::storage(&path, source))?;
            return match tokio::fs::remove_dir_all(folder).await {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    let source = StoreError::Generic { store: "LocalFileSystem", source: error.into() };
                    Err(LakeError::storage(&path, source))
                }
                _ => Ok(()),
            };
        }
        let found = self.store.list(Some(&path)).map_ok(|object| object.location).boxed();
        let deleted: std::result::Result<Vec<_>, _> = self.store.delete_stream(found).try_collect().await;
        deleted.map(|_| ()).map_err(|source| LakeError::storage(&path, source))
    }
}

/// What lies directly under a folder.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Names of sub-folders.
    pub folders: Vec<String>,
    /// Name, bytes and last change (Unix milliseconds) of each object.
    pub objects: Vec<(String, u64, i64)>,
}
