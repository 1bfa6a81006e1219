use entrega_model::model::ModelColumn;

use super::*;
use crate::{
    CatalogError, create_statement,
    facts::{DropFile, StoredDrop, StoredFile},
    overwrite_statements,
};

fn lake() -> Lake {
    Lake::new("s3://shop/lake", "").unwrap()
}

fn stored(name: &str, partition: Option<&str>) -> StoredTable {
    let file = |path: &str, value: Option<&str>, bytes| StoredFile {
        path: path.to_owned(),
        partition: value.map(str::to_owned),
        rows: Some(10),
        bytes,
    };
    StoredTable {
        table: name.parse().unwrap(),
        description: "One row per thing, the shop's own.".to_owned(),
        columns: vec![
            ModelColumn::new("id", "STRING", "The thing."),
            ModelColumn::new("bought_at", "TIMESTAMP", "When."),
            ModelColumn::new("price", "DECIMAL(12,2)", "Reais."),
            ModelColumn::new("month", "DATE", "The partition."),
        ],
        partition: partition.map(str::to_owned),
        files: vec![
            file("month=2018-01-01/a.parquet", Some("2018-01-01"), 5),
            file("month=2018-02-01/c.parquet", Some("2018-02-01"), 7),
            file("month=2018-01-01/b.parquet", Some("2018-01-01"), 6),
            file("month=__HIVE_DEFAULT_PARTITION__/d.parquet", None, 1),
        ],
    }
}

fn facts() -> Facts {
    let drop = |folder: &str, names: &[&str]| StoredDrop {
        folder: folder.to_owned(),
        files: names.iter().map(|name| DropFile { name: (*name).to_owned(), rows: Some(2), bytes: 100 }).collect(),
    };
    Facts {
        tables: vec![stored("summary.things", Some("month")), stored("clean.things", None)],
        drops: vec![
            drop("landing/dt=2018-03-01", &["olist_orders_dataset.csv", "olist_sellers_dataset.csv"]),
            drop("landing/dt=2018-03-01/hr=07", &["olist_orders_dataset.csv"]),
            drop("landing/dt=2018-03-01/late", &["olist_orders_dataset.csv"]),
        ],
        links: true,
        orc: true,
    }
}

fn contents_of(facts: &Facts) -> Contents {
    contents(&Project::embedded().unwrap(), &lake(), facts).unwrap()
}

fn find<'a>(contents: &'a Contents, name: &str) -> &'a Entry {
    contents.entries.iter().find(|entry| entry.full_name() == name).unwrap()
}

