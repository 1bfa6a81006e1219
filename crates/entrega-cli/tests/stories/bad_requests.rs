//! Wrong paths, arguments and questions: each a message with a hint, and nothing done.

use std::{fs, io::Write as _, path::Path};

use crate::support::{Contents, Delivery, Lake, SHOP, assert_same, rows::bought};

/// Asserts code and message of a command that must fail.
fn refused(lake: &Lake, story: &str, words: &[&str], code: i32) {
    let message = lake.start(words).failed(code);
    assert!(code == 2 || message.contains("hint: "), "no hint: {message}");
    lake.snapshots().bind(|| insta::assert_snapshot!(story, message));
}

/// A copy of the shop, to be damaged.
fn shop_copy(lake: &Lake) -> std::path::PathBuf {
    let copy = lake.home().join("shop");
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(SHOP).unwrap().map(|entry| entry.unwrap().path()) {
        fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
    }
    copy
}

fn nothing_made(lake: &Lake) {
    assert!(!lake.path().exists(), "a failed replay left a lake behind");
}

#[test]
fn a_source_that_is_not_there() {
    let lake = Lake::nowhere();
    refused(&lake, "a_source_that_is_not_there", &["replay", "--source", "nowhere.zip"], 1);
    nothing_made(&lake);
}

#[test]
fn a_source_that_is_no_zip() {
    let lake = Lake::nowhere();
    fs::write(lake.home().join("data.zip"), "this is not a zip").unwrap();
    refused(&lake, "a_source_that_is_no_zip", &["replay", "--source", "data.zip"], 1);
    nothing_made(&lake);
}

#[test]
fn a_source_with_a_file_missing() {
    let lake = Lake::nowhere();
    fs::remove_file(shop_copy(&lake).join("olist_sellers_dataset.csv")).unwrap();
    refused(&lake, "a_source_with_a_file_missing", &["replay", "--source", "shop"], 1);
    nothing_made(&lake);
}

#[test]
fn a_source_with_a_column_renamed() {
    let lake = Lake::nowhere();
    let file = shop_copy(&lake).join("olist_orders_dataset.csv");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("order_approved_at", "approved_at")).unwrap();
    refused(&lake, "a_source_with_a_column_renamed", &["replay", "--source", "shop"], 1);
    nothing_made(&lake);
}

#[test]
fn a_source_that_ends_too_early() {
    let lake = Lake::nowhere();
    let file = shop_copy(&lake).join("olist_orders_dataset.csv");
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 40]).unwrap();
    refused(&lake, "a_source_that_ends_too_early", &["replay", "--source", "shop"], 1);
    nothing_made(&lake);
}

#[test]
fn a_span_without_days() {
    let lake = Lake::nowhere();
    refused(&lake, "a_span_without_days", &["replay", "--source", SHOP, "--from", "2019-01-01"], 1);
    refused(&lake, "a_span_of_no_date", &["replay", "--source", SHOP, "--from", "soon"], 2);
}

#[test]
fn a_lake_that_is_not_there() {
    let lake = Lake::nowhere();
    for (verb, words) in [
        ("run", vec!["run", "all"]),
        ("status", vec!["status"]),
        ("sql", vec!["sql", "select 1"]),
        ("report", vec!["report"]),
    ] {
        refused(&lake, &format!("a_lake_that_is_not_there_{verb}"), &words, 1);
        nothing_made(&lake);
    }
}

#[test]
fn a_folder_that_is_no_lake() {
    let lake = Lake::nowhere();
    fs::create_dir(lake.path()).unwrap();
    fs::write(lake.path().join("holiday.jpg"), "a picture").unwrap();
    refused(&lake, "a_folder_that_is_no_lake_run", &["run", "all"], 1);
    refused(&lake, "a_folder_that_is_no_lake_replay", &["replay", "--source", SHOP], 1);
    let left: Vec<_> = fs::read_dir(lake.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["holiday.jpg"]);
}

