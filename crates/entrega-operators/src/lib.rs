//! The steps of an ETL, one file each, that know neither schedule nor command line.
//!
//! ```text
//!  drop ──validate──▶ ──load──▶ typed rows ──keep_latest──▶ winners ──(model)──▶ ──check──▶ ──upsert──▶ table
//!                        └──▶ rejected rows ──▶ quarantine
//! ```
//!
//! A step is a plain function over rows and table states; `entrega-flow` composes them and offers each to schedulers.

pub mod calendar;
pub mod check;
pub mod compact;
pub mod error;
pub mod keep_latest;
pub mod keys;
pub mod load;
pub mod months;
pub mod quarantine;
pub mod row_digest;
pub mod upsert;
pub mod validate;

pub use error::{OperatorError, Result};
