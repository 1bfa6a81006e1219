//! Delta tables for readers that do not know Delta: link files name the Parquet files of the published version.
//!
//! The layout is that of Delta's own `GENERATE symlink_format_manifest`:
//!
//! ```text
//!  clean/orders/_symlink_format_manifest/purchase_month=2018-01-01/manifest ─▶ …/part-….parquet
//! ```
//!
//! The partition column is in the folders' names only, as Delta leaves it out of the Parquet files.
//!
//! Presto and Trino take the links for what they are. Hive and Spark do not: to them the input format means
//! text, so Spark fails on such a table, and with `spark.sql.hive.convertMetastoreParquet=false` it makes rows of NULLs
//! of the Parquet files' bytes. They have the Delta tables and the ORC tables.

use std::collections::BTreeMap;

use super::{LinkFile, entry, split_columns};
use crate::{
    Result,
    entry::{Entry, Kind, Partition},
    facts::{StoredFile, StoredTable},
    place::{Lake, NULL_PARTITION, Reader, partition_part},
};

const LINKS: &str = "_symlink_format_manifest";

pub(super) fn table(lake: &Lake, stored: &StoredTable) -> Result<Entry> {
    let database = lake.database(stored.table.layer, Reader::Links);
    let location = lake.at(&folder(stored));
    let mut table = entry(lake, Kind::ParquetLinks, database, &stored.table.name, &stored.description, location);
    (table.columns, table.partition_columns) = split_columns(stored)?;
    table.statistics = Some(stored.statistics());
    let partition = |(value, files): (&str, Vec<&StoredFile>)| Partition {
        location: lake.at(&partition_folder(stored, value)),
        values: vec![value.to_owned()],
        statistics: files.iter().map(|file| file.statistics()).sum(),
    };
    if stored.partition.is_some() {
        table.partitions = Some(partitions(stored).into_iter().map(partition).collect());
    }
    table.checked()
}

pub(super) fn link_files(lake: &Lake, stored: &StoredTable) -> Vec<LinkFile> {
    let name = |file: &StoredFile| lake.at(&format!("{}/{}", stored.table.path(), file.path));
    if stored.partition.is_none() {
        return vec![LinkFile::new(format!("{}/manifest", folder(stored)), stored.files.iter().map(name))];
    }
    let file = |(value, files): (&str, Vec<&StoredFile>)| {
        LinkFile::new(format!("{}/manifest", partition_folder(stored, value)), files.into_iter().map(name))
    };
    partitions(stored).into_iter().map(file).collect()
}

fn folder(stored: &StoredTable) -> String {
    format!("{}/{LINKS}", stored.table.path())
}

fn partition_folder(stored: &StoredTable, value: &str) -> String {
    let column = stored.partition.as_deref().unwrap_or_default();
    format!("{}/{}", folder(stored), partition_part(column, value))
}

fn partitions(stored: &StoredTable) -> BTreeMap<&str, Vec<&StoredFile>> {
    let mut partitions: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for file in &stored.files {
        partitions.entry(file.partition.as_deref().unwrap_or(NULL_PARTITION)).or_default().push(file);
    }
    partitions
}
