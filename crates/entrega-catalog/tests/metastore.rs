//! The metastore is brought in step on a real one, and what stands there is read by a real Spark.
//!
//! One test, because the servers take half a minute to come up; its steps build on each other.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod support;

use std::{collections::BTreeMap, fs, path::Path};

use entrega_catalog::{
    Action, CatalogError, Change, Contents, Entry, Facts, Lake, Metastore, contents, create_statement, link_files,
    overwrite_statements,
};
use entrega_model::{model::ModelColumn, project::Project};
use support::{services::Services, shop};

/// What the steps share.
struct Stage {
    services: Services,
    metastore: Metastore,
    lake: Lake,
    project: Project,
}

impl Stage {
    async fn keep_in_step(&self, facts: &Facts) -> Result<Vec<Change>, CatalogError> {
        self.metastore.keep_in_step(&self.contents(facts)).await
    }

    fn contents(&self, facts: &Facts) -> Contents {
        contents(&self.project, &self.lake, facts).unwrap()
    }

    /// Rows of queries, each told by its own name.
    fn rows(&self, settings: &[&str], queries: &[(&str, &str)]) -> BTreeMap<String, Vec<String>> {
        let mut statements: Vec<String> = settings.iter().map(|setting| format!("set {setting}")).collect();
        statements.extend(queries.iter().map(|(name, query)| format!("select '#{name}', * from ({query})")));
        let mut rows: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in self.services.beeline(&statements) {
            let (name, values) = row.split_once('\t').unwrap();
            rows.entry(name.to_owned()).or_default().push(values.to_owned());
        }
        rows
    }
}

#[tokio::test]
async fn a_metastore_is_kept_in_step() {
    let Some(services) = Services::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    shop::write_tables(&services, &format!("file://{}", root.display()));
    let drops = shop::write_drops(root);
    let facts = shop::facts(root, &drops);
    // The first one does not answer; the second is taken.
    let uris = format!("thrift://127.0.0.1:1,{}", services.variable("ENTREGA_METASTORE_URI"));
    let stage = Stage {
        metastore: Metastore::connect(&uris).await.unwrap(),
        lake: Lake::new(&format!("file://{}", root.display()), "").unwrap(),
        project: Project::embedded().unwrap(),
        services,
    };

    nobody_answers_is_told().await;
    the_first_time_all_is_created(&stage, root, &facts).await;
    the_second_time_nothing_changes(&stage, &facts).await;
    every_kind_can_be_read(&stage);
    links_are_those_that_delta_makes(&stage, root, &facts);
    a_new_column_alters(&stage, &facts).await;
    a_partition_that_went_away_is_dropped(&stage, &facts).await;
    a_table_that_went_away_is_dropped_and_its_files_stay(&stage, root, &facts).await;
    another_table_of_the_name_is_refused(&stage, &facts).await;
    a_lake_in_a_bucket_has_databases_of_its_own(&stage).await;
    a_dropped_database_takes_no_data_along(&stage, root);
}

async fn nobody_answers_is_told() {
    let message = Metastore::connect("thrift://127.0.0.1:1,thrift://no.such.host.invalid:9083").await.unwrap_err();
    let message = message.to_string();
    assert!(message.starts_with("no Hive Metastore answers: 127.0.0.1:1 ("), "{message}");
    assert!(message.contains("; no.such.host.invalid:9083 (") && message.contains("\nhint: "), "{message}");
}

async fn the_first_time_all_is_created(stage: &Stage, root: &Path, facts: &Facts) {
    shop::write_links(root, &link_files(&stage.project, &stage.lake, facts));
    let changes = stage.keep_in_step(facts).await.unwrap();
    let other: Vec<_> = changes.iter().filter(|change| change.action != Action::Created).collect();
    assert!(other.is_empty(), "{other:?}");
    let made = |name: &str| changes.iter().find(|change| change.name == name).unwrap().partitions.added;
    assert_eq!((made("clean_links"), made("clean_links.orders"), made("landing_links.categories")), (0, 2, 2));
}

async fn the_second_time_nothing_changes(stage: &Stage, facts: &Facts) {
    let changes = stage.keep_in_step(facts).await.unwrap();
    let other: Vec<_> = changes.iter().filter(|change| !change.is_unchanged()).map(ToString::to_string).collect();
    assert!(other.is_empty(), "{other:#?}");
    assert_eq!(changes.len(), stage.contents(facts).entries.len());
}

