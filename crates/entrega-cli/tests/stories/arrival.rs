//! How drops arrive: late, with gaps, damaged, or copied by hand.

use crate::support::{
    Contents, Delivery, Lake, SHOP, assert_same,
    rows::{bought, customer, item, order_id, payment, review, seller},
};

/// Everything of one order.
fn order_of(day: &str, order: u32) -> Delivery {
    Delivery::day(day)
        .with("orders", &[bought(order, &format!("{day} 10:00:00"), "2018-04-20")])
        .with("customers", &[customer(order, "01037", "SP")])
        .with("order_items", &[item(order, 1, 1, 1, "2018-04-02 10:00:00", "50.00")])
        .with("order_payments", &[payment(order, "60.00")])
}

#[test]
fn gaps_and_lateness_are_shown() {
    let lake = Lake::empty();
    order_of("2018-03-01", 1).deliver(&lake);
    order_of("2018-03-05", 5).minutes_later(600).deliver(&lake);
    lake.ok("run all");
    order_of("2018-03-03", 3).minutes_later(3 * 24 * 60).deliver(&lake);
    order_of("2018-03-05", 5).minutes_later(700).under("landing/dt=2018-03-05/again=1").deliver(&lake);
    lake.ok("run all");
    let said = lake.ok("status --gaps");
    lake.snapshots().bind(|| insta::assert_snapshot!("gaps_and_lateness", said));
}

#[test]
fn a_backfill_takes_what_has_come_and_tells_what_has_not() {
    let lake = Lake::empty();
    order_of("2018-03-01", 1).deliver(&lake);
    order_of("2018-03-06", 6).deliver(&lake);
    lake.ok("run all");
    order_of("2018-03-02", 2).deliver(&lake);
    order_of("2018-03-03", 3).deliver(&lake);
    order_of("2018-03-09", 9).deliver(&lake);
    let outcome = lake.run("backfill --from 2018-03-02 --to 2018-03-07");
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(outcome.out.contains("2 drops"), "{outcome}");
    assert!(
        outcome
            .out
            .contains("no drop covers [2018-03-04 00:00, 2018-03-06 00:00), [2018-03-07 00:00, 2018-03-08 00:00)"),
        "{outcome}"
    );
    assert!(outcome.err.contains("hint: ask the order system"), "{outcome}");
    assert_eq!(lake.drops(), ["landing/dt=2018-03-09"]);
    for (day, order) in [("2018-03-04", 4), ("2018-03-05", 5), ("2018-03-07", 7)] {
        order_of(day, order).deliver(&lake);
    }
    let said = lake.ok("backfill --from 2018-03-02 --to 2018-03-07");
    assert!(said.contains("is covered"), "{said}");
}

#[test]
fn damaged_drops_are_held_and_the_others_taken() {
    let lake = Lake::empty();
    order_of("2018-03-01", 1).deliver(&lake);
    order_of("2018-03-03", 3).deliver(&lake);
    order_of("2018-03-04", 4).deliver_with(&lake, "{\"torn");
    let folder = order_of("2018-03-02", 2).deliver(&lake);
    let file = folder.join("olist_order_payments_dataset.csv");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 10]).unwrap();
    let outcome = lake.run("run all --hold-damaged");
    lake.snapshots().bind(|| insta::assert_snapshot!("damaged_drops_are_held", format!("{outcome}")));
    assert_eq!(outcome.code, Some(4));
    assert_eq!(lake.value("select count(*) as orders from clean.orders"), "2");
    // Delivered again, they are taken, and nothing is missing.
    order_of("2018-03-02", 2).deliver(&lake);
    order_of("2018-03-04", 4).deliver(&lake);
    lake.ok("run all");
    let whole = Lake::empty();
    for day in 1..=4 {
        order_of(&format!("2018-03-0{day}"), day).deliver(&whole);
    }
    whole.ok("run all");
    assert_same(&Contents::of(&whole), &Contents::of(&lake), "damaged drops delivered again");
}

#[test]
fn files_without_a_manifest_are_landed() {
    let lake = Lake::empty();
    let sellers = format!("{SHOP}/olist_sellers_dataset.csv");
    let landed: serde_json::Value =
        serde_json::from_str(&lake.ok(&format!("op land {sellers} day=2018-03-01"))).unwrap();
    assert_eq!(landed["files"]["olist_sellers_dataset.csv"]["source"], "sellers");
    lake.ok("run all");
    assert_ne!(lake.value("select count(*) as sellers from clean.sellers"), "0");
}

