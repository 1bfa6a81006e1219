//! How the jobs stand, for people.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    Config, State,
    planner::{self, Next},
};

/// How a job stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "standing")]
pub enum Standing {
    /// Somebody paused it.
    Paused,
    /// It waits for its next tick.
    Waiting,
    /// It is due: it runs, or will when there is room.
    Due,
    /// It waits for another job.
    Behind {
        /// Which.
        job: String,
    },
    /// It failed, and is tried again.
    Failing {
        /// The newest error.
        error: String,
        /// Retries are used up.
        for_good: bool,
        /// Since when.
        since: DateTime<Utc>,
    },
    /// Its cron never comes again.
    Over,
}

/// How one job stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobStatus {
    /// The job.
    pub job: String,
    /// How it stands.
    #[serde(flatten)]
    pub standing: Standing,
    /// Everything that ended by then is done; none before its first start.
    pub through: Option<DateTime<Utc>>,
    /// When its next run comes, if it waits for time alone.
    pub next: Option<DateTime<Utc>>,
}

/// How all configured jobs stand.
#[must_use]
pub fn status(config: &Config, state: &State, paused: &BTreeSet<String>, now: DateTime<Utc>) -> Vec<JobStatus> {
    let one = |job: &crate::Job| {
        let known = state.jobs.get(&job.name);
        let next = planner::next(config, state, job, now);
        let at = match &next {
            Next::At(moment) => Some(*moment),
            _ => None,
        };
        let failing = known.and_then(|known| known.failing.as_ref());
        let standing = match (paused.contains(&job.name), failing, next) {
            (true, ..) => Standing::Paused,
            (_, Some(failing), _) => {
                Standing::Failing { error: failing.error.clone(), for_good: failing.for_good, since: failing.since }
            }
            (_, _, Next::Now(_)) => Standing::Due,
            (_, _, Next::At(_)) => Standing::Waiting,
            (_, _, Next::Behind(job)) => Standing::Behind { job },
            (_, _, Next::Never) => Standing::Over,
        };
        JobStatus { job: job.name.clone(), standing, through: known.map(|known| known.through), next: at }
    };
    config.jobs.iter().map(one).collect()
}
