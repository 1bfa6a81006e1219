//! What can be wrong with a model file, a contract or a name.

use thiserror::Error;

use crate::knowledge::Violations;

/// A declaration of the project does not hold together. The reader mends the file that the message names.
#[derive(Debug, Error)]
pub enum ModelError {
    /// A table name that is not `layer.table`.
    #[error("'{name}' is not a table name\nhint: write layer.table; layers are {layers}", layers = crate::tables::Layer::names())]
    TableName {
        /// The name as given.
        name: String,
    },
    /// No such table, model or source.
    #[error("there is no {kind} named '{name}'\nhint: valid names are {}", valid.join(", "))]
    Unknown {
        /// What was looked for, for example `model`.
        kind: &'static str,
        /// The name as given.
        name: String,
        /// The names that would have been right.
        valid: Vec<String>,
    },
    /// A model file or contract that cannot be read.
    #[error("{file}: {problem}\nhint: {hint}")]
    File {
        /// The file, relative to the models folder.
        file: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// A features model reads what cannot be known at its decision, or declares its sources wrongly.
    #[error(transparent)]
    Knowledge(#[from] Violations),
}

impl ModelError {
    /// A problem with one file.
    pub fn file(file: impl Into<String>, problem: impl ToString, hint: impl Into<String>) -> Self {
        Self::File { file: file.into(), problem: problem.to_string(), hint: hint.into() }
    }
}
