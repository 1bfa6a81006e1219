//! A small lake in a folder: Delta tables that Spark writes, and drops that are written here.

use std::{
    fs,
    path::{Path, PathBuf},
};

use entrega_catalog::{DropFile, Facts, LinkFile, StoredDrop, StoredFile, StoredTable};
use entrega_model::model::ModelColumn;

use super::services::Services;

/// The drops: a day's and an hour's, with quoted commas, doubled quotes, a backslash and a line break.
const DROPS: [(&str, &str, &str, u64); 3] = [
    (
        "landing/dt=2018-03-01",
        "product_category_name_translation.csv",
        "product_category_name,product_category_name_english\n\
         \"cama, mesa\",\"bed \"\"bath\"\" table\"\nbebes,\"ba\\\"\n",
        2,
    ),
    (
        "landing/dt=2018-03-02/hr=07",
        "product_category_name_translation.csv",
        "product_category_name,product_category_name_english\nautomotivo,auto\n",
        1,
    ),
    (
        "landing/dt=2018-03-02/hr=07",
        "olist_order_reviews_dataset.csv",
        "review_id,order_id,review_score,review_comment_title,review_comment_message,review_creation_date,review_answer_timestamp\n\
         r1,o1,5,,\"first line\nsecond line\",2018-03-01 00:00:00,2018-03-02 00:00:00\n",
        1,
    ),
];

pub fn orders() -> StoredTable {
    table(
        "clean.orders",
        Some("purchase_month"),
        &[
            ("order_id", "STRING", "The order."),
            ("bought_at", "TIMESTAMP", "When."),
            ("price", "DECIMAL(12,2)", "Reais."),
            ("is_late", "BOOLEAN", "Whether it came late."),
            ("purchase_month", "DATE", "The partition."),
            ("_drop", "STRING", "The drop."),
        ],
    )
}

pub fn daily() -> StoredTable {
    table(
        "summary.daily",
        Some("month"),
        &[
            ("date", "DATE", "The day."),
            ("purchased", "BIGINT", "Orders bought."),
            ("price", "DECIMAL(22,2)", "Their prices."),
            ("last_at", "TIMESTAMP", "When the last was bought."),
            ("month", "DATE", "The partition."),
        ],
    )
}

pub fn sellers() -> StoredTable {
    table("clean.sellers", None, &[("seller_id", "STRING", "The seller."), ("distance_km", "DOUBLE", "How far.")])
}

fn table(name: &str, partition: Option<&str>, columns: &[(&str, &str, &str)]) -> StoredTable {
    StoredTable {
        table: name.parse().unwrap(),
        description: format!("The shop's {name}; made up."),
        columns: columns.iter().map(|(name, sql_type, doc)| ModelColumn::new(name, sql_type, doc)).collect(),
        partition: partition.map(str::to_owned),
        files: Vec::new(),
    }
}

/// Has Spark write the Delta tables below a place, by path and not by name.
pub fn write_tables(services: &Services, place: &str) {
    let rows = [
        (
            orders(),
            "('o1', timestamp'2018-01-02 03:04:05', 1.50, true, date'2018-01-01', 'd'), \
             ('o2', null, 2.25, false, date'2018-01-01', 'd'), ('o3', null, null, null, date'2018-02-01', 'd')",
        ),
        (
            daily(),
            "(date'2018-01-02', 2, 3.75, timestamp'2018-01-02 03:04:05', date'2018-01-01'), \
             (date'2018-02-02', 1, 0, timestamp'2018-02-02 00:00:00', date'2018-02-01')",
        ),
        (sellers(), "('s1', 1.5), ('s2', null)"),
    ];
    let mut statements = Vec::new();
    for (table, rows) in rows {
        let columns: Vec<_> =
            table.columns.iter().map(|column| format!("{} {}", column.name, column.sql_type)).collect();
        let path = format!("delta.`{place}/{}`", table.table.path());
        let partitioned = table.partition.map(|column| format!("partitioned by ({column})")).unwrap_or_default();
        statements.push(format!("create table {path} ({}) using delta {partitioned}", columns.join(", ")));
        statements.push(format!("insert into {path} values {rows}"));
    }
    services.beeline(&statements);
}

/// Writes the drops, and tells them.
pub fn write_drops(lake: &Path) -> Vec<StoredDrop> {
    let mut drops: Vec<StoredDrop> = Vec::new();
    for (folder, name, text, rows) in DROPS {
        fs::create_dir_all(lake.join(folder)).unwrap();
        fs::write(lake.join(folder).join(name), text).unwrap();
        let file = DropFile { name: name.to_owned(), rows: Some(rows), bytes: text.len() as u64 };
        match drops.last_mut().filter(|drop| drop.folder == folder) {
            Some(drop) => drop.files.push(file),
            None => drops.push(StoredDrop { folder: folder.to_owned(), files: vec![file] }),
        }
    }
    drops
}

/// What the lake holds. Nothing was rewritten in it, so every Parquet file counts.
pub fn facts(lake: &Path, drops: &[StoredDrop]) -> Facts {
    let mut tables = vec![orders(), sellers(), daily()];
    for stored in &mut tables {
        let folder = lake.join(stored.table.path());
        stored.files = parquet_files(&folder)
            .into_iter()
            .map(|path| {
                let relative = path.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
                let value = relative.split_once('/').and_then(|(part, _)| part.split_once('='));
                let partition = value.map(|(_, value)| value.to_owned());
                StoredFile { path: relative, partition, rows: None, bytes: fs::metadata(&path).unwrap().len() }
            })
            .collect();
    }
    Facts { tables, drops: drops.to_vec(), links: true, orc: true }
}

fn parquet_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_str().unwrap();
        if entry.is_dir() && !name.starts_with('_') {
            files.extend(parquet_files(&entry));
        } else if name.starts_with("part-") {
            files.push(entry);
        }
    }
    files.sort();
    files
}

/// Writes the link files, as the caller of this room does.
pub fn write_links(lake: &Path, links: &[LinkFile]) {
    for link in links {
        let path = lake.join(&link.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &link.bytes).unwrap();
    }
}
