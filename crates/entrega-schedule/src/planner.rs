//! What is due now, and when to look again: a function of configuration, state and time.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::{CatchUp, Config, Interval, Job, JobState, State};

/// The longest wait between two attempts.
pub(crate) const LONGEST_BACKOFF: TimeDelta = TimeDelta::hours(1);

/// A run that may start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The job.
    pub job: String,
    /// What it is to do.
    pub interval: Interval,
    /// The how manieth attempt, from 1.
    pub attempt: u32,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Runs to start, in the order of the configuration, no more than may run at once.
    pub due: Vec<Due>,
    /// When something will be due that waits for nothing but time.
    pub wake: Option<DateTime<Utc>>,
}

/// Why a job has nothing to do just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Run this.
    Now(Interval),
    /// Nothing before then.
    At(DateTime<Utc>),
    /// Another job has not come so far.
    Behind(String),
    /// Its cron never comes again.
    Never,
}

/// Plans: which runs start now, beside those that are running.
#[must_use]
pub fn plan(
    config: &Config,
    state: &State,
    paused: &BTreeSet<String>,
    running: &BTreeSet<String>,
    now: DateTime<Utc>,
) -> Plan {
    let mut plan = Plan::default();
    let mut free = config.concurrency.saturating_sub(running.len());
    for job in &config.jobs {
        if paused.contains(&job.name) || running.contains(&job.name) {
            continue;
        }
        match next(config, state, job, now) {
            Next::Now(interval) if free > 0 => {
                let failing = state.jobs.get(&job.name).and_then(|job| job.failing.as_ref());
                let attempt = failing.filter(|failing| !failing.for_good).map_or(1, |failing| failing.attempts + 1);
                plan.due.push(Due { job: job.name.clone(), interval, attempt });
                free -= 1;
            }
            Next::At(moment) => plan.wake = Some(plan.wake.map_or(moment, |wake| wake.min(moment))),
            // What is full, behind or over is looked at again when a run ends.
            Next::Now(_) | Next::Behind(_) | Next::Never => {}
        }
    }
    plan
}

/// What comes next for a job that is neither paused nor running.
pub(crate) fn next(config: &Config, state: &State, job: &Job, now: DateTime<Utc>) -> Next {
    let done = state.jobs.get(&job.name).cloned().unwrap_or_else(|| first(job, now));
    let Some(first_end) = job.rhythm.after(done.through) else { return Next::Never };
    let mut ready = first_end + job.offset;
    if let Some(failing) = &done.failing {
        // A clock that was ahead for a while must not hold a retry up for longer than any retry waits.
        let wrong_clock = !failing.for_good && failing.next > now + LONGEST_BACKOFF;
        if !wrong_clock {
            ready = ready.max(failing.next);
        }
    }
    if now < ready {
        return Next::At(ready);
    }
    let mut end = first_end;
    if job.catch_up == CatchUp::Together {
        end = job.rhythm.until(now - job.offset).unwrap_or(end).max(end);
    }
    for name in &job.after {
        let Some(other) = config.job(name) else { continue };
        let through = state.jobs.get(name).map_or_else(|| first(other, now).through, |other| other.through);
        // The other one's first interval that is not done ends at `open`: this one's must end before.
        let Some(open) = other.rhythm.after(through) else { continue };
        if end < open {
            continue;
        }
        let reached = match job.catch_up {
            CatchUp::Each => None,
            CatchUp::Together => job.rhythm.until(open - TimeDelta::seconds(1)).filter(|reached| *reached >= first_end),
        };
        match reached {
            Some(reached) => end = end.min(reached),
            None => return Next::Behind(name.clone()),
        }
    }
    Next::Now(Interval { start: done.through, end })
}

/// The state of a job that is seen for the first time: the newest interval that is over is still to be done.
pub(crate) fn first(job: &Job, now: DateTime<Utc>) -> JobState {
    let newest = job.rhythm.until(now - job.offset);
    let before = newest.and_then(|tick| job.rhythm.until(tick - TimeDelta::seconds(1)));
    JobState { through: before.or(newest).unwrap_or(now), succeeded: None, failing: None }
}

