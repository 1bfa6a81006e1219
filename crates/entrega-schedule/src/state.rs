//! What is done: the little that has to be remembered from one moment to the next.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::Interval;

/// What is known of all jobs. Written whole after every change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The version of this layout.
    pub version: u32,
    /// By the job's name. Jobs that are no longer configured are kept: who brings one back goes on where it was.
    pub jobs: BTreeMap<String, JobState>,
}

/// What is known of one job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobState {
    /// All intervals that end by then are done.
    pub through: DateTime<Utc>,
    /// When the newest run that did its work began and ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<Interval>,
    /// The interval that does not want to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
}

/// A run that failed and is to be tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// What the newest attempt was to do.
    pub interval: Interval,
    /// Attempts since it was last started afresh.
    pub attempts: u32,
    /// The newest attempt's error.
    pub error: String,
    /// Not before then.
    pub next: DateTime<Utc>,
    /// All retries are used up (or would be no use): the next attempt comes with the next tick.
    pub for_good: bool,
    /// Since when nothing has succeeded.
    pub since: DateTime<Utc>,
}

impl Default for State {
    fn default() -> Self {
        Self { version: 1, jobs: BTreeMap::new() }
    }
}
