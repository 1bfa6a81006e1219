//! The drops' files, as delivered.
//!
//! All sources of a drop lie in one folder, and a table over a folder would mix them. Two ways out, for two readers:
//!
//! ```text
//!  landing/dt=2018-03-01/hr=07/olist_orders_dataset.csv ◀── landing.orders: Spark takes the files of that name, in
//!                              olist_products_…             all folders; it knows headers and quoted line breaks
//!                                    ▲
//!  landing/_hive/orders/dt=2018-03-01/hr=07/symlink.txt ◀── landing_links.orders: a partition for each drop, whose
//!                                                           folder holds a file that names the CSV file
//! ```
//!
//! Spark's table has no column for the day: with partitions in the catalog Spark forgets to look at the files' names,
//! and without, it refuses days that are delivered whole beside days delivered by hour. `_metadata.file_path` tells.

use std::collections::BTreeMap;

use entrega_model::{contract::Contract, drops::LANDING, tables::Layer};

use super::{LinkFile, Statistics, entry, insert};
use crate::{
    Result,
    entry::{Column, Entry, Kind, Partition},
    facts::StoredDrop,
    place::{Lake, NULL_PARTITION, Reader, partition_part},
    types::spark_schema,
};

/// The table that Spark reads.
pub(super) fn files(lake: &Lake, contract: &Contract) -> Result<Entry> {
    let database = lake.database(Layer::Landing, Reader::Spark);
    let location = lake.at(LANDING);
    let mut table = entry(lake, Kind::Csv, database, &contract.source, &contract.description, location.clone());
    table.columns = columns(contract);
    insert(
        &mut table.serde,
        [
            ("path", location),
            ("pathGlobFilter", contract.file.clone()),
            ("recursiveFileLookup", "true".to_owned()),
            ("header", "true".to_owned()),
            ("escape", "\"".to_owned()),
            ("multiLine", "true".to_owned()),
        ],
    );
    insert(&mut table.properties, [("spark.sql.sources.provider", "csv".to_owned())]);
    table.properties.extend(spark_schema(&table.columns));
    table.checked()
}

/// The table that Hive and Presto read.
pub(super) fn linked(lake: &Lake, contract: &Contract, drops: &[StoredDrop]) -> Result<Entry> {
    let database = lake.database(Layer::Landing, Reader::Links);
    let mut table =
        entry(lake, Kind::CsvLinks, database, &contract.source, &contract.description, lake.at(&folder(contract)));
    table.columns = columns(contract);
    table.partition_columns = vec![
        Column::new("dt", "string", "Day of the drop's folder."),
        Column::new("hr", "string", "Hour of the drop's folder; NULL for a drop of a day."),
    ];
    insert(
        &mut table.serde,
        [
            ("separatorChar", ",".to_owned()),
            ("quoteChar", "\"".to_owned()),
            // A character that no text has: with the usual backslash, a text that ends with one would swallow the
            // next column. Doubled quotes are understood in any case.
            ("escapeChar", "\u{1}".to_owned()),
        ],
    );
    insert(&mut table.properties, [("skip.header.line.count", "1".to_owned())]);
    let partitions: Vec<Partition> = partitions(contract, drops)
        .into_iter()
        .map(|(values, held)| Partition {
            location: lake.at(&partition_folder(contract, &values)),
            values: values.to_vec(),
            statistics: held.iter().map(|(_, statistics)| *statistics).sum(),
        })
        .collect();
    table.statistics = Some(partitions.iter().map(|partition| partition.statistics).sum());
    table.partitions = Some(partitions);
    table.checked()
}

/// The files by which they find the CSV files.
pub(super) fn link_files(lake: &Lake, contract: &Contract, drops: &[StoredDrop]) -> Vec<LinkFile> {
    let file = |(values, held): ([String; 2], Vec<(String, Statistics)>)| {
        let path = format!("{}/symlink.txt", partition_folder(contract, &values));
        LinkFile::new(path, held.into_iter().map(|(file, _)| lake.at(&file)))
    };
    partitions(contract, drops).into_iter().map(file).collect()
}

fn columns(contract: &Contract) -> Vec<Column> {
    contract.columns.iter().map(|column| Column::new(&column.name, "string", &column.doc)).collect()
}

fn folder(contract: &Contract) -> String {
    format!("{LANDING}/_hive/{}", contract.source)
}

/// Both columns are always in the path: a folder of a day that held its file and the hours' folders could not be read.
fn partition_folder(contract: &Contract, [day, hour]: &[String; 2]) -> String {
    // `=` and digits only; the value for NULL is a folder's name as it is.
    format!("{}/{}/{}", folder(contract), partition_part("dt", day), partition_part("hr", hour))
}

/// A source's files by day and hour. Drops may lie deeper than `dt=…/hr=…`, so a partition may have several.
fn partitions(contract: &Contract, drops: &[StoredDrop]) -> BTreeMap<[String; 2], Vec<(String, Statistics)>> {
    let mut partitions: BTreeMap<[String; 2], Vec<_>> = BTreeMap::new();
    for drop in drops {
        let value = |column: &str| {
            let part = drop.folder.split('/').find_map(|part| part.strip_prefix(column)?.strip_prefix('='));
            part.unwrap_or(NULL_PARTITION).to_owned()
        };
        for file in drop.files.iter().filter(|file| file.name == contract.file) {
            let statistics = Statistics { rows: file.rows, bytes: file.bytes, files: 1 };
            let path = format!("{}/{}", drop.folder.trim_end_matches('/'), file.name);
            partitions.entry([value("dt"), value("hr")]).or_default().push((path, statistics));
        }
    }
    partitions
}
