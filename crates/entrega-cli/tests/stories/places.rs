//! Where a lake lies: it is made and examined, and files go in and out. (Buckets have tests of their own, with a real server.)

use serde_json::Value;

use crate::support::Lake;

#[test]
fn a_place_is_made_a_lake_and_examined() {
    let lake = Lake::nowhere();
    assert!(lake.ok("doctor").contains("a second create is refused"));
    assert!(lake.ok("lake init").contains("is a lake; drops go to landing/dt=YYYY-MM-DD/"));
    let findings: Vec<Value> = serde_json::from_str(&lake.ok("doctor --json")).unwrap();
    assert!(findings.len() >= 6 && findings.iter().all(|finding| finding["health"] == "well"), "{findings:?}");
    assert!(lake.run("lake init --print policy").failed(1).contains("only buckets have policies"));
}

#[test]
fn files_go_in_and_out_of_the_landing_zone_and_nowhere_else() {
    let (from, lake) = (Lake::replayed("--as one-drop"), Lake::nowhere());
    let drops = from.path().join("landing").to_str().unwrap().to_owned();
    assert!(lake.start(&["lake", "put", &drops, "landing"]).succeeded().contains("0 were there already"));
    assert!(lake.start(&["lake", "put", &drops, "landing"]).succeeded().starts_with("0 files copied"));
    lake.ok("run ingest");
    assert_eq!(lake.value("select count(*) from clean.orders"), "30");

    lake.ok("lake get landing copy");
    let file = "dt=2018-03-29/olist_orders_dataset.csv";
    let read = |folder: &std::path::Path| std::fs::read(folder.join(file)).unwrap();
    assert_eq!(read(&lake.home().join("copy")), read(&lake.path().join("landing")));
    let used: Vec<Value> = serde_json::from_str(&lake.ok("lake du --json")).unwrap();
    assert!(used.iter().any(|folder| folder["folder"] == "landing" && folder["files"] == 10), "{used:?}");

    for path in ["clean/orders", "ops", "landing/../clean"] {
        let refused = lake.start(&["lake", "rm", "--recursive", path]).failed(1);
        assert!(refused.contains("hint: other folders belong to tables"), "{refused}");
    }
    assert!(lake.run("lake rm landing").failed(1).contains("--recursive deletes them all"));
    assert!(lake.ok("lake rm --recursive --dry-run landing").contains("would be deleted"));
    assert!(lake.ok("lake rm --recursive landing").contains("10 files deleted"));
    assert!(lake.run("lake get landing copy").failed(1).contains("there is nothing"));
}
