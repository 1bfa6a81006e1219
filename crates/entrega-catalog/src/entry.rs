//! What a table should look like in a metastore.

use std::collections::BTreeMap;

use crate::{CatalogError, Result, facts::Statistics, place::is_identifier};

/// Who reads a table, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A Delta table by name, as Spark's `CREATE TABLE … USING delta LOCATION …` leaves it.
    Delta,
    /// The drops' CSV files, read by Spark itself.
    Csv,
    /// The drops' CSV files, found through link files and read by Hive.
    CsvLinks,
    /// The Parquet files of a Delta table, found through link files.
    ParquetLinks,
    /// ORC files that a Spark fills.
    Orc,
}

/// The Java classes that read and write a table's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    pub input: &'static str,
    pub output: &'static str,
    pub serde: &'static str,
}

const SYMLINKS: &str = "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat";
const TEXT_OUTPUT: &str = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat";

impl Kind {
    /// Its name, as the property `entrega.kind` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Delta => "delta",
            Self::Csv => "csv",
            Self::CsvLinks => "csv links",
            Self::ParquetLinks => "parquet links",
            Self::Orc => "orc",
        }
    }

    pub(crate) fn format(self) -> Format {
        match self {
            // What Spark writes for every table that it reads itself. Hive fails on such a table, and so it should:
            // reading the folder it would count rows that were replaced long ago.
            Self::Delta | Self::Csv => Format {
                input: "org.apache.hadoop.mapred.SequenceFileInputFormat",
                output: "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat",
                serde: "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
            },
            Self::CsvLinks => {
                Format { input: SYMLINKS, output: TEXT_OUTPUT, serde: "org.apache.hadoop.hive.serde2.OpenCSVSerde" }
            }
            Self::ParquetLinks => Format {
                input: SYMLINKS,
                output: TEXT_OUTPUT,
                serde: "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
            },
            Self::Orc => Format {
                input: "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat",
                output: "org.apache.hadoop.hive.ql.io.orc.OrcOutputFormat",
                serde: "org.apache.hadoop.hive.ql.io.orc.OrcSerde",
            },
        }
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Type as Hive spells it.
    pub hive_type: String,
    /// Meaning.
    pub comment: String,
}

/// What a metastore's database has room for in a column's comment.
const COMMENT_ROOM: usize = 256;

impl Column {
    /// A column; a comment that is too long for a metastore is cut.
    #[must_use]
    pub fn new(name: &str, hive_type: &str, comment: &str) -> Self {
        let mut comment = comment.to_owned();
        if comment.chars().count() > COMMENT_ROOM {
            comment = comment.chars().take(COMMENT_ROOM - 3).chain("...".chars()).collect();
        }
        Self { name: name.to_owned(), hive_type: hive_type.to_owned(), comment }
    }
}

/// A registered partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The values of the partition columns, as text.
    pub values: Vec<String>,
    /// Its folder.
    pub location: String,
    /// How much it holds.
    pub statistics: Statistics,
}

/// A table as it should stand in the metastore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The database.
    pub database: String,
    /// The table's name.
    pub name: String,
    /// What a row is.
    pub comment: String,
    /// The columns that lie in the files.
    pub columns: Vec<Column>,
    /// The columns that lie in the folders' names.
    pub partition_columns: Vec<Column>,
    /// Its folder.
    pub location: String,
    /// Who reads it, and how.
    pub kind: Kind,
    /// Settings of the `SerDe`, or Spark's options.
    pub serde: BTreeMap<String, String>,
    /// Its properties.
    pub properties: BTreeMap<String, String>,
    /// How much it holds; none if others keep count.
    pub statistics: Option<Statistics>,
    /// Its partitions; none if others keep them.
    pub partitions: Option<Vec<Partition>>,
}

/// The property that says of which lake a table is. A table without it is never touched.
pub const LAKE_PROPERTY: &str = "entrega.lake";

impl Entry {
    /// `database.name`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.database, self.name)
    }

    /// Refuses names that would need quoting somewhere, and tables that a metastore cannot keep.
    pub(crate) fn checked(self) -> Result<Self> {
        let columns = || self.columns.iter().chain(&self.partition_columns);
        let wrong = [&self.database, &self.name].into_iter().chain(columns().map(|column| &column.name));
        if let Some(name) = wrong.into_iter().find(|name| !is_identifier(name)) {
            return Err(CatalogError::shape(
                self.full_name(),
                format!("'{name}' is no name for a metastore"),
                "use lower-case letters, digits and _",
            ));
        }
        let mut names: Vec<_> = columns().map(|column| &column.name).collect();
        names.sort_unstable();
        if let Some([twice, _]) = names.array_windows().find(|[one, other]| one == other) {
            return Err(CatalogError::shape(
                self.full_name(),
                format!("it has the column '{twice}' twice"),
                "name it once",
            ));
        }
        Ok(self)
    }
}

/// A database as it should stand in the metastore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub comment: String,
    /// Where tables go that somebody makes in it without saying where.
    pub location: String,
}

/// All that a metastore should hold of a lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The lake's place, which tells its tables from others.
    pub lake: String,
    /// The databases that the lake may have, also those that have no table now. Only those with one are made.
    pub databases: Vec<Database>,
    /// The tables, in order.
    pub entries: Vec<Entry>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_comments_are_cut_at_a_letter() {
        let column = Column::new("a", "string", &"ç".repeat(300));
        assert_eq!(column.comment.chars().count(), 256);
        assert!(column.comment.ends_with("ç..."));
    }
}
