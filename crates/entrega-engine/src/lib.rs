//! Runs models: Spark SQL text in, rows out, in this process by `DataFusion`.
//!
//! ```text
//!  Model.sql ──parse (Spark dialect)──▶ plan ──▶ rows ──conform──▶ exactly the declared columns and types
//!       ▲                                ▲
//!       │ functions of Spark             │ inputs: rows in memory, one relation for each table that is read
//! ```
//!
//! A run gets its inputs as rows, so that the caller decides how much of a table a model sees: some months, some
//! orders, or all. [`reader::Reader`] is the other face: read-only SQL over a lake's published tables.

pub mod embedded;
pub mod error;
#[cfg(test)]
mod examples;
pub mod functions;
mod max_by;
mod range_sums;
pub mod reader;
mod shared_queries;

pub use embedded::{Embedded, Inputs, Wanted};
pub use error::{EngineError, Result};
