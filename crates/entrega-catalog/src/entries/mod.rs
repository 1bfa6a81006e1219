//! From what the project declares and what is stored to what a metastore should hold.
//!
//! ```text
//!   contracts ─▶ landing.rs ─▶ landing.orders        landing_links.orders   + link files
//!   tables    ─▶ delta.rs   ─▶ clean.orders
//!             ─▶ links.rs   ─▶                       clean_links.orders     + link files
//!             ─▶ orc.rs     ─▶                       summary_orc.…         + Spark SQL
//! ```

mod delta;
mod landing;
mod links;
mod orc;

use std::collections::BTreeMap;

use entrega_model::{project::Project, tables::Layer};

use crate::{
    Result,
    entry::{Column, Contents, Database, Entry, Kind, LAKE_PROPERTY},
    facts::{Facts, Statistics, StoredTable},
    place::{DATABASES, Lake, Reader},
    types::hive_type,
};

/// A text file that names data files, one on a line, for readers that find them so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkFile {
    /// Its path relative to the lake.
    pub path: String,
    /// What stands in it.
    pub bytes: Vec<u8>,
}

impl LinkFile {
    fn new(path: String, files: impl IntoIterator<Item = String>) -> Self {
        let text: String = files.into_iter().map(|file| file + "\n").collect();
        Self { path, bytes: text.into_bytes() }
    }
}

/// What a metastore should hold of a lake, in order.
///
/// # Errors
/// [`crate::CatalogError::Shape`] for a column type or a name that a metastore cannot be told.
pub fn contents(project: &Project, lake: &Lake, facts: &Facts) -> Result<Contents> {
    let mut entries = Vec::new();
    for contract in project.contracts() {
        entries.push(landing::files(lake, contract)?);
    }
    if facts.links {
        for contract in project.contracts() {
            entries.push(landing::linked(lake, contract, &facts.drops)?);
        }
    }
    for layer in Layer::ALL {
        let tables = || facts.tables.iter().filter(|stored| stored.table.layer == layer);
        for stored in tables() {
            entries.push(delta::table(lake, stored)?);
        }
        if facts.links {
            for stored in tables() {
                entries.push(links::table(lake, stored)?);
            }
        }
        if facts.orc && layer == Layer::Summary {
            for stored in tables() {
                entries.push(orc::table(lake, stored)?);
            }
        }
    }
    let databases = DATABASES.iter().map(|(layer, reader)| database(lake, *layer, *reader)).collect();
    Ok(Contents { lake: lake.location().to_owned(), databases, entries })
}

/// The link files through which readers of the `_links` tables of [`contents`] find the data. They are to be written before the metastore
/// is brought in step, because it looks whether their folders are there.
#[must_use]
pub fn link_files(project: &Project, lake: &Lake, facts: &Facts) -> Vec<LinkFile> {
    if !facts.links {
        return Vec::new();
    }
    let landing = project.contracts().iter().flat_map(|contract| landing::link_files(lake, contract, &facts.drops));
    let tables = facts.tables.iter().flat_map(|stored| links::link_files(lake, stored));
    landing.chain(tables).collect()
}

/// A database lies in a folder of its own, and not in its layer's: `DROP DATABASE … CASCADE` removes the database's
/// folder with all that is in it, whatever the tables say.
fn database(lake: &Lake, layer: Layer, reader: Reader) -> Database {
    let name = lake.database(layer, reader);
    let comment = match (layer, reader) {
        (Layer::Landing, Reader::Spark) => "The files of the drops as delivered, all text, for Spark.".to_owned(),
        (Layer::Landing, _) => "The files of the drops as delivered, all text, by day and hour.".to_owned(),
        (layer, Reader::Spark) => format!("The layer {} as Delta tables.", layer.name()),
        (layer, Reader::Links) => format!("The layer {} for readers that know no Delta.", layer.name()),
        (layer, Reader::Orc) => format!("The layer {} as ORC files.", layer.name()),
    };
    Database { comment: format!("{comment} Kept by Entrega."), location: lake.at(&format!("_hive/{name}")), name }
}

/// An entry with what all kinds have in common.
fn entry(lake: &Lake, kind: Kind, database: String, name: &str, comment: &str, location: String) -> Entry {
    let properties = [(LAKE_PROPERTY, lake.location()), ("entrega.kind", kind.name())];
    Entry {
        database,
        name: name.to_owned(),
        comment: comment.to_owned(),
        columns: Vec::new(),
        partition_columns: Vec::new(),
        location,
        kind,
        serde: BTreeMap::from([("serialization.format".to_owned(), "1".to_owned())]),
        properties: properties.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        statistics: None,
        partitions: Some(Vec::new()),
    }
}

fn columns(stored: &StoredTable) -> Result<Vec<Column>> {
    let name = stored.table.to_string();
    let column = |column: &entrega_model::model::ModelColumn| {
        Ok(Column::new(&column.name, &hive_type(&name, &column.sql_type)?, &column.doc))
    };
    stored.columns.iter().map(column).collect()
}

/// The columns in the files, and those in the folders' names.
fn split_columns(stored: &StoredTable) -> Result<(Vec<Column>, Vec<Column>)> {
    Ok(columns(stored)?.into_iter().partition(|column| stored.partition.as_ref() != Some(&column.name)))
}

fn insert(properties: &mut BTreeMap<String, String>, more: impl IntoIterator<Item = (&'static str, String)>) {
    properties.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
}

#[cfg(test)]
mod tests;
