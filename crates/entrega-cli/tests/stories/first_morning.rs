//! The first morning: a data set goes in, a report comes out, and each verb says something that can be read.

use serde_json::Value;

use crate::support::{Lake, SHOP, lake::Transcript};

#[test]
fn from_a_data_set_to_its_tables() {
    let lake = Lake::nowhere();
    let mut said = Transcript::default();
    said.ok(&lake, &["replay", "--source", SHOP, "--as", "one-drop"]);
    said.ok(&lake, &["status"]);
    said.ok(&lake, &["run", "all", "--dry-run"]);
    said.ok(&lake, &["run", "all"]);
    said.ok(&lake, &["status"]);
    said.ok(&lake, &["run", "all"]);
    said.ok(&lake, &["op", "reconcile"]);
    said.ok(&lake, &["op", "check", "table=clean.deliveries"]);
    lake.snapshots().bind(|| insta::assert_snapshot!("from_a_data_set_to_its_tables", said.text()));
}

#[test]
fn questions_in_sql() {
    let lake = Lake::ready();
    let mut said = Transcript::default();
    let late_orders = "select order_id, customer_state, seller_state, delay_days, price, distance_km from clean.deliveries where is_late order by order_id";
    said.ok(&lake, &["sql", late_orders]);
    said.ok(&lake, &["sql", "--output", "csv", late_orders]);
    said.ok(&lake, &["sql", "--output", "json", late_orders]);
    said.ok(&lake, &["sql", "select sum(due) as due, sum(due_missed) as due_missed, sum(delivered) as delivered from summary.delivery_daily"]);
    said.ok(&lake, &["sql", "--as-of-batch", "1", "select count(*) as orders from clean.orders"]);
    said.ok(&lake, &["sql", "--output", "csv", "select order_id from clean.orders where 1 = 0"]);
    lake.snapshots().bind(|| insta::assert_snapshot!("questions_in_sql", said.text()));
}

#[test]
fn tables_and_operators_are_listed() {
    let lake = Lake::nowhere();
    let mut said = Transcript::default();
    said.ok(&lake, &["tables", "clean.orders"]);
    said.ok(&lake, &["tables", "--ddl", "clean.shipments"]);
    said.ok(&lake, &["op", "list"]);
    lake.snapshots().bind(|| insta::assert_snapshot!("tables_and_operators_are_listed", said.text()));
    for table in ["clean.deliveries", "summary.delivery_daily", "ops.batches", "quarantine.orders"] {
        assert!(lake.ok("tables").contains(table), "{table} is not listed");
    }
    let page = include_str!("../../../../docs/reference/tables.md");
    assert_eq!(lake.ok("tables --diagram").trim_end(), page.trim_end(), "run `make docs`");
}

#[test]
fn the_report_is_one_file() {
    let lake = Lake::ready();
    let said = lake.ok("report --date 2018-01-20 --out morning.html");
    let html = std::fs::read_to_string(lake.home().join("morning.html")).unwrap();
    assert!(html.len() < 1_500_000, "{} bytes", html.len());
    let headline = said.lines().next().unwrap();
    assert!(html.contains(headline), "the page lacks its headline: {headline}");
    // Without a network: nothing is fetched by the page (links that a reader may click are fine).
    for fetched in ["src=\"http", "href=\"http", "url(http", "@import"] {
        assert!(!html.contains(fetched), "the page fetches something: {fetched}");
    }
    let items = std::fs::read_to_string(lake.home().join("late_to_carrier_2018-01-20.csv")).unwrap();
    assert!(items.starts_with("order_id,order_item_id"), "{items}");
    lake.snapshots().bind(|| insta::assert_snapshot!("the_report_is_one_file", said));
}

#[test]
fn machines_can_read_along() {
    let lake = Lake::replayed("--cadence daily --to 2018-01-10");
    let json = |line: &str| -> Value { serde_json::from_str(&lake.ok(line)).unwrap() };
    let plan = json("run all --dry-run --json");
    assert_eq!(plan["drops"].as_array().unwrap().len(), 9);
    assert_eq!(lake.batches(), Vec::<String>::new(), "a dry run published something");
    let done = json("run all --json");
    assert_eq!(done["ingests"][0]["drops"], 9);
    let status = json("status --json");
    assert_eq!(status["as_of"], "2018-01-11T00:00:00");
    assert_eq!(status["drops_taken"], 9);
    let nothing = json("run all --json");
    assert_eq!(nothing["ingests"].as_array().unwrap().len(), 0);
    assert_eq!(json("op reconcile")["reconciled"], true);
    assert_eq!(json("op discover")["waiting"].as_array().unwrap().len(), 0);
}

#[test]
fn a_lake_is_found_by_flag_environment_or_file() {
    let lake = Lake::ready();
    let count = "select count(*) as orders from clean.orders";
    let ask = |prepare: &dyn Fn(&mut std::process::Command)| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_entrega"));
        command
            .env_remove("ENTREGA_LAKE")
            .env_remove("ENTREGA_MODELS")
            .current_dir(lake.home())
            .args(["sql", "--output", "csv", count]);
        prepare(&mut command);
        crate::support::Outcome::of(&["sql"], command.output().unwrap()).succeeded()
    };
    let url = format!("file://{}", lake.path().display());
    assert_eq!(
        ask(&|command| {
            command.args(["--lake", &url]);
        }),
        "orders\n30"
    );
    assert_eq!(
        ask(&|command| {
            command.env("ENTREGA_LAKE", "lake");
        }),
        "orders\n30"
    );
    std::fs::write(lake.home().join("entrega.toml"), "lake = \"lake\"\n").unwrap();
    assert_eq!(ask(&|_| ()), "orders\n30");
}
