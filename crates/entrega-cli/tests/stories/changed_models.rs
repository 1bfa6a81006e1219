//! Models that change: noticed, planned, rebuilt, and back again.

use std::path::Path;

use crate::support::{Contents, Lake, Models, assert_same, models::MODELS};

/// Changes one piece of a model on a lake that is in use: the plan names it, the run rebuilds it, the tables are those of a
/// new lake with this model. Then the change is taken back.
fn changed(file: &str, from: &str, to: &str, stale: &[&str]) {
    let replay = "--cadence daily";
    let models = Models::copy();
    let lake = Lake::replayed(replay).with_models(models.path());
    lake.ok("run all --to 2018-02-10");
    lake.ok("run all");
    let original = Contents::of(&lake);
    models.change(file, from, to);
    let plan: serde_json::Value = serde_json::from_str(&lake.ok("run all --dry-run --json")).unwrap();
    let named: Vec<&str> = plan["stale"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    for table in stale {
        assert!(named.contains(table), "the plan does not name {table} as stale: {named:?}");
    }
    assert_same(&original, &Contents::of(&lake), "a dry run changed something");
    let said = lake.ok("run all");
    let fresh = Lake::replayed(replay).with_models(models.path());
    fresh.ok("run all");
    let expected = Contents::of(&fresh);
    assert_ne!(original, expected, "the change of {file} changes no row: choose another");
    assert_same(&expected, &Contents::of(&lake), &format!("{file} changed\n{said}"));
    assert!(lake.ok("run all").contains("nothing to do"), "the rebuild left something to do");
    models.change(file, to, from);
    lake.ok("run all");
    assert_same(&original, &Contents::of(&lake), &format!("{file} changed back"));
    assert!(lake.ok("op reconcile").contains("\"reconciled\": true"));
}

#[test]
fn a_source_model() {
    changed(
        "clean/orders.sql",
        "coalesce(order_delivered_carrier_date < order_approved_at, false)",
        "coalesce(order_delivered_carrier_date < order_purchase_timestamp, false)",
        &["clean.orders"],
    );
}

#[test]
fn the_fact_table() {
    changed(
        "clean/deliveries.sql",
        "1000000 - order_items.order_item_id",
        "1000000 + order_items.order_item_id",
        &["clean.deliveries"],
    );
}

#[test]
fn a_dimension() {
    changed("clean/products.sql", "'unknown') as category", "'nothing known') as category", &["clean.products"]);
}

#[test]
fn a_summary() {
    changed(
        "summary/late_to_carrier.sql",
        "where shipments.handover_missed",
        "where not shipments.handover_missed",
        &["summary.late_to_carrier"],
    );
}

#[test]
fn a_model_that_cannot_be_read_is_named() {
    let models = Models::copy();
    let lake = Lake::ready().with_models(models.path());
    let (before, batches) = (Contents::of(&lake), lake.batches());
    models.change("clean/deliveries.sql", "from ranked_items", "from a_table_that_is_not_there");
    let message = lake.run("run all").failed(1);
    lake.snapshots().bind(|| insta::assert_snapshot!("a_model_that_cannot_be_read_is_named", message));
    let whole = lake.with_models(Path::new(MODELS));
    assert_same(&before, &Contents::of(&whole), "a wrong model changed something");
    assert_eq!(whole.batches(), batches);
}

#[test]
fn a_folder_that_is_no_models_folder() {
    let lake = Lake::ready().with_models(Path::new("/nowhere/models"));
    let message = lake.run("run all").failed(1);
    lake.snapshots().bind(|| insta::assert_snapshot!("a_folder_that_is_no_models_folder", message));
}
