//! Rows that are gone: because a row of a change set says so, or because a whole snapshot no longer holds them. What is
//! gone stays gone however late its older rows come, and comes back only with something newer.

use crate::support::{
    Contents, Delivery, Lake, assert_same, in_any_order,
    rows::{
        bought, category, customer, customer_id, delivered, item, order_id, payment, point, product, product_id,
        review, review_id, seller,
    },
};

/// Two orders with everything that belongs to them, of two months.
fn first_day() -> Delivery {
    Delivery::day("2018-02-01")
        .with(
            "orders",
            &[bought(1, "2018-01-31 10:00:00", "2018-02-20"), bought(2, "2018-02-01 09:00:00", "2018-02-25")],
        )
        .with("customers", &[customer(1, "01037", "SP"), customer(2, "13023", "RJ")])
        .with(
            "order_items",
            &[item(1, 1, 1, 1, "2018-02-03 10:00:00", "50.00"), item(2, 1, 2, 1, "2018-02-04 10:00:00", "70.00")],
        )
        .with("order_payments", &[payment(1, "60.00"), payment(2, "80.00")])
        .with("products", &[product(1, "bebes"), product(2, "perfumaria")])
        .with("sellers", &[seller(1, "13023", "SP")])
        .with("categories", &[category("bebes", "babies"), category("perfumaria", "perfumes")])
        .with("geolocation", &[point("01037", -23.5, -46.6), point("13023", -22.9, -47.0)])
}

/// A row that says that an order is gone; nothing but its key is there.
fn gone_order(order: u32) -> String {
    format!("{},,,,,,,,true", order_id(order))
}

fn deletes_order(day: &str, order: u32) -> Delivery {
    Delivery::day(day).with_column("orders", "_deleted", &[gone_order(order)])
}

fn count(lake: &Lake, table: &str) -> String {
    lake.value(&format!("select count(*) as rows from {table}"))
}

/// The tables that hold something of each order.
const OF_ORDERS: [&str; 7] = [
    "clean.orders",
    "clean.customers",
    "clean.order_items",
    "clean.order_payments",
    "clean.deliveries",
    "clean.shipments",
    "clean.order_reviews",
];

#[test]
fn a_deleted_order_takes_everything_of_it_along() {
    let reviews = Delivery::day("2018-02-02")
        .with("order_reviews", &[review(1, 1, 4, "2018-02-02"), review(2, 2, 5, "2018-02-02")]);
    let lake = in_any_order(&[first_day(), reviews, deletes_order("2018-02-03", 1)]);
    for table in OF_ORDERS {
        assert_eq!(count(&lake, table), "1", "{table}");
    }
    assert_eq!(lake.value("select sum(purchased) as orders from summary.delivery_daily"), "1");
    assert_eq!(lake.value("select sum(deleted) as rows from ops.drops"), "1");
    assert_eq!(
        lake.value("select concat(source, ' ', cause) as found from ops.tombstones where source = 'orders'"),
        "orders deleted"
    );
}

#[test]
fn what_comes_late_of_a_deleted_order_is_not_taken() {
    let lake = in_any_order(&[
        first_day(),
        deletes_order("2018-02-05", 1),
        Delivery::day("2018-02-03")
            .with("order_items", &[item(1, 2, 2, 1, "2018-02-05 10:00:00", "10.00")])
            .with("order_reviews", &[review(1, 1, 4, "2018-02-02")]),
        Delivery::day("2018-02-04").with("orders", &[bought(1, "2018-01-31 11:00:00", "2018-02-21")]),
    ]);
    assert_eq!(count(&lake, "clean.orders"), "1");
    assert_eq!(count(&lake, "clean.order_items"), "1");
    assert_eq!(count(&lake, "quarantine.order_reviews"), "0");
}

