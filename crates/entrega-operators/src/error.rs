//! What can go wrong in a step, by what the reader does next.

use thiserror::Error;

/// The result of a step.
pub type Result<T, E = OperatorError> = std::result::Result<T, E>;

/// An error of a step.
#[derive(Debug, Error)]
pub enum OperatorError {
    /// A delivered file is not what its manifest or contract says: the producer must deliver again.
    #[error("drop {drop}, file {file}: {problem}\nhint: {hint}")]
    Delivery {
        /// The drop's folder.
        drop: String,
        /// The file's name.
        file: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// A check failed: nothing is published.
    #[error("table {table}: check {check} failed: {problem}\nhint: {hint}")]
    Check {
        /// The table.
        table: String,
        /// The check.
        check: String,
        /// What was found.
        problem: String,
        /// What to do.
        hint: &'static str,
    },
    /// Rows could not be computed; a bug or an unexpected type.
    #[error("rows of {what} could not be computed\nhint: please report this with the message below")]
    Rows {
        /// The table or file.
        what: String,
        /// The cause.
        #[source]
        source: arrow::error::ArrowError,
    },
    /// Files that were written again do not hold the rows that were read: nothing is committed.
    #[error(
        "table {table}: {before} rows were read and {after} written, and they are not the same\nhint: nothing was changed; please report this"
    )]
    Changed {
        /// The table.
        table: String,
        /// Rows before.
        before: u64,
        /// Rows after.
        after: u64,
    },
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] entrega_lake::LakeError),
}

impl OperatorError {
    /// A failure of Arrow's kernels on rows of `what`.
    pub fn rows(what: impl ToString) -> impl FnOnce(arrow::error::ArrowError) -> Self {
        move |source| Self::Rows { what: what.to_string(), source }
    }
}
