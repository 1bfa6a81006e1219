//! One run at a time: a lease on the lake.
//!
//! ```text
//!  local folder   an operating-system lock on _lease, which a killed process gives up by itself
//!  bucket         the object _lease, made by a put that only creates, and renewed every few seconds
//! ```
//!
//! Clocks of machines differ, so nobody compares times: who finds `_lease` in a bucket watches it. If its version changes,
//! somebody lives; if it stays for [`PATIENCE`], its holder was killed, and the lease is taken over by a put that only
//! replaces that version. Should two runs ever overlap, Delta's conditional commits let only one of them publish.

use std::{
    fs::{File, OpenOptions, TryLockError},
    sync::Arc,
    time::Duration,
};

use object_store::{
    Error as StoreError, ObjectStore, ObjectStoreExt as _, PutMode, PutPayload, UpdateVersion, path::Path,
};
use tokio::{runtime, sync::Mutex, task::JoinHandle, time};
use uuid::Uuid;

use crate::{Lake, LakeError, Result};

const LEASE_FILE: &str = "_lease";

/// How often a lease in a bucket is renewed.
const RENEWAL: Duration = Duration::from_secs(4);

/// How long a lease in a bucket may stay as it is before its holder counts as dead.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often somebody who waits looks.
const GLANCE: Duration = Duration::from_secs(1);

/// The right to change the lake, given back when dropped.
#[derive(Debug)]
#[must_use]
pub struct Lease {
    _file: Option<File>,
    _object: Option<Renewed>,
}

impl Lake {
    /// Takes the lease. In a bucket this waits up to [`PATIENCE`] to see whether the holder of one lives.
    ///
    /// # Errors
    /// [`LakeError::Busy`] when another run holds it, [`LakeError::Location`] or [`LakeError::Storage`] when the lake
    /// cannot be written.
    pub async fn lease(&self) -> Result<Lease> {
        match self.url().scheme() {
            "file" => self.lock(),
            "memory" => Ok(Lease { _file: None, _object: None }),
            _ => Ok(Lease { _file: None, _object: Some(self.object_lease().await?) }),
        }
    }

    fn lock(&self) -> Result<Lease> {
        let Some(folder) = self.local_folder() else { return Ok(Lease { _file: None, _object: None }) };
        let path = folder.join(LEASE_FILE);
        let wrong = |error: std::io::Error| LakeError::Location {
            location: folder.display().to_string(),
            problem: format!("{} cannot be written: {error}", path.display()),
            hint: "a run needs the right to write to the lake's folder",
        };
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => Ok(Lease { _file: Some(file), _object: None }),
            Err(TryLockError::WouldBlock) => Err(LakeError::Busy {
                what: format!("the lake {}", self.url()),
                problem: format!("{} is locked", path.display()),
            }),
            Err(TryLockError::Error(error)) => Err(wrong(error)),
        }
    }

    async fn object_lease(&self) -> Result<Renewed> {
        let (store, path) = (Arc::clone(self.store()), self.path(LEASE_FILE));
        let failed = |source| LakeError::storage(&path, source);
        let busy = || LakeError::Busy {
            what: format!("the lake {}", self.url()),
            problem: format!("{path} is held by another run"),
        };
        let holder = Uuid::new_v4();
        let mut seen: Option<UpdateVersion> = None;
        let begun = time::Instant::now();
        let version = loop {
            let found = match store.head(&path).await {
                Ok(found) => Some(UpdateVersion { e_tag: found.e_tag, version: found.version }),
                Err(StoreError::NotFound { .. }) => None,
                Err(source) => return Err(failed(source)),
            };
            let mode = match (&found, &seen) {
                (None, _) => PutMode::Create,
                (Some(found), Some(seen)) if found.e_tag != seen.e_tag => return Err(busy()),
                (Some(found), _) if begun.elapsed() >= PATIENCE => {
                    tracing::warn!(target: "entrega", lease = %path, "the holder of the lease is gone; taking it over");
                    PutMode::Update(found.clone())
                }
                _ => {
                    seen = found;
                    time::sleep(GLANCE).await;
                    continue;
                }
            };
            match store.put_opts(&path, payload(holder), mode.into()).await {
                Ok(put) => break UpdateVersion { e_tag: put.e_tag, version: put.version },
                Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => return Err(busy()),
                Err(source) => return Err(failed(source)),
            }
        };
        let held = Arc::new(Mutex::new(Some(version)));
        let renewal = tokio::spawn(renew(Arc::clone(&store), path.clone(), holder, Arc::clone(&held)));
        Ok(Renewed { store, path, held, renewal })
    }
}

/// What `_lease` holds: never the same bytes twice, so that each renewal is a new version of it.
fn payload(holder: Uuid) -> PutPayload {
    format!("{{\"holder\": \"{holder}\", \"renewal\": \"{}\"}}\n", Uuid::new_v4()).into()
}

/// Renews until the lease is lost or given back.
async fn renew(store: Arc<dyn ObjectStore>, path: Path, holder: Uuid, held: Arc<Mutex<Option<UpdateVersion>>>) {
    loop {
        time::sleep(RENEWAL).await;
        let mut held = held.lock().await;
        let Some(version) = held.clone() else { return };
        match store.put_opts(&path, payload(holder), PutMode::Update(version).into()).await {
            Ok(put) => *held = Some(UpdateVersion { e_tag: put.e_tag, version: put.version }),
            Err(StoreError::Precondition { .. } | StoreError::NotFound { .. }) => {
                // Either somebody took it over, or it was renewed and the answer got lost: then it names this holder.
                *held = own_version(&store, &path, holder).await;
                if held.is_none() {
                    tracing::warn!(target: "entrega", lease = %path, "the lease was lost to another run");
                }
            }
            Err(error) => tracing::warn!(target: "entrega", lease = %path, %error, "the lease could not be renewed"),
        }
    }
}

async fn own_version(store: &Arc<dyn ObjectStore>, path: &Path, holder: Uuid) -> Option<UpdateVersion> {
    let found = store.get(path).await.ok()?;
    let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
    let bytes = found.bytes().await.ok()?;
    let named = String::from_utf8_lossy(&bytes).contains(&holder.to_string());
    named.then_some(version)
}

/// A lease in a bucket.
#[derive(Debug)]
struct Renewed {
    store: Arc<dyn ObjectStore>,
    path: Path,
    held: Arc<Mutex<Option<UpdateVersion>>>,
    renewal: JoinHandle<()>,
}

impl Drop for Renewed {
    /// Gives the lease back if this runtime can wait for it; else its next taker finds that nobody renews it.
    fn drop(&mut self) {
        let multi = |handle: &runtime::Handle| handle.runtime_flavor() == runtime::RuntimeFlavor::MultiThread;
        if let Some(handle) = runtime::Handle::try_current().ok().filter(multi) {
            let given_back = async {
                if self.held.lock().await.take().is_some()
                    && let Err(error) = self.store.delete(&self.path).await
                {
                    tracing::warn!(target: "entrega", lease = %self.path, %error, "the lease could not be given back");
                }
            };
            tokio::task::block_in_place(|| handle.block_on(given_back));
        }
        self.renewal.abort();
    }
}
