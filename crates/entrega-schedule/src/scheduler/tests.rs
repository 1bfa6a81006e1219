//! Worlds in which runs fail, hang and are killed, and notes cannot be written: afterwards everything is done once.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::{Accelerated, ScheduleError};

#[derive(Default)]
struct Notes {
    state: Mutex<Option<State>>,
    paused: Mutex<BTreeSet<String>>,
    /// This many of the next saves fail.
    broken: AtomicUsize,
}

#[async_trait]
impl StateStore for Notes {
    async fn load(&self) -> Result<Option<State>> {
        Ok(self.state.lock().unwrap().clone())
    }
    async fn save(&self, state: &State) -> Result<()> {
        if self.broken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(ScheduleError::State { problem: "no".to_owned(), hint: "wait".to_owned() });
        }
        *self.state.lock().unwrap() = Some(state.clone());
        Ok(())
    }
    async fn paused(&self) -> Result<BTreeSet<String>> {
        Ok(self.paused.lock().unwrap().clone())
    }
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Works(i64),
    Fails(bool),
    Hangs,
}

/// Does as fate says, then always works.
#[derive(Default)]
struct Hand {
    fates: Mutex<VecDeque<Fate>>,
    done: Mutex<Vec<(String, Interval)>>,
    tries: AtomicUsize,
    at_once: AtomicUsize,
    too_many: AtomicBool,
}

struct Leaves<'a>(&'a AtomicUsize);
impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Worker for Hand {
    async fn run(&self, job: &Job, interval: Interval, stop: Stop) -> Outcome {
        if self.at_once.fetch_add(1, Ordering::SeqCst) > 0 {
            self.too_many.store(true, Ordering::SeqCst);
        }
        let _leaves = Leaves(&self.at_once);
        self.tries.fetch_add(1, Ordering::SeqCst);
        let fate = self.fates.lock().unwrap().pop_front().unwrap_or(Fate::Works(30));
        match fate {
            Fate::Works(seconds) => time::sleep(TimeDelta::seconds(seconds).to_std().unwrap()).await,
            Fate::Fails(retry) => return Outcome::Failed { error: "no".to_owned(), retry },
            Fate::Hangs => {
                stop.cancelled().await;
                return Outcome::Stopped;
            }
        }
        self.done.lock().unwrap().push((job.name.clone(), interval));
        Outcome::Done
    }
}

#[derive(Default)]
struct Diary(Mutex<Vec<String>>);
impl Observer for Diary {
    fn observe(&self, event: &Event<'_>) {
        let line = match event {
            Event::Started { job, attempt, .. } => format!("{job} started {attempt}"),
            Event::Succeeded { job, recovered, .. } => format!("{job} done{}", if *recovered { " again" } else { "" }),
            Event::Failed { job, for_good, error, .. } => {
                format!("{job} failed{}: {error}", if *for_good { " for good" } else { "" })
            }
            Event::Troubled { .. } => "troubled".to_owned(),
            Event::Looked { .. } => return,
        };
        self.0.lock().unwrap().push(line);
    }
}

const SCHEDULE: &str = r#"
[[job]]
name = "hourly"
cron = "0 * * * *"
offset = "5m"
catch_up = "CATCH_UP"
retries = 2
timeout = "10m"
[[job.step]]
operator = "ingest"
[[job]]
name = "daily"
cron = "0 0 * * *"
offset = "30m"
after = ["hourly"]
retries = 1
[[job.step]]
operator = "features"
"#;

#[derive(Clone, Default)]
struct World {
    notes: Arc<Notes>,
    hand: Arc<Hand>,
    diary: Arc<Diary>,
}

impl World {
    /// A scheduler of this world lives for some hours, from a moment on; then it is stopped or killed.
    async fn live(&self, catch_up: &str, from: DateTime<Utc>, hours: i64, killed: bool) {
        let stop = Stop::new();
        let scheduler = Scheduler {
            config: Config::parse(&SCHEDULE.replace("CATCH_UP", catch_up), "test").unwrap(),
            store: self.notes.clone(),
            worker: self.hand.clone(),
            observer: self.diary.clone(),
            clock: Arc::new(Accelerated::new(from, 1)),
            random: Box::new(|| 0.5),
        };
        let life = tokio::spawn(scheduler.run(stop.clone()));
        time::sleep(TimeDelta::hours(hours).to_std().unwrap()).await;
        if killed {
            life.abort();
            let _ = life.await;
        } else {
            stop.cancel();
            life.await.unwrap().unwrap();
        }
    }

    fn through(&self, job: &str) -> DateTime<Utc> {
        self.notes.state.lock().unwrap().as_ref().unwrap().jobs[job].through
    }

    fn done(&self, job: &str) -> Vec<Interval> {
        self.hand.done.lock().unwrap().iter().filter(|(name, _)| name == job).map(|(_, interval)| *interval).collect()
    }
}

