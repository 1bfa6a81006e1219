//! What can go wrong when a model or a query runs.

use datafusion::error::DataFusionError;
use thiserror::Error;

/// The result of an engine operation.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// An error of the engine.
#[derive(Debug, Error)]
pub enum EngineError {
    /// A model's query failed; the fault is in the model or in rows that its contract should have rejected.
    #[error("model {model} failed while {doing}\nhint: run its example with `make test`; the query is in models/{file}", file = model.replace('.', "/") + ".sql")]
    Model {
        /// The model's table.
        model: String,
        /// What was being done.
        doing: &'static str,
        /// The cause.
        #[source]
        source: Box<DataFusionError>,
    },
    /// A model's result is not what it declares.
    #[error(
        "model {model} declares {declared} but its query gives {found}\nhint: cast the column in the final select, or mend the front matter's columns"
    )]
    Shape {
        /// The model's table.
        model: String,
        /// What the front matter says.
        declared: String,
        /// What came out.
        found: String,
    },
    /// A reader's query failed: mend the query.
    #[error(
        "the query failed\nhint: `entrega tables` lists tables and columns; the dialect is Spark SQL, reading only"
    )]
    Query {
        /// The cause.
        #[source]
        source: Box<DataFusionError>,
    },
    /// The lake could not be read.
    #[error(transparent)]
    Lake(#[from] entrega_lake::LakeError),
}

impl EngineError {
    pub(crate) fn model(model: impl ToString, doing: &'static str, source: DataFusionError) -> Self {
        Self::Model { model: model.to_string(), doing, source: Box::new(source) }
    }

    pub(crate) fn query(source: DataFusionError) -> Self {
        Self::Query { source: Box::new(source) }
    }
}