#[test]
fn a_lake_that_is_a_file() {
    let lake = Lake::nowhere();
    fs::write(lake.path(), "a file").unwrap();
    refused(&lake, "a_lake_that_is_a_file_run", &["run", "all"], 1);
    refused(&lake, "a_lake_that_is_a_file_replay", &["replay", "--source", SHOP], 1);
    assert_eq!(fs::read_to_string(lake.path()).unwrap(), "a file");
}

#[test]
fn a_lake_of_an_unknown_kind() {
    let lake = Lake::nowhere();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_entrega"))
        .current_dir(lake.home())
        .args(["status", "--lake", "ftp://shop/lake"])
        .output()
        .unwrap();
    let message = crate::support::Outcome::of(&["status"], output).failed(1);
    lake.snapshots().bind(|| insta::assert_snapshot!("a_lake_of_an_unknown_kind", message));
}

#[test]
fn no_lake_at_all() {
    let lake = Lake::nowhere();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_entrega"));
    let output = command.current_dir(lake.home()).env_remove("ENTREGA_LAKE").args(["run", "all"]).output().unwrap();
    let message = crate::support::Outcome::of(&["run", "all"], output).failed(1);
    lake.snapshots().bind(|| insta::assert_snapshot!("no_lake_at_all", message));
}

#[test]
fn settings_that_cannot_be_read() {
    let lake = Lake::ready();
    fs::write(lake.home().join("entrega.toml"), "lakes = [\"lake\"]\n").unwrap();
    refused(&lake, "settings_that_cannot_be_read", &["status"], 1);
}

#[test]
fn an_empty_lake_says_so() {
    let lake = Lake::empty();
    let mut said = crate::support::lake::Transcript::default();
    said.ok(&lake, &["status"]).ok(&lake, &["run", "all", "--dry-run"]).ok(&lake, &["run", "all"]);
    lake.snapshots().bind(|| insta::assert_snapshot!("an_empty_lake", said.text()));
    refused(&lake, "an_empty_lake_report", &["report"], 1);
    refused(&lake, "an_empty_lake_sql", &["sql", "select count(*) from clean.orders"], 1);
}

/// Somebody's own order system needs no replay: drops under `landing/` are enough.
#[test]
fn a_folder_of_own_drops_is_a_lake() {
    let lake = Lake::empty();
    fs::remove_file(lake.path().join("_entrega.json")).unwrap();
    Delivery::day("2018-03-01").with("orders", &[bought(1, "2018-03-01 10:00:00", "2018-03-20")]).deliver(&lake);
    lake.ok("run all");
    assert_eq!(lake.value("select count(*) as orders from clean.orders"), "1");
    assert_eq!(lake.value("select category from clean.deliveries"), "none");
}

#[test]
fn a_second_run_at_the_same_time() {
    let lake = Lake::replayed("--cadence daily --to 2018-01-12");
    lake.ok("run all --to 2018-01-10");
    let (before, batches) = (Contents::of(&lake), lake.batches());
    let lease = fs::OpenOptions::new().append(true).open(lake.path().join("_lease")).unwrap();
    lease.lock().unwrap();
    refused(&lake, "a_second_run_at_the_same_time", &["run", "all"], 3);
    refused(&lake, "a_second_operator_at_the_same_time", &["op", "ingest"], 3);
    // Readers need no lease.
    assert_same(&before, &Contents::of(&lake), "a second run");
    assert_eq!(lake.batches(), batches);
    drop(lease);
    lake.ok("run all");
    assert_eq!(lake.batches().len(), 6);
}

