//! What models read: a view for each table, with the rows that can matter and no others.
//!
//! ```text
//!  … from clean.deliveries …  ─▶  … from clean_deliveries_of_days …
//!                                          └─ SELECT * FROM delta.`…` VERSION AS OF 12 WHERE purchase_month IN (…)
//! ```
//!
//! The months are literals (or session variables, which Spark takes for literals), so that Delta passes over the files
//! of all others without opening one.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use entrega_model::{
    model::Model,
    tables::{Layer, TableName},
};

use crate::{Batch, Result, Script, SparkError, extent, quote};

/// The views that stand for tables.
#[derive(Debug, Clone)]
pub struct Inputs {
    suffix: &'static str,
    views: BTreeMap<TableName, String>,
}

impl Inputs {
    /// No views yet. The suffix tells views of one table apart: a view that something was computed from is
    /// better not replaced.
    #[must_use]
    pub fn new(suffix: &'static str) -> Self {
        Self { suffix, views: BTreeMap::new() }
    }

    /// Names a query that stands for a table.
    pub fn add(&mut self, script: &mut Script, table: &TableName, query: &str) {
        let view = format!("{}_{}{}", table.layer.name(), table.name, self.suffix);
        script.view(&view, query);
        self.views.insert(table.clone(), view);
    }

    /// Adds `ops.as_of`: one row with the moment up to which the lake knows everything.
    pub fn add_as_of(&mut self, script: &mut Script, batch: &Batch) {
        let as_of = TableName::new(Layer::Ops, "as_of");
        self.add(script, &as_of, &format!("SELECT {} AS as_of", quote::timestamp(batch.as_of)));
    }

    /// Adds what models read, each table once: as published, of these months only where it is partitioned and months
    /// are given.
    ///
    /// # Errors
    /// When the batch does not know a table.
    pub fn add_reads<'a>(
        &mut self,
        script: &mut Script,
        batch: &Batch,
        reads: impl Iterator<Item = &'a TableName>,
        months: Option<&BTreeSet<NaiveDate>>,
    ) -> Result<()> {
        for read in reads.collect::<BTreeSet<_>>() {
            if read.layer == Layer::Ops {
                self.add_as_of(script, batch);
                continue;
            }
            let partition = batch.tables.get(read)?.partition.as_ref().map(|column| quote::name(column)).transpose()?;
            let condition = partition.zip(months).map(|(column, months)| extent::is_one_of(&column, months));
            self.add_published(script, batch, read, condition.as_deref())?;
        }
        Ok(())
    }

    /// Adds a table that the batch does not write, as readers see it, where a condition holds.
    ///
    /// # Errors
    /// When the batch does not know the table.
    pub fn add_published(
        &mut self,
        script: &mut Script,
        batch: &Batch,
        table: &TableName,
        condition: Option<&str>,
    ) -> Result<()> {
        let stored = batch.tables.get(table)?.unwritten(&batch.place)?;
        let condition = condition.map(|condition| format!("\nWHERE {condition}")).unwrap_or_default();
        self.add(script, table, &format!("SELECT * FROM {stored}{condition}"));
        Ok(())
    }

    /// A model's columns, in their order, computed from these views; with a condition, only the rows for which it
    /// holds.
    ///
    /// # Errors
    /// When the model reads what has no view.
    pub fn query(&self, model: &Model, condition: Option<&str>) -> Result<String> {
        if let Some(missing) = model.reads.iter().find(|read| !self.views.contains_key(read)) {
            return Err(SparkError::Table { table: missing.to_string() });
        }
        let sql = model.reading(|table| self.views.get(table).cloned().unwrap_or_else(|| table.to_string()))?;
        let columns = quote::names(model.columns.iter().map(|column| &column.name))?;
        let condition = condition.map(|condition| format!("\nWHERE {condition}")).unwrap_or_default();
        Ok(format!("SELECT\n  {columns}\nFROM (\n{}\n) AS model{condition}", sql.trim().trim_end_matches(';')))
    }
}
