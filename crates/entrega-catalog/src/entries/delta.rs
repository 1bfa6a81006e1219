//! Delta tables by name.
//!
//! As Spark's own `CREATE TABLE … USING delta LOCATION …` leaves them: the provider, an empty schema (Spark asks the
//! Delta log) and the path as a `SerDe` parameter, which Trino looks at too. Beyond that the columns are shown
//! to plain Hive clients.

use super::{columns, entry, insert};
use crate::{
    Result,
    entry::{Entry, Kind},
    facts::StoredTable,
    place::{Lake, Reader},
    types::spark_schema,
};

pub(super) fn table(lake: &Lake, stored: &StoredTable) -> Result<Entry> {
    let database = lake.database(stored.table.layer, Reader::Spark);
    let location = lake.at(&stored.table.path());
    let mut table = entry(lake, Kind::Delta, database, &stored.table.name, &stored.description, location.clone());
    table.columns = columns(stored)?;
    table.statistics = Some(stored.statistics());
    insert(&mut table.serde, [("path", location)]);
    insert(
        &mut table.properties,
        [("spark.sql.sources.provider", "delta".to_owned()), ("spark.sql.partitionProvider", "catalog".to_owned())],
    );
    table.properties.extend(spark_schema(&[]));
    table.checked()
}
