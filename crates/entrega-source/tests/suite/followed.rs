//! A shop that goes on: always the same however often it is stopped, and never a drop that is torn.

use std::{
    cell::Cell,
    collections::HashSet,
    future::{pending, ready},
    sync::Arc,
};

use entrega_model::drops::{Cadence, MANIFEST_FILE};
use entrega_source::{
    DeliverySummary, FollowOptions, INJECTED_FILE, Mess, SIMULATED_FILE, SimulateOptions, SourceError, follow, simulate,
};
use object_store::{ObjectStoreExt as _, memory::InMemory, path::Path};

use crate::simulated::{contents, day, delivered};

fn fortnight(mess: Mess, cadence: Cadence) -> SimulateOptions {
    SimulateOptions {
        orders: 900,
        from: day("2018-03-01"),
        to: day("2018-03-14"),
        mess,
        cadence,
        ..SimulateOptions::default()
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().build().unwrap().block_on(work)
}

fn followed(store: &Arc<InMemory>, intervals: u64) -> DeliverySummary {
    let options = FollowOptions { intervals: Some(intervals), ..FollowOptions::default() };
    block_on(follow(Arc::clone(store) as _, Path::default(), options, async |_| (), pending(), |_| ())).unwrap()
}

#[test]
fn stopping_changes_nothing() {
    for (mess, cadence, parts) in [
        (Mess::Real, Cadence::Hourly, [5, 31]),
        (Mess::Heavy, Cadence::Daily, [7, 20]),
        (Mess::Heavy, Cadence::Hourly, [1, 9]),
    ] {
        let [at_once, in_parts] = [(); 2].map(|()| delivered(fortnight(mess, cadence)));
        let begun = contents(&at_once);
        let whole = followed(&at_once, parts.iter().sum());
        for part in parts {
            followed(&in_parts, part);
        }
        let (at_once, in_parts) = (contents(&at_once), contents(&in_parts));
        assert!(at_once == in_parts, "{mess:?} {cadence}");
        assert!(whole.written == whole.drops && at_once.len() > begun.len());
        for (path, bytes) in begun.iter().filter(|(path, _)| *path != INJECTED_FILE) {
            assert!(at_once[path] == *bytes, "{path} is another");
        }
    }
}

#[test]
fn orders_under_way_live_on_and_new_ones_come() {
    let store = delivered(fortnight(Mess::Real, Cadence::Daily));
    let summary = followed(&store, 10);
    assert_eq!((summary.drops, summary.span.to_string().as_str()), (10, "[2018-03-15 00:00, 2018-03-25 00:00)"));
    let lake = contents(&store);
    let (mut old, mut new) = (0, 0);
    for dropped in 15..25 {
        let path = format!("landing/dt=2018-03-{dropped}/olist_orders_dataset.csv");
        for row in csv::Reader::from_reader(lake[&path].as_slice()).records() {
            *if row.unwrap()[3] < *"2018-03-15" { &mut old } else { &mut new } += 1;
        }
    }
    assert!(old > 300 && new > 600, "{old} rows of orders from before, {new} of new ones");
    // Products come and go as before: no day has to sell the same few things.
    let sold = |dropped: u32| {
        let path = format!("landing/dt=2018-03-{dropped:02}/olist_order_items_dataset.csv");
        let items = csv::Reader::from_reader(lake[&path].as_slice()).into_records();
        let products: Vec<_> = items.map(|row| row.unwrap()[2].to_owned()).collect();
        (products.len(), products.into_iter().collect::<HashSet<_>>().len())
    };
    for dropped in 15..25 {
        let (items, products) = sold(dropped);
        assert!(2 * products > items, "{products} products in {items} items on day {dropped}");
    }
    let manifests = lake.keys().filter(|path| path.ends_with(MANIFEST_FILE)).count();
    assert_eq!(manifests, 24);
}

#[test]
fn a_shop_is_simulated_again_after_it_was_followed() {
    let options = fortnight(Mess::Heavy, Cadence::Daily);
    let store = delivered(options.clone());
    followed(&store, 5);
    let before = contents(&store);
    block_on(simulate(Arc::clone(&store) as _, Path::default(), options, |_| ())).unwrap();
    assert!(before == contents(&store));
}

#[test]
fn what_a_killed_run_did_not_finish_is_completed() {
    let store = delivered(fortnight(Mess::Heavy, Cadence::Daily));
    followed(&store, 6);
    let whole = contents(&store);
    // Killed before the list was written, and between the drops of the last interval.
    let last = whole.keys().filter(|path| path.contains("/dt=2018-03-20/") && path.ends_with(MANIFEST_FILE));
    let extra = last.filter(|path| path.contains("=1/")).cloned().collect::<Vec<_>>();
    block_on(async {
        for path in extra.iter().map(String::as_str).chain([INJECTED_FILE]) {
            store.delete(&Path::from(path)).await.unwrap();
        }
    });
    followed(&store, 0);
    followed(&store, 1);
    let twin = delivered(fortnight(Mess::Heavy, Cadence::Daily));
    followed(&twin, 7);
    assert!(contents(&store) == contents(&twin));
}

#[test]
fn a_stop_lets_the_drop_under_way_be_finished() {
    let store = delivered(fortnight(Mess::Real, Cadence::Daily));
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let (sender, asked) = (Cell::new(Some(sender)), Cell::new(0));
    // The second wait never ends by itself.
    let pace = async |_| {
        asked.set(asked.get() + 1);
        if asked.get() == 2 {
            sender.take().map(|sender| sender.send(()));
            pending::<()>().await;
        }
    };
    let stop = async { receiver.await.unwrap_or_default() };
    let mut said = Vec::new();
    let done = follow(Arc::clone(&store) as _, Path::default(), FollowOptions::default(), pace, stop, |drop| {
        said.push(drop.folder.clone());
    });
    let summary = block_on(done).unwrap();
    assert_eq!((summary.drops, said), (1, vec!["landing/dt=2018-03-15".to_owned()]));
    let stopped =
        follow(Arc::clone(&store) as _, Path::default(), FollowOptions::default(), async |_| (), ready(()), |_| ());
    assert_eq!(block_on(stopped).unwrap().drops, 0);
    let after = contents(&store);
    assert!(after.contains_key("landing/dt=2018-03-15/_manifest.json"));
    assert!(after.keys().all(|path| !path.contains("dt=2018-03-16")));
}

#[test]
fn a_lake_without_a_simulated_shop_cannot_be_followed() {
    let store = Arc::new(InMemory::new());
    let following =
        || follow(store.clone(), Path::default(), FollowOptions::default(), async |_| (), pending(), |_| ());
    let error = block_on(following()).unwrap_err();
    assert!(matches!(error, SourceError::NoSimulatedShop) && error.to_string().contains("hint:"), "{error}");
    block_on(store.put(&Path::from(SIMULATED_FILE), "{}".into())).unwrap();
    let error = block_on(following()).unwrap_err().to_string();
    assert!(error.contains(SIMULATED_FILE) && error.contains("hint:"), "{error}");
}
