//! A person asks to be forgotten.

use std::{fs, path::Path};

use crate::support::{
    Contents, Delivery, Lake, assert_same,
    rows::{bought, category, customer, customer_id, item, order_id, payment, point, product, review, seller},
};

/// The person behind an order's customer.
fn person(order: u32) -> String {
    customer(order, "01037", "SP").split(',').nth(1).unwrap().to_owned()
}

/// Two orders; the second one's person will ask. One of her reviews and one bad row are in quarantine.
fn days() -> [Delivery; 3] {
    [
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
            .with(
                "order_payments",
                &[payment(1, "60.00"), payment(2, "80.00"), payment(2, "eighty").replace(",1,credit", ",2,credit")],
            )
            .with("products", &[product(1, "bebes"), product(2, "perfumaria")])
            .with("sellers", &[seller(1, "13023", "SP")])
            .with("categories", &[category("bebes", "babies")])
            .with("geolocation", &[point("01037", -23.5, -46.6)]),
        Delivery::day("2018-02-02")
            .with("order_reviews", &[review(1, 1, 4, "2018-02-02"), review(2, 2, 5, "2018-02-02")]),
        Delivery::day("2018-02-03").with("orders", &[bought(2, "2018-02-01 09:00:00", "2018-02-26")]),
    ]
}

/// Files below a folder that hold a text, Parquet apart: their pages are compressed.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if String::from_utf8_lossy(&fs::read(&path).unwrap()).contains(text) {
            found.push(path.display().to_string());
        }
    }
    found
}

fn parquet_files(folder: &Path) -> usize {
    fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|entry| {
            if entry.path().is_dir() {
                parquet_files(&entry.path())
            } else {
                usize::from(entry.path().extension().is_some_and(|end| end == "parquet"))
            }
        })
        .sum()
}

#[test]
fn nothing_of_her_is_left_and_nothing_else_changes() {
    let lake = Lake::empty();
    for day in days() {
        day.deliver(&lake);
        lake.ok("run all");
    }
    let receipt = lake.ok(&format!("op erase --customer-unique-id {} receipt=receipt.json", person(2)));
    assert_eq!(receipt, fs::read_to_string(lake.home().join("receipt.json")).unwrap());
    for name in [person(2), customer_id(2), order_id(2)] {
        assert!(!receipt.contains(&name), "{receipt}");
        assert_eq!(files_with(&lake.path(), &name), Vec::<String>::new());
    }
    lake.snapshots().bind(|| insta::assert_snapshot!("a_receipt", receipt));
    // What is left is what a lake would hold that never knew her.
    let never = Lake::empty();
    for day in [
        Delivery::day("2018-02-01")
            .with("orders", &[bought(1, "2018-01-31 10:00:00", "2018-02-20")])
            .with("customers", &[customer(1, "01037", "SP")])
            .with("order_items", &[item(1, 1, 1, 1, "2018-02-03 10:00:00", "50.00")])
            .with("order_payments", &[payment(1, "60.00")])
            .with("products", &[product(1, "bebes"), product(2, "perfumaria")])
            .with("sellers", &[seller(1, "13023", "SP")])
            .with("categories", &[category("bebes", "babies")])
            .with("geolocation", &[point("01037", -23.5, -46.6)]),
        Delivery::day("2018-02-02").with("order_reviews", &[review(1, 1, 4, "2018-02-02")]),
        Delivery::day("2018-02-03"),
    ] {
        day.deliver(&never);
    }
    never.ok("run all");
    assert_same(&Contents::of(&never), &Contents::of(&lake), "a person erased");
    // The drops are known under their new contents, and a rebuild from them gives the same.
    assert!(lake.ok("run all").contains("nothing to do"));
    assert!(lake.ok("op reconcile").contains("\"reconciled\": true"));
    let models = crate::support::Models::copy();
    models.change("landing/orders.toml", "kind = \"changes\"", "kind = \"changes\" # again");
    let lake = lake.with_models(models.path());
    assert!(lake.ok("run all").contains("everything rebuilt"));
    assert_same(&Contents::of(&never), &Contents::of(&lake), "rebuilt after an erasure");
}

#[test]
fn a_late_drop_does_not_bring_her_back() {
    let lake = Lake::empty();
    let [first, second, third] = days();
    first.deliver(&lake);
    second.deliver(&lake);
    lake.ok("run all");
    lake.ok(&format!("op erase customer_unique_id={}", person(2)));
    third.deliver(&lake);
    Delivery::day("2018-02-04")
        .with("customers", &[customer(2, "13023", "RJ")])
        .with("order_items", &[item(2, 2, 1, 1, "2018-02-05 10:00:00", "5.00")])
        .deliver(&lake);
    lake.ok("run all");
    for table in ["clean.orders", "clean.customers", "clean.order_items", "clean.deliveries"] {
        assert_eq!(lake.value(&format!("select count(*) as rows from {table}")), "1", "{table}");
    }
    assert_eq!(lake.value("select count(*) as rows from quarantine.order_items"), "0");
}

#[test]
fn older_versions_are_gone() {
    let lake = Lake::empty();
    for day in days() {
        day.deliver(&lake);
        lake.ok("run all");
    }
    let before = parquet_files(&lake.path());
    lake.ok(&format!("op erase customer_unique_id={}", person(2)));
    assert!(parquet_files(&lake.path()) < before);
    let said = lake.start(&["sql", "--as-of-batch", "1", "select count(*) from clean.orders"]).failed(1);
    assert!(said.contains("was published before a person was erased"), "{said}");
    assert_eq!(lake.value("select count(*) as rows from clean.orders"), "1");
}

#[test]
fn only_a_person_of_the_lake_can_be_erased() {
    let lake = Lake::empty();
    days()[0].deliver(&lake);
    lake.ok("run all");
    let before = Contents::of(&lake);
    assert!(lake.run("op erase customer_unique_id=somebody").failed(1).contains("is no customer_unique_id"));
    let nobody = "ffffffffffffffffffffffffffffffff";
    assert!(lake.run(&format!("op erase customer_unique_id={nobody}")).failed(1).contains("no such person"));
    assert_same(&before, &Contents::of(&lake), "nobody erased");
}

#[test]
fn what_was_not_taken_yet_is_erased_too() {
    let lake = Lake::empty();
    for day in days() {
        day.deliver(&lake);
    }
    lake.ok(&format!("op erase customer_unique_id={}", person(2)));
    assert_eq!(files_with(&lake.path(), &order_id(2)), Vec::<String>::new());
    lake.ok("run all");
    assert_eq!(lake.value("select count(*) as rows from clean.orders"), "1");
}

#[test]
fn doing_it_again_changes_nothing() {
    let lake = Lake::empty();
    for day in days() {
        day.deliver(&lake);
    }
    lake.ok("run all");
    lake.ok(&format!("op erase customer_unique_id={}", person(2)));
    let before = Contents::of(&lake);
    let again = lake.ok(&format!("op erase customer_unique_id={}", person(2)));
    assert!(again.contains("\"orders\": 0") && again.contains("\"left\": 0"), "{again}");
    assert_same(&before, &Contents::of(&lake), "erased twice");
}
