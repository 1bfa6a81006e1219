//! What every store must do, run on each of them.

use std::{process::Command, sync::Arc};

use arrow::array::{
    ArrayRef, AsArray as _, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Int64Type;
use chrono::NaiveDate;
use entrega_model::{
    model::ModelColumn,
    tables::{Layer, TableName},
};

use crate::{CommitNote, Definition, Lake, LakeError, Rewrite, TableState, read::days_since_epoch};

fn month(number: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2018, number, 1).unwrap()
}

fn definition() -> Definition {
    let column = |name: &str, sql_type: &str| ModelColumn::new(name, sql_type, "");
    Definition {
        table: TableName::new(Layer::Clean, "things"),
        description: "things".to_owned(),
        columns: vec![
            column("name", "STRING"),
            column("count", "BIGINT"),
            column("seen_at", "TIMESTAMP"),
            column("purchase_month", "DATE"),
        ]
        .into(),
        partition: Some("purchase_month".to_owned()),
    }
}

fn rows(number: u32, counts: &[i64]) -> RecordBatch {
    let day = i64::from(days_since_epoch(month(number))) * 86_400_000_000;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(counts.iter().map(|count| Some(format!("thing {count}"))).collect::<StringArray>()),
        Arc::new(Int64Array::from(counts.to_vec())),
        Arc::new(counts.iter().map(|count| Some(day + count * 86_400_000_000)).collect::<TimestampMicrosecondArray>()),
        Arc::new(Date32Array::from(vec![days_since_epoch(month(number)); counts.len()])),
    ];
    RecordBatch::try_new(definition().schema().unwrap(), columns).unwrap()
}

fn note(batch: &str) -> CommitNote {
    CommitNote { batch: batch.to_owned(), operator: "test", facts: serde_json::Value::Null }
}

async fn add(lake: &Lake, base: TableState, number: u32, counts: &[i64], batch: &str) -> TableState {
    let file = lake.write(&base.definition, Some(month(number)), vec![rows(number, counts)]).await.unwrap();
    lake.commit(base, Rewrite { added: vec![file], ..Rewrite::default() }, &note(batch)).await.unwrap()
}

async fn counts(lake: &Lake, state: &TableState) -> Vec<i64> {
    let rows = lake.read_all(state, Some(&["count"])).await.unwrap();
    let mut counts: Vec<i64> =
        rows.iter().flat_map(|rows| rows.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
    counts.sort_unstable();
    counts
}

/// The suite.
async fn conforms(location: &str) {
    let lake = Lake::open_or_create(location).await.unwrap();

    // A table that nobody made has no version, no files, no rows.
    let absent = lake.table(&definition(), None).await.unwrap();
    assert!(absent.version.is_none() && absent.files.is_empty());

    // What is written is read: every column, and the partition that is not in the file.
    let first = add(&lake, absent, 1, &[1, 2], "one").await;
    let second = add(&lake, first.clone(), 2, &[3], "two").await;
    let opened = lake.table(&definition(), second.version).await.unwrap();
    assert_eq!(counts(&lake, &opened).await, [1, 2, 3]);
    assert_eq!(opened.months(), [month(2), month(1)]);
    let files: Vec<_> = opened.files_of(Some(month(2))).collect();
    assert_eq!(lake.read(&opened, &files, None).await.unwrap(), [rows(2, &[3])]);

    // Files know their rows and days, so that readers can pass them over.
    assert_eq!(opened.rows(), 3);
    let file = &opened.files_of(Some(month(1))).next().unwrap();
    assert_eq!(file.days["seen_at"], (month(1) + chrono::Days::new(1), month(1) + chrono::Days::new(2)));
    assert!(!file.may_hold_day(|_, last| last >= month(2)));

    // An older version stays readable.
    assert_eq!(counts(&lake, &lake.table(&definition(), first.version).await.unwrap()).await, [1, 2]);

    // A commit builds on its base: what an unpublished run committed after it is undone by the same commit.
    let killed = add(&lake, second.clone(), 3, &[99], "killed").await;
    assert_eq!(counts(&lake, &killed).await, [1, 2, 3, 99]);
    let after = add(&lake, second.clone(), 3, &[4], "again").await;
    let latest = lake.table(&definition(), after.version).await.unwrap();
    assert_eq!(counts(&lake, &latest).await, [1, 2, 3, 4]);

    // A rewrite removes and adds in one commit; without a change nothing is committed.
    let mut rewrite = Rewrite::default();
    latest.files_of(Some(month(1))).for_each(|file| rewrite.remove(file));
    rewrite.added.push(lake.write(&definition(), Some(month(1)), vec![rows(1, &[7])]).await.unwrap());
    let rewritten = lake.commit(latest, rewrite, &note("rewrite")).await.unwrap();
    assert_eq!(counts(&lake, &rewritten).await, [3, 4, 7]);
    let version = rewritten.version;
    assert_eq!(lake.commit(rewritten, Rewrite::default(), &note("nothing")).await.unwrap().version, version);

    // Many commits later the table still opens (from a checkpoint).
    let mut state = lake.table(&definition(), version).await.unwrap();
    for count in 100..125 {
        state = add(&lake, state, 4, &[count], "many").await;
    }
    assert_eq!(lake.table(&definition(), state.version).await.unwrap().rows(), 28);

    // Objects are put, listed, read and deleted by paths relative to the lake.
    lake.put("landing/dt=2018-01-01/a.csv", bytes::Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(lake.list("landing").await.unwrap().folders, ["dt=2018-01-01"]);
    assert_eq!(lake.get("landing/dt=2018-01-01/a.csv").await.unwrap().as_deref(), Some(&b"x"[..]));
    assert_eq!(lake.get("landing/none").await.unwrap(), None);
    // A local disk keeps the empty folder, some buckets an object by its name: what matters is that nothing is left in it.
    lake.delete_folder("landing").await.unwrap();
    assert!(lake.list("landing/dt=2018-01-01").await.unwrap().objects.is_empty());

    // A place that was emptied can become a lake.
    lake.put("emptied/a", bytes::Bytes::from_static(b"x")).await.unwrap();
    lake.delete("emptied/a").await.unwrap();
    Lake::open_or_create(&format!("{location}/emptied")).await.unwrap();
}

#[tokio::test]
async fn memory_conforms() {
    conforms("memory:///shop/lake").await;
}

#[tokio::test]
async fn a_local_folder_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conforms(folder.path().join("a lake").to_str().unwrap()).await;
}

/// The bucket of a real server (see docs/guides/services.md).
const BUCKET: &str = "ENTREGA_TEST_BUCKET";

/// The suite in a bucket. Keys and endpoint of a server are found in the environment, as users give them; so without
/// them this test starts a server and runs itself again beside it.
#[test]
fn a_bucket_conforms() {
    let Ok(bucket) = std::env::var(BUCKET) else {
        return beside_a_server("conformance::a_bucket_conforms");
    };
    let place = || format!("s3://{bucket}/{}/lake", uuid::Uuid::new_v4());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        conforms(&place()).await;
        let lake = Lake::open_or_create(&place()).await.unwrap();
        let held = lake.lease().await.unwrap();
        assert!(matches!(lake.lease().await, Err(LakeError::Busy { .. })));
        drop(held);
        drop(lake.lease().await.unwrap());
    });
}

