//! Files with other columns than their contract: what is new is reported, what is missing is NULL or stops the batch.

use crate::support::{
    Contents, Delivery, Lake, Models, assert_same,
    rows::{bought, customer, item, order_id, payment, review},
};

/// A drop for the day after the fixture shop's last one.
fn next() -> Delivery {
    Delivery::day("2018-03-30")
        .with("orders", &[bought(101, "2018-03-30 10:00:00", "2018-04-20")])
        .with("customers", &[customer(101, "01037", "SP")])
        .with("order_items", &[item(101, 1, 1, 1, "2018-04-02 10:00:00", "50.00")])
        .with("order_payments", &[payment(101, "60.00")])
}

/// What the books say of columns and values of delivered files.
fn findings(lake: &Lake) -> Vec<serde_json::Value> {
    lake.rows(
        "select `table`, drop, check, severity, rows, failures, sample from ops.checks where drop is not null order by 1, 3",
    )
}

#[test]
fn a_new_column_is_reported_and_its_rows_are_taken() {
    let lake = Lake::ready();
    next().with_column("order_payments", "loyalty_points", &[format!("{},17", payment(101, "60.00"))]).deliver(&lake);
    let outcome = lake.run("run all");
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(
        outcome
            .err
            .contains("warning: landing.order_payments: new_column(loyalty_points) in 1 rows of landing/dt=2018-03-30"),
        "{outcome}"
    );
    insta::assert_json_snapshot!("a_new_column", findings(&lake));
    assert_eq!(
        lake.value(&format!(
            "select cast(payment_value as string) as value from clean.deliveries where order_id = '{}'",
            order_id(101)
        )),
        "60.00"
    );
}

#[test]
fn a_new_column_in_the_middle_is_no_different() {
    let lake = Lake::ready();
    let row = format!("{},17,1,credit_card,1,60.00", order_id(101));
    next()
        .with_header(
            "order_payments",
            "order_id,loyalty_points,payment_sequential,payment_type,payment_installments,payment_value",
            &[row],
        )
        .deliver(&lake);
    lake.ok("run all");
    assert_eq!(
        lake.value(&format!(
            "select cast(payment_value as string) as value from clean.deliveries where order_id = '{}'",
            order_id(101)
        )),
        "60.00"
    );
}

#[test]
fn a_missing_optional_column_is_null_and_reported() {
    let lake = Lake::ready();
    let header = "order_id,payment_sequential,payment_installments,payment_value";
    next().with_header("order_payments", header, &[format!("{},1,1,60.00", order_id(101))]).deliver(&lake);
    let outcome = lake.run("run all");
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(outcome.err.contains("missing_column(payment_type)"), "{outcome}");
    insta::assert_json_snapshot!("a_missing_optional_column", findings(&lake));
    assert_eq!(
        lake.value(&format!(
            "select coalesce(payment_type, 'none') as type from clean.deliveries where order_id = '{}'",
            order_id(101)
        )),
        "none"
    );
}

/// The run fails with exit code 4 and this in its message; the lake is as before.
#[track_caller]
fn refused(lake: &Lake, message: &str) {
    let before = Contents::of(lake);
    let said = lake.run("run all").failed(4);
    assert!(said.contains(message) && said.contains("hint: "), "{said}");
    assert_same(&before, &Contents::of(lake), message);
}

#[test]
fn a_retyped_column_stops_the_batch() {
    let lake = Lake::ready();
    let orders: Vec<String> = (101..131).map(|order| bought(order, "30/03/2018 10:00", "2018-04-20")).collect();
    next().with("orders", &orders).deliver(&lake);
    refused(
        &lake,
        "30 of 30 rows are not as the contract says; line 2: order_purchase_timestamp is not a time YYYY-MM-DD HH:MM:SS: '30/03/2018 10:00'",
    );
}

