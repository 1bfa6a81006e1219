//! Quarantine: rows that were not taken are found, explained, tried again or given up.

use crate::support::{
    Contents, Delivery, Lake, Models, assert_same, in_any_order,
    rows::{bought, customer, item, order_id, payment, product, review, seller},
};

/// A drop with a good order, and beside it rows that break rules.
fn dirty() -> Delivery {
    Delivery::day("2018-03-01")
        .with(
            "orders",
            &[
                bought(1, "2018-03-01 10:00:00", "2018-03-20"),
                bought(2, "01/03/2018", "2018-03-20"),
                bought(3, "2018-03-01 10:00:00", "2018-03-20").replace(",created,", ",lost,"),
            ],
        )
        .with("customers", &[customer(1, "01037", "SP")])
        .with("order_items", &[item(1, 1, 1, 1, "2018-03-02 10:00:00", "50.00")])
        .with("order_payments", &[payment(1, "60.00"), payment(1, "sixty").replace(",1,credit", ",2,credit")])
        .with("order_reviews", &[review(1, 77, 4, "2018-03-01")])
        .with("products", &[product(1, "bebes")])
        .with("sellers", &[seller(1, "13023", "SP")])
}

fn ready() -> Lake {
    let lake = Lake::empty();
    dirty().deliver(&lake);
    lake.ok("run all");
    lake
}

#[test]
fn it_is_listed_and_shown() {
    let lake = ready();
    let said = format!(
        "{}\n\n{}\n\n{}",
        lake.ok("quarantine list"),
        lake.ok("quarantine show --source orders"),
        lake.ok("quarantine show --source order_payments --raw")
    );
    lake.snapshots().bind(|| insta::assert_snapshot!("quarantine_listed_and_shown", said));
    let groups: serde_json::Value = serde_json::from_str(&lake.ok("quarantine list --json")).unwrap();
    assert_eq!(groups.as_array().unwrap().len(), 4);
    assert!(lake.ok("quarantine show --limit 1").contains("1 of 4 rows"));
}

#[test]
fn an_unknown_source_is_told_with_the_known_ones() {
    let said = ready().run("quarantine list --source order").failed(1);
    assert!(said.contains("orders") && said.contains("order_items"), "{said}");
}

#[test]
fn rows_of_different_files_are_not_mixed_into_one() {
    let said = ready().run("quarantine show --raw").failed(1);
    assert!(said.contains("do not fit into one file"), "{said}");
}

#[test]
fn a_mended_row_is_landed_and_the_bad_one_given_up() {
    let lake = ready();
    let raw = lake.ok("quarantine show --source orders --rule type --raw");
    let mended = raw.replace("01/03/2018", "2018-03-01 11:00:00");
    std::fs::write(lake.home().join("mended.csv"), format!("{mended}\n")).unwrap();
    lake.ok("op land mended.csv day=2018-03-01");
    lake.ok("run all");
    assert_eq!(lake.value("select count(*) as orders from clean.orders"), "2");
    assert_eq!(lake.ok("quarantine drop --source orders --rule type"), "1 rows given up");
    assert_eq!(lake.value("select count(*) as rows from quarantine.orders"), "1");
    assert_eq!(lake.value("select count(*) as batches from ops.batches where job = 'quarantine'"), "1");
    assert!(lake.ok("op reconcile").contains("\"reconciled\": true"));
}

#[test]
fn nothing_is_given_up_by_accident() {
    let lake = ready();
    assert!(lake.run("quarantine drop").failed(1).contains("which rows?"));
    assert!(lake.run("quarantine drop --rule range").failed(1).contains("no row in quarantine matches rule range"));
    assert_eq!(lake.ok("quarantine drop --all"), "4 rows given up");
    assert_eq!(lake.ok("quarantine list"), "the quarantine is empty");
}

#[test]
fn a_row_that_is_still_bad_stays() {
    let lake = ready();
    let before = lake.rows("select * from quarantine.orders order by line");
    let said = lake.ok("quarantine replay --source orders");
    assert!(said.contains("2 rows tried again: 0 left the quarantine, 2 stay"), "{said}");
    assert_eq!(before, lake.rows("select * from quarantine.orders order by line"));
    assert!(lake.ok("op reconcile").contains("\"reconciled\": true"));
}

