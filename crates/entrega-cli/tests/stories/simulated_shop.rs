//! A shop that never was goes the whole way: drops, tables, report.

use std::fs;

use crate::support::{Lake, SHOP};

fn simulated(words: &str) -> Lake {
    let lake = Lake::nowhere();
    lake.ok(&format!("simulate --orders 600 --from 2018-01-01 --to 2018-03-31 {words}"));
    lake.ok("run all");
    lake
}

#[test]
fn it_ends_in_a_report() {
    let lake = simulated("");
    assert_eq!(lake.value("select count(*) from clean.orders"), "600");
    assert_eq!(
        lake.value("select count(*) from clean.deliveries where n_items = 0 and order_status <> 'unavailable'"),
        "0"
    );
    assert_eq!(lake.value("select count(*) from ops.drops where quarantined + waiting > 0"), "0");
    assert_eq!(lake.value("select count(*) from ops.drops where rows_in <> inserted + updated + unchanged + superseded + duplicate + dropped"), "0");
    let late =
        lake.value("select cast(100 * avg(case when is_late then 1.0 else 0.0 end) as int) from clean.deliveries");
    assert!((0..40).contains(&late.parse::<i32>().unwrap()), "{late} % late");
    let said = lake.ok("report --date 2018-03-15 --out simulated.html");
    assert!(said.contains("15 March 2018"), "{said}");
}

#[test]
fn without_mess_nothing_contradicts_itself() {
    let lake = simulated("--mess none --cadence hourly");
    assert_eq!(lake.value("select count(*) from clean.orders where not timeline_ok"), "0");
    assert_eq!(lake.value("select count(*) from clean.products where category = 'unknown'"), "0");
}

#[test]
fn it_is_compared_with_the_real_one() {
    let lake = Lake::nowhere();
    let said = lake
        .start(&["simulate", "--compare", SHOP, "--orders", "300", "--from", "2018-01-01", "--to", "2018-03-31"])
        .succeeded();
    for words in ["When people buy", "Late deliveries by month of purchase", "price – weight", "alike", "apart"] {
        assert!(said.contains(words), "{words} is missing in: {said}");
    }
    assert!(said.ends_with("comparison.html"), "{said}");
    let page = fs::read_to_string(lake.home().join("comparison.html")).unwrap();
    assert!(page.contains("1 January 2018 to 28 February 2018"), "the last month is left to settle");
    assert!(page.contains("of seed 1") && page.contains("of shop"));
    assert!(page.contains("default-src 'none'") && !page.contains("src=\"") && !page.contains("<link"));
    let left: Vec<_> = fs::read_dir(lake.home()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["comparison.html"], "a comparison leaves its page and nothing else");
}

#[test]
fn a_comparison_needs_a_real_shop_and_days_on_which_it_sold() {
    let lake = Lake::nowhere();
    let refused = |story: &str, words: &[&str], code: i32| {
        let message = lake.start(words).failed(code);
        lake.snapshots().bind(|| insta::assert_snapshot!(story, message));
    };
    refused("a_comparison_with_nothing", &["simulate", "--compare", "nowhere.zip"], 1);
    refused("a_comparison_of_days_without_orders", &["simulate", "--compare", SHOP, "--from", "2018-08-01"], 1);
    refused("a_page_without_a_comparison", &["simulate", "--out", "comparison.html"], 2);
    assert!(fs::read_dir(lake.home()).unwrap().next().is_none(), "something was left behind");
}
