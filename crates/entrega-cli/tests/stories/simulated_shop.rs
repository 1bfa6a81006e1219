//! A shop that never was goes the whole way: drops, tables, report.

use crate::support::Lake;

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