/// Models in which an item whose product is unknown is not taken.
fn strict() -> Models {
    let models = Models::copy();
    let text = std::fs::read_to_string(models.file("clean/order_items.sql")).unwrap();
    let check = text.lines().find(|line| line.contains("clean.products.product_id")).unwrap();
    models.change("clean/order_items.sql", check, &check.replace("severity = \"warn\"", "severity = \"quarantine\""));
    models
}

#[test]
fn a_check_may_send_rows_to_quarantine_until_what_they_refer_to_comes() {
    let models = strict();
    let lake = Lake::empty().with_models(models.path());
    dirty().with("products", &[product(2, "bebes")]).deliver(&lake);
    lake.ok("run all");
    let rows = lake.rows("select line, state, rule, reason, raw from quarantine.order_items");
    insta::assert_json_snapshot!("an_item_without_product", rows);
    assert_eq!(lake.value("select n_items from clean.deliveries"), "0");
    Delivery::day("2018-03-02").with("products", &[product(1, "bebes")]).deliver(&lake);
    lake.ok("run all");
    assert_eq!(lake.value("select n_items from clean.deliveries"), "1");
    assert_eq!(lake.value("select count(*) as rows from quarantine.order_items"), "0");
    assert!(lake.ok("op reconcile").contains("\"reconciled\": true"));
}

#[test]
fn rows_that_contradict_each_other_may_be_quarantined() {
    let models = Models::copy();
    models.change(
        "clean/order_payments.sql",
        "{ kind = \"unique\" }",
        "{ kind = \"unique\", severity = \"quarantine\" }",
    );
    let lake = Lake::empty().with_models(models.path());
    dirty()
        .with("order_payments", &[payment(1, "60.00"), payment(1, "60.00"), payment(1, "61.00"), payment(1, "62.00")])
        .deliver(&lake);
    lake.ok("run all");
    assert_eq!(lake.value("select cast(payment_value as string) as value from clean.order_payments"), "62.00");
    let rows = lake.rows("select line, state, rule, raw from quarantine.order_payments order by line");
    insta::assert_json_snapshot!("rows_that_contradict_each_other", rows);
    assert!(lake.ok("op reconcile").contains("\"reconciled\": true"));
}

#[test]
fn a_check_bears_some_failures_and_no_more() {
    let models = Models::copy();
    let text = std::fs::read_to_string(models.file("clean/order_items.sql")).unwrap();
    let check = text.lines().find(|line| line.contains("clean.products.product_id")).unwrap();
    let borne = check.replace("severity = \"warn\"", "severity = \"warn\", tolerance = { share = 0.5, rows = 1 }");
    models.change("clean/order_items.sql", check, &borne);
    let lake = Lake::empty().with_models(models.path());
    dirty().with("products", &[product(2, "bebes")]).deliver(&lake);
    lake.ok("run all");
    let before = Contents::of(&lake);
    let items: Vec<String> = (1..4).map(|number| item(1, number, 9, 1, "2018-03-02 10:00:00", "5.00")).collect();
    Delivery::day("2018-03-02").with("order_items", &items).deliver(&lake);
    let said = lake.run("run all").failed(4);
    assert!(said.contains("check relationship(product_id"), "{said}");
    assert_same(&before, &Contents::of(&lake), "a check that failed");
}

#[test]
fn a_check_of_computed_rows_cannot_quarantine() {
    let models = Models::copy();
    models.change("clean/deliveries.sql", "{ kind = \"unique\" }", "{ kind = \"unique\", severity = \"quarantine\" }");
    let said = ready().with_models(models.path()).run("status").failed(1);
    assert!(said.contains("its rows are computed, not delivered"), "{said}");
}

#[test]
fn a_row_that_waits_and_a_row_that_is_bad_in_any_order() {
    let lake = in_any_order(&[
        dirty(),
        Delivery::day("2018-03-02")
            .with("orders", &[bought(77, "2018-03-02 10:00:00", "2018-03-20")])
            .with("order_payments", &[payment(77, "5.00"), payment(78, "6.00")]),
        Delivery::day("2018-03-03").with("orders", &[bought(3, "2018-03-01 10:00:00", "2018-03-20")]),
    ]);
    assert_eq!(
        lake.value(&format!("select review_score from clean.deliveries where order_id = '{}'", order_id(77))),
        "4"
    );
}
