//! The words that all rooms of the house share.
//!
//! Table names, drops and their intervals, source contracts, model files, metrics and settings. Nothing here
//! reads or writes anything: this crate is data and rules, so that every other crate can depend on it.
//!
//! ```text
//!  models/landing/<source>.toml ──▶ contract::Contract ┐
//!  models/<layer>/<name>.sql    ──▶ model::Model       ├─▶ project::Project   (what a run works from)
//!  landing/…/_manifest.json     ──▶ drops::Manifest    ┘
//!
//!  contracts say when a column is known (known::Known) ─▶ lineage ─▶ knowledge: no feature looks ahead
//! ```

pub mod contract;
pub mod drops;
pub mod error;
pub mod knowledge;
pub mod known;
mod lineage;
pub mod metrics;
pub mod model;
pub mod project;
pub mod tables;

pub use error::ModelError;
