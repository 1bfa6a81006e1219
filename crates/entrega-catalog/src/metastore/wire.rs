//! Our words to Thrift's, and back.

use std::collections::BTreeMap;

use hive_metastore::{
    Database as ThriftDatabase, FieldSchema, Partition as ThriftPartition, PrincipalType, SerDeInfo, StorageDescriptor,
    Table,
};
use pilota::{AHashMap, FastStr};

use crate::{
    entry::{Column, Database, Entry, LAKE_PROPERTY, Partition},
    facts::Statistics,
};

/// Whose all of it is. Nobody's login: a metastore with authorisation gives an owner rights.
const OWNER: &str = "entrega";

/// The properties in which Hive and Spark look for statistics.
pub(super) const COUNTS: [&str; 3] = ["numRows", "totalSize", "numFiles"];

fn text(text: &str) -> FastStr {
    FastStr::from_string(text.to_owned())
}

fn map<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> AHashMap<FastStr, FastStr> {
    pairs.into_iter().map(|(name, value)| (text(name), text(value))).collect()
}

/// Properties in order; none are an empty map.
pub(super) fn properties(map: Option<&AHashMap<FastStr, FastStr>>) -> BTreeMap<String, String> {
    map.into_iter().flatten().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// The statistics as properties.
pub(super) fn counts(statistics: Statistics) -> BTreeMap<String, String> {
    let numbers = [statistics.rows, Some(statistics.bytes), Some(statistics.files)];
    COUNTS.into_iter().zip(numbers).filter_map(|(name, number)| Some((name.to_owned(), number?.to_string()))).collect()
}

pub(super) fn database(database: &Database, lake: &str) -> ThriftDatabase {
    ThriftDatabase {
        name: Some(text(&database.name)),
        description: Some(text(&database.comment)),
        location_uri: Some(text(&database.location)),
        parameters: Some(map([(LAKE_PROPERTY, lake)])),
        owner_name: Some(text(OWNER)),
        owner_type: Some(PrincipalType::USER),
        ..ThriftDatabase::default()
    }
}

/// All properties that an entry's table should have, its statistics apart.
pub(super) fn table_properties(entry: &Entry) -> BTreeMap<String, String> {
    let mut properties = entry.properties.clone();
    properties.insert("EXTERNAL".to_owned(), "TRUE".to_owned());
    properties.insert("comment".to_owned(), entry.comment.clone());
    properties
}

pub(super) fn new_table(entry: &Entry) -> Table {
    let mut properties = table_properties(entry);
    properties.extend(entry.statistics.map(counts).unwrap_or_default());
    let mut table = Table {
        table_name: Some(text(&entry.name)),
        db_name: Some(text(&entry.database)),
        owner: Some(text(OWNER)),
        table_type: Some(text("EXTERNAL_TABLE")),
        ..Table::default()
    };
    describe(&mut table, entry, &properties);
    table
}

/// Lays an entry over a table, and leaves of the table what the entry has no word for.
pub(super) fn describe(table: &mut Table, entry: &Entry, properties: &BTreeMap<String, String>) {
    table.partition_keys = Some(fields(&entry.partition_columns));
    table.parameters = Some(map(properties.iter().map(|(name, value)| (name.as_str(), value.as_str()))));
    describe_storage(table.sd.get_or_insert_default(), entry, &entry.location);
}

fn describe_storage(storage: &mut StorageDescriptor, entry: &Entry, location: &str) {
    let format = entry.kind.format();
    storage.cols = Some(fields(&entry.columns));
    storage.location = Some(text(location));
    storage.input_format = Some(text(format.input));
    storage.output_format = Some(text(format.output));
    storage.compressed.get_or_insert_default();
    storage.num_buckets.get_or_insert(-1);
    storage.bucket_cols.get_or_insert_default();
    storage.sort_cols.get_or_insert_default();
    storage.parameters.get_or_insert_default();
    let serde: &mut SerDeInfo = storage.serde_info.get_or_insert_default();
    serde.serialization_lib = Some(text(format.serde));
    serde.parameters = Some(map(entry.serde.iter().map(|(name, value)| (name.as_str(), value.as_str()))));
}

fn fields(columns: &[Column]) -> Vec<FieldSchema> {
    let field = |column: &Column| FieldSchema {
        name: Some(text(&column.name)),
        r#type: Some(text(&column.hive_type)),
        comment: (!column.comment.is_empty()).then(|| text(&column.comment)),
    };
    columns.iter().map(field).collect()
}

pub(super) fn columns(fields: Option<&Vec<FieldSchema>>) -> Vec<Column> {
    let said = |text: &Option<FastStr>| text.as_deref().unwrap_or_default().to_owned();
    let column = |field: &FieldSchema| Column {
        name: said(&field.name),
        hive_type: said(&field.r#type),
        comment: said(&field.comment),
    };
    fields.into_iter().flatten().map(column).collect()
}

pub(super) fn new_partition(entry: &Entry, partition: &Partition) -> ThriftPartition {
    let mut thrift = ThriftPartition {
        values: Some(partition.values.iter().map(|value| text(value)).collect()),
        db_name: Some(text(&entry.database)),
        table_name: Some(text(&entry.name)),
        ..ThriftPartition::default()
    };
    describe_partition(&mut thrift, entry, partition);
    thrift
}

/// Has a metastore keep the counts that it is given when it makes a table: else it lists the folder, and its own
/// replace them. It takes the property away again.
pub(super) fn with_counts_kept(mut table: Table) -> Table {
    table.parameters.get_or_insert_default().insert(text("DO_NOT_UPDATE_STATS"), text("true"));
    table
}

/// Tells a partition of another's the columns that its table has now.
pub(super) fn give_columns(thrift: &mut ThriftPartition, entry: &Entry) {
    thrift.sd.get_or_insert_default().cols = Some(fields(&entry.columns));
}

/// Lays what a partition should be over what it is.
pub(super) fn describe_partition(thrift: &mut ThriftPartition, entry: &Entry, partition: &Partition) {
    let mut properties = properties(thrift.parameters.as_ref());
    properties.retain(|name, _| !COUNTS.contains(&name.as_str()));
    properties.extend(counts(partition.statistics));
    properties.insert("DO_NOT_UPDATE_STATS".to_owned(), "true".to_owned());
    thrift.parameters = Some(map(properties.iter().map(|(name, value)| (name.as_str(), value.as_str()))));
    describe_storage(thrift.sd.get_or_insert_default(), entry, &partition.location);
}