#[test]
fn a_few_bad_rows_do_not_stop_it() {
    let lake = Lake::ready();
    let mut orders: Vec<String> = (101..131).map(|order| bought(order, "2018-03-30 10:00:00", "2018-04-20")).collect();
    for order in &mut orders[..14] {
        *order = order.replace("2018-03-30 10:00:00", "30/03/2018 10:00");
    }
    next().with("orders", &orders).deliver(&lake);
    lake.ok("run all");
    assert_eq!(lake.value("select count(*) as rows from quarantine.orders"), "14");
}

#[test]
fn two_columns_of_one_name_stop_the_batch() {
    let lake = Lake::ready();
    next().with_column("order_payments", "payment_value", &[format!("{},61.00", payment(101, "60.00"))]).deliver(&lake);
    refused(&lake, "line 1: two columns are called 'payment_value'");
}

#[test]
fn a_contract_may_refuse_new_columns() {
    let models = Models::copy();
    models.change(
        "landing/order_payments.toml",
        "kind = \"changes\"",
        "kind = \"changes\"\ndrift = { new_column = \"fail\" }",
    );
    let lake = Lake::ready().with_models(models.path());
    lake.ok("run all");
    next().with_column("order_payments", "loyalty_points", &[format!("{},17", payment(101, "60.00"))]).deliver(&lake);
    refused(&lake, "line 1: columns are new: loyalty_points");
}

#[test]
fn a_contract_may_refuse_missing_columns() {
    let models = Models::copy();
    models.change(
        "landing/order_payments.toml",
        "kind = \"changes\"",
        "kind = \"changes\"\ndrift = { missing_column = \"fail\" }",
    );
    let lake = Lake::ready().with_models(models.path());
    lake.ok("run all");
    let header = "order_id,payment_sequential,payment_installments,payment_value";
    next().with_header("order_payments", header, &[format!("{},1,1,60.00", order_id(101))]).deliver(&lake);
    refused(&lake, "line 1: columns are missing: payment_type");
}

#[test]
fn a_contract_may_keep_a_row_without_a_bad_value() {
    let models = Models::copy();
    models.change(
        "landing/order_payments.toml",
        "name = \"payment_value\"\ntype = \"money\"",
        "name = \"payment_value\"\ntype = \"money\"\non_violation = \"warn\"",
    );
    let lake = Lake::ready().with_models(models.path());
    lake.ok("run all");
    next()
        .with("order_payments", &[payment(101, "sixty"), payment(101, "-3.00").replace(",1,credit", ",2,credit")])
        .deliver(&lake);
    let outcome = lake.run("run all");
    assert_eq!(outcome.code, Some(0), "{outcome}");
    insta::assert_json_snapshot!("a_row_without_a_bad_value", findings(&lake));
    let payments = lake.value(&format!(
        "select count(*) as rows from clean.order_payments where payment_value is null and order_id = '{}'",
        order_id(101)
    ));
    assert_eq!(payments, "2");
    assert_eq!(lake.value("select count(*) as rows from quarantine.order_payments"), "0");
}

#[test]
fn a_contract_may_stop_the_batch_for_a_bad_value() {
    let models = Models::copy();
    models.change(
        "landing/order_reviews.toml",
        "name = \"review_score\"\ntype = \"integer\"",
        "name = \"review_score\"\ntype = \"integer\"\non_violation = \"fail\"",
    );
    let lake = Lake::ready().with_models(models.path());
    lake.ok("run all");
    next().with("order_reviews", &[review(100, 1, 5, "2018-03-30"), review(101, 1, 9, "2018-03-30")]).deliver(&lake);
    refused(&lake, "line 3: review_score is out of range: '9'");
}

#[test]
fn a_contract_may_bear_less() {
    let models = Models::copy();
    models.change(
        "landing/order_reviews.toml",
        "kind = \"changes\"",
        "kind = \"changes\"\ntolerance = { share = 0.1, rows = 0 }",
    );
    let lake = Lake::ready().with_models(models.path());
    lake.ok("run all");
    next().with("order_reviews", &[review(100, 1, 5, "2018-03-30"), review(101, 1, 9, "2018-03-30")]).deliver(&lake);
    refused(&lake, "1 of 2 rows are not as the contract says");
}
