//! A run that is killed at any moment and started again.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use crate::support::{Contents, Lake, Outcome, assert_same};

/// Each run lives this much longer than the one before it.
const STEP: Duration = Duration::from_millis(25);

/// Starts a run, kills it after a while, and says whether it had ended by itself before.
fn killed_after(lake: &Lake, words: &[&str], delay: Duration) -> bool {
    let mut child = lake.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + delay;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "a run after a killed one failed: {status}");
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    // SIGKILL: nothing is cleaned up.
    child.kill().unwrap();
    child.wait().unwrap().success()
}

/// Kills run after run, each a little later, until one gets to its end; then finishes the work.
fn killed_again_and_again(replay: &str, words: &[&str]) {
    let calm = Lake::replayed(replay);
    calm.start(words).succeeded();
    calm.ok("run all");
    let lake = Lake::replayed(replay);
    let mut delay = STEP;
    let mut deaths = 0;
    while !killed_after(&lake, words, delay) {
        deaths += 1;
        delay += STEP;
        // What a reader sees in between is whole: either nothing is published yet, or each batch is.
        if deaths % 4 == 0 {
            let outcome: Outcome = lake.run("status");
            outcome.succeeded();
        }
        assert!(delay < Duration::from_mins(1), "the run never ended");
    }
    assert!(deaths >= 3, "too few deaths ({deaths}) to show anything");
    lake.ok("run all");
    assert_same(&Contents::of(&calm), &Contents::of(&lake), &format!("after {deaths} deaths"));
    assert!(lake.ok("op reconcile").contains("\"reconciled\": true"));
    assert!(lake.ok("run all").contains("nothing to do"));
}

#[test]
fn in_the_middle_of_a_big_batch() {
    killed_again_and_again("--as one-drop", &["run", "all"]);
}

#[test]
fn in_the_middle_of_many_batches() {
    killed_again_and_again("--cadence daily --from 2018-01-20 --to 2018-02-10", &["run", "all", "--one-by-one"]);
}

#[test]
fn in_the_middle_of_a_late_small_batch() {
    let replay = "--cadence daily --to 2018-02-20";
    let calm = Lake::replayed(replay);
    calm.ok("run all");
    let lake = Lake::replayed(replay);
    lake.ok("run all --from 2018-01-10");
    let (before, batches) = (Contents::of(&lake), lake.batches().len());
    let mut delay = STEP;
    while !killed_after(&lake, &["run", "ingest"], delay) {
        delay += STEP;
        // A killed ingest either published its batch or nothing: clean tables are the old ones or the new ones.
        let orders = lake.value("select count(*) as orders from clean.orders");
        assert!(
            orders == before.rows("clean.orders").len().to_string() || lake.batches().len() > batches,
            "{orders} orders, but no batch"
        );
    }
    lake.ok("run all");
    assert_same(&Contents::of(&calm), &Contents::of(&lake), "late drops, killed while they were taken");
}

#[test]
fn a_killed_replay_is_continued() {
    let calm = Lake::replayed("--cadence daily");
    calm.ok("run all");
    let lake = Lake::nowhere();
    let words = ["replay", "--source", crate::support::SHOP, "--cadence", "daily"];
    let mut delay = Duration::from_millis(5);
    while !killed_after(&lake, &words, delay) {
        delay += Duration::from_millis(5);
    }
    lake.ok("run all");
    assert_same(&Contents::of(&calm), &Contents::of(&lake), "a replay that was killed");
}
