//! One run at a time: a lease on the lake.
//!
//! On a local folder it is an operating-system lock on `_lease`, which a killed process gives up by itself. Other
//! stores rely on Delta's conditional commits alone: a second run fails at its first commit and publishes nothing.

use std::fs::{File, OpenOptions, TryLockError};

use crate::{Lake, LakeError, Result};

const LEASE_FILE: &str = "_lease";

/// The right to change the lake, given back when dropped.
#[derive(Debug)]
#[must_use]
pub struct Lease {
    _file: Option<File>,
}

impl Lake {
    /// Takes the lease.
    ///
    /// # Errors
    /// [`LakeError::Busy`] when another run holds it, [`LakeError::Location`] when the folder cannot be written.
    pub fn lease(&self) -> Result<Lease> {
        let Some(folder) = self.local_folder() else { return Ok(Lease { _file: None }) };
        let path = folder.join(LEASE_FILE);
        let wrong = |error: std::io::Error| LakeError::Location {
            location: folder.display().to_string(),
            problem: format!("{} cannot be written: {error}", path.display()),
            hint: "a run needs the right to write to the lake's folder",
        };
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => Ok(Lease { _file: Some(file) }),
            Err(TryLockError::WouldBlock) => Err(LakeError::Busy {
                what: format!("the lake {}", self.url()),
                problem: format!("{} is locked", path.display()),
            }),
            Err(TryLockError::Error(error)) => Err(wrong(error)),
        }
    }
}
