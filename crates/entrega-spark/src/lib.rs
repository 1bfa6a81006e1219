//! Batches as Spark SQL: one batch of the lake is one script of plain statements.
//!
//! ```text
//!  ledger, drops, headers ─▶ Batch ──ingest, summary, features──▶ Script ─┬─▶ Spark Connect, statement by statement
//!  contracts, models ────────┘      (this room: text in, text out)        └─▶ a file for `spark-sql -f` or an EMR step
//! ```
//!
//! The same script serves both ways. What a batch finds out on its way (which months it touches, which orders are
//! affected) lives in Spark: in staged rows and in session variables, which Delta uses to pass files over. Nothing but
//! small results ever comes to the client, and nothing of a script depends on one.
//!
//! A script follows the rules of the embedded engine, so that both may take turns on one lake:
//!
//! 1. **Begin**: settings; tables that are missing are made; what a killed run committed and nobody published is undone.
//! 2. **Work**: views, checks that `raise_error`, and writes (`MERGE`, `DELETE`, `INSERT`), each its own Delta commit.
//! 3. **Publish**: one row in `ops.batches`, last of all, with the version that every table has now.

pub mod batch;
pub mod begin;
pub mod check;
pub mod error;
pub mod extent;
pub mod features;
pub mod ingest;
pub mod inputs;
pub mod publish;
pub mod quote;
pub mod replace;
pub mod script;
pub mod stored;
pub mod summary;
pub mod windows;

#[cfg(test)]
mod fixture;

pub use batch::Batch;
pub use error::{Result, SparkError};
pub use extent::Extent;
pub use inputs::Inputs;
pub use script::{Script, Statement};
pub use stored::{Place, Stored};
