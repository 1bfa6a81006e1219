//! Table care: what lies about is told, what nobody needs is deleted, and the rows stay.

use serde_json::Value;

use crate::support::{Contents, Lake, assert_same};

/// A lake that has seen three batches and a summary after each of them.
fn used() -> Lake {
    let lake = Lake::replayed("--cadence daily --to 2018-01-12");
    lake.ok("run all --one-by-one");
    lake
}

fn facts(lake: &Lake, table: &str) -> Value {
    let told: Value = serde_json::from_str(&lake.ok(&format!("analyze --json {table}"))).unwrap();
    told["tables"][0].clone()
}

#[test]
fn analyze_tells_files_held_files_and_months() {
    let lake = used();
    let told = lake.ok("analyze clean.orders");
    assert!(told.contains("clean.orders") && told.contains("2018-01"), "{told}");
    assert!(told.contains("nothing needs to be done"), "{told}");
    let orders = facts(&lake, "clean.orders");
    assert_eq!((orders["files"].as_u64(), orders["dead"]["files"].as_u64()), (Some(1), Some(0)), "{orders}");
    assert!(orders["held"]["files"].as_u64().unwrap() > 1, "older batches can still be read: {orders}");
    let wrong = lake.run("analyze clean.order");
    assert!(wrong.err.contains("there is no table clean.order") && wrong.err.contains("clean.orders"));
}

#[test]
fn vacuum_deletes_only_when_told_and_only_what_nobody_needs() {
    let lake = used();
    let rows = Contents::of(&lake);
    assert!(lake.ok("vacuum --delete").contains("nothing to do"), "a week is kept");
    let planned = lake.ok("vacuum --keep 0s --nobody-reads");
    assert!(planned.contains("would be deleted (add --delete)"), "{planned}");
    assert!(lake.run("vacuum --delete --keep 0s").err.contains("--nobody-reads"));
    let done = lake.ok("vacuum --delete --keep 0s --nobody-reads");
    assert!(done.contains("deleted; what was published since"), "{done}");
    assert_eq!(facts(&lake, "clean.orders")["held"]["files"].as_u64(), Some(0));
    assert!(lake.ok("analyze").contains("clean.orders"), "what is left can be looked at");
    assert_same(&rows, &Contents::of(&lake), "after a vacuum");
    let older = lake.start(&["sql", "--as-of-batch", "1", "select count(*) from clean.orders"]);
    assert!(older.err.contains("older than what the last vacuum kept"), "{}", older.err);
    // And the lake goes on.
    lake.replay("--cadence daily --to 2018-01-20");
    lake.ok("run all");
    assert!(lake.ok("run all").contains("nothing to do"));
}

#[test]
fn a_lake_in_shape_is_left_alone() {
    let lake = Lake::ready();
    assert!(lake.ok("optimize").contains("every table is in shape"));
    assert!(lake.ok("op optimize").contains("\"tables\": []"));
}
