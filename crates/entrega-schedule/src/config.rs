//! A schedule as people write it: jobs, their ticks, their steps.

use std::{collections::BTreeMap, time::Duration};

use chrono::TimeDelta;
use chrono_tz::Tz;
use serde::Deserialize;

use crate::{Result, Rhythm, ScheduleError};

/// The schedule that is used when none is given.
pub const DEFAULT_SCHEDULE: &str = include_str!("default.toml");

/// A schedule that makes sense.
#[derive(Debug, Clone)]
pub struct Config {
    /// The zone of cron expressions and of `{date}`.
    pub time_zone: Tz,
    /// Jobs that may run at once, at least 1.
    pub concurrency: usize,
    /// In the order of the file; a job that others come after stands before them.
    pub jobs: Vec<Job>,
}

/// Steps with ticks.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its name: lower-case letters, digits and `_`.
    pub name: String,
    /// The cron expression as written; none if it runs every so often.
    pub cron: Option<String>,
    /// Its ticks.
    pub rhythm: Rhythm,
    /// How long after an interval's end its run may start.
    pub offset: TimeDelta,
    /// Jobs that must have handled everything that ended by the end of this one's interval.
    pub after: Vec<String>,
    /// What to do with several intervals that wait.
    pub catch_up: CatchUp,
    /// Attempts after the first before it has failed for good.
    pub retries: u32,
    /// How long to wait before the first retry; doubled after each.
    pub backoff: TimeDelta,
    /// How long a run may take.
    pub timeout: TimeDelta,
    /// What it does, one after the other.
    pub steps: Vec<Step>,
}

/// One call of an operator.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name in logs and in Airflow; the operator's where none is given.
    #[serde(default)]
    pub name: String,
    /// The operator.
    pub operator: String,
    /// Its arguments; `{start}`, `{end}` and `{date}` stand for the interval.
    #[serde(default)]
    pub arguments: BTreeMap<String, String>,
}

/// What to do with several intervals that wait, after a standstill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// A run for each, oldest first.
    Each,
    /// One run from the first one's start to the last one's end.
    Together,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default = "utc")]
    time_zone: String,
    #[serde(default = "one")]
    concurrency: usize,
    #[serde(default)]
    job: Vec<FileJob>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileJob {
    name: String,
    cron: Option<String>,
    #[serde(default, with = "optional_duration")]
    every: Option<Duration>,
    #[serde(default, with = "optional_duration")]
    offset: Option<Duration>,
    #[serde(default)]
    after: Vec<String>,
    #[serde(default = "each")]
    catch_up: CatchUp,
    #[serde(default = "three")]
    retries: u32,
    #[serde(default, with = "optional_duration")]
    backoff: Option<Duration>,
    #[serde(default, with = "optional_duration")]
    timeout: Option<Duration>,
    #[serde(default)]
    step: Vec<Step>,
}

fn utc() -> String {
    "UTC".to_owned()
}

const fn one() -> usize {
    1
}

const fn three() -> u32 {
    3
}

const fn each() -> CatchUp {
    CatchUp::Each
}

/// Durations as people write them: `90s`, `5m`, `1h 30m`.
mod optional_duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, de::Error as _};

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map(Some).map_err(|error| {
            D::Error::custom(format!("'{text}' is no duration ({error}); write for example 5m or 1h 30m"))
        })
    }
}

impl Config {
    /// Reads a schedule; `origin` says in errors where it came from.
    ///
    /// ```
    /// use entrega_schedule::{Config, DEFAULT_SCHEDULE};
    /// let config = Config::parse(DEFAULT_SCHEDULE, "the default")?;
    /// assert_eq!(config.jobs.iter().map(|job| job.name.as_str()).collect::<Vec<_>>(), ["hourly", "daily"]);
    /// # Ok::<_, entrega_schedule::ScheduleError>(())
    /// ```
    ///
    /// # Errors
    /// [`ScheduleError::Syntax`] with line and column, [`ScheduleError::Value`] that says which job and value.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        let file: File = toml::from_str(text)
            .map_err(|source| ScheduleError::Syntax { origin: origin.to_owned(), source: Box::new(source) })?;
        let wrong = |problem: String, hint: String| ScheduleError::Value { origin: origin.to_owned(), problem, hint };
        let time_zone: Tz = file.time_zone.parse().map_err(|_| {
            wrong(
                format!("there is no time zone '{}'", file.time_zone),
                "write a name like America/Sao_Paulo or UTC".to_owned(),
            )
        })?;
        if file.concurrency == 0 {
            return Err(wrong("concurrency = 0 lets nothing run".to_owned(), "write 1 or more".to_owned()));
        }
        if file.job.is_empty() {
            return Err(wrong("it has no job".to_owned(), "begin one with [[job]]".to_owned()));
        }
        let mut jobs: Vec<Job> = Vec::with_capacity(file.job.len());
        for job in file.job {
            let job = job.checked(time_zone, &jobs).map_err(|(problem, hint)| wrong(problem, hint))?;
            jobs.push(job);
        }
        Ok(Self { time_zone, concurrency: file.concurrency, jobs })
    }

    /// The job of a name.
    #[must_use]
    pub fn job(&self, name: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.name == name)
    }
}

