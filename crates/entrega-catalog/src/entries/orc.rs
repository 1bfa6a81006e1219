//! Summary tables as ORC: this room makes the table, a Spark fills it (`orc_sql.rs`) and registers its partitions.

use entrega_model::tables::Layer;

use super::{entry, split_columns};
use crate::{
    Result,
    entry::{Entry, Kind},
    facts::StoredTable,
    place::{Lake, Reader},
};

pub(super) fn table(lake: &Lake, stored: &StoredTable) -> Result<Entry> {
    let database = lake.database(Layer::Summary, Reader::Orc);
    let location = lake.at(&format!("summary_orc/{}", stored.table.name));
    let mut table = entry(lake, Kind::Orc, database, &stored.table.name, &stored.description, location);
    (table.columns, table.partition_columns) = split_columns(stored)?;
    table.partitions = None;
    table.checked()
}
