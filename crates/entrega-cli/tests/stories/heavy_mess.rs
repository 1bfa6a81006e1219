//! A month of a shop whose system behaves badly, beside the same month without faults: every fault that was injected is
//! found where it belongs, nothing else is found, and the tables differ only where the mess destroyed something.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::support::Lake;

/// The month.
const MONTH: &str = "simulate --orders 5000 --from 2018-01-01 --to 2018-01-31 --seed 5";

/// Tables whose rows come from deliveries, and their keys.
const SOURCES: [(&str, &[&str]); 7] = [
    ("orders", &["order_id"]),
    ("customers", &["customer_id"]),
    ("order_items", &["order_id", "order_item_id"]),
    ("order_payments", &["order_id", "payment_sequential"]),
    ("order_reviews", &["review_id", "order_id"]),
    ("products", &["product_id"]),
    ("sellers", &["seller_id"]),
];

/// A fault that was injected, as `_injected.json` tells it.
struct Fault {
    name: String,
    drop: String,
    file: String,
    line: Option<i64>,
    expected: String,
    rule: String,
    column: String,
}

/// Keys that the mess destroyed, by source.
type Destroyed = BTreeMap<String, BTreeSet<String>>;

fn injected(lake: &Lake) -> (Vec<Fault>, Destroyed) {
    let text = std::fs::read_to_string(lake.path().join("_injected.json")).unwrap();
    let told: Value = serde_json::from_str(&text).unwrap();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut destroyed = Destroyed::new();
    let faults = told["faults"].as_array().unwrap().iter().map(|fault| {
        for gone in fault["destroys"].as_array().unwrap() {
            let key: Vec<String> = gone["key"].as_array().unwrap().iter().map(word).collect();
            destroyed.entry(word(&gone["source"])).or_default().insert(key.join("/"));
        }
        Fault {
            name: word(&fault["fault"]),
            drop: word(&fault["drop"]),
            file: word(&fault["file"]),
            line: fault["line"].as_i64(),
            expected: word(&fault["expected"]),
            rule: word(&fault["rule"]),
            column: word(&fault["column"]),
        }
    });
    (faults.collect(), destroyed)
}

/// A value as text, numbers included.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The rows of a clean table by key, lineage apart.
fn by_key(lake: &Lake, table: &str, key: &[&str]) -> HashMap<String, String> {
    let rows = lake.rows(&format!("select * from clean.{table}")).into_iter().map(|mut row| {
        row.as_object_mut().unwrap().remove("_drop");
        let key: Vec<String> = key.iter().map(|column| plain(&row[column])).collect();
        (key.join("/"), row.to_string())
    });
    rows.collect()
}

/// Every fault is where it was expected; what it does not explain is given back: rejected rows, findings, held drops.
#[track_caller]
fn explain(lake: &Lake, faults: &[Fault], held: &BTreeSet<String>) {
    let mut rejected = BTreeSet::new();
    for (source, _) in SOURCES {
        for row in
            lake.rows(&format!("select drop, file, line, rule from quarantine.{source} where state = 'rejected'"))
        {
            rejected.insert((
                plain(&row["drop"]),
                plain(&row["file"]),
                row["line"].as_i64().unwrap(),
                plain(&row["rule"]),
            ));
        }
    }
    let mut found: BTreeSet<(String, String)> = lake
        .rows("select drop, check from ops.checks where drop is not null and failures > 0")
        .iter()
        .map(|row| (plain(&row["drop"]), plain(&row["check"])))
        .collect();
    let status: Value = serde_json::from_str(&lake.ok("status --json")).unwrap();
    let mut unfinished: BTreeSet<String> = status["without_manifest"].as_array().unwrap().iter().map(plain).collect();
    let mut held = held.clone();
    let (mut explained, mut missing) = (BTreeSet::new(), Vec::new());
    for fault in faults {
        let is_there = match fault.expected.as_str() {
            "quarantined" => {
                let row = (fault.drop.clone(), fault.file.clone(), fault.line.unwrap(), fault.rule.clone());
                let is_there = rejected.contains(&row);
                explained.insert(row);
                is_there
            }
            "warned" => {
                let of_column = |check: &str| found.remove(&(fault.drop.clone(), format!("{check}({})", fault.column)));
                ["new_column", "missing_column"].into_iter().any(of_column)
            }
            "held" => held.remove(&fault.drop),
            "unfinished" => unfinished.remove(&fault.drop),
            "absorbed" => true,
            other => panic!("nobody expects {other}"),
        };
        if !is_there {
            missing.push(format!(
                "{} in {}/{} line {:?}: {} {}",
                fault.name, fault.drop, fault.file, fault.line, fault.expected, fault.rule
            ));
        }
    }
    assert!(
        missing.is_empty(),
        "{} of {} faults are not where they were expected:\n{}",
        missing.len(),
        faults.len(),
        missing.join("\n")
    );
    let unexplained: Vec<_> = rejected.difference(&explained).collect();
    assert!(unexplained.is_empty(), "rejected without a fault: {unexplained:?}");
    assert!(found.is_empty(), "found without a fault: {found:?}");
    assert!(held.is_empty() && unfinished.is_empty(), "left aside without a fault: {held:?} {unfinished:?}");
}

