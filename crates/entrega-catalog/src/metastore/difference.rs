//! What stands in a metastore otherwise than it should. Only what an entry has a word for is compared: properties that
//! others added stay, and are no difference.

use std::collections::BTreeMap;

use hive_metastore::{Partition as ThriftPartition, StorageDescriptor, Table};

use super::wire;
use crate::{
    change::Difference,
    entry::{Column, Entry, LAKE_PROPERTY, Partition},
};

/// Where Spark keeps the schema of a table; of no use once the columns are others.
const SPARK_SCHEMA: &str = "spark.sql.sources.schema";

/// Whose a table is: the lake that its property names.
pub(super) fn owner(table: &Table) -> Option<String> {
    table.parameters.as_ref()?.get(LAKE_PROPERTY).map(ToString::to_string)
}

/// Whether the table must be made anew: a metastore lets columns be added at the end, but refuses others, because to
/// it a column is its place; and partition columns never change.
pub(super) fn needs_a_new_table(table: &Table, entry: &Entry) -> bool {
    let stored = wire::columns(table.sd.as_ref().and_then(|storage| storage.cols.as_ref()));
    let partition_columns = wire::columns(table.partition_keys.as_ref());
    types(&partition_columns) != types(&entry.partition_columns) || !types(&entry.columns).starts_with(&types(&stored))
}

fn types(columns: &[Column]) -> Vec<(&str, &str)> {
    columns.iter().map(|column| (column.name.as_str(), column.hive_type.as_str())).collect()
}

/// What of a table differs.
pub(super) fn of_table(table: &Table, entry: &Entry) -> Vec<Difference> {
    let mut differences = of_columns("column", &wire::columns(table.partition_keys.as_ref()), &entry.partition_columns);
    let storage = table.sd.clone().unwrap_or_default();
    differences.extend(of_columns("column", &wire::columns(storage.cols.as_ref()), &entry.columns));
    differences.extend(of_storage(&storage, entry, &entry.location));
    let now = wire::properties(table.parameters.as_ref());
    differences.extend(of_properties("property", &now, &wire::table_properties(entry)));
    let gone = now.keys().filter(|name| is_ours(name) && !entry.properties.contains_key(*name));
    differences.extend(gone.map(|name| difference(format!("property {name}"), &now[name], "")));
    differences.extend(entry.statistics.into_iter().flat_map(|statistics| of_counts(&now, &wire::counts(statistics))));
    differences
}

/// The properties that a table should have, laid over those that it has.
pub(super) fn properties_over(table: &Table, entry: &Entry) -> BTreeMap<String, String> {
    let mut properties = wire::properties(table.parameters.as_ref());
    let stored = wire::columns(table.sd.as_ref().and_then(|storage| storage.cols.as_ref()));
    let other_columns = types(&stored) != types(&entry.columns);
    properties.retain(|name, _| !(is_ours(name) || other_columns && name.starts_with(SPARK_SCHEMA)));
    if let Some(statistics) = entry.statistics {
        properties.retain(|name, _| !wire::COUNTS.contains(&name.as_str()));
        properties.extend(wire::counts(statistics));
    }
    properties.extend(wire::table_properties(entry));
    properties
}

/// Whether a partition differs.
pub(super) fn is_other_partition(thrift: &ThriftPartition, entry: &Entry, partition: &Partition) -> bool {
    let storage = thrift.sd.clone().unwrap_or_default();
    let now = wire::properties(thrift.parameters.as_ref());
    wire::columns(storage.cols.as_ref()) != entry.columns
        || !of_storage(&storage, entry, &partition.location).is_empty()
        || !of_counts(&now, &wire::counts(partition.statistics)).is_empty()
}

fn is_ours(property: &str) -> bool {
    property.starts_with("entrega.")
}

fn of_storage(storage: &StorageDescriptor, entry: &Entry, location: &str) -> Vec<Difference> {
    let format = entry.kind.format();
    let serde = storage.serde_info.clone().unwrap_or_default();
    let pairs = [
        ("location", &storage.location, location),
        ("input format", &storage.input_format, format.input),
        ("output format", &storage.output_format, format.output),
        ("SerDe", &serde.serialization_lib, format.serde),
    ];
    let mut differences: Vec<Difference> = pairs
        .into_iter()
        .map(|(what, from, to)| difference(what, from.as_deref().unwrap_or_default(), to))
        .filter(|difference| difference.from != difference.to)
        .collect();
    differences.extend(of_properties("option", &wire::properties(serde.parameters.as_ref()), &entry.serde));
    differences
}

fn of_properties(kind: &str, now: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> Vec<Difference> {
    let value = |name: &String| now.get(name).map(String::as_str).unwrap_or_default();
    let other = wanted.iter().filter(|(name, wanted)| value(name) != wanted.as_str());
    other.map(|(name, wanted)| difference(format!("{kind} {name}"), value(name), wanted)).collect()
}

fn of_counts(now: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> Vec<Difference> {
    let value = |from: &BTreeMap<String, String>, name: &str| from.get(name).cloned().unwrap_or_default();
    wire::COUNTS
        .into_iter()
        .map(|name| difference(name, &value(now, name), &value(wanted, name)))
        .filter(|difference| difference.from != difference.to)
        .collect()
}

fn of_columns(what: &str, now: &[Column], wanted: &[Column]) -> Vec<Difference> {
    let find = |columns: &[Column], name: &str| columns.iter().find(|column| column.name == name).cloned();
    let mut differences = Vec::new();
    for column in wanted {
        let what = format!("{what} {}", column.name);
        match find(now, &column.name) {
            None => differences.push(difference(what, "", &column.hive_type)),
            Some(other) if other.hive_type != column.hive_type => {
                differences.push(difference(what, &other.hive_type, &column.hive_type));
            }
            Some(other) if other.comment != column.comment => {
                differences.push(difference(format!("comment of {what}"), &other.comment, &column.comment));
            }
            Some(_) => {}
        }
    }
    let gone = now.iter().filter(|column| find(wanted, &column.name).is_none());
    differences.extend(gone.map(|column| difference(format!("{what} {}", column.name), &column.hive_type, "")));
    if differences.is_empty() && now != wanted {
        let names =
            |columns: &[Column]| columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>().join(", ");
        differences.push(difference("order of the columns", &names(now), &names(wanted)));
    }
    differences
}

fn difference(what: impl Into<String>, from: &str, to: &str) -> Difference {
    Difference { what: what.into(), from: from.to_owned(), to: to.to_owned() }
}

#[cfg(test)]
mod tests;