impl FileJob {
    /// The job, if it makes sense beside those before it; else the problem and a hint.
    fn checked(self, time_zone: Tz, before: &[Job]) -> Result<Job, (String, String)> {
        const NAMES: &str = "use lower-case letters, digits and _";
        let name = self.name;
        let is_name = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        if !is_name(&name) {
            return Err((format!("'{name}' is no name for a job"), NAMES.to_owned()));
        }
        if before.iter().any(|job| job.name == name) {
            return Err((format!("there are two jobs '{name}'"), "rename one".to_owned()));
        }
        let rhythm = match (&self.cron, self.every) {
            (Some(expression), None) => Rhythm::cron(expression, time_zone).map_err(|problem| {
                (
                    format!("job '{name}': cron = \"{expression}\" cannot be read: {problem}"),
                    "write minute, hour, day, month and weekday, for example \"0 * * * *\" for every hour".to_owned(),
                )
            })?,
            (None, Some(every)) if every >= Duration::from_secs(1) && every.subsec_nanos() == 0 => {
                Rhythm::Every(delta(every))
            }
            (None, Some(_)) => {
                return Err((format!("job '{name}': every must be whole seconds"), "write for example 15m".to_owned()));
            }
            _ => {
                return Err((
                    format!("job '{name}' needs either cron or every"),
                    "write for example cron = \"0 * * * *\" or every = \"15m\"".to_owned(),
                ));
            }
        };
        for other in &self.after {
            if !before.iter().any(|job| &job.name == other) {
                let known: Vec<_> = before.iter().map(|job| job.name.as_str()).collect();
                return Err((
                    format!("job '{name}' is to come after '{other}', which is no job before it in the file"),
                    format!(
                        "jobs before it are {}",
                        if known.is_empty() { "none".to_owned() } else { known.join(", ") }
                    ),
                ));
            }
        }
        if self.step.is_empty() {
            return Err((format!("job '{name}' has no step"), "add one with [[job.step]]".to_owned()));
        }
        let mut steps: Vec<Step> = Vec::with_capacity(self.step.len());
        for mut step in self.step {
            if step.name.is_empty() {
                step.name.clone_from(&step.operator);
            }
            if !is_name(&step.name) {
                return Err((format!("job '{name}': '{}' is no name for a step", step.name), NAMES.to_owned()));
            }
            if steps.iter().any(|other| other.name == step.name) {
                return Err((
                    format!("job '{name}' has two steps '{}'", step.name),
                    "give one of them another name = \"…\"".to_owned(),
                ));
            }
            steps.push(step);
        }
        let duration = |value: Option<Duration>, default: TimeDelta| value.map_or(default, delta);
        Ok(Job {
            rhythm,
            offset: duration(self.offset, TimeDelta::zero()),
            after: self.after,
            catch_up: self.catch_up,
            retries: self.retries,
            backoff: duration(self.backoff, TimeDelta::minutes(1)),
            timeout: duration(self.timeout, TimeDelta::hours(1)).max(TimeDelta::seconds(1)),
            cron: self.cron,
            steps,
            name,
        })
    }
}

/// As chrono counts; a longer one than it knows is for ever all the same.
fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::days(36_500)).min(TimeDelta::days(36_500))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let error = Config::parse(text, "schedule.toml").unwrap_err();
        std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source())
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn job(lines: &str) -> String {
        format!("[[job]]\nname = \"a\"\n{lines}\n[[job.step]]\noperator = \"ingest\"\n")
    }

    #[test]
    fn each_mistake_is_told_with_what_to_write() {
        for (text, wanted) in [
            ("job = 1".to_owned(), "line 1"),
            (String::new(), "it has no job"),
            ("time_zone = \"Brasilia\"\n".to_owned() + &job("every = \"1h\""), "no time zone 'Brasilia'"),
            ("concurrency = 0\n".to_owned() + &job("every = \"1h\""), "lets nothing run"),
            (job(""), "needs either cron or every"),
            (job("cron = \"0 * * * *\"\nevery = \"1h\""), "needs either cron or every"),
            (job("cron = \"0 25 * * *\""), "cannot be read"),
            (job("every = \"often\""), "'often' is no duration"),
            (job("every = \"500ms\""), "whole seconds"),
            (job("every = \"1h\"\nretry = 3"), "unknown field `retry`"),
            (job("every = \"1h\"\nafter = [\"b\"]"), "jobs before it are none"),
            (job("every = \"1h\"") + &job("every = \"1h\""), "two jobs 'a'"),
            (job("every = \"1h\"") + "[[job.step]]\noperator = \"ingest\"\n", "two steps 'ingest'"),
            ("[[job]]\nname = \"a\"\nevery = \"1h\"\n".to_owned(), "has no step"),
            ("[[job]]\nname = \"../a\"\nevery = \"1h\"\n".to_owned(), "is no name for a job"),
        ] {
            let said = problem(&text);
            assert!(said.contains(wanted) && said.contains("hint: "), "{text}\n→ {said}");
        }
    }
}
