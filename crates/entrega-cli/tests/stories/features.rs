//! Features: what could be known at each decision, no more; labels that mature; training sets.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use crate::support::{
    Contents, Delivery, Lake, Models, assert_same,
    rows::{bought, customer, delivered, item, order_id, payment, product, seller},
};

const TABLES: [&str; 2] = ["at_purchase", "at_handover"];

fn simulated(words: &str) -> Lake {
    let lake = Lake::nowhere();
    lake.ok(&format!("simulate --orders 900 --from 2017-10-01 --to 2018-01-31 --seed 5 --mess none {words}"));
    lake
}

/// Every feature of the decisions before a day, by order; labels left out.
fn known(lake: &Lake, table: &str, before: &str) -> BTreeMap<String, Value> {
    let ddl = lake.ok(&format!("tables --ddl features.{table}"));
    let columns: Vec<&str> = ddl
        .lines()
        .filter(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|column| !column.starts_with("label_"))
        .collect();
    let query =
        format!("select {} from features.{table} where decided_at < timestamp '{before} 00:00:00'", columns.join(", "));
    lake.rows(&query).into_iter().map(|row| (row["order_id"].as_str().unwrap().to_owned(), row)).collect()
}

/// What the last features run said of itself.
fn features(lake: &Lake) -> Value {
    serde_json::from_str(&lake.ok("op features")).unwrap()
}

#[test]
fn a_lake_that_grew_holds_what_one_that_came_whole_holds_and_what_was_known_then_stays() {
    let whole = simulated("");
    whole.ok("run all");
    let grown = simulated("");
    for day in ["2017-10-20", "2017-11-24", "2017-11-25", "2017-12-24", "2018-01-10", "2018-01-11"] {
        grown.ok(&format!("run ingest --to {day}T00:00:00"));
        let done = features(&grown);
        if day == "2017-11-25" || day == "2018-01-11" {
            assert!(done["days"].as_u64().unwrap() <= 2, "one day more is one day of decisions: {done}");
            assert!(done["rows"]["features.at_purchase"].as_u64().unwrap() < 40, "{done}");
        }
        for table in TABLES {
            let (then, now) = (known(&grown, table, day), known(&whole, table, day));
            assert!(table == "at_handover" || then.len() > 40, "{} decisions before {day}", then.len());
            assert_eq!(then, now, "{table} before {day}");
        }
    }
    grown.ok("run all");
    assert_same(&Contents::of(&whole), &Contents::of(&grown), "a lake that grew");
}

#[test]
fn labels_are_told_when_their_promise_has_passed_and_not_before() {
    let lake = Lake::replayed("--cadence daily");
    lake.ok("run ingest --to 2018-01-20T00:00:00");
    features(&lake);
    let told = "select count(*) from features.at_purchase where label_is_late is not null and matured_at > timestamp '2018-01-20 00:00:00'";
    assert_eq!(lake.value(told), "0");
    let waiting = "select count(*) from features.at_purchase where label_is_late is null and matured_at <= timestamp '2018-01-20 00:00:00'";
    let canceled = "select count(*) from clean.deliveries where order_status in ('canceled', 'unavailable') and order_estimated_delivery_date < timestamp '2018-01-20 00:00:00'";
    assert_eq!(lake.value(waiting), lake.value(canceled), "only canceled orders have none");
    lake.ok("run all");
    let late = "select count(*) from features.at_purchase where label_is_late";
    let as_of = lake.value("select max(as_of) as as_of from ops.batches");
    let truly = format!(
        "select count(*) from clean.deliveries where (is_late or order_delivered_customer_date is null) \
         and order_status not in ('canceled', 'unavailable') and order_estimated_delivery_date < timestamp '{as_of}'"
    );
    assert_eq!(lake.value(late), lake.value(&truly));
}

