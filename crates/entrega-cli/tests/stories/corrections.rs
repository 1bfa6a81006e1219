//! Corrections: rows that move, contradict each other, come late or wait for another.
//!
//! Each story tells what the order system sent, in whatever order it arrived, and what must be known in the end.

use crate::support::{
    Contents, Delivery, Lake, assert_same, in_any_order,
    rows::{bought, category, customer, delivered, item, order_id, payment, point, product, review, seller},
};

/// One order with everything that belongs to it, bought on a day of January 2018.
fn first_day() -> Delivery {
    Delivery::day("2018-01-30")
        .with("orders", &[bought(1, "2018-01-30 10:00:00", "2018-02-20")])
        .with("customers", &[customer(1, "01037", "SP")])
        .with("order_items", &[item(1, 1, 1, 1, "2018-02-02 10:00:00", "50.00")])
        .with("order_payments", &[payment(1, "60.00")])
        .with("products", &[product(1, "bebes")])
        .with("sellers", &[seller(1, "13023", "SP")])
        .with("categories", &[category("bebes", "babies"), category("perfumaria", "perfumes")])
        .with("geolocation", &[point("01037", -23.5, -46.6), point("13023", -22.9, -47.0)])
}

fn value(lake: &Lake, column: &str, order: u32) -> String {
    lake.value(&format!(
        "select cast({column} as string) as value from clean.deliveries where order_id = '{}'",
        order_id(order)
    ))
}

#[test]
fn a_purchase_that_moves_to_another_month_takes_its_children_along() {
    let lake = in_any_order(&[
        first_day(),
        Delivery::day("2018-01-31").with("order_reviews", &[review(1, 1, 4, "2018-01-31")]),
        Delivery::day("2018-02-03").with("orders", &[bought(1, "2018-02-01 08:00:00", "2018-02-20")]),
    ]);
    for table in ["orders", "customers", "order_items", "order_payments", "order_reviews", "deliveries", "shipments"] {
        let found = lake.value(&format!("select concat(cast(count(*) as string), ' ', cast(min(purchase_month) as string)) as found from clean.{table}"));
        assert_eq!(found, "1 2018-02-01", "clean.{table}");
    }
    assert_eq!(value(&lake, "price", 1), "50.00");
    assert_eq!(value(&lake, "review_score", 1), "4");
    let days = lake.rows("select date, purchased from summary.delivery_daily where purchased > 0");
    assert_eq!(days.len(), 1, "the old day must be empty again: {days:?}");
    assert_eq!(days[0]["date"], "2018-02-01");
}

#[test]
fn a_moved_order_and_new_children_come_together() {
    let lake = in_any_order(&[
        first_day(),
        Delivery::day("2018-02-03")
            .with(
                "orders",
                &[bought(1, "2018-03-01 08:00:00", "2018-03-20"), bought(2, "2018-01-05 08:00:00", "2018-01-20")],
            )
            .with(
                "order_items",
                &[item(1, 2, 1, 1, "2018-03-03 10:00:00", "70.00"), item(2, 1, 1, 1, "2018-01-08 10:00:00", "5.00")],
            )
            .with("customers", &[customer(1, "13023", "RJ"), customer(2, "01037", "SP")]),
        Delivery::day("2018-02-04").with("orders", &[bought(2, "2018-02-05 08:00:00", "2018-02-20")]),
    ]);
    assert_eq!(value(&lake, "n_items", 1), "2");
    assert_eq!(value(&lake, "customer_state", 1), "RJ");
    assert_eq!(value(&lake, "purchase_month", 1), "2018-03-01");
    assert_eq!(value(&lake, "purchase_month", 2), "2018-02-01");
    assert_eq!(
        lake.value("select count(*) as rows from clean.order_items where purchase_month = date '2018-01-01'"),
        "0"
    );
}