fn every_kind_can_be_read(stage: &Stage) {
    let contents = stage.contents(&shop_of(stage));
    let orc = entry(&contents, "summary_orc.daily");
    let mut statements = vec![create_statement(orc).unwrap()];
    statements.extend(overwrite_statements(orc, "summary", Some(1), &["2018-01-01", "2018-02-01"]).unwrap());
    // Again: a month is replaced, not added to.
    statements.extend(overwrite_statements(orc, "summary", None, &["2018-01-01"]).unwrap());
    stage.services.beeline(&statements);

    let rows = stage.rows(
        &[],
        &[
            ("delta", "select count(*), sum(price), max(bought_at) from clean.orders"),
            ("whole", "select count(*) from clean.sellers"),
            ("csv", "select * from landing.categories order by 1"),
            ("day", "select count(*) from landing.categories where _metadata.file_path like '%/dt=2018-03-01/%'"),
            ("review", "select replace(review_comment_message, '\\n', ' / '), order_id from landing.order_reviews"),
            (
                "links",
                "select * from landing_links.categories where product_category_name <> 'product_category_name' order by 1",
            ),
            ("hour", "select count(*) from landing_links.categories where hr = '07'"),
            ("orc", "select date, purchased, price, last_at, month from summary_orc.daily order by 1"),
            ("month", "select count(*) from summary_orc.daily where month = date'2018-02-01'"),
        ],
    );
    let expected = [
        ("delta", vec!["3\t3.75\t2018-01-02 03:04:05.0"]),
        ("whole", vec!["2"]),
        ("csv", vec!["automotivo\tauto", "bebes\tba\\", "cama, mesa\tbed \"bath\" table"]),
        ("day", vec!["2"]),
        ("review", vec!["first line / second line\to1"]),
        (
            "links",
            vec![
                "automotivo\tauto\t2018-03-02\t07",
                "bebes\tba\\\t2018-03-01\t__HIVE_DEFAULT_PARTITION__",
                "cama, mesa\tbed \"bath\" table\t2018-03-01\t__HIVE_DEFAULT_PARTITION__",
            ],
        ),
        ("hour", vec!["2"]),
        (
            "orc",
            vec![
                "2018-01-02\t2\t3.75\t2018-01-02 03:04:05.0\t2018-01-01",
                "2018-02-02\t1\t0.00\t2018-02-02 00:00:00.0\t2018-02-01",
            ],
        ),
        ("month", vec!["1"]),
    ];
    for (name, expected) in expected {
        assert_eq!(rows.get(name).map(Vec::as_slice).unwrap_or_default(), expected, "{name}");
    }
}

/// The facts of the entries that are asked for their SQL only.
fn shop_of(_: &Stage) -> Facts {
    Facts { tables: vec![shop::daily()], drops: Vec::new(), links: false, orc: true }
}

fn entry<'a>(contents: &'a Contents, name: &str) -> &'a Entry {
    contents.entries.iter().find(|entry| entry.full_name() == name).unwrap()
}

/// No Presto is at hand, but Delta knows what Presto wants: the same files at the same places.
fn links_are_those_that_delta_makes(stage: &Stage, root: &Path, facts: &Facts) {
    let links = link_files(&stage.project, &stage.lake, facts);
    let read = || -> BTreeMap<String, Vec<String>> {
        let tables = links.iter().filter(|link| !link.path.starts_with("landing"));
        let lines = |text: String| {
            let mut lines: Vec<String> = text.lines().map(|line| line.replace("file:///", "file:/")).collect();
            lines.sort();
            lines
        };
        tables.map(|link| (link.path.clone(), lines(fs::read_to_string(root.join(&link.path)).unwrap()))).collect()
    };
    let ours = read();
    let tables = ["clean.orders", "clean.sellers", "summary.daily"];
    stage.services.beeline(&tables.map(|table| format!("generate symlink_format_manifest for table {table}")));
    assert_eq!(read(), ours);
    assert_eq!(ours.len(), 5);
    shop::write_links(root, &links);
}

fn with_a_new_column(facts: &Facts) -> Facts {
    let mut facts = facts.clone();
    // Before others, where a metastore wants the table anew, and after all others.
    facts.tables[0].columns.insert(1, ModelColumn::new("note", "STRING", "A note."));
    facts.tables[2].columns.insert(4, ModelColumn::new("note", "STRING", "A note."));
    facts
}

