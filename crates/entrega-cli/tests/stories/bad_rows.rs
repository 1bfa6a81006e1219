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

/// A kind of bad row of the guide: what it is called there, its source, the row, and the rule that it breaks.
type Kind = (&'static str, &'static str, String, &'static str);

/// Every kind of bad row that the guide on bad input lists with this story.
fn kinds() -> Vec<Kind> {
    let time = "2018-03-01 10:00:00";
    let order = |number: u32, from: &str, to: &str| bought(number, time, "2018-03-20").replacen(from, to, 1);
    let item_of = |number: u32, limit: &str, price: &str| item(1, number, 1, 1, limit, price);
    vec![
        ("a date that does not exist (30 February)", "orders", order(11, time, "2018-02-30 10:00:00"), "type"),
        ("a date in another format (01/03/2018)", "orders", order(12, time, "01/03/2018"), "type"),
        ("a time with a zone (2018-03-01T10:00:00Z)", "orders", order(13, time, "2018-03-01T10:00:00Z"), "type"),
        ("hour 24", "orders", order(14, time, "2018-03-01 24:00:00"), "type"),
        ("no purchase timestamp", "orders", order(15, time, ""), "required"),
        ("no promise", "orders", order(16, "2018-03-20 00:00:00", ""), "required"),
        ("no key", "orders", order(17, &order_id(17), ""), "required"),
        ("an id that is not 32 hex digits", "orders", order(18, &order_id(18), "order-18"), "type"),
        ("an id in capitals", "orders", order(19, &order_id(19), &order_id(19).to_uppercase()), "type"),
        ("an unknown order status", "orders", order(20, ",created,", ",lost,"), "accepted"),
        ("an unknown state", "customers", customer(21, "01037", "XX"), "accepted"),
        ("too few fields", "orders", format!("{},x", order_id(22)), "columns"),
        ("too many fields", "orders", format!("{},x", order(23, "", "")), "columns"),
        ("text where a number belongs", "order_payments", payment(1, "sixty"), "type"),
        ("an amount with a comma for a point", "order_payments", payment(1, "\"60,00\""), "type"),
        ("an amount with three decimals", "order_items", item_of(2, time, "1.999"), "type"),
        ("an amount too large for DECIMAL(12,2)", "order_items", item_of(3, time, "12345678901.00"), "type"),
        ("a negative amount", "order_items", item_of(4, time, "-1.00"), "range"),
        ("a negative weight", "products", product(5, "bebes").replace(",300,", ",-5,"), "range"),
        ("a score outside 1 to 5", "order_reviews", review(6, 1, 6, "2018-03-02"), "range"),
        ("an item number of 0", "order_items", item_of(0, time, "1.00"), "range"),
        ("a postal prefix with letters", "customers", customer(24, "ABC", "SP"), "type"),
        ("a postal prefix of six digits", "customers", customer(25, "010377", "SP"), "type"),
        ("a latitude that is no number (NaN)", "geolocation", "13023,NaN,-47.0,campinas,SP".to_owned(), "type"),
    ]
}

#[test]
fn every_kind() {
    let lake = Lake::empty();
    let mut sources: std::collections::BTreeMap<&str, Vec<String>> = [
        ("orders", bought(1, "2018-03-01 10:00:00", "2018-03-20")),
        ("customers", customer(1, "01037", "SP")),
        ("order_items", item(1, 1, 1, 1, "2018-03-02 10:00:00", "50.00")),
        ("order_payments", payment(1, "60.00")),
        ("order_reviews", review(1, 1, 5, "2018-03-02")),
        ("products", product(1, "bebes")),
        ("geolocation", point("01037", -23.5, -46.6)),
    ]
    .map(|(source, row)| (source, vec![row]))
    .into();
    for (_, source, row, _) in kinds() {
        sources.get_mut(source).unwrap().push(row);
    }
    sources.iter().fold(good(), |delivery, (source, rows)| delivery.with(source, rows)).deliver(&lake);
    lake.ok("run all");
    for (kind, source, row, rule) in kinds() {
        let found = lake.rows(&format!("select rule, raw from quarantine.{source}"));
        let broken: Vec<_> = found.iter().filter(|found| found["raw"] == *row).map(|found| &found["rule"]).collect();
        assert_eq!(broken, [rule], "{kind}");
    }
    let taken = ["orders", "customers", "order_items", "order_payments", "order_reviews", "products", "geolocation"]
        .map(|source| lake.value(&format!("select count(*) as rows from clean.{source}")));
    assert_eq!(taken, ["1"; 7], "the good row of each source is taken");
}

/// Every line of the guide names tests that exist, and the kinds of bad rows are those that are tested.
#[test]
fn the_guide_is_backed_by_tests() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stories");
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guides/bad-input.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let lines: Vec<Vec<&str>> = guide
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("::"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(lines.len() >= 40, "{} kinds of bad input", lines.len());
    for line in &lines {
        let (module, test) = line[2].trim_matches('`').split_once("::").unwrap();
        let source = std::fs::read_to_string(format!("{folder}/{module}.rs")).unwrap();
        assert!(source.contains(&format!("fn {test}(")), "{} is no test", line[2]);
    }
    let told: Vec<(&str, &str)> =
        lines.iter().filter(|line| line[2] == "`bad_rows::every_kind`").map(|line| (line[0], line[1])).collect();
    assert_eq!(told.len(), kinds().len());
    for (kind, _, _, rule) in kinds() {
        let found = told.iter().find(|(name, _)| *name == kind);
        assert!(found.is_some_and(|(_, told)| told.starts_with(&format!("`{rule}`"))), "{kind}: {rule}");
    }
}

#[test]
fn a_timeline_out_of_order_is_flagged() {
    let lake = Lake::empty();
    let times = ["2018-03-01 10:00:00", "2018-03-03 10:00:00", "2018-03-02 10:00:00", "2018-03-05 10:00:00"];
    good().with("orders", &[delivered(1, times, "2018-03-20")]).deliver(&lake);
    lake.ok("run all");
    assert_eq!(lake.value("select timeline_ok from clean.orders"), "false");
    assert_eq!(lake.value("select handling_seconds is null as missing from clean.deliveries"), "true");
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