#[test]
fn an_order_that_moves_there_and_back() {
    let lake = in_any_order(&[
        first_day(),
        Delivery::day("2018-02-01").with("orders", &[bought(1, "2018-02-01 08:00:00", "2018-02-20")]),
        Delivery::day("2018-02-02").with("orders", &[bought(1, "2018-01-30 10:00:00", "2018-02-20")]),
    ]);
    assert_eq!(value(&lake, "purchase_month", 1), "2018-01-01");
    assert_eq!(value(&lake, "n_items", 1), "1");
}

#[test]
fn an_older_drop_that_comes_late_does_not_overwrite_a_newer_one() {
    let done = ["2018-01-30 10:00:00", "2018-01-30 11:00:00", "2018-01-31 10:00:00", "2018-02-05 10:00:00"];
    let lake = in_any_order(&[
        first_day(),
        Delivery::day("2018-02-05").with("orders", &[delivered(1, done, "2018-02-20")]),
        Delivery::day("2018-01-31").with("orders", &[bought(1, "2018-01-30 10:00:00", "2018-02-25")]),
    ]);
    assert_eq!(value(&lake, "order_status", 1), "delivered");
    assert_eq!(value(&lake, "promised_days", 1), "21");
    assert_eq!(lake.value("select sum(superseded) as rows from ops.drops"), "1");
}

#[test]
fn of_two_drops_of_one_day_the_one_produced_later_wins() {
    let lake = in_any_order(&[
        first_day(),
        Delivery::day("2018-01-31")
            .minutes_later(30)
            .under("landing/dt=2018-01-31/again")
            .with("order_payments", &[payment(1, "62.00")]),
        Delivery::day("2018-01-31").with("order_payments", &[payment(1, "61.00")]),
    ]);
    assert_eq!(value(&lake, "payment_value", 1), "62.00");
}

#[test]
fn a_drop_that_is_delivered_again_with_other_contents_is_taken() {
    let lake = Lake::empty();
    first_day().deliver(&lake);
    Delivery::day("2018-01-31").with("order_payments", &[payment(1, "61.00")]).deliver(&lake);
    lake.ok("run all");
    Delivery::day("2018-01-31").minutes_later(60).with("order_payments", &[payment(1, "63.00")]).deliver(&lake);
    lake.ok("run all");
    assert_eq!(value(&lake, "payment_value", 1), "63.00");
}

#[test]
fn of_two_rows_with_one_key_the_last_line_wins_with_a_warning() {
    let lake = Lake::empty();
    first_day().with("order_payments", &[payment(1, "60.00"), payment(1, "70.00"), payment(1, "70.00")]).deliver(&lake);
    let outcome = lake.run("run all");
    assert!(outcome.err.contains("warning: olist_order_payments_dataset.csv"), "{outcome}");
    outcome.succeeded();
    assert_eq!(value(&lake, "payment_value", 1), "70.00");
    assert!(lake.ok("op reconcile").contains("\"reconciled\": true"));
}

#[test]
fn an_order_in_two_months_of_one_drop_is_one_order() {
    let lake = Lake::empty();
    first_day()
        .with(
            "orders",
            &[bought(1, "2018-01-30 10:00:00", "2018-02-20"), bought(1, "2018-02-01 10:00:00", "2018-02-20")],
        )
        .deliver(&lake);
    lake.ok("run all");
    assert_eq!(lake.value("select count(*) as orders from clean.orders"), "1");
    assert_eq!(value(&lake, "purchase_month", 1), "2018-02-01");
    assert_eq!(value(&lake, "n_items", 1), "1");
}

