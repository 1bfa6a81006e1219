//! What people look at: the daily delivery report, and the comparison of the simulated shop with the real one.
//!
//! This room reads, and never writes to a lake. It asks its questions in SQL through [`QuerySource`], which the
//! embedded engine implements over the published tables, and it needs to know nothing of engines and storage.
//!
//! ```text
//!  summary.*, clean.* at published versions ──QuerySource──▶ report::build_report ──▶ report.html, late_to_carrier.csv
//!  clean.* of two lakes                      ──QuerySource──▶ comparison::compare  ──▶ comparison.html, a table
//! ```

pub mod comparison;
mod format;
mod html;
pub mod report;
mod rows;
pub mod source;
pub mod training;

pub use comparison::{Comparison, ComparisonError, compare};
pub use report::{Report, ReportError, ReportOptions, build_report};
pub use rows::AskError;
pub use source::{LakeFacts, Quality, QueryError, QuerySource};
