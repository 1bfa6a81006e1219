//! What people look at: the daily delivery report.
//!
//! This room reads, and never writes to a lake. It asks its questions in SQL through [`QuerySource`], which the
//! embedded engine implements over the published tables, and it needs to know nothing of engines and storage.
//!
//! ```text
//!  summary.*, clean.* at published versions ──QuerySource──▶ report::build_report ──▶ report.html, late_to_carrier.csv
//! ```

pub mod report;
pub mod source;

pub use report::{Report, ReportError, ReportOptions, build_report};
pub use source::{LakeFacts, Quality, QueryError, QuerySource};