#[test]
fn the_whole_shop_landed_by_hand_is_the_shop_replayed() {
    let lake = Lake::empty();
    let files: Vec<String> = std::fs::read_dir(SHOP)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "csv"))
        .map(|path| path.display().to_string())
        .collect();
    // Everything that the fixture tells has happened by then, as in its one drop.
    let replayed = Lake::ready();
    let end = replayed.value("select max(interval_end) as e from ops.drops").replace('T', " ");
    let start = replayed.value("select min(interval_start) as s from ops.drops").replace('T', " ");
    let mut words = vec!["op", "land"];
    words.extend(files.iter().map(String::as_str));
    let (from, to) = (format!("from={start}"), format!("to={end}"));
    words.extend([from.as_str(), to.as_str()]);
    lake.start(&words).succeeded();
    lake.ok("run all");
    assert_same(&Contents::of(&replayed), &Contents::of(&lake), "landed by hand");
}

#[test]
fn a_file_is_known_by_its_columns() {
    let lake = Lake::empty();
    std::fs::copy(format!("{SHOP}/olist_sellers_dataset.csv"), lake.home().join("export (1).csv")).unwrap();
    let landed = lake.start(&["op", "land", "export (1).csv", "day=2018-03-01"]).succeeded();
    assert!(landed.contains("\"source\": \"sellers\""), "{landed}");
}

#[test]
fn files_in_the_bucket_become_a_drop() {
    let lake = Lake::empty();
    order_of("2018-03-01", 1).deliver_files(&lake);
    assert!(lake.ok("run all").contains("nothing to do"));
    let landed = lake.ok("op land drop=landing/dt=2018-03-01");
    assert!(landed.contains("[2018-03-01 00:00, 2018-03-02 00:00)"), "{landed}");
    lake.ok("run all");
    assert_eq!(lake.value("select order_id from clean.deliveries"), order_id(1));
    assert!(lake.run("op land drop=landing/dt=2018-03-01").failed(1).contains("has a manifest already"));
}

#[test]
fn what_cannot_be_landed_leaves_nothing_behind() {
    let lake = Lake::empty();
    let home = lake.home();
    std::fs::write(home.join("notes.csv"), "a,b\n1,2\n").unwrap();
    std::fs::write(home.join("olist_orders_dataset.csv"), "order_id,customer_id\n1,2\n").unwrap();
    let seller_file = format!("{SHOP}/olist_sellers_dataset.csv");
    let tries = [
        ("op land notes.csv day=2018-03-01".to_owned(), "no source has these columns: a,b"),
        ("op land olist_orders_dataset.csv day=2018-03-01".to_owned(), "required columns are missing"),
        (format!("op land {seller_file}"), "which interval do the files tell of?"),
        (format!("op land {seller_file} {seller_file} day=2018-03-01"), "are both sellers"),
        (format!("op land {seller_file} day=yesterday"), "'yesterday' is no time"),
        (format!("op land {seller_file} from=2018-03-02 to=2018-03-01"), "is not before"),
        ("op land nowhere.csv day=2018-03-01".to_owned(), "nowhere.csv"),
        ("op land".to_owned(), "which interval do the files tell of?"),
    ];
    for (line, message) in tries {
        let outcome = lake.run(&line);
        assert!(
            outcome.code != Some(0) && outcome.err.contains(message) && outcome.err.contains("hint: "),
            "{outcome}"
        );
    }
    let status: serde_json::Value = serde_json::from_str(&lake.ok("status --json")).unwrap();
    let left = status["without_manifest"].as_array().unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_landed_whole_takes_away_what_it_lacks() {
    let lake = Lake::empty();
    order_of("2018-03-01", 1).with("sellers", &[seller(1, "13023", "SP"), seller(2, "13023", "SP")]).deliver(&lake);
    lake.ok("run all");
    let header = "seller_id,seller_zip_code_prefix,seller_city,seller_state";
    std::fs::write(lake.home().join("sellers.csv"), format!("{header}\n{}\n", seller(1, "13023", "SP"))).unwrap();
    lake.ok("op land sellers.csv day=2018-03-02 whole=true");
    lake.ok("run all");
    assert_eq!(lake.value("select count(*) as sellers from clean.sellers"), "1");
}

#[test]
fn byte_order_marks_carriage_returns_and_blank_lines_are_fine() {
    let lake = Lake::empty();
    let header = "review_id,order_id,review_score,review_comment_title,review_comment_message,review_creation_date,review_answer_timestamp";
    let text = format!(
        "\u{feff}{header}\r\n{}\r\n\r\n{}\r\n\r\n",
        review(1, 1, 4, "2018-03-02"),
        review(2, 1, 5, "2018-03-03")
    );
    order_of("2018-03-01", 1).with_bytes("order_reviews", text.into_bytes(), 2).deliver(&lake);
    lake.ok("run all");
    assert_eq!(lake.value("select count(*) as reviews from clean.order_reviews"), "2");
}