/// How long to wait after an attempt that failed; `random` is from 0 to 1 and spreads those that failed together.
pub(crate) fn backoff(job: &Job, attempt: u32, random: f64) -> TimeDelta {
    let doubled = job.backoff.num_milliseconds().saturating_mul(1 << attempt.saturating_sub(1).min(20));
    let spread = 1.0 + 0.2 * random.clamp(0.0, 1.0);
    #[expect(clippy::cast_possible_truncation, reason = "an hour at most")]
    let waited = (doubled.min(LONGEST_BACKOFF.num_milliseconds()) as f64 * spread) as i64;
    TimeDelta::milliseconds(waited).min(LONGEST_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Failing;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2018-03-{text}Z").parse().unwrap()
    }

    fn config(catch_up: &str) -> Config {
        let job = |name: &str, cron: &str, more: &str| {
            format!(
                "[[job]]\nname = \"{name}\"\ncron = \"{cron}\"\noffset = \"5m\"\ncatch_up = \"{catch_up}\"\n{more}\n[[job.step]]\noperator = \"ingest\"\n"
            )
        };
        Config::parse(&(job("hourly", "0 * * * *", "") + &job("daily", "0 0 * * *", "after = [\"hourly\"]")), "test")
            .unwrap()
    }

    fn state(hourly: &str, daily: &str) -> State {
        let job = |through| JobState { through: at(through), succeeded: None, failing: None };
        State { version: 1, jobs: [("hourly".to_owned(), job(hourly)), ("daily".to_owned(), job(daily))].into() }
    }

    fn due(config: &Config, state: &State, now: &str) -> (Vec<(String, Interval)>, Option<DateTime<Utc>>) {
        let plan = plan(config, state, &BTreeSet::new(), &BTreeSet::new(), at(now));
        (plan.due.into_iter().map(|due| (due.job, due.interval)).collect(), plan.wake)
    }

    fn interval(start: &str, end: &str) -> Interval {
        Interval { start: at(start), end: at(end) }
    }

    #[test]
    fn an_interval_is_run_when_it_is_over_and_its_files_have_come() {
        let (config, state) = (config("each"), state("01T10:00:00", "01T00:00:00"));
        assert_eq!(due(&config, &state, "01T11:04:59"), (vec![], Some(at("01T11:05:00"))));
        let run = ("hourly".to_owned(), interval("01T10:00:00", "01T11:00:00"));
        assert_eq!(due(&config, &state, "01T11:05:00"), (vec![run], Some(at("02T00:05:00"))));
    }

    #[test]
    fn after_a_standstill_each_is_run_or_all_together() {
        let state = state("01T10:00:00", "01T00:00:00");
        let runs = |catch_up| due(&config(catch_up), &state, "01T14:30:00").0;
        assert_eq!(runs("each"), [("hourly".to_owned(), interval("01T10:00:00", "01T11:00:00"))]);
        assert_eq!(runs("together"), [("hourly".to_owned(), interval("01T10:00:00", "01T14:00:00"))]);
    }

    #[test]
    fn who_comes_after_waits_for_everything_that_ended_by_then() {
        let mut config = config("each");
        config.concurrency = 2;
        let names =
            |state: &State| due(&config, state, "02T00:10:00").0.into_iter().map(|(job, _)| job).collect::<Vec<_>>();
        assert_eq!(names(&state("01T23:00:00", "01T00:00:00")), ["hourly"]);
        assert_eq!(names(&state("02T00:00:00", "01T00:00:00")), ["daily"]);
    }

    #[test]
    fn together_reaches_as_far_as_those_before_have_come() {
        let mut config = config("together");
        config.concurrency = 2;
        let daily = |state: &State| due(&config, state, "05T12:10:00").0.into_iter().find(|(job, _)| job == "daily");
        let found = daily(&state("03T05:00:00", "01T00:00:00"));
        assert_eq!(found, Some(("daily".to_owned(), interval("01T00:00:00", "03T00:00:00"))));
        assert_eq!(daily(&state("01T05:00:00", "01T00:00:00")), None);
    }

    #[test]
    fn a_failure_is_tried_again_and_a_final_one_with_the_next_tick() {
        let config = config("together");
        let mut state = state("01T10:00:00", "01T00:00:00");
        let mut failing = Failing {
            interval: interval("01T10:00:00", "01T11:00:00"),
            attempts: 2,
            error: "no".to_owned(),
            next: at("01T11:10:00"),
            for_good: false,
            since: at("01T11:05:00"),
        };
        state.jobs.get_mut("hourly").unwrap().failing = Some(failing.clone());
        assert_eq!(due(&config, &state, "01T11:09:00").1, Some(at("01T11:10:00")));
        let again = plan(&config, &state, &BTreeSet::new(), &BTreeSet::new(), at("01T11:10:00"));
        assert_eq!(again.due[0].attempt, 3);

        failing.for_good = true;
        failing.next = at("01T12:05:00");
        state.jobs.get_mut("hourly").unwrap().failing = Some(failing.clone());
        assert_eq!(due(&config, &state, "01T12:04:00").0, []);
        let afresh = plan(&config, &state, &BTreeSet::new(), &BTreeSet::new(), at("01T12:05:00"));
        assert_eq!((afresh.due[0].attempt, afresh.due[0].interval), (1, interval("01T10:00:00", "01T12:00:00")));

        failing.for_good = false;
        failing.next = at("25T00:00:00");
        state.jobs.get_mut("hourly").unwrap().failing = Some(failing);
        assert_eq!(due(&config, &state, "01T12:05:00").0.len(), 1, "a clock that was ahead holds nothing up");
    }

    #[test]
    fn paused_and_running_jobs_are_left_alone() {
        let (config, state) = (config("each"), state("01T10:00:00", "01T00:00:00"));
        let hourly: BTreeSet<String> = ["hourly".to_owned()].into();
        let now = at("01T12:00:00");
        assert_eq!(plan(&config, &state, &hourly, &BTreeSet::new(), now).due, []);
        assert_eq!(plan(&config, &state, &BTreeSet::new(), &hourly, now).due, []);
    }

    #[test]
    fn a_clock_that_goes_back_runs_nothing_twice() {
        let (config, state) = (config("together"), state("09T10:00:00", "09T00:00:00"));
        assert_eq!(due(&config, &state, "01T12:00:00"), (vec![], Some(at("09T11:05:00"))));
    }

    #[test]
    fn waits_between_attempts_double_up_to_an_hour() {
        let config = config("each");
        let waited = |attempt, random| backoff(&config.jobs[0], attempt, random).num_seconds();
        assert_eq!([waited(1, 0.0), waited(2, 0.0), waited(3, 0.0), waited(30, 0.5)], [60, 120, 240, 3600]);
        assert_eq!(waited(1, 1.0), 72);
    }
}