#[test]
fn every_fault_is_caught_and_nothing_else_changes() {
    let (clean, messy) = (Lake::nowhere(), Lake::nowhere());
    clean.ok(&format!("{MONTH} --mess real"));
    clean.ok("run all");
    messy.ok(&format!("{MONTH} --mess heavy"));
    // The first days alone, then the rest: what is late meets tables that are there.
    messy.run("run all --hold-damaged --to 2018-01-12 --json");
    let outcome = messy.run("run all --hold-damaged --json");
    assert_eq!(outcome.code, Some(4), "{outcome}");
    let done: Value = serde_json::from_str(&outcome.out).unwrap();
    let held: BTreeSet<String> = done["held"].as_object().unwrap().keys().cloned().collect();
    assert!(messy.ok("op reconcile").contains("\"reconciled\": true"));
    let (faults, destroyed) = injected(&messy);
    assert!(faults.len() > 300, "{} faults in a heavy month", faults.len());
    explain(&messy, &faults, &held);

    let gone = |source: &str, key: &str| destroyed.get(source).is_some_and(|keys| keys.contains(key));
    let orders_here = by_key(&messy, "orders", &["order_id"]);
    let mut of_customer = HashMap::new();
    for row in clean.rows("select order_id, customer_id from clean.orders") {
        of_customer.insert(plain(&row["customer_id"]), plain(&row["order_id"]));
    }
    // Orders of which something was destroyed, and what they refer to.
    let mut hurt = BTreeSet::new();
    for (source, keys) in &destroyed {
        for key in keys {
            let order = match source.as_str() {
                "orders" | "order_items" | "order_payments" => key.split('/').next(),
                "order_reviews" => key.split('/').nth(1),
                "customers" => of_customer.get(key).map(String::as_str),
                _ => None,
            };
            hurt.extend(order.map(str::to_owned));
        }
    }
    for row in clean.rows("select order_id, product_id, seller_id from clean.order_items") {
        if gone("products", &plain(&row["product_id"])) || gone("sellers", &plain(&row["seller_id"])) {
            hurt.insert(plain(&row["order_id"]));
        }
    }
    let mut compared = 0;
    let mut tables: Vec<(&str, &[&str])> = SOURCES.to_vec();
    tables.extend([("deliveries", &["order_id"][..]), ("shipments", &["order_id", "order_item_id"][..])]);
    for (table, key) in tables {
        let (expected, found) = (by_key(&clean, table, key), by_key(&messy, table, key));
        for name in expected.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
            let order = match table {
                "order_reviews" => name.split('/').nth(1),
                "customers" => of_customer.get(name).map(String::as_str),
                "products" | "sellers" => None,
                _ => name.split('/').next(),
            };
            let orphan = order.is_some_and(|order| !orders_here.contains_key(order));
            assert!(!orphan || hurt.contains(order.unwrap()), "{table} {name}: its order is gone for no reason");
            let combined =
                matches!(table, "deliveries" | "shipments") && order.is_some_and(|order| hurt.contains(order));
            if orphan || combined || gone(table, name) {
                continue;
            }
            assert_eq!(expected.get(name), found.get(name), "{table} {name} (- without the mess, + with it)");
            compared += 1;
        }
    }
    assert!(compared > 20_000, "{compared} rows compared");
}
