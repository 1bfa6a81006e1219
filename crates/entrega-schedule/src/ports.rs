//! What a scheduler needs from the world: someone who works, a place for notes, someone who is told.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::{Interval, Job, Result, State};

/// The request to stop: no new run begins, and running ones end after the step in hand.
pub type Stop = CancellationToken;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are done.
    Done,
    /// A step failed.
    Failed {
        /// Which step, and its error.
        error: String,
        /// Whether another attempt could end better. A failed check fails again.
        retry: bool,
    },
    /// The run ended early because it was asked to; nobody's fault.
    Stopped,
}

/// Does the work.
#[async_trait]
pub trait Worker: Send + Sync + 'static {
    /// Runs the steps of a job for an interval. When `stop` is cancelled it ends soon, and well. It may be dropped at
    /// any moment (a timeout): then it must leave nothing running.
    async fn run(&self, job: &Job, interval: Interval, stop: Stop) -> Outcome;
}

/// Keeps the state.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// What was saved last; none at the very first start.
    ///
    /// # Errors
    /// [`crate::ScheduleError::State`].
    async fn load(&self) -> Result<Option<State>>;

    /// Saves all of it, or nothing.
    ///
    /// # Errors
    /// [`crate::ScheduleError::State`].
    async fn save(&self, state: &State) -> Result<()>;

    /// The jobs that somebody wants paused. Read again and again, because others write it.
    ///
    /// # Errors
    /// [`crate::ScheduleError::State`].
    async fn paused(&self) -> Result<BTreeSet<String>>;
}

/// What happens, for those who watch.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// A run begins.
    Started {
        /// The job.
        job: &'a str,
        /// What it is to do.
        interval: Interval,
        /// The how manieth attempt, from 1.
        attempt: u32,
    },
    /// A run did its work.
    Succeeded {
        /// The job.
        job: &'a str,
        /// What it did.
        interval: Interval,
        /// Seconds that it took.
        seconds: f64,
        /// It had failed before.
        recovered: bool,
    },
    /// A run failed.
    Failed {
        /// The job.
        job: &'a str,
        /// What it was to do.
        interval: Interval,
        /// Seconds that it took.
        seconds: f64,
        /// The error.
        error: &'a str,
        /// The how manieth attempt it was.
        attempt: u32,
        /// When the next attempt comes.
        next: DateTime<Utc>,
        /// The retries are used up: the next attempt comes with the next tick. Somebody should look.
        for_good: bool,
    },
    /// The scheduler looked around: the state as it is.
    Looked {
        /// What is done.
        state: &'a State,
        /// What is paused.
        paused: &'a BTreeSet<String>,
        /// When.
        now: DateTime<Utc>,
    },
    /// Notes cannot be read or written just now; the scheduler waits and tries again.
    Troubled {
        /// The error.
        error: &'a str,
    },
}

/// Is told what happens. Must not take long: nothing else happens meanwhile.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn observe(&self, event: &Event<'_>);
}