#[test]
fn an_order_that_is_newer_than_its_deletion_lives_again() {
    let lake = in_any_order(&[
        first_day(),
        deletes_order("2018-02-03", 1),
        Delivery::day("2018-02-05")
            .with("orders", &[bought(1, "2018-02-05 10:00:00", "2018-02-27")])
            .with("order_items", &[item(1, 1, 2, 1, "2018-02-08 10:00:00", "99.00")])
            .with("customers", &[customer(1, "13023", "RJ")]),
    ]);
    let found = lake.value(&format!(
        "select concat(cast(price as string), ' ', customer_state, ' ', cast(payment_value is null as string)) as found from clean.deliveries where order_id = '{}'",
        order_id(1)
    ));
    assert_eq!(found, "99.00 RJ true");
}

#[test]
fn a_row_and_its_deletion_in_one_drop_are_gone() {
    let lake = in_any_order(&[
        first_day(),
        Delivery::day("2018-02-02").with_column(
            "orders",
            "_deleted",
            &[gone_order(1), format!("{},", bought(1, "2018-01-31 12:00:00", "2018-02-22"))],
        ),
    ]);
    assert_eq!(count(&lake, "clean.orders"), "1");
}

#[test]
fn a_single_item_payment_or_review_can_be_deleted() {
    let lake = in_any_order(&[
        first_day().with(
            "order_items",
            &[
                item(1, 1, 1, 1, "2018-02-03 10:00:00", "50.00"),
                item(1, 2, 2, 1, "2018-02-03 10:00:00", "7.00"),
                item(2, 1, 2, 1, "2018-02-04 10:00:00", "70.00"),
            ],
        ),
        Delivery::day("2018-02-02").with("order_reviews", &[review(1, 1, 4, "2018-02-02")]),
        Delivery::day("2018-02-03")
            .with_column("order_items", "_deleted", &[format!("{},2,,,,,,t", order_id(1))])
            .with_column("order_payments", "_deleted", &[format!("{},1,,,,1", order_id(2))])
            .with_column("order_reviews", "_deleted", &[format!("{},{},,,,,,YES", review_id(1), order_id(1))]),
    ]);
    let deliveries =
        lake.rows("select n_items, price, payment_value, review_score from clean.deliveries order by order_id");
    insta::assert_json_snapshot!("a_single_item_payment_or_review_can_be_deleted", deliveries);
    assert_eq!(count(&lake, "clean.shipments"), "2");
}

#[test]
fn a_deleted_customer_record_leaves_its_order() {
    let lake = in_any_order(&[
        first_day(),
        Delivery::day("2018-02-03").with_column("customers", "_deleted", &[format!("{},,,,,true", customer_id(1))]),
    ]);
    assert_eq!(count(&lake, "clean.customers"), "1");
    assert_eq!(
        lake.value(&format!(
            "select coalesce(customer_state, 'none') as state from clean.deliveries where order_id = '{}'",
            order_id(1)
        )),
        "unknown"
    );
}

#[test]
fn a_deleted_product_makes_its_orders_unknown_until_it_comes_again() {
    let deleted =
        Delivery::day("2018-02-03").with_column("products", "_deleted", &[format!("{},,,,,,,,,true", product_id(1))]);
    let lake = in_any_order(&[first_day(), deleted]);
    let category =
        |lake: &Lake| lake.value(&format!("select category from clean.deliveries where order_id = '{}'", order_id(1)));
    assert_eq!(category(&lake), "unknown");
    Delivery::day("2018-02-04").with("products", &[product(1, "perfumaria")]).deliver(&lake);
    lake.ok("run all");
    assert_eq!(category(&lake), "perfumes");
}

#[test]
fn what_a_whole_snapshot_lacks_is_gone() {
    let done = ["2018-02-01 09:00:00", "2018-02-01 11:00:00", "2018-02-02 10:00:00", "2018-02-05 10:00:00"];
    let lake = in_any_order(&[
        first_day(),
        Delivery::day("2018-02-02").with("order_reviews", &[review(1, 1, 4, "2018-02-02")]),
        Delivery::day("2018-02-05").with("orders", &[delivered(2, done, "2018-02-25")]).whole("orders"),
        // Older than the snapshot, and not in it: it never was, whenever it comes.
        Delivery::day("2018-02-04")
            .with("orders", &[bought(3, "2018-02-04 10:00:00", "2018-02-25")])
            .with("customers", &[customer(3, "01037", "SP")])
            .with("order_items", &[item(3, 1, 1, 1, "2018-02-06 10:00:00", "5.00")]),
        Delivery::day("2018-02-06").with("orders", &[bought(4, "2018-02-06 10:00:00", "2018-02-27")]),
    ]);
    let orders = lake.rows("select order_id, order_status, n_items from clean.deliveries order by order_id");
    insta::assert_json_snapshot!("what_a_whole_snapshot_lacks_is_gone", orders);
    assert_eq!(count(&lake, "clean.customers"), "1");
}

