//! The loop: look, start what is due, wait until something happens, note what it was.
//!
//! ```text
//!        ┌──────────────────────────────────────────────────────────┐
//!        ▼                                                          │
//!  plan ─▶ start runs ─▶ wait for: a run's end, the next tick, a stop, a while
//!                           │ a run's end
//!                           ▼
//!                        state ─▶ save  (until that has worked, nothing new is started)
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::{task::JoinSet, time};

use crate::{
    Clock, Config, Due, Event, Failing, Interval, Job, Observer, Outcome, Plan, Result, State, StateStore, Stop,
    Worker, planner,
};

/// How often wishes are read, and troubled notes tried again.
const GLANCE: Duration = Duration::from_secs(2);

/// How long a run that took too long, or is told to stop, has to end well.
const GRACE: Duration = Duration::from_secs(30);

/// Runs a schedule.
pub struct Scheduler {
    /// What runs when.
    pub config: Config,
    /// Where it is noted what is done.
    pub store: Arc<dyn StateStore>,
    /// Who does it.
    pub worker: Arc<dyn Worker>,
    /// Who is told.
    pub observer: Arc<dyn Observer>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// A number from 0 to 1, another one each time: spreads retries.
    pub random: Box<dyn FnMut() -> f64 + Send>,
}

/// How a run went.
struct Ended {
    due: Due,
    began: DateTime<Utc>,
    outcome: Outcome,
}

impl Scheduler {
    /// Runs until `stop`, then lets the runs in hand end.
    ///
    /// # Errors
    /// [`crate::ScheduleError::State`] when there is no telling what is done already. Later troubles with notes are
    /// told to the observer and waited out.
    pub async fn run(mut self, stop: Stop) -> Result<()> {
        let mut state = self.store.load().await?.unwrap_or_default();
        let mut paused = self.store.paused().await?;
        self.meet_new_jobs(&mut state);
        let mut unsaved = true;
        let mut running: JoinSet<Ended> = JoinSet::new();
        let mut hands: BTreeMap<String, tokio::task::Id> = BTreeMap::new();
        let mut dues: BTreeMap<tokio::task::Id, (Due, DateTime<Utc>)> = BTreeMap::new();
        loop {
            if unsaved {
                let saved = self.store.save(&state).await;
                unsaved = self.troubled(saved).is_none();
            }
            let mut wake = None;
            if !unsaved && !stop.is_cancelled() {
                let wishes = self.store.paused().await;
                if let Some(wishes) = self.troubled(wishes) {
                    paused = wishes;
                }
                let now = self.clock.now();
                let busy: BTreeSet<String> = hands.keys().cloned().collect();
                self.observer.observe(&Event::Looked { state: &state, paused: &paused, now });
                let plan: Plan = planner::plan(&self.config, &state, &paused, &busy, now);
                wake = plan.wake;
                for due in plan.due {
                    let Some(job) = self.config.job(&due.job).cloned() else { continue };
                    self.observer.observe(&Event::Started {
                        job: &due.job,
                        interval: due.interval,
                        attempt: due.attempt,
                    });
                    let name = due.job.clone();
                    let work = attempt(
                        Arc::clone(&self.worker),
                        Arc::clone(&self.clock),
                        job,
                        due.clone(),
                        stop.child_token(),
                    );
                    let id = running.spawn(work).id();
                    hands.insert(name, id);
                    dues.insert(id, (due, now));
                }
            }
            if stop.is_cancelled() && running.is_empty() && !unsaved {
                return Ok(());
            }
            tokio::select! {
                Some(ended) = running.join_next_with_id(), if !running.is_empty() => {
                    let (id, ended) = match ended {
                        Ok((id, ended)) => (id, Some(ended)),
                        Err(error) => (error.id(), None),
                    };
                    let Some((due, began)) = dues.remove(&id) else { continue };
                    hands.remove(&due.job);
                    let ended = ended.unwrap_or_else(|| Ended {
                        due,
                        began,
                        outcome: Outcome::Failed { error: "the run broke off".to_owned(), retry: true },
                    });
                    unsaved |= self.note(&mut state, ended);
                }
                () = self.clock.wait_until(wake.unwrap_or_default()), if wake.is_some() => {}
                () = stop.cancelled(), if !stop.is_cancelled() => {}
                () = time::sleep(GLANCE) => {}
            }
        }
    }

    fn meet_new_jobs(&self, state: &mut State) {
        let now = self.clock.now();
        for job in &self.config.jobs {
            if !state.jobs.contains_key(&job.name) {
                state.jobs.insert(job.name.clone(), planner::first(job, now));
            }
        }
    }

    /// A result of the store, or word to the observer.
    fn troubled<T>(&self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.observer.observe(&Event::Troubled { error: &error.to_string() })).ok()
    }

    /// Notes how a run went; true if there is something to save.
    fn note(&mut self, state: &mut State, ended: Ended) -> bool {
        let Ended { due: Due { job: name, interval, attempt }, began, outcome } = ended;
        let now = self.clock.now();
        let seconds = (now - began).num_milliseconds() as f64 / 1000.0;
        let (Some(job), Some(known)) = (self.config.job(&name), state.jobs.get_mut(&name)) else { return false };
        match outcome {
            Outcome::Stopped => return false,
            Outcome::Done => {
                let recovered = known.failing.take().is_some();
                known.through = interval.end;
                known.succeeded = Some(Interval { start: began, end: now });
                self.observer.observe(&Event::Succeeded { job: &name, interval, seconds, recovered });
            }
            Outcome::Failed { error, retry } => {
                let for_good = !retry || attempt > job.retries;
                let next = if for_good {
                    let tick = job.rhythm.after(interval.end.max(now - job.offset));
                    tick.map_or(now + planner::LONGEST_BACKOFF, |tick| tick + job.offset)
                } else {
                    now + planner::backoff(job, attempt, (self.random)())
                };
                let since = known.failing.as_ref().map_or(began, |failing| failing.since);
                self.observer.observe(&Event::Failed {
                    job: &name,
                    interval,
                    seconds,
                    error: &error,
                    attempt,
                    next,
                    for_good,
                });
                known.failing = Some(Failing { interval, attempts: attempt, error, next, for_good, since });
            }
        }
        true
    }
}

/// One attempt, with its time limit.
async fn attempt(worker: Arc<dyn Worker>, clock: Arc<dyn Clock>, job: Job, due: Due, stop: Stop) -> Ended {
    let began = clock.now();
    let outcome = {
        let mut work = worker.run(&job, due.interval, stop.clone());
        tokio::select! {
            outcome = &mut work => outcome,
            () = clock.wait_until(began + job.timeout) => {
                stop.cancel();
                // It may have come to its end just now, and then it is done.
                match time::timeout(GRACE, work).await {
                    Ok(Outcome::Done) => Outcome::Done,
                    _ => Outcome::Failed { error: format!("it took longer than its timeout of {}", words(job.timeout)), retry: true },
                }
            }
        }
    };
    Ended { due, began, outcome }
}

fn words(delta: chrono::TimeDelta) -> String {
    humantime::format_duration(delta.to_std().unwrap_or_default()).to_string()
}

#[cfg(test)]
mod tests;
