//! What a replay of the made-up shop gives.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{NaiveDate, TimeDelta};
use entrega_model::drops::Cadence;
use entrega_source::{OrderSystem, ReplayOptions, SourceError, SourceTable, replay, timeline::ORDER_EVENTS};
use object_store::{ObjectStoreExt as _, memory::InMemory, path::Path};

use crate::landing::{Landed, cut, landed, last_state, moment, replayed, shop, shop_system, source_state};

fn day(text: &str) -> Option<NaiveDate> {
    text.parse().ok()
}

fn options(cadence: Cadence) -> ReplayOptions {
    ReplayOptions { cadence, ..ReplayOptions::default() }
}

/// The rows that a drop holds of a table, by the number at the end of the order's id.
fn orders_of(drop: &Landed, table: SourceTable, id_field: usize) -> Vec<u32> {
    let rows = drop.files.get(table.file()).map_or(&[][..], Vec::as_slice);
    rows.iter().map(|row| row[id_field][2..].parse().unwrap()).collect()
}

#[tokio::test]
async fn the_last_state_over_all_drops_is_the_source() {
    let system = shop_system();
    for (cadence, drops) in [(Cadence::Daily, 87), (Cadence::Hourly, 87 * 24)] {
        let (store, summary) = replayed(&system, options(cadence)).await;
        assert_eq!((summary.drops, summary.written, summary.unchanged), (drops, drops, 0));
        let all = landed(store.as_ref()).await;
        assert_eq!(all.len(), drops);
        assert_eq!(
            summary.rows,
            all.iter().flat_map(|drop| drop.manifest.files.values()).map(|file| file.rows).sum::<u64>()
        );
        assert_eq!(summary.empty, all.iter().filter(|drop| drop.files.is_empty()).count());
        assert!(summary.empty > 0);
        assert_eq!(last_state(&all), source_state(&system), "{cadence}");
    }
}

#[tokio::test]
async fn drops_follow_each_other_without_a_gap_from_the_first_event_to_the_last() {
    let (store, summary) = replayed(&shop_system(), options(Cadence::Daily)).await;
    let all = landed(store.as_ref()).await;
    assert_eq!(summary.span.to_string(), "[2018-01-02 00:00, 2018-03-30 00:00)");
    assert!(all.windows(2).all(|pair| pair[0].manifest.interval.end == pair[1].manifest.interval.start));
    assert_eq!(all[0].folder, "lake/landing/dt=2018-01-02");
    assert_eq!(all[0].manifest.produced_at.to_rfc3339(), "2018-01-03T00:05:00+00:00");
    let snapshots = |drop: &&Landed| drop.files.contains_key(SourceTable::Geolocation.file());
    assert_eq!(all.iter().filter(snapshots).count(), 1);
    assert!(snapshots(&&all[0]));
}

#[tokio::test]
async fn no_drop_knows_the_future() {
    let system = shop_system();
    for cadence in [Cadence::Daily, Cadence::Hourly] {
        let (store, _) = replayed(&system, options(cadence)).await;
        for drop in landed(store.as_ref()).await {
            let end = drop.manifest.interval.end;
            for row in drop.files.get(SourceTable::Orders.file()).into_iter().flatten() {
                for (name, value) in ORDER_EVENTS.iter().zip(&row[3..7]).filter(|(_, value)| !value.is_empty()) {
                    assert!(moment(value) < end, "{}: {name} of {} is {value}", drop.folder, row[0]);
                }
                assert!(!row[7].is_empty(), "the promise is known from the purchase");
            }
            for row in
                drop.files.get(SourceTable::Reviews.file()).into_iter().flatten().filter(|row| !row[6].is_empty())
            {
                assert!(moment(&row[6]) < end);
            }
        }
    }
}

/// The property that makes a cut useful: it is what a lake would hold that took every drop until then.
#[tokio::test]
async fn one_drop_cut_at_any_moment_is_the_state_of_the_drops_until_then() {
    let system = shop_system();
    for (cadence, step) in [(Cadence::Daily, 1), (Cadence::Hourly, 7)] {
        let (store, _) = replayed(&system, options(cadence)).await;
        let all = landed(store.as_ref()).await;
        for until in (1..=all.len()).step_by(step) {
            let end = all[until - 1].manifest.interval.end;
            let one = cut(&system, Some(end)).await;
            assert_eq!(one.len(), 1);
            assert_eq!(one[0].manifest.interval.end, end);
            assert_eq!(last_state(&one), last_state(&all[..until]), "{cadence} until {end}");
        }
    }
}