#[test]
fn a_whole_snapshot_of_sellers_takes_the_others_away() {
    let lake = in_any_order(&[
        first_day().with("sellers", &[seller(1, "13023", "SP"), seller(2, "01037", "SP")]),
        Delivery::day("2018-02-03").with("sellers", &[seller(2, "01037", "RJ")]).whole("sellers"),
    ]);
    assert_eq!(lake.value("select seller_state from clean.sellers"), "RJ");
    assert_eq!(lake.value("select count(*) as orders from clean.deliveries where seller_state = 'unknown'"), "2");
}

#[test]
fn a_whole_snapshot_with_a_bad_row_takes_nothing_away() {
    let lake = in_any_order(&[
        first_day().with("sellers", &[seller(1, "13023", "SP"), seller(2, "01037", "SP")]),
        Delivery::day("2018-02-03")
            .with("sellers", &[seller(2, "01037", "XX"), seller(3, "01037", "SP")])
            .whole("sellers"),
    ]);
    assert_eq!(count(&lake, "clean.sellers"), "3");
    let again = Lake::empty();
    first_day().deliver(&again);
    Delivery::day("2018-02-03").with("sellers", &[seller(2, "01037", "XX")]).whole("sellers").deliver(&again);
    let said = again.run("run all").err;
    assert!(said.contains("1 rows of this whole snapshot were rejected, so rows that it lacks are kept"), "{said}");
}

#[test]
fn an_empty_whole_snapshot_is_refused() {
    let lake = Lake::empty();
    first_day().deliver(&lake);
    lake.ok("run all");
    let before = Contents::of(&lake);
    Delivery::day("2018-02-03").with("orders", &[]).whole("orders").deliver(&lake);
    let said = lake.run("run all").failed(4);
    assert!(said.contains("a whole snapshot without any row"), "{said}");
    assert_same(&before, &Contents::of(&lake), "an empty snapshot");
}

#[test]
fn a_mark_that_is_neither_true_nor_false_is_quarantined() {
    let lake = Lake::empty();
    first_day().deliver(&lake);
    Delivery::day("2018-02-02")
        .with_column("orders", "_deleted", &[format!("{},,,,,,,,perhaps", order_id(1))])
        .deliver(&lake);
    lake.ok("run all");
    assert_eq!(lake.value("select reason from quarantine.orders"), "_deleted is neither true nor false: 'perhaps'");
    assert_eq!(count(&lake, "clean.orders"), "2");
}

#[test]
fn a_deletion_without_a_key_is_quarantined() {
    let lake = Lake::empty();
    first_day().deliver(&lake);
    Delivery::day("2018-02-02").with_column("orders", "_deleted", &[",,,,,,,,true".to_owned()]).deliver(&lake);
    lake.ok("run all");
    assert_eq!(lake.value("select reason from quarantine.orders"), "order_id is missing");
}

#[test]
fn deletions_survive_a_rebuild() {
    let models = crate::support::Models::copy();
    let lake = Lake::empty().with_models(models.path());
    first_day().deliver(&lake);
    lake.ok("run all");
    deletes_order("2018-02-03", 1).deliver(&lake);
    lake.ok("run all");
    let before = Contents::of(&lake);
    models.change("landing/orders.toml", "kind = \"changes\"", "kind = \"changes\" # the same, said again");
    assert!(lake.ok("run all").contains("everything rebuilt"));
    assert_same(&before, &Contents::of(&lake), "a rebuild");
}
