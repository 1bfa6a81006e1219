//! What every step is given: the lake, the project, the engine, the clock and someone to tell how far it is.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entrega_engine::Embedded;
use entrega_lake::Lake;
use entrega_model::project::Project;

use crate::spark::Cluster;

/// Someone who wants to know how far a run is.
pub trait Progress: Send + Sync {
    /// A step of so many units begins; it lasts as long as its meter. Steps may overlap.
    fn begin(&self, step: &str, total: u64) -> Box<dyn Meter>;
}

/// One step on its way.
pub trait Meter: Send + Sync {
    /// Some more units of the step are done.
    fn advance(&self, units: u64);
}

/// Nobody wants to know.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _step: &str, _total: u64) -> Box<dyn Meter> {
        Box::new(Self)
    }
}

impl Meter for Silent {
    fn advance(&self, _units: u64) {}
}

/// What a run works with; cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// The lake.
    pub lake: Lake,
    /// Contracts and models.
    pub project: Arc<Project>,
    /// Runs the models.
    pub engine: Embedded,
    /// Runs whole batches in its place, if there is one.
    pub cluster: Option<Cluster>,
    /// Tells the time; injected, so that tests are repeatable.
    pub clock: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    /// Units of work at once.
    pub threads: usize,
    /// Who is told how far it is.
    pub progress: Arc<dyn Progress>,
}

impl Context {
    /// A context with the system's clock and all cores.
    #[must_use]
    pub fn new(lake: Lake, project: Project) -> Self {
        Self {
            lake,
            project: Arc::new(project),
            engine: Embedded::new(),
            cluster: None,
            clock: Arc::new(Utc::now),
            threads: std::thread::available_parallelism().map_or(2, usize::from),
            progress: Arc::new(Silent),
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }
}
