//! What can go wrong between a lake and a metastore.

use thiserror::Error;

/// The result of this room.
pub type Result<T> = std::result::Result<T, CatalogError>;

/// Something that keeps a metastore from being in step. The kinds tell what the reader does next.
#[derive(Debug, Error)]
pub enum CatalogError {
    /// The metastore's address, the lake's or the prefix cannot be used: mend the setting.
    #[error("{problem}\nhint: {hint}")]
    Setting {
        /// What is wrong with what was given.
        problem: String,
        /// How it is written.
        hint: String,
    },
    /// No metastore answers: start it, or wait.
    #[error(
        "no Hive Metastore answers: {}\nhint: look whether it runs and listens there (9083 is the usual port), and whether this machine may reach it",
        tried.join("; ")
    )]
    Unreachable {
        /// Each address that was tried, with what happened.
        tried: Vec<String>,
    },
    /// A name that the lake needs is taken by a table that is not the lake's: rename or drop one of them.
    #[error(
        "the metastore has tables of these names that are not of the lake {lake}: {}\nhint: nothing was changed. Give the lake's databases a prefix of their own, or drop those tables if nobody needs them (`DROP TABLE` leaves the files of an external table)",
        tables.join(", ")
    )]
    Foreign {
        /// The lake's place.
        lake: String,
        /// The tables, each with whose it is.
        tables: Vec<String>,
    },
    /// The metastore answered that it will not: read why.
    #[error(
        "the metastore refused {call}: {answer}\nhint: its log says more. It must reach the lake's files itself (for s3a://, with the keys in its core-site.xml), and nobody else should change these tables at the same time"
    )]
    Refused {
        /// What was asked.
        call: String,
        /// Its answer.
        answer: String,
    },
    /// The connection broke while something was asked: run again.
    #[error(
        "the connection to the metastore broke at {call}: {cause}\nhint: run again, what is in step already stays; if it happens again, look into the metastore's log"
    )]
    Broken {
        /// What was asked.
        call: String,
        /// What happened.
        cause: String,
    },
    /// A table cannot be told to a metastore: mend the model, or what was stored.
    #[error("{table}: {problem}\nhint: {hint}")]
    Shape {
        /// The table.
        table: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        hint: String,
    },
}

impl CatalogError {
    pub(crate) fn setting(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Setting { problem: problem.into(), hint: hint.into() }
    }

    pub(crate) fn shape(table: impl Into<String>, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Shape { table: table.into(), problem: problem.into(), hint: hint.into() }
    }
}
