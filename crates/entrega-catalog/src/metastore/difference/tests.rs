use super::*;
use crate::{
    entry::{Kind, Partition},
    facts::Statistics,
};

fn entry() -> Entry {
    Entry {
        database: "clean_links".into(),
        name: "orders".into(),
        comment: "Orders.".into(),
        columns: vec![Column::new("id", "string", "The order."), Column::new("price", "double", "")],
        partition_columns: vec![Column::new("month", "date", "")],
        location: "file:/lake/clean/orders/_symlink_format_manifest".into(),
        kind: Kind::ParquetLinks,
        serde: BTreeMap::from([("serialization.format".into(), "1".into())]),
        properties: BTreeMap::from([(LAKE_PROPERTY.into(), "file:/lake".into()), ("entrega.kind".into(), "x".into())]),
        statistics: Some(Statistics { rows: Some(3), bytes: 100, files: 1 }),
        partitions: Some(vec![partition()]),
    }
}

fn partition() -> Partition {
    let location = "file:/lake/clean/orders/_symlink_format_manifest/month=2018-01-01".into();
    Partition {
        values: vec!["2018-01-01".into()],
        location,
        statistics: Statistics { rows: Some(3), bytes: 100, files: 1 },
    }
}

fn told(table: &Table, entry: &Entry) -> Vec<String> {
    of_table(table, entry).iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_made_of_an_entry_does_not_differ_from_it() {
    let table = wire::new_table(&entry());
    assert_eq!(of_table(&table, &entry()), []);
    assert!(!needs_a_new_table(&table, &entry()));
    assert_eq!(owner(&table).as_deref(), Some("file:/lake"));
    assert!(!is_other_partition(&wire::new_partition(&entry(), &partition()), &entry(), &partition()));
}

#[test]
fn what_others_added_stays_and_is_no_difference() {
    let mut table = wire::new_table(&entry());
    table.parameters.as_mut().unwrap().insert("team".into(), "logistics".into());
    assert_eq!(of_table(&table, &entry()), []);
    assert_eq!(properties_over(&table, &entry())["team"], "logistics");
}

#[test]
fn columns_properties_and_counts_are_compared() {
    let table = wire::new_table(&entry());
    let mut wanted = entry();
    wanted.columns[1].hive_type = "decimal(12,2)".into();
    wanted.columns.push(Column::new("note", "string", ""));
    wanted.comment = "The orders.".into();
    wanted.properties.remove("entrega.kind");
    wanted.statistics = Some(Statistics { rows: None, bytes: 101, files: 1 });
    assert_eq!(
        told(&table, &wanted),
        [
            "column price was double and is now decimal(12,2)",
            "column note is now string",
            "property comment was Orders. and is now The orders.",
            "property entrega.kind was x and is gone",
            "numRows was 3 and is gone",
            "totalSize was 100 and is now 101",
        ]
    );
    let properties = properties_over(&table, &wanted);
    assert!(!properties.contains_key("numRows") && !properties.contains_key("entrega.kind"));
}

#[test]
fn a_new_column_makes_partitions_and_sparks_schema_stale() {
    let mut table = wire::new_table(&entry());
    table.parameters.as_mut().unwrap().insert("spark.sql.sources.schema".into(), "{}".into());
    assert!(properties_over(&table, &entry()).contains_key("spark.sql.sources.schema"));
    let mut wanted = entry();
    wanted.columns.push(Column::new("note", "string", ""));
    assert!(!properties_over(&table, &wanted).contains_key("spark.sql.sources.schema"));
    assert!(is_other_partition(&wire::new_partition(&entry(), &partition()), &wanted, &partition()));
}

#[test]
fn other_columns_than_at_the_end_need_a_new_table() {
    let table = wire::new_table(&entry());
    let mut wanted = entry();
    wanted.columns.push(Column::new("last", "string", ""));
    assert!(!needs_a_new_table(&table, &wanted));
    wanted.columns.insert(0, Column::new("first", "string", ""));
    assert!(needs_a_new_table(&table, &wanted));
}

#[test]
fn other_partition_columns_need_a_new_table() {
    let mut wanted = entry();
    wanted.partition_columns[0].hive_type = "string".into();
    assert!(needs_a_new_table(&wire::new_table(&entry()), &wanted));
}

#[test]
fn columns_in_another_order_are_told() {
    let mut wanted = entry();
    wanted.columns.reverse();
    assert_eq!(told(&wire::new_table(&entry()), &wanted), ["order of the columns was id, price and is now price, id"]);
}
