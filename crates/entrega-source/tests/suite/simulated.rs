//! The simulated shop: the same whatever the workers, another for another seed, and as consistent as it is asked to be.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use chrono::NaiveDate;
use entrega_model::drops::{Cadence, Manifest};
use entrega_source::{Mess, SimulateOptions, SourceTable, simulate};
use futures::TryStreamExt as _;
use object_store::{ObjectStore as _, ObjectStoreExt as _, memory::InMemory, path::Path};

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub fn quarter() -> SimulateOptions {
    SimulateOptions { orders: 3_000, from: day("2017-10-01"), to: day("2017-12-31"), ..SimulateOptions::default() }
}

pub fn delivered(options: SimulateOptions) -> Arc<InMemory> {
    let store = Arc::new(InMemory::new());
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    runtime.block_on(simulate(store.clone(), Path::default(), options, |_| ())).unwrap();
    store
}

/// All objects of a store, by path.
pub fn contents(store: &InMemory) -> BTreeMap<String, Vec<u8>> {
    futures::executor::block_on(async {
        let paths: Vec<Path> = store.list(None).map_ok(|object| object.location).try_collect().await.unwrap();
        let mut all = BTreeMap::new();
        for path in paths {
            let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
            all.insert(path.to_string(), bytes.to_vec());
        }
        all
    })
}

/// The last row of each key over all drops.
fn last_state(store: &InMemory, table: SourceTable, key: &[&str]) -> BTreeMap<Vec<String>, HashMap<String, String>> {
    let mut state = BTreeMap::new();
    for (_, bytes) in contents(store).iter().filter(|(path, _)| path.ends_with(table.file())) {
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        for row in reader.deserialize() {
            let row: HashMap<String, String> = row.unwrap();
            state.insert(key.iter().map(|column| row[*column].clone()).collect(), row);
        }
    }
    state
}

#[test]
fn workers_change_nothing() {
    let one = contents(&delivered(SimulateOptions { jobs: 1, ..quarter() }));
    let five = contents(&delivered(SimulateOptions { jobs: 5, ..quarter() }));
    assert_eq!(one.len(), five.len());
    assert!(one == five, "some file differs");
}

#[test]
fn seeds_differ() {
    let ids = |seed| {
        let store = delivered(SimulateOptions { seed, ..quarter() });
        last_state(&store, SourceTable::Orders, &["order_id"]).into_keys().collect::<HashSet<_>>()
    };
    assert!(ids(1).is_disjoint(&ids(2)));
}

#[test]
fn hourly_drops_end_in_the_state_of_daily_ones() {
    let daily = delivered(quarter());
    let hourly = delivered(SimulateOptions { cadence: Cadence::Hourly, ..quarter() });
    for (table, key) in [
        (SourceTable::Orders, &["order_id"][..]),
        (SourceTable::Items, &["order_id", "order_item_id"]),
        (SourceTable::Payments, &["order_id", "payment_sequential"]),
        (SourceTable::Reviews, &["review_id", "order_id"]),
        (SourceTable::Customers, &["customer_id"]),
        (SourceTable::Products, &["product_id"]),
        (SourceTable::Sellers, &["seller_id"]),
    ] {
        assert!(last_state(&daily, table, key) == last_state(&hourly, table, key), "{table} differs");
    }
}

#[test]
fn every_order_is_there_with_what_it_refers_to() {
    let store = delivered(quarter());
    let column = |table, name: &str| {
        let rows = last_state(&store, table, &[name]);
        rows.into_keys().map(|mut key| key.remove(0)).collect::<HashSet<_>>()
    };
    let orders = last_state(&store, SourceTable::Orders, &["order_id"]);
    assert_eq!(orders.len(), 3_000);
    assert!(orders.values().all(|order| order["order_purchase_timestamp"].starts_with("2017-1")));
    assert_eq!(column(SourceTable::Customers, "customer_id").len(), 3_000);
    assert!(column(SourceTable::Items, "product_id").is_subset(&column(SourceTable::Products, "product_id")));
    assert!(column(SourceTable::Items, "seller_id").is_subset(&column(SourceTable::Sellers, "seller_id")));
    assert!(column(SourceTable::Reviews, "order_id").len() > 1_000);
    assert!(column(SourceTable::Payments, "order_id").len() == 3_000);
}

#[test]
fn no_drop_tells_what_nobody_can_know() {
    let store = delivered(quarter());
    let mut seen = 0;
    for (path, bytes) in contents(&store).iter().filter(|(path, _)| path.ends_with(SourceTable::Orders.file())) {
        let day = path.split('/').find_map(|part| part.strip_prefix("dt=")).unwrap();
        let end = format!("{} 00:00:00", self::day(day).succ_opt().unwrap());
        for row in csv::Reader::from_reader(bytes.as_slice()).deserialize() {
            let row: HashMap<String, String> = row.unwrap();
            for column in [
                "order_purchase_timestamp",
                "order_approved_at",
                "order_delivered_carrier_date",
                "order_delivered_customer_date",
            ] {
                assert!(row[column] < end, "{path}: {column} = {}", row[column]);
            }
            seen += 1;
        }
    }
    assert!(seen > 6_000);
}

#[test]
fn contradictions_come_only_when_asked_for() {
    let contradicting = |mess| {
        let store = delivered(SimulateOptions { mess, ..quarter() });
        let orders = last_state(&store, SourceTable::Orders, &["order_id"]);
        let early = |order: &&HashMap<String, String>| {
            let [approved, carrier] = ["order_approved_at", "order_delivered_carrier_date"].map(|name| &order[name]);
            !approved.is_empty() && !carrier.is_empty() && carrier < approved
        };
        orders.values().filter(early).count()
    };
    assert_eq!(contradicting(Mess::None), 0);
    let found = contradicting(Mess::Real);
    assert!((15..90).contains(&found), "{found} of 3,000; the real files have 41 of as many");
}

#[test]
fn doing_it_again_changes_nothing() {
    let store = Arc::new(InMemory::new());
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let run = || runtime.block_on(simulate(store.clone(), Path::default(), quarter(), |_| ())).unwrap();
    let first = run();
    assert_eq!((first.drops, first.written, first.unchanged), (92, 92, 0));
    let before = contents(&store);
    let second = run();
    assert_eq!((second.written, second.unchanged), (0, 92));
    assert!(before == contents(&store));
    let manifest: Manifest = serde_json::from_slice(&before["landing/dt=2017-10-01/_manifest.json"]).unwrap();
    for snapshot in [SourceTable::Geolocation, SourceTable::Translation] {
        assert!(manifest.files.contains_key(snapshot.file()), "the first drop brings {snapshot}");
    }
}

#[test]
fn days_that_cannot_be_are_an_error() {
    for (from, to) in [("2018-02-01", "2018-01-31"), ("1900-01-01", "2100-01-01")] {
        let options = SimulateOptions { from: day(from), to: day(to), ..SimulateOptions::default() };
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        let store = Arc::new(InMemory::new());
        let error = runtime.block_on(simulate(store, Path::default(), options, |_| ())).unwrap_err().to_string();
        assert!(error.contains(from) && error.contains("hint:"), "{error}");
    }
}