#[tokio::test]
async fn one_drop_without_a_cut_holds_the_files_byte_for_byte() {
    let store = Arc::new(InMemory::new());
    let system = shop_system();
    entrega_source::one_drop(&system, store.clone(), Path::default(), entrega_source::OneDropOptions::default())
        .await
        .unwrap();
    for table in SourceTable::ALL {
        let path = Path::from(format!("landing/dt=2018-03-29/{}", table.file()));
        let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
        assert_eq!(bytes, std::fs::read(shop().join(table.file())).unwrap());
    }
    let all = landed(store.as_ref()).await;
    assert_eq!(all[0].manifest.cadence, Cadence::Once);
    assert_eq!(all[0].manifest.interval.to_string(), "[2018-01-02 00:00, 2018-03-30 00:00)");
}

#[tokio::test]
async fn a_late_start_begins_with_the_state_so_far() {
    let system = shop_system();
    let span = |from, to| ReplayOptions { from: day(from), to: day(to), ..options(Cadence::Daily) };
    let (store, summary) = replayed(&system, span("2018-02-01", "2018-02-28")).await;
    assert_eq!(summary.drops, 29);
    let all = landed(store.as_ref()).await;
    assert_eq!((all[0].folder.as_str(), all[0].manifest.cadence), ("lake/landing/dt=2018-01-31", Cadence::Once));
    assert_eq!(all[0].manifest.interval.to_string(), "[2018-01-02 00:00, 2018-02-01 00:00)");
    assert!(!all[1].files.contains_key(SourceTable::Geolocation.file()));
    assert_eq!(last_state(&all), last_state(&cut(&system, Some(moment("2018-03-01 00:00:00"))).await));

    let (store, _) = replayed(&system, ReplayOptions { from: day("2018-02-01"), ..options(Cadence::Hourly) }).await;
    assert_eq!(last_state(&landed(store.as_ref()).await), source_state(&system));

    let (_, wide) = replayed(&system, span("1999-01-01", "2099-01-01")).await;
    assert_eq!(wide.drops, 87, "days outside the events are left out");
    let store = Arc::new(InMemory::new());
    let error = replay(&system, store, Path::default(), span("2018-04-01", "2018-04-02"), |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("go from 2018-01-02 to 2018-03-29"), "{error}");
}

#[tokio::test]
async fn rows_come_when_the_shop_would_have_known_them() {
    let (store, _) = replayed(&shop_system(), options(Cadence::Daily)).await;
    let all: BTreeMap<String, Landed> = landed(store.as_ref())
        .await
        .into_iter()
        .map(|drop| (drop.folder["lake/landing/dt=".len()..].to_owned(), drop))
        .collect();
    let order = |day: &str, number: u32| {
        let rows = &all[day].files[SourceTable::Orders.file()];
        let row = rows.iter().find(|row| row[0].ends_with(&format!("{number:030}"))).unwrap();
        (row[2].clone(), row[4].clone(), row[5].clone(), row[6].clone())
    };
    let words =
        |row: (&str, &str, &str, &str)| (row.0.to_owned(), row.1.to_owned(), row.2.to_owned(), row.3.to_owned());

    // 16: the carrier came before the approval; the highest stage seen counts.
    assert_eq!(order("2018-01-24", 16), words(("created", "", "", "")));
    assert_eq!(order("2018-01-25", 16), words(("shipped", "", "2018-01-25 15:00:00", "")));
    assert_eq!(order("2018-01-26", 16), words(("shipped", "2018-01-26 04:30:00", "2018-01-25 15:00:00", "")));
    assert_eq!(order("2018-02-01", 16).0, "delivered");
    // 17: the carrier came before the purchase, and is known with it.
    assert_eq!(order("2018-01-26", 17).2, "2018-01-26 20:10:00");
    // 14: canceled, which shows at the last event.
    assert_eq!((order("2018-01-21", 14).0.as_str(), order("2018-01-30", 14).0.as_str()), ("approved", "canceled"));
    // 27: what happens at midnight belongs to the day that begins.
    assert_eq!(order("2018-02-01", 27).0, "created");
    assert_eq!(order("2018-02-02", 27).0, "approved");
    assert_eq!(order("2018-02-12", 27).0, "delivered");

    // 8: its review was answered before the purchase. 16: no time at all, so with the last event of its order.
    assert_eq!(orders_of(&all["2018-01-10"], SourceTable::Reviews, 1), [8]);
    assert!(orders_of(&all["2018-02-01"], SourceTable::Reviews, 1).contains(&16));
    // 6: never answered, so when created.
    assert!(orders_of(&all["2018-01-23"], SourceTable::Reviews, 1).contains(&6));
    // Children come with the purchase, products with their first item, what was never sold with the first drop.
    assert_eq!(orders_of(&all["2018-01-06"], SourceTable::Items, 0), [5, 5]);
    assert_eq!(orders_of(&all["2018-01-06"], SourceTable::Products, 0), [4]);
    assert_eq!(orders_of(&all["2018-01-06"], SourceTable::Customers, 0), [5]);
    assert_eq!(orders_of(&all["2018-01-02"], SourceTable::Products, 0), [1, 9]);
    assert_eq!(orders_of(&all["2018-01-02"], SourceTable::Sellers, 0), [1, 6]);
    assert!(all["2018-01-28"].files.is_empty(), "nothing happened");
}

