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
    refused("a_comparison_of_a_heavy_mess", &["simulate", "--compare", SHOP, "--mess", "heavy"], 1);
    lake.start(&["simulate", "--compare", SHOP, "--follow"]).failed(2);
    refused("a_page_without_a_comparison", &["simulate", "--out", "comparison.html"], 2);
    assert!(fs::read_dir(lake.home()).unwrap().next().is_none(), "something was left behind");
}

#[test]
fn it_goes_on() {
    let lake = simulated("");
    let said = lake.ok("simulate --follow --intervals 3 --speed 1000000x");
    assert!(said.contains("landing/dt=2018-04-03"), "{said}");
    assert!(said.contains("3 drops over [2018-04-01 00:00, 2018-04-04 00:00)"), "{said}");
    lake.ok("run all");
    assert_eq!(lake.value("select cast(max(purchase_date) as string) from clean.orders"), "2018-04-03");
}

/// At the clock's own pace: the first drop comes at once, the second a day later.
#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_well() {
    use std::{
        io::{BufRead as _, BufReader, Read as _},
        process::{Command, Stdio},
    };

    let lake = Lake::nowhere();
    lake.ok("simulate --orders 100 --from 2018-01-01 --to 2018-01-10");
    let mut following = lake.command(&["simulate", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let (mut first, mut rest) = (String::new(), String::new());
    let mut said = BufReader::new(following.stdout.take().unwrap());
    said.read_line(&mut first).unwrap();
    assert!(first.starts_with("landing/dt=2018-01-11: "), "{first}");
    assert!(Command::new("kill").args(["-INT", &following.id().to_string()]).status().unwrap().success());
    said.read_to_string(&mut rest).unwrap();
    assert!(following.wait().unwrap().success());
    assert!(rest.starts_with("1 drops over [2018-01-11 00:00, 2018-01-12 00:00)"), "{rest}");
    assert_eq!(lake.drops().len(), 11);
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let lake = Lake::empty();
    let message = lake.run("simulate --follow").failed(1);
    assert!(message.contains("no simulated shop") && message.contains("hint: "), "{message}");
    let message = lake.run("simulate --follow --seed 7").failed(2);
    assert!(message.contains("--seed"), "{message}");
    lake.run("simulate --speed 10x").failed(2);
    lake.run("simulate --follow --speed fast").failed(2);
}