#[test]
fn a_delta_table_is_what_spark_would_have_written() {
    let contents = contents_of(&facts());
    let table = find(&contents, "clean.things");
    assert_eq!(table.properties["spark.sql.sources.provider"], "delta");
    assert_eq!(table.properties["spark.sql.sources.schema"], r#"{"type":"struct","fields":[]}"#);
    assert_eq!(table.serde["path"], "s3a://shop/lake/clean/things");
    assert_eq!(table.properties["entrega.lake"], "s3a://shop/lake");
    assert_eq!(table.columns[2], Column::new("price", "decimal(12,2)", "Reais."));
    assert_eq!(table.statistics, Some(Statistics { rows: Some(40), bytes: 19, files: 4 }));
}

#[test]
fn databases_and_tables_stand_in_the_order_of_the_layers() {
    let contents = contents_of(&facts());
    let mut databases: Vec<&str> = contents.entries.iter().map(|entry| entry.database.as_str()).collect();
    databases.dedup();
    assert_eq!(
        databases,
        ["landing", "landing_links", "clean", "clean_links", "summary", "summary_links", "summary_orc"]
    );
    assert!(databases.iter().all(|name| contents.databases.iter().any(|database| database.name == *name)));
}

#[test]
fn no_database_lies_where_data_lies() {
    let contents = contents_of(&facts());
    for database in &contents.databases {
        let folder = format!("{}/", database.location);
        assert!(
            contents.entries.iter().all(|entry| !entry.location.starts_with(&folder)),
            "DROP DATABASE {} would take data along",
            database.name
        );
    }
}

#[test]
fn only_what_is_wanted_is_offered() {
    let plain = Facts { links: false, orc: false, ..facts() };
    let contents = contents_of(&plain);
    assert!(contents.entries.iter().all(|entry| matches!(entry.kind, Kind::Delta | Kind::Csv)));
    assert!(link_files(&Project::embedded().unwrap(), &lake(), &plain).is_empty());
}

#[test]
fn hive_finds_each_sources_files_by_day_and_hour() {
    let contents = contents_of(&facts());
    let orders = find(&contents, "landing_links.orders");
    let values: Vec<_> = orders.partitions.as_ref().unwrap().iter().map(|partition| &partition.values).collect();
    assert_eq!(values, [&["2018-03-01", "07"], &["2018-03-01", "__HIVE_DEFAULT_PARTITION__"]]);
    assert!(orders.columns.iter().all(|column| column.hive_type == "string"));
    assert_eq!(orders.statistics.and_then(|statistics| statistics.rows), Some(6));
    let sellers = find(&contents, "landing_links.sellers");
    assert_eq!(sellers.partitions.as_ref().unwrap().len(), 1);
    assert_eq!(find(&contents, "landing_links.products").partitions, Some(Vec::new()));
}

#[test]
fn link_files_name_each_file_once() {
    let links = link_files(&Project::embedded().unwrap(), &lake(), &facts());
    let text = |path: &str| {
        let link = links.iter().find(|link| link.path == path).unwrap_or_else(|| panic!("no {path}"));
        String::from_utf8(link.bytes.clone()).unwrap()
    };
    assert_eq!(
        text("landing/_hive/orders/dt=2018-03-01/hr=__HIVE_DEFAULT_PARTITION__/symlink.txt"),
        "s3a://shop/lake/landing/dt=2018-03-01/olist_orders_dataset.csv\n\
         s3a://shop/lake/landing/dt=2018-03-01/late/olist_orders_dataset.csv\n"
    );
    assert_eq!(
        text("summary/things/_symlink_format_manifest/month=2018-01-01/manifest"),
        "s3a://shop/lake/summary/things/month=2018-01-01/a.parquet\n\
         s3a://shop/lake/summary/things/month=2018-01-01/b.parquet\n"
    );
    assert_eq!(text("clean/things/_symlink_format_manifest/manifest").lines().count(), 4);
}

#[test]
fn every_partition_has_its_link_file() {
    let contents = contents_of(&facts());
    let links = link_files(&Project::embedded().unwrap(), &lake(), &facts());
    for entry in contents.entries.iter().filter(|entry| entry.database.ends_with("_links")) {
        for partition in entry.partitions.iter().flatten() {
            let folder = format!("{}/", partition.location);
            assert!(links.iter().any(|link| lake().at(&link.path).starts_with(&folder)), "{folder}");
        }
    }
}

#[test]
fn the_partition_column_is_not_among_those_of_the_files() {
    let contents = contents_of(&facts());
    let table = find(&contents, "summary_links.things");
    assert_eq!(table.partition_columns, [Column::new("month", "date", "The partition.")]);
    assert!(table.columns.iter().all(|column| column.name != "month"));
    let values: Vec<_> = table.partitions.iter().flatten().map(|partition| partition.values[0].as_str()).collect();
    assert_eq!(values, ["2018-01-01", "2018-02-01", "__HIVE_DEFAULT_PARTITION__"]);
}

#[test]
fn orc_tables_are_filled_month_by_month() {
    let contents = contents_of(&facts());
    let table = find(&contents, "summary_orc.things");
    assert_eq!(table.partitions, None);
    let create = create_statement(table).unwrap();
    assert!(create.contains("`bought_at` TIMESTAMP_LTZ COMMENT 'When.'"), "{create}");
    assert!(create.contains("COMMENT 'One row per thing, the shop\\'s own.'"), "{create}");
    assert!(create.contains("PARTITIONED BY (`month` DATE COMMENT 'The partition.')"), "{create}");
    let statements = overwrite_statements(table, "summary", Some(7), &["2018-01-01", "2018-02-01"]).unwrap();
    assert_eq!(
        statements[1],
        "INSERT OVERWRITE TABLE `summary_orc`.`things` PARTITION (`month` = DATE'2018-02-01')\n\
         SELECT `id`, CAST(`bought_at` AS TIMESTAMP_LTZ) AS `bought_at`, `price`\n\
         FROM `summary`.`things` VERSION AS OF 7\n\
         WHERE `month` = DATE'2018-02-01'"
    );
    let message = overwrite_statements(table, "summary", None, &["2018'; drop"]).unwrap_err().to_string();
    assert!(message.ends_with("is no month\nhint: write its first day: 2018-03-01"), "{message}");
    assert!(matches!(create_statement(find(&contents, "clean.things")), Err(CatalogError::Shape { .. })));
}

#[test]
fn a_column_that_no_metastore_can_name_is_refused() {
    let mut facts = facts();
    facts.tables[0].columns.push(ModelColumn::new("Straße", "STRING", ""));
    let message = contents(&Project::embedded().unwrap(), &lake(), &facts).unwrap_err().to_string();
    assert!(message.starts_with("summary.things: 'Straße' is no name for a metastore\nhint:"), "{message}");
}
