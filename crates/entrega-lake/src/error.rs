//! What can go wrong at the lake, by what the reader does next.

use thiserror::Error;

/// The result of a lake operation.
pub type Result<T, E = LakeError> = std::result::Result<T, E>;

/// An error of the lake; every kind names the table or path.
#[derive(Debug, Error)]
pub enum LakeError {
    /// The location cannot be a lake: mend the setting.
    #[error("'{location}' is not a usable lake: {problem}\nhint: {hint}")]
    Location {
        /// The URL or path as given.
        location: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: &'static str,
    },
    /// Another run holds the lake or committed first: try again later.
    #[error(
        "{what} is being changed by another run ({problem})\nhint: wait for it to end and run again; nothing was published by this run"
    )]
    Busy {
        /// The lake or table.
        what: String,
        /// Who or how.
        problem: String,
    },
    /// Storage refused or failed: see the cause, mend rights or space, run again.
    #[error(
        "storage failed at /{path}\nhint: check that the path exists, is readable and writable, and has space (`entrega doctor` examines a bucket); running again is safe"
    )]
    Storage {
        /// The object.
        path: String,
        /// The cause.
        #[source]
        source: object_store::Error,
    },
    /// A Delta table could not be opened or written.
    #[error(
        "table {table} failed while {doing}\nhint: running again is safe; if it stays, look at the table's _delta_log folder"
    )]
    Table {
        /// The table.
        table: String,
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: Box<deltalake::DeltaTableError>,
    },
    /// A data file could not be read or written.
    #[error(
        "data file {path} failed while {doing}\nhint: the file may be damaged; the commit in its table's _delta_log names the batch that wrote it"
    )]
    File {
        /// The file.
        path: String,
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file of this machine could not be read or written: mend the path or its rights.
    #[error("{path} failed while {doing}\nhint: check that the path exists, may be read and written, and has space")]
    Local {
        /// The file.
        path: String,
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A table has no such version or column, or its schema is not the declared one.
    #[error("table {table}: {problem}\nhint: {hint}")]
    Shape {
        /// The table.
        table: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: &'static str,
    },
}

impl LakeError {
    /// A storage failure at `path`.
    pub fn storage(path: impl ToString, source: object_store::Error) -> Self {
        Self::Storage { path: path.to_string(), source }
    }

    pub(crate) fn local(path: &std::path::Path, doing: &'static str, source: std::io::Error) -> Self {
        Self::Local { path: path.display().to_string(), doing, source }
    }

    pub(crate) fn table(table: impl ToString, doing: &'static str, source: deltalake::DeltaTableError) -> Self {
        Self::Table { table: table.to_string(), doing, source: Box::new(source) }
    }

    pub(crate) fn file(
        path: impl ToString,
        doing: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::File { path: path.to_string(), doing, source: source.into() }
    }
}