/// Twelve orders of one seller, one a day from 1 March, each delivered six days after it was bought.
fn twelve_orders() -> Lake {
    let lake = Lake::empty();
    for number in 1..=12u32 {
        let moment = |day: u32, time: &str| format!("2018-03-{day:02} {time}");
        let order = delivered(
            number,
            [
                &moment(number, "10:00:00"),
                &moment(number, "11:00:00"),
                &moment(number + 1, "10:00:00"),
                &moment(number + 6, "10:00:00"),
            ],
            &format!("2018-03-{:02}", number + 15),
        );
        let limit = moment(number + 4, "11:00:00");
        Delivery::day(&format!("2018-03-{:02}", number + 6))
            .with("orders", &[order])
            .with("customers", &[customer(number, "01037", "SP")])
            .with("order_items", &[item(number, 1, 1, 1, &limit, "50.00")])
            .with("order_payments", &[payment(number, "60.00")])
            .with("products", &[product(1, "perfumaria")])
            .with("sellers", &[seller(1, "13023", "SP")])
            .deliver(&lake);
    }
    lake
}

#[test]
fn a_late_correction_reaches_the_decisions_that_could_see_it_and_no_others() {
    let lake = twelve_orders();
    lake.ok("run all");
    let before = known(&lake, "at_purchase", "2019-01-01");
    // Order 2 came on the 9th instead of the 8th: orders bought until the 8th, 10 o'clock, could not know.
    let corrected = delivered(
        2,
        ["2018-03-02 10:00:00", "2018-03-02 11:00:00", "2018-03-03 10:00:00", "2018-03-09 10:00:00"],
        "2018-03-17",
    );
    Delivery::day("2018-03-25").with("orders", &[corrected]).deliver(&lake);
    lake.ok("run ingest");
    features(&lake);
    let after = known(&lake, "at_purchase", "2019-01-01");
    for number in 1..=12 {
        let (then, now) = (&before[&order_id(number)], &after[&order_id(number)]);
        assert_eq!(then == now, number <= 8, "order {number}");
    }
    let whole = Lake::empty();
    for drop in fs::read_dir(lake.path().join("landing")).unwrap().map(|entry| entry.unwrap().path()) {
        let target = whole.path().join("landing").join(drop.file_name().unwrap());
        fs::create_dir_all(&target).unwrap();
        for file in fs::read_dir(&drop).unwrap().map(|entry| entry.unwrap().path()) {
            fs::copy(&file, target.join(file.file_name().unwrap())).unwrap();
        }
    }
    whole.ok("run all");
    lake.ok("run all");
    assert_same(&Contents::of(&whole), &Contents::of(&lake), "a corrected delivery");
}

#[test]
fn the_newest_order_leaves_no_decision_behind_when_it_is_deleted() {
    let lake = twelve_orders();
    lake.ok("run all");
    let decisions = || {
        TABLES.map(|table| {
            lake.value(&format!("select count(*) from features.{table} where order_id = '{}'", order_id(12)))
        })
    };
    assert_eq!(decisions(), ["1", "1"]);
    let gone = format!("{},,,,,,,,true", order_id(12));
    Delivery::day("2018-03-25").with_column("orders", "_deleted", &[gone]).deliver(&lake);
    lake.ok("run all");
    assert_eq!(decisions(), ["0", "0"]);
}

#[test]
fn nothing_new_is_nothing_to_do() {
    let lake = Lake::ready();
    let batches = lake.batches().len();
    assert_eq!(features(&lake)["nothing_to_do"], true);
    // A review is no feature of anything.
    assert!(lake.ok("run features").contains("nothing to do"));
    assert_eq!(lake.batches().len(), batches);
}

#[test]
fn an_order_that_is_bought_is_seen_by_the_next_one() {
    let lake = twelve_orders();
    Delivery::day("2018-03-26")
        .with(
            "orders",
            &[bought(13, "2018-03-26 10:00:00", "2018-04-10"), bought(14, "2018-03-26 10:00:00", "2018-04-10")],
        )
        .with("customers", &[customer(13, "01037", "SP"), customer(14, "01037", "SP")])
        .deliver(&lake);
    Delivery::day("2018-03-27")
        .with("orders", &[bought(15, "2018-03-27 10:00:00", "2018-04-10")])
        .with("customers", &[customer(15, "01037", "SP")])
        .deliver(&lake);
    lake.ok("run all");
    let open = |number| {
        let query = format!("select state_open_days from features.at_purchase where order_id = '{}'", order_id(number));
        lake.value(&query)
    };
    assert_eq!((open(13), open(14)), ("NULL".to_owned(), "NULL".to_owned()), "two of one second do not see each other");
    assert_eq!(open(15), "1.0", "both are a day old");
}

