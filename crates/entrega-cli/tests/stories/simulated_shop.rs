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
