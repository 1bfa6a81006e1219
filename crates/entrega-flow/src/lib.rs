//! Composite steps: ingest, summarise, and the ledger that makes them safe to repeat.
//!
//! ```text
//!  discover ─▶ drops that no published batch holds
//!     │
//!     ▼ ingest (ETL 1)                                                    summarise (ETL 2)
//!  orders ─▶ children ─▶ dimensions ─▶ restate deliveries, shipments ──▶  touched days of every daily table
//!     └──────────────┴──────────┴───────────────┴──▶ publish: one row in ops.batches names every table's version ◀─┘
//! ```
//!
//! Nothing is visible before its batch is published, and every step works from what was published: a killed run
//! leaves no trace that matters.

pub mod affected;
pub mod care;
pub mod catalog;
pub mod context;
pub mod discover;
pub mod erase;
pub mod error;
pub mod features;
pub mod ingest;
pub mod land;
pub mod ledger;
pub mod operators;
pub mod ops;
pub mod order_index;
pub mod parity;
pub mod plan;
pub mod published;
pub mod quarantine;
pub mod restate;
pub mod runs;
pub mod source;
pub mod spark;
pub mod status;
pub mod summarise;
pub mod tables;
pub mod tombstones;

pub use context::{Context, Meter, Progress, Silent};
pub use error::{FlowError, Result};