#[test]
fn a_training_set_keeps_what_was_not_known_out_of_training() {
    let lake = simulated("");
    lake.ok("run all");
    let export = "features export --table at_purchase --train-until 2017-12-20 --test-until 2018-01-15 --json --out";
    let said: Value = serde_json::from_str(&lake.ok(&format!("{export} set --prepare none --format csv"))).unwrap();
    let rows = &said["origin"]["rows"];
    let count = |condition: &str| {
        let query = format!("select count(*) from features.at_purchase where {condition}");
        lake.value(&query).parse::<u64>().unwrap()
    };
    let cut = "timestamp '2017-12-20 00:00:00'";
    assert_eq!(rows["train"], count(&format!("matured_at <= {cut} and label_is_late is not null")));
    assert_eq!(
        rows["test"],
        count(&format!(
            "decided_at >= {cut} and decided_at < timestamp '2018-01-15 00:00:00' and label_is_late is not null"
        ))
    );
    assert_eq!(rows["matured_too_late"], count(&format!("decided_at < {cut} and matured_at > {cut}")));
    let train = fs::read_to_string(lake.home().join("set/train.csv")).unwrap();
    assert_eq!(train.lines().count() as u64, rows["train"].as_u64().unwrap() + 1);
    let page = fs::read_to_string(lake.home().join("set/dictionary.md")).unwrap();
    let features =
        lake.ok("tables --ddl features.at_purchase").lines().filter(|line| line.starts_with("  ")).count() - 7;
    assert_eq!(page.lines().filter(|line| line.starts_with("| `")).count(), features, "every feature is described");
    assert!(
        page.contains("| `seller_late_share_90d` | Of the seller's orders delivered in the 90 days before"),
        "{page}"
    );
    for format in ["parquet", "npz"] {
        let files = lake.ok(&format!("{export} {format} --format {format}"));
        assert!(files.contains(&format!("train.{format}")), "{files}");
        assert!(fs::metadata(lake.home().join(format!("{format}/test.{format}"))).unwrap().len() > 1000);
    }
    let prepared: Value =
        serde_json::from_str(&fs::read_to_string(lake.home().join("npz/preparation.json")).unwrap()).unwrap();
    let of =
        |name: &str| prepared["features"].as_array().unwrap().iter().find(|feature| feature["name"] == name).cloned();
    assert_eq!(of("customer_state").unwrap()["kind"], "category");
    assert_eq!(of("distance_km").unwrap()["kind"], "number");
}

#[test]
fn a_wrong_request_says_what_is_there() {
    let lake = Lake::ready();
    let error = lake
        .run("features export --table deliveries --out x --train-until 2018-02-01 --test-until 2018-03-01")
        .failed(1);
    assert!(error.contains("at_purchase") && error.contains("at_handover"), "{error}");
    let error = lake
        .run("features export --table at_purchase --out x --train-until 2018-02-01 --test-until 2018-01-01")
        .failed(1);
    assert!(error.contains("does not lie after"), "{error}");
    let error = lake
        .run("features export --table at_purchase --out x --train-until 2010-02-01 --test-until 2011-01-01")
        .failed(1);
    assert!(error.contains("the train part would hold no row") && error.contains("has decisions from"), "{error}");
    let error = lake
        .run("features export --table at_purchase --out x --format npz --prepare none --train-until 2018-02-01 --test-until 2018-03-01")
        .failed(1);
    assert!(error.contains("hold numbers only"), "{error}");
    let empty = Lake::replayed("--as one-drop");
    empty.ok("run ingest");
    let error = empty
        .run("features export --table at_purchase --out x --train-until 2018-02-01 --test-until 2018-03-01")
        .failed(1);
    assert!(error.contains("entrega run features"), "{error}");
}

#[test]
fn a_model_that_looks_ahead_is_refused_with_what_it_reads() {
    let models = Models::copy();
    models.change(
        "features/at_purchase.sql",
        "bought.is_peak_season, orders.distance_km,",
        "bought.is_peak_season, cast(unix_timestamp(orders.shipping_limit_date) as double) as distance_km,",
    );
    let lake = Lake::replayed("--as one-drop").with_models(models.path());
    let error = lake.run("run all").failed(1);
    assert!(error.contains("features/at_purchase.sql"), "{error}");
    assert!(error.contains("distance_km: reads order_items.shipping_limit_date, known at the approval"), "{error}");
}
