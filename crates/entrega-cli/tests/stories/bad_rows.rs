//! Rows that cannot be read: they go to quarantine with everything that is needed to find them, the others are taken.

use crate::support::{
    Contents, Delivery, Lake, assert_same,
    rows::{
        bought, category, customer, customer_id, delivered, item, order_id, payment, point, product, review, seller,
    },
};

/// A drop with one good row of everything.
fn good() -> Delivery {
    Delivery::day("2018-03-01")
        .with("orders", &[bought(1, "2018-03-01 10:00:00", "2018-03-20")])
        .with("customers", &[customer(1, "01037", "SP")])
        .with("order_items", &[item(1, 1, 1, 1, "2018-03-02 10:00:00", "50.00")])
        .with("order_payments", &[payment(1, "60.00")])
        .with("products", &[product(1, "bebes")])
        .with("sellers", &[seller(1, "13023", "SP")])
        .with("categories", &[category("bebes", "babies")])
        .with("geolocation", &[point("01037", -23.5, -46.6), point("13023", -22.9, -47.0)])
}

/// What is in quarantine of a source.
fn quarantine(lake: &Lake, source: &str) -> String {
    let rows =
        lake.rows(&format!("select line, state, rule, reason, raw, drop, file from quarantine.{source} order by line"));
    let lines = rows.iter().map(|row| format!("{}\n", serde_json::to_string_pretty(row).unwrap()));
    lines.collect()
}

#[test]
fn orders() {
    let lake = Lake::empty();
    let time = "2018-03-01 10:00:00";
    let with_status =
        |status: &str| format!("{},{},{status},{time},,,,2018-03-20 00:00:00", order_id(2), customer_id(2));
    let rows = [
        bought(1, time, "2018-03-20"),
        bought(2, "2018-02-30 10:00:00", "2018-03-20"),
        bought(3, "01/03/2018", "2018-03-20"),
        bought(4, "", "2018-03-20"),
        with_status("lost"),
        with_status(""),
        format!("not-an-id,{},created,{time},,,,2018-03-20 00:00:00", customer_id(5)),
        format!("{},{},created,{time},,,,", order_id(6), customer_id(6)),
        format!("{},created,{time},,,,2018-03-20 00:00:00", order_id(7)),
        format!("{},x,y", bought(8, time, "2018-03-20")),
        bought(9, time, "2018-03-20"),
    ];
    good().with("orders", &rows).deliver(&lake);
    let outcome = lake.ok("run all");
    lake.snapshots()
        .bind(|| insta::assert_snapshot!("orders", format!("{outcome}\n\n{}", quarantine(&lake, "orders"))));
    assert_eq!(lake.value("select count(*) as orders from clean.orders"), "2");
    assert!(lake.ok("op reconcile").contains("\"reconciled\": true"));
    assert!(lake.ok("status").contains("rows in quarantine: orders 9"));
}

#[test]
fn children() {
    let lake = Lake::empty();
    let items = [
        item(1, 1, 1, 1, "2018-03-02 10:00:00", "50.00"),
        item(1, 2, 1, 1, "2018-03-02 10:00:00", "-1.00"),
        item(1, 3, 1, 1, "2018-03-02 10:00:00", "1.999"),
        item(1, 4, 1, 1, "", "1.00"),
        item(1, 0, 1, 1, "2018-03-02 10:00:00", "1.00"),
        item(1, 6, 1, 1, "2018-03-02 10:00:00", "12345678901.00"),
    ];
    let reviews = [
        review(1, 1, 5, "2018-03-02"),
        review(2, 1, 6, "2018-03-02"),
        review(3, 1, 0, "2018-03-02"),
        review(4, 77, 6, "2018-03-02"),
    ];
    let customers =
        [customer(1, "01037", "SP"), customer(2, "01037", "XX"), customer(3, "010377", "SP"), customer(4, "ABC", "SP")];
    good()
        .with("order_items", &items)
        .with("order_reviews", &reviews)
        .with("customers", &customers)
        .with("order_payments", &[payment(1, "60.00"), payment(1, "sixty"), payment(1, "6e1")])
        .deliver(&lake);
    let outcome = lake.ok("run all");
    let parts = ["order_items", "order_reviews", "customers", "order_payments"]
        .map(|source| format!("{source}\n{}", quarantine(&lake, source)));
    lake.snapshots().bind(|| insta::assert_snapshot!("children", format!("{outcome}\n\n{}", parts.join("\n"))));
    assert_eq!(lake.value("select n_items from clean.deliveries"), "1");
    assert!(lake.ok("op reconcile").contains("\"reconciled\": true"));
}

