//! Where tables lie, and in which version a batch finds them.

use std::collections::BTreeMap;

use entrega_model::{
    model::{Model, ModelColumn},
    tables::TableName,
};

use crate::{Result, SparkError, quote};

/// The lake as Spark sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    root: String,
}

impl Place {
    /// A lake by its URL. `s3://` stays as it is: EMR knows it, other Sparks map it to S3A
    /// (`spark.hadoop.fs.s3.impl`).
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self { root: url.trim_end_matches('/').to_owned() }
    }

    /// The URL of something in the lake.
    #[must_use]
    pub fn url(&self, relative: &str) -> String {
        format!("{}/{relative}", self.root)
    }

    /// A table, to read or write its newest version: `` delta.`…` ``.
    #[must_use]
    pub fn table(&self, table: &TableName) -> String {
        format!("delta.{}", quote::path(&self.url(&table.path())))
    }

    /// The newest version of a table as an expression, read from the names in its log.
    #[must_use]
    pub fn newest_version(&self, table: &TableName) -> String {
        let log = quote::path(&self.url(&format!("{}/_delta_log/*.json", table.path())));
        format!(
            "(SELECT max(CAST(regexp_extract(_metadata.file_name, '^([0-9]{{20}})[.]json$', 1) AS BIGINT)) FROM text.{log} WHERE _metadata.file_name RLIKE '^[0-9]{{20}}[.]json$')"
        )
    }
}

/// A table of the lake as a batch finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub table: TableName,
    /// What a row is.
    pub description: String,
    /// Its columns.
    pub columns: Vec<ModelColumn>,
    /// The column (a DATE, the first of a month) by which it is partitioned.
    pub partition: Option<String>,
    /// The version that readers see; `None` if no batch published it.
    pub published: Option<u64>,
    /// The newest version of its log; `None` if there is none.
    pub newest: Option<u64>,
}

impl Stored {
    /// A model's table.
    #[must_use]
    pub fn of(model: &Model, published: Option<u64>, newest: Option<u64>) -> Self {
        Self {
            table: model.table.clone(),
            description: model.description.clone(),
            columns: model.columns.clone(),
            partition: model.partition.clone(),
            published,
            newest,
        }
    }

    /// The names of its columns, quoted, with commas between.
    ///
    /// # Errors
    /// [`SparkError::Name`].
    pub fn column_list(&self) -> Result<String> {
        Ok(quote::list(self.columns.iter().map(|column| quote::name(&column.name)).collect::<Result<Vec<_>>>()?))
    }

    /// The table as readers saw it when the batch began, whatever is written meanwhile.
    ///
    /// # Errors
    /// [`SparkError::Name`].
    pub fn then(&self, place: &Place) -> Result<String> {
        if let Some(version) = self.published {
            return Ok(format!("(SELECT * FROM {} VERSION AS OF {version})", place.table(&self.table)));
        }
        // Without a table in it, Spark sees that there is nothing, and joins with it disappear from plans.
        let columns = self.columns.iter().map(|column| {
            Ok(format!("CAST(NULL AS {}) AS {}", ddl_type(&column.sql_type), quote::name(&column.name)?))
        });
        Ok(format!("(SELECT {} WHERE false)", quote::list(columns.collect::<Result<Vec<_>>>()?)))
    }

    /// The same for statements before the batch's first write to the table: Spark keeps the newest version of a table in
    /// mind, and reads the log again for any other.
    ///
    /// # Errors
    /// [`SparkError::Name`].
    pub fn unwritten(&self, place: &Place) -> Result<String> {
        if self.published.is_some() && self.published == self.newest {
            Ok(place.table(&self.table))
        } else {
            self.then(place)
        }
    }
}

/// A type of a model as Spark's DDL writes it.
#[must_use]
pub fn ddl_type(sql_type: &str) -> &str {
    // In a session of a stranger TIMESTAMP would mean a moment in a zone.
    if sql_type.eq_ignore_ascii_case("TIMESTAMP") { "TIMESTAMP_NTZ" } else { sql_type }
}

/// Tables by name.
#[derive(Debug, Clone, Default)]
pub struct Tables(BTreeMap<TableName, Stored>);

impl Tables {
    /// A table.
    ///
    /// # Errors
    /// [`SparkError::Table`].
    pub fn get(&self, table: &TableName) -> Result<&Stored> {
        self.0.get(table).ok_or_else(|| SparkError::Table { table: table.to_string() })
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Stored> {
        self.0.values()
    }
}

impl FromIterator<Stored> for Tables {
    fn from_iter<I: IntoIterator<Item = Stored>>(tables: I) -> Self {
        Self(tables.into_iter().map(|table| (table.table.clone(), table)).collect())
    }
}
