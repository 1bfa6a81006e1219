//! The same invariants on the real data, when `OLIST_ZIP` names it.

use std::{sync::Arc, time::Instant};

use entrega_model::drops::Cadence;
use entrega_source::{OrderSystem, ReplayOptions, SourceTable, replay};
use object_store::{local::LocalFileSystem, path::Path};

use crate::landing::{cut, landed, last_state, moment, replayed, source_state};

fn system() -> Option<OrderSystem> {
    let Some(path) = std::env::var_os("OLIST_ZIP") else {
        eprintln!("skipped: OLIST_ZIP does not name the real data");
        return None;
    };
    Some(OrderSystem::open(std::path::Path::new(&path)).unwrap())
}

#[tokio::test]
async fn the_real_orders_day_by_day() {
    let Some(system) = system() else { return };
    assert_eq!(system.table(SourceTable::Orders).len(), 99_441);
    assert_eq!(system.table(SourceTable::Geolocation).len(), 1_000_163);
    assert_eq!(system.timeline().span().to_string(), "[2016-09-04 00:00, 2018-10-30 00:00)");
    let started = Instant::now();
    let (store, summary) = replayed(&system, ReplayOptions::default()).await;
    eprintln!("{} daily drops, {} rows in {:?}", summary.drops, summary.rows, started.elapsed());
    assert_eq!(summary.drops, 786);
    let all = landed(store.as_ref()).await;
    assert!(last_state(&all) == source_state(&system), "the last state over all drops is the source");
    let until = moment("2018-03-01 00:00:00");
    let some = all.iter().filter(|drop| drop.manifest.interval.end <= until);
    assert!(last_state(some) == last_state(&cut(&system, Some(until)).await), "a cut is the state until then");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_orders_hour_by_hour_in_a_folder() {
    let Some(system) = system() else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap());
    let options = ReplayOptions { cadence: Cadence::Hourly, ..ReplayOptions::default() };
    let started = Instant::now();
    let summary = replay(&system, store.clone(), Path::default(), options.clone(), |_| ()).await.unwrap();
    eprintln!(
        "{} hourly drops, {} rows, {} files in {:?}",
        summary.drops,
        summary.rows,
        summary.files,
        started.elapsed()
    );
    assert_eq!(summary.drops, 786 * 24);
    let started = Instant::now();
    let again = replay(&system, store, Path::default(), options.clone(), |_| ()).await.unwrap();
    eprintln!("compared again in {:?}", started.elapsed());
    assert_eq!((again.written, again.unchanged), (0, 786 * 24));

    // Two months after a baseline, hour by hour, are the state at their end.
    let (from, to) = ("2018-01-01".parse().ok(), "2018-02-28".parse().ok());
    let (store, _) = replayed(&system, ReplayOptions { from, to, ..options }).await;
    let hours = landed(store.as_ref()).await;
    assert_eq!(hours.len(), 1 + 59 * 24);
    assert!(last_state(&hours) == last_state(&cut(&system, Some(moment("2018-03-01 00:00:00"))).await));
}
