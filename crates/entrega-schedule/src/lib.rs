//! When which step runs: data intervals, catch-up, retries, and one loop that holds it all.
//!
//! ```text
//!  schedule.toml ─▶ Config ─┐                          ┌─▶ Worker    does the steps of a run (the program: one process each)
//!                           ├─▶ planner ─▶ Scheduler ──┼─▶ StateStore  what is done, after every change
//!  state, wishes ─▶ State ──┘   (pure)     (the loop)  └─▶ Observer  log, metrics, alerts
//!                                 ▲
//!                               Clock
//! ```
//!
//! A *job* has ticks, by cron or every so often. What lies between two ticks is a *data interval*, as in Airflow: the
//! interval is run when it is over, not when it begins. All that is remembered of a job is the end of the newest
//! interval that is done, so nothing is skipped and nothing is done twice: a run that fails for good leaves that end
//! where it was, and is tried again with the next tick. Steps are safe to repeat, so a kill between a step and the
//! note of it costs time and nothing else.
//!
//! The planner reads no clock and does no work: it is a function of what is configured, what is done, and what time it
//! is. Clock jumps, kills and standstills are ordinary values to it, and its tests.

mod clock;
mod config;
mod error;
mod interval;
mod planner;
mod ports;
mod rhythm;
mod scheduler;
mod state;
mod status;

pub use clock::{Accelerated, Clock, System};
pub use config::{CatchUp, Config, DEFAULT_SCHEDULE, Job, Step};
pub use error::{Result, ScheduleError};
pub use interval::Interval;
pub use planner::{Due, Plan, plan};
pub use ports::{Event, Observer, Outcome, StateStore, Stop, Worker};
pub use rhythm::Rhythm;
pub use scheduler::Scheduler;
pub use state::{Failing, JobState, State};
pub use status::{JobStatus, Standing, status};
