//! What can go wrong before a script runs.

use thiserror::Error;

/// The result of making a script.
pub type Result<T, E = SparkError> = std::result::Result<T, E>;

/// An error of this room.
#[derive(Debug, Error)]
pub enum SparkError {
    /// A model or contract does not fit.
    #[error(transparent)]
    Model(#[from] entrega_model::ModelError),
    /// A table that a script needs is not among those of the batch.
    #[error("the batch knows no table {table}\nhint: this is a bug; please report it")]
    Table {
        /// The table.
        table: String,
    },
    /// A name that Spark SQL could misread.
    #[error(
        "'{name}' is no plain name\nhint: names are lower-case letters, digits and _, and begin with a letter or _"
    )]
    Name {
        /// The name.
        name: String,
    },
}
