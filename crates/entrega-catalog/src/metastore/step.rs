//! Bringing a metastore in step.
//!
//! First everything is looked at, so that nothing is changed if a name turns out to be another's. Then the tables are
//! made or altered in order, and last those of the lake go that nothing speaks of any more.

use std::collections::{BTreeMap, BTreeSet};

use hive_metastore::Table;
use pilota::FastStr;

use super::{Metastore, difference, wire};
use crate::{
    CatalogError, Contents, Result,
    change::{Action, Change, PartitionCounts},
    entry::{Entry, Partition},
    place::partition_part,
};

/// The tables that stand in the lake's databases, by database and name. A database that is not there is no key.
type Standing = BTreeMap<String, BTreeMap<String, Table>>;

pub(super) async fn keep_in_step(metastore: &Metastore, contents: &Contents) -> Result<Vec<Change>> {
    let mut standing = survey(metastore, contents).await?;
    refuse_foreign(contents, &standing)?;
    let mut changes = Vec::new();
    let used: BTreeSet<&str> = contents.entries.iter().map(|entry| entry.database.as_str()).collect();
    for database in contents.databases.iter().filter(|database| used.contains(database.name.as_str())) {
        if !standing.contains_key(&database.name) {
            metastore.create_database(database, &contents.lake).await?;
            changes.push(Change::new(&database.name, Action::Created));
        }
    }
    for entry in &contents.entries {
        let table = standing.get_mut(&entry.database).and_then(|tables| tables.remove(&entry.name));
        changes.push(keep_table(metastore, entry, table).await?);
    }
    for (database, tables) in &standing {
        for (name, table) in tables {
            if difference::owner(table).as_deref() == Some(contents.lake.as_str()) {
                metastore.drop_table(database, name).await?;
                changes.push(Change::new(&format!("{database}.{name}"), Action::Dropped));
            }
        }
    }
    Ok(changes)
}

async fn survey(metastore: &Metastore, contents: &Contents) -> Result<Standing> {
    let existing = metastore.all_databases().await?;
    let mut standing = Standing::new();
    for database in contents.databases.iter().filter(|database| existing.contains(&database.name)) {
        let tables = metastore.tables(&database.name).await?;
        let named = tables.into_iter().map(|table| (table.table_name.as_deref().unwrap_or_default().to_owned(), table));
        standing.insert(database.name.clone(), named.collect());
    }
    Ok(standing)
}

fn refuse_foreign(contents: &Contents, standing: &Standing) -> Result<()> {
    let foreign = |entry: &Entry| {
        let table = standing.get(&entry.database)?.get(&entry.name)?;
        match difference::owner(table) {
            Some(owner) if owner == contents.lake => None,
            Some(owner) => Some(format!("{} (of the lake {owner})", entry.full_name())),
            None => Some(format!("{} (made by somebody else)", entry.full_name())),
        }
    };
    let tables: Vec<String> = contents.entries.iter().filter_map(foreign).collect();
    if tables.is_empty() { Ok(()) } else { Err(CatalogError::Foreign { lake: contents.lake.clone(), tables }) }
}

async fn keep_table(metastore: &Metastore, entry: &Entry, table: Option<Table>) -> Result<Change> {
    let mut change = Change::new(&entry.full_name(), Action::Unchanged);
    let Some(mut table) = table else {
        metastore.create_table(entry, wire::new_table(entry)).await?;
        change.action = Action::Created;
        change.partitions = keep_partitions(metastore, entry, true).await?;
        return Ok(change);
    };
    change.differences = difference::of_table(&table, entry);
    let is_new = difference::needs_a_new_table(&table, entry);
    if !change.differences.is_empty() {
        let properties = difference::properties_over(&table, entry);
        wire::describe(&mut table, entry, &properties);
        if is_new {
            make_anew(metastore, entry, table).await?;
        } else {
            metastore.alter_table(entry, table).await?;
        }
    }
    change.partitions = keep_partitions(metastore, entry, is_new).await?;
    if !change.differences.is_empty() || change.partitions != PartitionCounts::default() {
        change.action = Action::Altered;
    }
    Ok(change)
}

/// Replaces a table. For a moment it is not there, which no metastore spares us. Partitions that others keep are told
/// again; ours follow by themselves.
async fn make_anew(metastore: &Metastore, entry: &Entry, table: Table) -> Result<()> {
    let mut others = Vec::new();
    if entry.partitions.is_none() && !entry.partition_columns.is_empty() {
        others = metastore.partitions(entry, &metastore.partition_names(entry).await?).await?;
        for partition in &mut others {
            wire::give_columns(partition, entry);
        }
    }
    metastore.drop_table(&entry.database, &entry.name).await?;
    metastore.create_table(entry, table).await?;
    metastore.add_partitions(entry, &others).await
}

async fn keep_partitions(metastore: &Metastore, entry: &Entry, is_new: bool) -> Result<PartitionCounts> {
    let Some(partitions) = entry.partitions.as_ref().filter(|_| !entry.partition_columns.is_empty()) else {
        return Ok(PartitionCounts::default());
    };
    let wanted: BTreeMap<String, &Partition> =
        partitions.iter().map(|partition| (partition_name(entry, &partition.values), partition)).collect();
    let standing: Vec<FastStr> = if is_new { Vec::new() } else { metastore.partition_names(entry).await? };
    let (kept, gone): (Vec<FastStr>, Vec<FastStr>) =
        standing.into_iter().partition(|name| wanted.contains_key(name.as_str()));
    let names: BTreeSet<&str> = kept.iter().map(FastStr::as_str).collect();
    let added: Vec<_> = wanted
        .iter()
        .filter(|(name, _)| !names.contains(name.as_str()))
        .map(|(_, partition)| wire::new_partition(entry, partition))
        .collect();
    let mut altered = Vec::new();
    for mut thrift in metastore.partitions(entry, &kept).await? {
        let values: Vec<String> = thrift.values.iter().flatten().map(ToString::to_string).collect();
        let Some(partition) = wanted.get(&partition_name(entry, &values)) else { continue };
        if difference::is_other_partition(&thrift, entry, partition) {
            wire::describe_partition(&mut thrift, entry, partition);
            altered.push(thrift);
        }
    }
    metastore.add_partitions(entry, &added).await?;
    metastore.alter_partitions(entry, &altered).await?;
    metastore.drop_partitions(entry, &gone).await?;
    Ok(PartitionCounts { added: added.len(), altered: altered.len(), dropped: gone.len() })
}

/// The name that a metastore gives a partition: `month=2018-01-01`, or `dt=…/hr=…`.
fn partition_name(entry: &Entry, values: &[String]) -> String {
    let parts = entry.partition_columns.iter().zip(values).map(|(column, value)| partition_part(&column.name, value));
    parts.collect::<Vec<_>>().join("/")
}
