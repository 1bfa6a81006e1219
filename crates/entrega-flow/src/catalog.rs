//! Catalog: a Hive Metastore is told what the lake publishes.
//!
//! ```text
//!  ledger ─▶ published files ─┬─▶ link files into the lake ─▶ metastore: databases, tables, partitions, statistics
//!  ops.drops ─▶ landing ──────┘                                    │
//!  months whose files changed since the last time ─▶ Spark: INSERT OVERWRITE … PARTITION, ANALYZE TABLE (ORC)
//! ```
//!
//! The metastore is a mirror: whatever goes wrong here, the lake is as it was, and the next time sets it right.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray as _, RecordBatch};
use entrega_catalog::{
    Change, DropFile, Entry, Facts, Kind, Lake as Place, Metastore, Reader, StoredDrop, StoredFile, StoredTable,
    contents, link_files, overwrite_statements,
};
use entrega_lake::TableState;
use entrega_model::{
    drops::LANDING,
    tables::{Layer, TableName},
};
use entrega_spark::Script;
use futures::{StreamExt as _, TryStreamExt as _};

use crate::{
    Context, Result,
    ledger::{self, Ledger},
    ops,
    spark::Cluster,
    tables::{self, DropRow},
};

/// Requests to the store at once.
const CONCURRENCY: usize = 16;

/// The property of an ORC table that says which version of the summary table Spark last wrote into it. Properties that
/// begin with `entrega.` are the catalog's own: it removes those that it did not ask for.
const FILLED_FROM: &str = "filled_from_version";

/// Which metastore, and what it is to hold beside the Delta tables and the files of the landing zone.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// `thrift://host:port[,thrift://host2:port]`.
    pub metastore: String,
    /// What is put before the names of databases; usually nothing.
    pub prefix: String,
    /// Tables for readers that find files through link files.
    pub links: bool,
    /// Summary tables as ORC, which the context's cluster fills.
    pub orc: bool,
}

/// Brings a metastore in step with what the lake publishes.
///
/// # Errors
/// When the lake cannot be read, the metastore cannot be reached or refuses, or Spark fails.
pub async fn sync(context: &Context, catalog: &Catalog) -> Result<Vec<Change>> {
    let place = Place::new(context.lake.url().as_str(), &catalog.prefix)?;
    let ledger = Ledger::open(&context.lake, None).await?;
    let states = published(context, &ledger).await?;
    let drops = if catalog.links { drops(context, &ledger).await? } else { Vec::new() };
    let facts = Facts { tables: states.values().map(stored).collect(), drops, links: catalog.links, orc: catalog.orc };
    let links = link_files(&context.project, &place, &facts);
    let meter = context.progress.begin("links", links.len() as u64);
    let meter = &meter;
    let puts = links.into_iter().map(|link| async move {
        context.lake.put(&link.path, link.bytes.into()).await?;
        meter.advance(1);
        Ok::<_, crate::FlowError>(())
    });
    futures::stream::iter(puts.collect::<Vec<_>>()).buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
    let contents = contents(&context.project, &place, &facts)?;
    let changes = Metastore::connect(&catalog.metastore).await?.keep_in_step(&contents).await?;
    if let (true, Some(cluster)) = (catalog.orc, &context.cluster) {
        let from = place.database(Layer::Summary, Reader::Spark);
        for entry in contents.entries.iter().filter(|entry| entry.kind == Kind::Orc) {
            if let Some(state) = states.get(&TableName::new(Layer::Summary, &entry.name)) {
                fill(context, cluster, entry, &from, state).await?;
            }
        }
    }
    Ok(changes)
}

/// Every table that has a version; the ledger and the log of runs, which no batch can name, as they are now.
async fn published(context: &Context, ledger: &Ledger) -> Result<BTreeMap<TableName, TableState>> {
    let (lake, now) = (&context.lake, [ledger::batches().table, tables::runs().table]);
    let states = tables::all(&context.project).into_iter().map(|definition| {
        let is_now = now.contains(&definition.table);
        async move {
            let state = if is_now {
                let newest = lake.delta_table(&definition.table, None).await?.and_then(|delta| delta.version());
                lake.table(&definition, newest).await?
            } else {
                ledger.state(lake, &definition).await?
            };
            Ok::<_, crate::FlowError>((definition.table, state))
        }
    });
    let states: BTreeMap<TableName, TableState> =
        futures::stream::iter(states.collect::<Vec<_>>()).buffered(CONCURRENCY).try_collect().await?;
    Ok(states.into_iter().filter(|(_, state)| state.version.is_some()).collect())
}