#[test]
fn dimensions() {
    let lake = Lake::empty();
    good()
        .with("sellers", &[seller(1, "13023", "SP"), seller(2, "13023", "sp"), format!("{},,,", "no id")])
        .with(
            "products",
            &[
                product(1, "bebes"),
                product(2, "bebes").replace(",300,", ",heavy,"),
                product(3, "bebes").replace(",300,", ",-5,"),
            ],
        )
        .with("categories", &[category("bebes", "babies"), category("", "nothing")])
        .with(
            "geolocation",
            &[point("01037", -23.5, -46.6), "13023,south,-47.0,campinas,SP".to_owned(), point("20031", 41.6, -8.4)],
        )
        .deliver(&lake);
    let outcome = lake.ok("run all");
    let parts = ["sellers", "products", "categories", "geolocation"]
        .map(|source| format!("{source}\n{}", quarantine(&lake, source)));
    lake.snapshots().bind(|| insta::assert_snapshot!("dimensions", format!("{outcome}\n\n{}", parts.join("\n"))));
    assert!(lake.ok("op reconcile").contains("\"reconciled\": true"));
}

#[test]
fn bytes_that_are_no_text() {
    let lake = Lake::empty();
    let mut bytes = b"seller_id,seller_zip_code_prefix,seller_city,seller_state\n".to_vec();
    bytes.extend(seller(1, "13023", "SP").bytes().chain(*b"\n"));
    bytes.extend(seller(2, "13023", "SP").replace("campinas", "CITY").bytes());
    let city = bytes.windows(4).position(|window| window == b"CITY").unwrap();
    // "São Paulo" as Latin-1.
    bytes.splice(city..city + 4, *b"S\xe3o Paulo");
    bytes.push(b'\n');
    good().with_bytes("sellers", bytes, 2).deliver(&lake);
    lake.ok("run all");
    lake.snapshots().bind(|| insta::assert_snapshot!("bytes_that_are_no_text", quarantine(&lake, "sellers")));
    assert_eq!(lake.value("select count(*) as sellers from clean.sellers"), "1");
}

#[test]
fn line_breaks_quotes_and_blanks_are_fine() {
    let lake = Lake::empty();
    let comment = "\"first line\r\nsecond, \"\"quoted\"\"\r\n\"";
    let told = review(1, 1, 4, "2018-03-02").replace(",4,,,", &format!(",4, title ,{comment},"));
    let padded = review(2, 1, 3, "2018-03-03").replace(',', " , ");
    good().with("order_reviews", &[told, padded, review(3, 1, 9, "2018-03-02")]).deliver(&lake);
    lake.ok("run all");
    let rows = lake.rows(
        "select review_score, review_comment_title, review_comment_message from clean.order_reviews order by review_id",
    );
    insta::assert_json_snapshot!("line_breaks_quotes_and_blanks", rows);
    // The line of a bad row is counted in lines of the file, as an editor shows it.
    assert_eq!(lake.value("select line from quarantine.order_reviews"), "6");
}

#[test]
fn a_truncated_last_row_is_told() {
    let lake = Lake::empty();
    let text = format!(
        "order_id,payment_sequential,payment_type,payment_installments,payment_value\n{}\n{}",
        payment(1, "60.00"),
        "\"0e00000000"
    );
    good().with_bytes("order_payments", text.into_bytes(), 2).deliver(&lake);
    let outcome = lake.run("run all");
    assert!(!outcome.err.contains("panicked"), "{outcome}");
    let quarantined = if outcome.code == Some(0) { quarantine(&lake, "order_payments") } else { String::new() };
    lake.snapshots().bind(|| insta::assert_snapshot!("a_truncated_last_row", format!("{outcome}\n{quarantined}")));
}

#[test]
fn a_row_that_is_mended_in_a_later_drop_is_taken() {
    let lake = Lake::empty();
    let done = ["2018-03-01 10:00:00", "2018-03-01 11:00:00", "2018-03-02 10:00:00", "2018-03-05 10:00:00"];
    good().deliver(&lake);
    Delivery::day("2018-03-05")
        .with("orders", &[delivered(1, done, "2018-03-20").replace(",delivered,", ",arrived,")])
        .deliver(&lake);
    lake.ok("run all");
    assert_eq!(lake.value("select order_status from clean.orders"), "created");
    Delivery::day("2018-03-05")
        .minutes_later(60)
        .under("landing/dt=2018-03-05/mended")
        .with("orders", &[delivered(1, done, "2018-03-20")])
        .deliver(&lake);
    lake.ok("run all");
    assert_eq!(lake.value("select order_status from clean.orders"), "delivered");
    // The order of arrival does not matter here either.
    let other = Lake::empty();
    Delivery::day("2018-03-05")
        .minutes_later(60)
        .under("landing/dt=2018-03-05/mended")
        .with("orders", &[delivered(1, done, "2018-03-20")])
        .deliver(&other);
    good().deliver(&other);
    other.ok("run all");
    Delivery::day("2018-03-05")
        .with("orders", &[delivered(1, done, "2018-03-20").replace(",delivered,", ",arrived,")])
        .deliver(&other);
    other.ok("run all");
    assert_same(&Contents::of(&lake), &Contents::of(&other), "a mended row before and after the bad one");
}