#[tokio::test]
async fn running_again_changes_nothing_and_mends_what_was_torn() {
    let system = shop_system();
    let (store, _) = replayed(&system, options(Cadence::Daily)).await;
    let before = last_state(&landed(store.as_ref()).await);
    let again = replay(&system, store.clone(), Path::from("lake"), options(Cadence::Daily), |_| ()).await.unwrap();
    assert_eq!((again.written, again.unchanged), (0, 87));

    let torn = "lake/landing/dt=2018-01-12";
    store.delete(&Path::from(format!("{torn}/_manifest.json"))).await.unwrap();
    store.put(&Path::from(format!("{torn}/olist_orders_dataset.csv")), "\"order_id\",\"cust".into()).await.unwrap();
    let mut seen = Vec::new();
    let mended = replay(&system, store.clone(), Path::from("lake"), options(Cadence::Daily), |progress| {
        seen.push((progress.done, progress.total, progress.drop.folder.clone()));
    })
    .await
    .unwrap();
    assert_eq!((mended.written, mended.unchanged), (1, 86));
    assert_eq!(seen.len(), 87);
    assert_eq!(seen.last().unwrap(), &(87, 87, "landing/dt=2018-01-12".to_owned()));
    assert_eq!(last_state(&landed(store.as_ref()).await), before);
}

#[tokio::test]
async fn a_delivered_drop_is_never_overwritten() {
    let system = shop_system();
    let (store, _) = replayed(&system, ReplayOptions { to: day("2018-01-31"), ..options(Cadence::Daily) }).await;
    // A baseline would land where the drop of 31 January lies.
    let late = ReplayOptions { from: day("2018-02-01"), ..options(Cadence::Daily) };
    let error = replay(&system, store.clone(), Path::from("lake"), late, |_| ()).await.unwrap_err();
    assert!(matches!(&error, SourceError::OtherDrop { folder, .. } if folder == "landing/dt=2018-01-31"), "{error}");
    assert_eq!(landed(store.as_ref()).await.len(), 30, "nothing was written");

    // A source that tells another story of a day.
    let folder = tempfile::tempdir().unwrap();
    for table in SourceTable::ALL {
        let text = std::fs::read_to_string(shop().join(table.file())).unwrap();
        std::fs::write(folder.path().join(table.file()), text.replace("voucher", "coupon")).unwrap();
    }
    let other = OrderSystem::open(folder.path()).unwrap();
    let error = replay(&other, store, Path::from("lake"), options(Cadence::Daily), |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("landing/dt=2018-01-09"), "{error}");
    assert!(error.to_string().contains("olist_order_payments_dataset.csv"), "{error}");
}

#[tokio::test]
async fn the_clock_is_injected() {
    let late = ReplayOptions {
        produced_at: Arc::new(|interval| (interval.end + TimeDelta::hours(3)).and_utc()),
        to: day("2018-01-02"),
        ..options(Cadence::Daily)
    };
    let (store, _) = replayed(&shop_system(), late).await;
    assert_eq!(landed(store.as_ref()).await[0].manifest.produced_at.to_rfc3339(), "2018-01-03T03:00:00+00:00");
}