fn stored(state: &TableState) -> StoredTable {
    let files = state.files.iter().map(|file| StoredFile {
        path: file.add.path.clone(),
        partition: file.month.map(|month| month.to_string()),
        rows: Some(file.rows),
        bytes: file.add.size.unsigned_abs(),
    });
    let definition = &state.definition;
    StoredTable {
        table: definition.table.clone(),
        description: definition.description.clone(),
        columns: definition.columns.to_vec(),
        partition: definition.partition.clone(),
        files: files.collect(),
    }
}

/// The drops that were taken, with the sizes of their files.
async fn drops(context: &Context, ledger: &Ledger) -> Result<Vec<StoredDrop>> {
    let table = ledger.state(&context.lake, &tables::drops()).await?;
    let books: Vec<DropRow> = ops::read(&context.lake, &table).await?;
    let objects = context.lake.objects(LANDING).await?;
    let sizes: BTreeMap<&str, u64> = objects.iter().map(|object| (object.path.as_str(), object.size)).collect();
    let mut drops: BTreeMap<&str, BTreeMap<&str, DropFile>> = BTreeMap::new();
    for book in books.iter().filter(|book| !book.retried && !book.file.is_empty()) {
        if let Some(bytes) = sizes.get(format!("{}/{}", book.drop, book.file).as_str()) {
            let file = DropFile { name: book.file.clone(), rows: Some(book.rows_in.unsigned_abs()), bytes: *bytes };
            drops.entry(&book.drop).or_default().insert(&book.file, file);
        }
    }
    let drop = |(folder, files): (&str, BTreeMap<&str, DropFile>)| StoredDrop {
        folder: folder.to_owned(),
        files: files.into_values().collect(),
    };
    Ok(drops.into_iter().map(drop).collect())
}

/// Writes the months of a summary table that changed since the last time into its ORC table.
async fn fill(context: &Context, cluster: &Cluster, entry: &Entry, from: &str, state: &TableState) -> Result<()> {
    let table = format!("`{}`.`{}`", entry.database, entry.name);
    let title = entry.full_name();
    let mut properties = Script::default();
    properties.light(&title, format!("SHOW TBLPROPERTIES {table}"));
    let filled = cluster.query(context, &properties).await?.iter().find_map(filled_from);
    let Some(version) = state.version.filter(|version| filled != Some(*version)) else { return Ok(()) };
    let before = match filled {
        Some(version) => files(&context.lake.table(&state.definition, Some(version)).await?),
        None => BTreeSet::new(),
    };
    let now = files(state);
    let months: BTreeSet<&str> = now.symmetric_difference(&before).map(|(month, _)| month.as_str()).collect();
    let mut script = Script::default();
    // Hive's TIMESTAMP is what Spark calls one in the session's zone; the other kind its ORC writer does not know.
    script.light(&title, "SET spark.sql.session.timeZone = UTC");
    script.light(&title, "SET spark.sql.timestampType = TIMESTAMP_LTZ");
    for statement in overwrite_statements(entry, from, Some(version), &months.into_iter().collect::<Vec<_>>())? {
        script.heavy(&title, statement);
    }
    script.heavy(&title, format!("ANALYZE TABLE {table} COMPUTE STATISTICS"));
    script.light(&title, format!("ALTER TABLE {table} SET TBLPROPERTIES ('{FILLED_FROM}' = '{version}')"));
    cluster.run(context, &title, &script).await
}

/// The value of [`FILLED_FROM`] among a table's properties: rows of name and value.
fn filled_from(properties: &RecordBatch) -> Option<u64> {
    let [names, values] = properties.columns() else { return None };
    let (names, values) = (names.as_string_opt::<i32>()?, values.as_string_opt::<i32>()?);
    let place = names.iter().position(|name| name == Some(FILLED_FROM))?;
    values.value(place).parse().ok()
}

/// Months and names of files; a table without months has an empty one.
fn files(state: &TableState) -> BTreeSet<(String, String)> {
    let month = |file: &entrega_lake::DataFile| file.month.map(|month| month.to_string()).unwrap_or_default();
    state.files.iter().map(|file| (month(file), file.add.path.clone())).collect()
}
