//! The calls, in the words of this room, and in portions that a metastore digests.

use hive_metastore::{
    AddPartitionsRequest, Database as ThriftDatabase, DropPartitionsRequest, EnvironmentContext, Partition,
    RequestPartsSpec, Table,
};
use pilota::{AHashMap, FastStr};

use super::{Metastore, answers::answer, wire};
use crate::{
    Result,
    entry::{Database, Entry},
};

/// How many tables or partitions go into one call. A metastore does a call in one transaction of its database, and
/// looks for each partition's folder; some hundred keep that within seconds and a message within a megabyte.
const PORTION: usize = 300;

/// Tells a metastore to keep the statistics that it is given instead of listing folders.
fn keep_statistics() -> EnvironmentContext {
    let properties: AHashMap<FastStr, FastStr> = [("DO_NOT_UPDATE_STATS".into(), "true".into())].into_iter().collect();
    EnvironmentContext { properties: Some(properties) }
}

fn name(text: &str) -> FastStr {
    FastStr::from_string(text.to_owned())
}

impl Metastore {
    /// The names of all databases.
    pub(super) async fn all_databases(&self) -> Result<Vec<String>> {
        let names = self.client.get_all_databases().await;
        let names = answer(|| "the list of databases".to_owned(), names)?;
        Ok(names.iter().map(ToString::to_string).collect())
    }

    /// Makes a database.
    pub(super) async fn create_database(&self, database: &Database, lake: &str) -> Result<()> {
        let thrift: ThriftDatabase = wire::database(database, lake);
        answer(|| format!("to make the database {}", database.name), self.client.create_database(thrift).await)
    }

    /// All tables of a database.
    pub(super) async fn tables(&self, database: &str) -> Result<Vec<Table>> {
        let what = || format!("the tables of {database}");
        let names = answer(what, self.client.get_all_tables(name(database)).await)?;
        let mut tables = Vec::with_capacity(names.len());
        for portion in names.chunks(PORTION) {
            tables.extend(answer(what, self.client.get_table_objects_by_name(name(database), portion.to_vec()).await)?);
        }
        Ok(tables)
    }

    /// Makes a table, without its partitions.
    pub(super) async fn create_table(&self, entry: &Entry, table: Table) -> Result<()> {
        let table = wire::with_counts_kept(table);
        answer(|| format!("to make the table {}", entry.full_name()), self.client.create_table(table).await)
    }

    /// Replaces what a table looks like.
    pub(super) async fn alter_table(&self, entry: &Entry, table: Table) -> Result<()> {
        let (database, table_name) = (name(&entry.database), name(&entry.name));
        let altered =
            self.client.alter_table_with_environment_context(database, table_name, table, keep_statistics()).await;
        answer(|| format!("to alter the table {}", entry.full_name()), altered)
    }

    /// Forgets a table. Its files stay.
    pub(super) async fn drop_table(&self, database: &str, table: &str) -> Result<()> {
        let dropped = self.client.drop_table(name(database), name(table), false).await;
        answer(|| format!("to drop the table {database}.{table}"), dropped)
    }

    /// The names of a table's partitions.
    pub(super) async fn partition_names(&self, entry: &Entry) -> Result<Vec<FastStr>> {
        let names = self.client.get_partition_names(name(&entry.database), name(&entry.name), -1).await;
        answer(|| format!("the partitions of {}", entry.full_name()), names)
    }

    /// A table's partitions of those names.
    pub(super) async fn partitions(&self, entry: &Entry, names: &[FastStr]) -> Result<Vec<Partition>> {
        let mut partitions = Vec::with_capacity(names.len());
        for portion in names.chunks(PORTION) {
            let (database, table) = (name(&entry.database), name(&entry.name));
            let found = self.client.get_partitions_by_names(database, table, portion.to_vec()).await;
            partitions.extend(answer(|| format!("the partitions of {}", entry.full_name()), found)?);
        }
        Ok(partitions)
    }

    /// Registers partitions.
    pub(super) async fn add_partitions(&self, entry: &Entry, partitions: &[Partition]) -> Result<()> {
        for portion in partitions.chunks(PORTION) {
            let request = AddPartitionsRequest {
                db_name: name(&entry.database),
                tbl_name: name(&entry.name),
                parts: portion.to_vec(),
                if_not_exists: true,
                need_result: Some(false),
                cat_name: None,
            };
            answer(
                || format!("to add partitions to {}", entry.full_name()),
                self.client.add_partitions_req(request).await,
            )?;
        }
        Ok(())
    }

    /// Replaces what partitions look like.
    pub(super) async fn alter_partitions(&self, entry: &Entry, partitions: &[Partition]) -> Result<()> {
        for portion in partitions.chunks(PORTION) {
            let (database, table) = (name(&entry.database), name(&entry.name));
            let altered = self
                .client
                .alter_partitions_with_environment_context(database, table, portion.to_vec(), keep_statistics())
                .await;
            answer(|| format!("to alter partitions of {}", entry.full_name()), altered)?;
        }
        Ok(())
    }

    /// Forgets partitions. Their files stay.
    pub(super) async fn drop_partitions(&self, entry: &Entry, names: &[FastStr]) -> Result<()> {
        for portion in names.chunks(PORTION) {
            let request = DropPartitionsRequest {
                db_name: name(&entry.database),
                tbl_name: name(&entry.name),
                parts: RequestPartsSpec::Names(portion.to_vec()),
                delete_data: Some(false),
                if_exists: Some(true),
                ignore_protection: None,
                environment_context: None,
                need_result: Some(false),
                cat_name: None,
            };
            answer(
                || format!("to drop partitions of {}", entry.full_name()),
                self.client.drop_partitions_req(request).await,
            )?;
        }
        Ok(())
    }
}