/// Runs one test of this program again, in the environment of an S3 server that lives as long as it takes.
fn beside_a_server(test: &str) {
    let server = Server(tempfile::tempdir().unwrap());
    server.tell("start", Some("s3"));
    let said = server.tell("env", None);
    let variables = said.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    let variables = variables.map(|(name, value)| (name, value.trim_matches(['\'', '"'])));
    let mut again = Command::new(std::env::current_exe().unwrap());
    let again = again.args(["--exact", test, "--nocapture"]).envs(variables).output().unwrap();
    let told = String::from_utf8_lossy(&again.stdout) + String::from_utf8_lossy(&again.stderr);
    assert!(again.status.success() && told.contains("1 passed"), "{told}");
}

/// A real S3 server, stopped when dropped.
struct Server(tempfile::TempDir);

impl Server {
    fn tell(&self, verb: &str, name: Option<&str>) -> String {
        let services = concat!(env!("CARGO_MANIFEST_DIR"), "/../../services/services.py");
        let done = Command::new("python3").args([services, verb]).args(name).arg("--state").arg(self.0.path()).output();
        let done = done.expect("Python 3 starts the servers of the tests");
        assert!(done.status.success(), "{verb}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tell("stop", None);
    }
}

#[tokio::test]
async fn a_lake_is_told_from_other_places() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(place("file"), "x").unwrap();
    assert!(matches!(Lake::at(&place("file")).await, Err(LakeError::Location { .. })));
    std::fs::create_dir(place("other")).unwrap();
    std::fs::write(place("other/file"), "x").unwrap();
    assert!(matches!(Lake::open(&place("other")).await, Err(LakeError::Location { .. })));
    assert!(matches!(Lake::open_or_create(&place("other")).await, Err(LakeError::Location { .. })));
    assert!(matches!(Lake::at("ftp://host/lake").await, Err(LakeError::Location { .. })));
    // Somebody's own landing zone makes a place a lake.
    std::fs::create_dir_all(place("own/landing/dt=2018-01-01")).unwrap();
    assert!(Lake::open(&place("own")).await.is_ok());
}

#[tokio::test]
async fn only_one_holds_the_lease() {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open_or_create(folder.path().join("lake").to_str().unwrap()).await.unwrap();
    let held = lake.lease().await.unwrap();
    assert!(matches!(lake.lease().await, Err(LakeError::Busy { .. })));
    drop(held);
    assert!(lake.lease().await.is_ok());
}
