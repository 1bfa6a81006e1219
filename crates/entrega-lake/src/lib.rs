//! The only door to object storage and Delta.
//!
//! A lake is one prefix of an object store. Tables are Delta tables under `<layer>/<table>/`, partitioned by a month
//! where they follow orders. This crate opens them at a version, reads the files that are asked for, writes new files
//! and commits a *rewrite*: these files go, those come.
//!
//! ```text
//!  base (published version)      latest (perhaps with a killed run's commits)
//!         │                               │
//!         ├── rewrite: − files + files    │
//!         ▼                               ▼
//!      desired file set  ──────────▶  one Delta commit: remove latest − desired, add desired − latest
//! ```
//!
//! So every commit builds on what was *published*; what a killed run left behind is undone by the same commit, and a
//! table never needs to be repaired first.
//!
//! Deliberately absent: any knowledge of models, schedules or the order system.

pub mod commit;
#[cfg(test)]
mod conformance;
pub mod doctor;
pub mod error;
pub mod layout;
pub mod lease;
pub mod location;
pub mod log;
pub mod policy;
pub mod read;
mod s3;
pub mod schema;
mod steady;
pub mod sweep;
pub mod table;
pub mod transfer;
pub mod write;

pub use commit::{CommitNote, Rewrite};
pub use error::{LakeError, Result};
pub use layout::MonthLayout;
pub use location::Lake;
pub use log::LogLength;
pub use sweep::{DeadFiles, Swept};
pub use table::{DataFile, Definition, TableState};