fn at(text: &str) -> DateTime<Utc> {
    format!("2018-03-{text}Z").parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_quiet_day() {
    let world = World::default();
    world.live("each", at("01T00:10:00"), 25, false).await;
    let hours = world.done("hourly");
    assert_eq!(hours.len(), 26);
    assert_eq!((hours[0].start, world.through("hourly")), (at("01T00:00:00") - TimeDelta::hours(1), at("02T01:00:00")));
    // The daily one meets the world before the offset of 28 February's end is over: its first day is the 27th.
    assert_eq!(world.done("daily").len(), 3);
    assert_eq!(world.through("daily"), at("02T00:00:00"));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_tried_again_told_once_and_made_good() {
    let world = World::default();
    world.hand.fates.lock().unwrap().extend([
        Fate::Works(5),
        Fate::Works(5),
        Fate::Works(5),
        Fate::Fails(true),
        Fate::Fails(true),
        Fate::Fails(true),
    ]);
    world.live("together", at("01T00:40:00"), 3, false).await;
    let diary = world.diary.0.lock().unwrap().clone();
    let failures: Vec<_> = diary.iter().filter(|line| line.contains("failed") || line.contains("again")).collect();
    assert_eq!(
        failures,
        ["hourly failed: no", "hourly failed: no", "hourly failed for good: no", "hourly done again"],
        "{diary:#?}"
    );
    assert_eq!(world.done("hourly").last().unwrap(), &Interval { start: at("01T01:00:00"), end: at("01T03:00:00") });
}

#[tokio::test(start_paused = true)]
async fn what_cannot_get_better_is_not_tried_again_before_the_next_tick() {
    let world = World::default();
    world.hand.fates.lock().unwrap().push_back(Fate::Fails(false));
    world.live("together", at("01T00:40:00"), 1, false).await;
    let diary = world.diary.0.lock().unwrap().clone();
    assert_eq!(diary[..2], ["hourly started 1".to_owned(), "hourly failed for good: no".to_owned()], "{diary:#?}");
    assert_eq!(world.through("hourly"), at("01T01:00:00"));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_hangs_is_ended_and_tried_again() {
    let world = World::default();
    world.hand.fates.lock().unwrap().push_back(Fate::Hangs);
    world.live("each", at("01T00:40:00"), 1, false).await;
    let diary = world.diary.0.lock().unwrap().clone();
    assert_eq!(diary[1], "hourly failed: it took longer than its timeout of 10m", "{diary:#?}");
    assert_eq!(world.through("hourly"), at("01T01:00:00"));
}

#[tokio::test(start_paused = true)]
async fn pause_holds_a_job_until_it_is_resumed() {
    let world = World::default();
    world.notes.paused.lock().unwrap().insert("hourly".to_owned());
    world.live("together", at("01T00:40:00"), 5, false).await;
    assert_eq!(world.done("hourly"), []);
    world.notes.paused.lock().unwrap().clear();
    world.live("together", at("01T05:40:00"), 1, false).await;
    assert_eq!(world.through("hourly"), at("01T06:00:00"));
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_the_run_in_hand_end() {
    let world = World::default();
    world.hand.fates.lock().unwrap().push_back(Fate::Works(7200));
    let slow = SCHEDULE.replace("timeout = \"10m\"", "timeout = \"5h\"");
    assert_ne!(slow, SCHEDULE);
    let stop = Stop::new();
    let scheduler = Scheduler {
        config: Config::parse(&slow.replace("CATCH_UP", "each"), "test").unwrap(),
        store: world.notes.clone(),
        worker: world.hand.clone(),
        observer: world.diary.clone(),
        clock: Arc::new(Accelerated::new(at("01T00:40:00"), 1)),
        random: Box::new(|| 0.5),
    };
    let life = tokio::spawn(scheduler.run(stop.clone()));
    time::sleep(Duration::from_mins(10)).await;
    stop.cancel();
    life.await.unwrap().unwrap();
    assert_eq!(world.done("hourly").len(), 1);
    assert_eq!(world.through("hourly"), at("01T00:00:00"), "what was done in the end is noted");
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => (1_i64..900).prop_map(Fate::Works),
        2 => any::<bool>().prop_map(Fate::Fails),
        1 => Just(Fate::Hangs),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens, in the end all hours and days are done: no gap, nothing twice but what a kill cut off between
    /// the work and its note, and never two at once.
    #[test]
    fn in_any_world_everything_is_done(
        fates in prop::collection::vec(fate(), 0..60),
        lives in prop::collection::vec((1_i64..40, any::<bool>(), 0_usize..4, 0_i64..30), 1..6),
        together in any::<bool>(),
    ) {
        let catch_up = if together { "together" } else { "each" };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = World::default();
            world.hand.fates.lock().unwrap().extend(fates);
            let (mut now, mut kills) = (at("01T00:40:00"), 0);
            for (hours, killed, broken, standstill) in lives {
                world.notes.broken.store(broken, Ordering::SeqCst);
                world.live(catch_up, now, hours, killed).await;
                kills += usize::from(killed);
                now += TimeDelta::hours(hours + standstill);
            }
            // A long quiet time at the end.
            world.hand.fates.lock().unwrap().clear();
            world.notes.broken.store(0, Ordering::SeqCst);
            world.live(catch_up, now, 80, false).await;
            now += TimeDelta::hours(80);

            prop_assert!(!world.hand.too_many.load(Ordering::SeqCst), "two at once");
            for (job, longest) in [("hourly", TimeDelta::hours(2)), ("daily", TimeDelta::hours(25))] {
                prop_assert!(now - world.through(job) < longest, "{job} is done only through {}", world.through(job));
                let done = world.done(job);
                let mut repeated = 0;
                for pair in done.windows(2) {
                    if pair[1].start == pair[0].start {
                        repeated += 1;
                    } else {
                        prop_assert_eq!(pair[1].start, pair[0].end, "{}: a gap or an overlap", job);
                    }
                }
                prop_assert!(repeated <= kills, "{job}: {repeated} repeated after {kills} kills");
            }
            Ok(())
        })?;
    }
}