async fn a_new_column_alters(stage: &Stage, facts: &Facts) {
    let facts = with_a_new_column(facts);
    let changes = stage.keep_in_step(&facts).await.unwrap();
    let altered: Vec<_> = changes.iter().filter(|change| !change.is_unchanged()).map(ToString::to_string).collect();
    assert_eq!(
        altered,
        [
            "clean.orders: altered; column note is now string",
            "clean_links.orders: altered; column note is now string; 2 partitions added",
            "summary.daily: altered; column note is now string",
            "summary_links.daily: altered; column note is now string; 2 partitions altered",
            "summary_orc.daily: altered; column note is now string",
        ]
    );
    the_second_time_nothing_changes(stage, &facts).await;
    // The table that a Spark fills is made anew too, and keeps the partitions that Spark told of.
    let mut otherwise = facts.clone();
    otherwise.tables[2].columns.swap(1, 2);
    let changes = stage.keep_in_step(&otherwise).await.unwrap();
    assert_eq!(
        changes.iter().find(|change| change.name == "summary_orc.daily").unwrap().to_string(),
        "summary_orc.daily: altered; order of the columns was date, purchased, price, last_at, note and is now date, price, purchased, last_at, note"
    );
    let rows =
        stage.rows(&[], &[("orc", "select note, purchased, price from summary_orc.daily where month = '2018-02-01'")]);
    assert_eq!(rows["orc"], ["NULL\t1\t0.00"]);
    stage.keep_in_step(&facts).await.unwrap();
}

async fn a_partition_that_went_away_is_dropped(stage: &Stage, facts: &Facts) {
    let mut fewer = with_a_new_column(facts);
    fewer.tables[0].files.retain(|file| file.partition.as_deref() != Some("2018-02-01"));
    let changes = stage.keep_in_step(&fewer).await.unwrap();
    let links = changes.iter().find(|change| change.name == "clean_links.orders").unwrap();
    assert_eq!((links.partitions.added, links.partitions.altered, links.partitions.dropped), (0, 0, 1));
    let changed: Vec<_> = changes.iter().filter(|change| !change.is_unchanged()).map(|change| &change.name).collect();
    assert_eq!(changed, ["clean.orders", "clean_links.orders"]);
    the_second_time_nothing_changes(stage, &fewer).await;
}

async fn a_table_that_went_away_is_dropped_and_its_files_stay(stage: &Stage, root: &Path, facts: &Facts) {
    let mut fewer = with_a_new_column(facts);
    fewer.tables.remove(1);
    let changes = stage.keep_in_step(&fewer).await.unwrap();
    let dropped: Vec<_> = changes.iter().filter(|change| change.action == Action::Dropped).collect();
    assert_eq!(
        dropped.iter().map(|change| change.name.as_str()).collect::<Vec<_>>(),
        ["clean.sellers", "clean_links.sellers"]
    );
    assert!(root.join("clean/sellers/_delta_log").is_dir());
    assert!(root.join("clean/sellers/_symlink_format_manifest/manifest").is_file());
}

async fn another_table_of_the_name_is_refused(stage: &Stage, facts: &Facts) {
    stage.services.beeline(&["create table clean.sellers (mine string) stored as parquet".to_owned()]);
    let error = stage.keep_in_step(facts).await.unwrap_err();
    assert!(matches!(error, CatalogError::Foreign { .. }));
    let message = error.to_string();
    assert!(message.contains("clean.sellers (made by somebody else)\nhint: nothing was changed"), "{message}");
    // Not even what could have been: the table beside it is still away.
    let other_lake = Lake::new("file:///somewhere/else", "").unwrap();
    let error = stage.metastore.keep_in_step(&contents(&stage.project, &other_lake, facts).unwrap()).await.unwrap_err();
    assert!(error.to_string().contains(&format!("clean.orders (of the lake {})", stage.lake.location())), "{error}");
    let rows = stage.services.beeline(&["select '#', mine from clean.sellers".to_owned()]);
    assert!(rows.is_empty());
}

async fn a_lake_in_a_bucket_has_databases_of_its_own(stage: &Stage) {
    let place = format!("s3://{}/shop", stage.services.variable("ENTREGA_TEST_BUCKET"));
    shop::write_tables(&stage.services, &place);
    let lake = Lake::new(&place, "bucket_").unwrap();
    let facts = Facts { tables: vec![shop::orders()], ..Facts::default() };
    let contents = contents(&stage.project, &lake, &facts).unwrap();
    stage.metastore.keep_in_step(&contents).await.unwrap();
    assert!(stage.metastore.keep_in_step(&contents).await.unwrap().iter().all(Change::is_unchanged));
    let rows = stage.rows(&[], &[("bucket", "select count(*) from bucket_clean.orders")]);
    assert_eq!(rows["bucket"], ["3"]);
}

/// Spark and Hive remove a dropped database's folder with all that is in it.
fn a_dropped_database_takes_no_data_along(stage: &Stage, root: &Path) {
    stage.services.beeline(&["drop database clean cascade".to_owned(), "drop database summary_orc cascade".to_owned()]);
    assert!(!root.join("_hive/clean").exists());
    assert!(root.join("clean/orders/_delta_log").is_dir());
    assert!(root.join("summary_orc/daily/month=2018-01-01").is_dir());
}
