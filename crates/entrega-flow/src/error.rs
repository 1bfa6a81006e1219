//! What can go wrong in a flow.

use thiserror::Error;

/// The result of a flow.
pub type Result<T, E = FlowError> = std::result::Result<T, E>;

/// An error of a flow; most are those of the room where they happened.
#[derive(Debug, Error)]
pub enum FlowError {
    /// A step failed.
    #[error(transparent)]
    Operator(#[from] entrega_operators::OperatorError),
    /// A model failed.
    #[error(transparent)]
    Engine(#[from] entrega_engine::EngineError),
    /// The lake failed.
    #[error(transparent)]
    Lake(#[from] entrega_lake::LakeError),
    /// No Spark is reached.
    #[error(transparent)]
    Connect(#[from] entrega_connect::ConnectError),
    /// A statement of a batch failed in Spark.
    #[error("Spark failed at '{title}'; what it wrote is published by no batch")]
    Spark {
        /// What the statement is for.
        title: String,
        /// The cause.
        #[source]
        source: Box<entrega_connect::ConnectError>,
    },
    /// A metastore is not in step.
    #[error(transparent)]
    Catalog(#[from] entrega_catalog::CatalogError),
    /// A batch cannot be written as a script.
    #[error(transparent)]
    Script(#[from] entrega_spark::SparkError),
    /// A declaration of the project is wrong.
    #[error(transparent)]
    Model(#[from] entrega_model::ModelError),
    /// Rows do not add up: nothing was published.
    #[error(
        "drop {drop}, file {file}: {rows_in} rows came in, but {accounted} are accounted for\nhint: nothing was published; please report this with the drop"
    )]
    Unreconciled {
        /// The drop.
        drop: String,
        /// The file.
        file: String,
        /// Rows of the file.
        rows_in: u64,
        /// Rows found again in the counts.
        accounted: u64,
    },
    /// A request that cannot be met: mend the arguments.
    #[error("{problem}\nhint: {hint}")]
    Request {
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// The ledger holds something that this version does not understand.
    #[error("the ledger table {table} cannot be read: {problem}\nhint: was it written by a newer Entrega?")]
    Ledger {
        /// The table.
        table: String,
        /// What is wrong.
        problem: String,
    },
}

impl FlowError {
    pub(crate) fn rows(what: impl ToString) -> impl FnOnce(arrow::error::ArrowError) -> Self {
        move |source| entrega_operators::OperatorError::rows(what)(source).into()
    }

    pub(crate) fn joined(error: tokio::task::JoinError) -> Self {
        Self::Request {
            problem: format!("a worker stopped: {error}"),
            hint: "please report this; running again is safe".to_owned(),
        }
    }
}