#[test]
fn a_review_waits_for_its_order() {
    let early = Delivery::day("2018-01-05")
        .with("order_reviews", &[review(1, 1, 5, "2018-01-05"), review(2, 2, 1, "2018-01-05")]);
    let lake = Lake::empty();
    early.deliver(&lake);
    lake.ok("run all");
    let waiting = lake.rows("select state, rule, reason, line from quarantine.order_reviews order by line");
    insta::assert_json_snapshot!("a_review_waits_for_its_order", waiting);
    assert_eq!(lake.value("select count(*) as rows from clean.order_reviews"), "0");
    first_day().deliver(&lake);
    lake.ok("run all");
    assert_eq!(value(&lake, "review_score", 1), "5");
    assert_eq!(lake.value("select count(*) as rows from quarantine.order_reviews"), "1", "one still waits");
    assert_eq!(
        lake.value("select sum(reviews) as reviews from summary.delivery_daily where date = date '2018-01-05'"),
        "1"
    );
    let second = Delivery::day("2018-02-10").with("orders", &[bought(2, "2018-02-10 10:00:00", "2018-02-25")]);
    second.deliver(&lake);
    lake.ok("run all");
    assert_eq!(lake.value("select count(*) as rows from quarantine.order_reviews"), "0");
    assert_same(
        &Contents::of(&in_any_order(&[early, first_day(), second])),
        &Contents::of(&lake),
        "a review that waited",
    );
}

#[test]
fn every_kind_of_child_waits_for_its_order() {
    let children = Delivery::day("2018-01-29")
        .with("customers", &[customer(1, "01037", "SP")])
        .with("order_items", &[item(1, 1, 1, 1, "2018-02-02 10:00:00", "50.00")])
        .with("order_payments", &[payment(1, "60.00")]);
    let order = Delivery::day("2018-01-30").with("orders", &[bought(1, "2018-01-30 10:00:00", "2018-02-20")]);
    let lake = in_any_order(&[children, order]);
    assert_eq!(value(&lake, "customer_state", 1), "SP");
    assert_eq!(value(&lake, "payment_value", 1), "60.00");
    assert_eq!(value(&lake, "category", 1), "unknown", "its product never came");
    assert_eq!(value(&lake, "seller_state", 1), "unknown", "its seller never came");
}

#[test]
fn a_waiting_row_does_not_beat_a_newer_one() {
    let old = Delivery::day("2018-01-20").with("order_payments", &[payment(1, "1.00")]);
    let lake = in_any_order(&[old, first_day()]);
    assert_eq!(value(&lake, "payment_value", 1), "60.00");
}

#[test]
fn two_waiting_versions_of_a_row_are_taken_in_their_order() {
    let lake = in_any_order(&[
        Delivery::day("2018-01-21").with("order_payments", &[payment(1, "2.00")]),
        Delivery::day("2018-01-20").with("order_payments", &[payment(1, "1.00")]),
        Delivery::day("2018-01-30").with("orders", &[bought(1, "2018-01-30 10:00:00", "2018-02-20")]),
    ]);
    assert_eq!(value(&lake, "payment_value", 1), "2.00");
}

#[test]
fn seller_and_product_that_come_later_restate_their_orders() {
    let order = Delivery::day("2018-01-30")
        .with("orders", &[bought(1, "2018-01-30 10:00:00", "2018-02-20")])
        .with("customers", &[customer(1, "01037", "SP")])
        .with("order_items", &[item(1, 1, 1, 1, "2018-02-02 10:00:00", "50.00")])
        .with("categories", &[category("bebes", "babies")])
        .with("geolocation", &[point("01037", -23.5, -46.6), point("13023", -22.9, -47.0)]);
    let lake = Lake::empty();
    order.deliver(&lake);
    lake.ok("run all");
    assert_eq!([value(&lake, "category", 1), value(&lake, "seller_state", 1)], ["unknown", "unknown"]);
    let missing = lake.rows("select source from ops.missing_references order by source");
    assert_eq!(missing.len(), 2, "{missing:?}");
    let lake = in_any_order(&[
        order,
        Delivery::day("2018-02-01").with("sellers", &[seller(1, "13023", "SP")]),
        Delivery::day("2018-02-02").with("products", &[product(1, "bebes")]),
    ]);
    assert_eq!([value(&lake, "category", 1), value(&lake, "seller_state", 1)], ["babies", "SP"]);
    assert_ne!(value(&lake, "distance_km", 1), "NULL");
    assert_eq!(lake.value("select category from summary.delivery_daily where purchased > 0"), "babies");
    assert_eq!(lake.value("select count(*) as rows from ops.missing_references"), "0");
}