#[test]
fn two_runs_that_race() {
    let calm = Lake::replayed("--cadence daily --to 2018-01-20");
    calm.ok("run all");
    let lake = Lake::replayed("--cadence daily --to 2018-01-20");
    let runs: Vec<_> = (0..3)
        .map(|_| {
            lake.command(&["run", "all"])
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    let codes: Vec<_> = runs.into_iter().map(|mut run| run.wait().unwrap().code().unwrap()).collect();
    assert!(codes.contains(&0) && codes.iter().all(|code| [0, 3].contains(code)), "{codes:?}");
    assert_same(&Contents::of(&calm), &Contents::of(&lake), "three runs at once");
    assert_eq!(lake.batches().len(), 3);
}

#[test]
fn questions_that_make_no_sense() {
    let lake = Lake::ready();
    refused(&lake, "sql_of_an_unknown_table", &["sql", "select * from clean.order"], 1);
    refused(&lake, "sql_of_an_unknown_column", &["sql", "select order_identifier from clean.orders"], 1);
    refused(&lake, "sql_that_cannot_be_parsed", &["sql", "selekt * from clean.orders"], 1);
    refused(&lake, "sql_of_an_unknown_batch", &["sql", "--as-of-batch", "99", "select 1"], 1);
    refused(&lake, "report_of_a_day_unknown", &["report", "--date", "2030-01-01"], 1);
    refused(&lake, "tables_of_an_unknown_name", &["tables", "clean.order"], 1);
    refused(&lake, "an_unknown_operator", &["op", "launder"], 1);
    refused(&lake, "an_operator_without_its_argument", &["op", "check"], 1);
    refused(&lake, "an_operator_with_a_wrong_argument", &["op", "check", "tabel=clean.orders"], 1);
    refused(&lake, "an_operator_with_a_bare_word", &["op", "check", "clean.orders"], 1);
    refused(&lake, "an_unknown_job", &["run", "everything"], 2);
    refused(&lake, "a_drop_that_is_not_there", &["run", "all", "--drop", "landing/dt=2018-12-24"], 1);
}

#[test]
fn sql_changes_nothing() {
    let lake = Lake::ready();
    let (before, batches, files) = (Contents::of(&lake), lake.batches(), files_below(&lake.path()));
    let statements = [
        ("drop", "drop table clean.orders"),
        ("delete", "delete from clean.orders"),
        ("insert", "insert into clean.orders select * from clean.orders"),
        ("update", "update clean.orders set order_status = 'lost'"),
        ("create_table", "create table clean.mine as select 1 as one"),
        ("create_view", "create view mine as select 1 as one"),
        ("create_external", "create external table passwords stored as csv location '/etc/passwd'"),
        ("copy", "copy (select 1 as one) to 'stolen.csv'"),
        ("set", "set datafusion.execution.batch_size = 1"),
        ("two", "select 1; drop table clean.orders"),
        ("file", "select * from '/etc/passwd'"),
    ];
    for (story, statement) in statements {
        refused(&lake, &format!("sql_changes_nothing_{story}"), &["sql", statement], 1);
    }
    assert_eq!(files_below(&lake.path()), files);
    assert_eq!(lake.batches(), batches);
    assert_same(&before, &Contents::of(&lake), "statements that would change something");
    assert!(!lake.home().join("stolen.csv").exists());
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn a_report_that_cannot_be_written() {
    let lake = Lake::ready();
    refused(&lake, "a_report_that_cannot_be_written", &["report", "--out", "no/such/folder/report.html"], 1);
}

/// Storage that refuses to be written. Rights do not stop the superuser, a folder in a file's place does.
#[test]
fn a_lake_that_cannot_be_written() {
    let lake = Lake::replayed("--as one-drop");
    fs::write(lake.path().join("clean"), "in the way").unwrap();
    let message = lake.run("run all").failed(1);
    assert!(message.contains("hint: "), "{message}");
    assert_eq!(lake.batches(), Vec::<String>::new());
    fs::remove_file(lake.path().join("clean")).unwrap();
    lake.ok("run all");
    assert_same(&Contents::of(&Lake::ready()), &Contents::of(&lake), "after the obstacle was removed");
}

#[test]
fn a_data_file_that_is_damaged_is_named() {
    let lake = Lake::ready();
    let file = files_below(&lake.path().join("clean/orders"))
        .into_iter()
        .find(|path| path.extension().is_some_and(|extension| extension == "parquet"))
        .unwrap();
    fs::OpenOptions::new().write(true).truncate(true).open(&file).unwrap().write_all(b"rubbish").unwrap();
    let outcome = lake.start(&["sql", "select count(order_status) from clean.orders where order_status = 'delivered'"]);
    let message = outcome.failed(1);
    assert!(message.contains(".parquet") || message.contains("clean.orders"), "{message}");
}