#[test]
fn a_product_that_changes_its_category_restates_its_orders() {
    let lake = in_any_order(&[first_day(), Delivery::day("2018-02-01").with("products", &[product(1, "perfumaria")])]);
    assert_eq!(value(&lake, "category", 1), "perfumes");
    assert_eq!(lake.value("select category from clean.shipments"), "perfumes");
    assert_eq!(lake.value("select category from summary.delivery_daily where purchased > 0"), "perfumes");
}

#[test]
fn a_seller_that_moves_restates_its_orders() {
    let lake = in_any_order(&[first_day(), Delivery::day("2018-02-01").with("sellers", &[seller(1, "01037", "MG")])]);
    assert_eq!(value(&lake, "seller_state", 1), "MG");
    assert_eq!(value(&lake, "distance_km", 1), "0.0");
    assert_eq!(lake.value("select seller_state from summary.route_daily where purchased > 0"), "MG");
}

#[test]
fn a_customer_that_is_corrected_restates_its_order() {
    let lake =
        in_any_order(&[first_day(), Delivery::day("2018-02-01").with("customers", &[customer(1, "13023", "RJ")])]);
    assert_eq!(value(&lake, "customer_state", 1), "RJ");
    assert_eq!(value(&lake, "distance_km", 1), "0.0");
}

#[test]
fn new_places_restate_distances() {
    let lake = in_any_order(&[
        first_day(),
        Delivery::day("2018-02-01").with("geolocation", &[point("01037", -23.5, -46.6), point("13023", -23.5, -46.6)]),
    ]);
    assert_eq!(value(&lake, "distance_km", 1), "0.0");
}

#[test]
fn a_snapshot_without_a_place_forgets_it() {
    let lake =
        in_any_order(&[first_day(), Delivery::day("2018-02-01").with("geolocation", &[point("01037", -23.5, -46.6)])]);
    assert_eq!(value(&lake, "distance_km", 1), "NULL");
    assert_eq!(lake.value("select count(*) as places from clean.geolocation"), "1");
}

#[test]
fn a_translation_that_comes_later_changes_categories() {
    let lake = in_any_order(&[
        first_day().with("categories", &[category("perfumaria", "perfumes")]),
        Delivery::day("2018-02-01").with("categories", &[category("bebes", "infants")]),
    ]);
    assert_eq!(value(&lake, "category", 1), "infants");
    assert_eq!(lake.value("select category from clean.products"), "infants");
    assert_eq!(
        lake.value("select count(*) as rows from clean.categories"),
        "1",
        "the newest snapshot is the whole list"
    );
}

#[test]
fn a_promise_that_moves_moves_the_day_it_is_due() {
    let lake = in_any_order(&[
        first_day(),
        Delivery::day("2018-02-25").with("orders", &[bought(1, "2018-01-30 10:00:00", "2018-02-24")]),
    ]);
    let due = lake.rows("select date, due, due_missed from summary.delivery_daily where due > 0");
    assert_eq!(due.len(), 1, "{due:?}");
    assert_eq!(due[0]["date"], "2018-02-24");
    assert_eq!(due[0]["due_missed"], 1);
}

#[test]
fn a_day_that_ends_without_news_is_due_all_the_same() {
    let empty = Delivery::day("2018-02-20");
    let lake = Lake::empty();
    first_day().deliver(&lake);
    lake.ok("run all");
    assert_eq!(lake.value("select sum(due) as due from summary.delivery_daily"), "0");
    empty.deliver(&lake);
    lake.ok("run all");
    assert_eq!(
        lake.value("select sum(due_missed) as missed from summary.delivery_daily where date = date '2018-02-20'"),
        "1"
    );
    assert_same(
        &Contents::of(&in_any_order(&[first_day(), empty])),
        &Contents::of(&lake),
        "a drop without files ends a day",
    );
}
