//! The project: every contract and every model, in the order in which they run.
//!
//! The files of `models/` are part of the binary; a folder given by the user replaces them. The order is found from
//! what the models read, ties broken by name, so that it is the same everywhere.

use std::collections::BTreeMap;

use include_dir::{Dir, include_dir};

use crate::{
    ModelError,
    contract::Contract,
    model::{Model, hex_digest},
    tables::TableName,
};

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../models");

/// Contracts and models that belong together.
#[derive(Debug, Clone)]
pub struct Project {
    contracts: Vec<Contract>,
    models: Vec<Model>,
}

impl Project {
    /// The project that is part of this binary.
    ///
    /// # Errors
    /// When an embedded file is wrong, which a test excludes.
    pub fn embedded() -> Result<Self, ModelError> {
        let mut files = Vec::new();
        for folder in EMBEDDED.dirs() {
            for file in folder.files() {
                if let (Some(path), Some(text)) = (file.path().to_str(), file.contents_utf8()) {
                    files.push((path.to_owned(), text.to_owned()));
                }
            }
        }
        Self::parse(files)
    }

    /// A project from `(path relative to the models folder, text)` pairs; files that are neither contract nor model
    /// (examples) are passed over.
    ///
    /// # Errors
    /// When a file is wrong, a model reads a table that nothing makes, models read each other in a circle, or a feature
    /// reads what cannot be known at its decision.
    pub fn parse(files: impl IntoIterator<Item = (String, String)>) -> Result<Self, ModelError> {
        let mut contracts = BTreeMap::new();
        let mut models = BTreeMap::new();
        for (path, text) in files {
            let path = path.replace('\\', "/");
            if path.ends_with(".example.toml") {
                continue;
            }
            if let Some(source) = path.strip_prefix("landing/").and_then(|name| name.strip_suffix(".toml")) {
                contracts.insert(source.to_owned(), Contract::parse(source, &text)?);
            } else if let Some(stem) = path.strip_suffix(".sql") {
                let table: TableName = stem.replace('/', ".").parse()?;
                models.insert(table.clone(), Model::parse(&table, &text)?);
            }
        }
        // Orders come first among the contracts: every child looks its order up.
        let mut contracts: Vec<Contract> = contracts.into_values().collect();
        contracts.sort_by_key(|contract| (contract.source != "orders", contract.parent.is_none()));
        let project = Self { models: in_order(models, &contracts)?, contracts };
        crate::knowledge::check(&project)?;
        Ok(project)
    }

    /// The contracts: orders first, then their children, then dimensions and snapshots.
    #[must_use]
    pub fn contracts(&self) -> &[Contract] {
        &self.contracts
    }

    /// The models, each after everything that it reads.
    #[must_use]
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// A contract by source.
    ///
    /// # Errors
    /// When there is none; the error lists the sources.
    pub fn contract(&self, source: &str) -> Result<&Contract, ModelError> {
        self.contracts.iter().find(|contract| contract.source == source).ok_or_else(|| ModelError::Unknown {
            kind: "source",
            name: source.to_owned(),
            valid: self.contracts.iter().map(|contract| contract.source.clone()).collect(),
        })
    }

    /// A model by table.
    ///
    /// # Errors
    /// When there is none; the error lists the models.
    pub fn model(&self, table: &TableName) -> Result<&Model, ModelError> {
        self.models.iter().find(|model| model.table == *table).ok_or_else(|| ModelError::Unknown {
            kind: "model",
            name: table.to_string(),
            valid: self.models.iter().map(|model| model.table.to_string()).collect(),
        })
    }

    /// The model that a source's contract feeds.
    ///
    /// # Errors
    /// When no model names the source.
    pub fn model_of_source(&self, source: &str) -> Result<&Model, ModelError> {
        self.models.iter().find(|model| model.source.as_deref() == Some(source)).ok_or_else(|| ModelError::Unknown {
            kind: "model of source",
            name: source.to_owned(),
            valid: self.models.iter().filter_map(|model| model.source.clone()).collect(),
        })
    }
}

/// Hex digits of a fingerprint that are kept.
const FINGERPRINT_DIGITS: usize = 16;

/// Tables that the engine itself makes and offers to models.
const MADE: [&str; 2] = ["ops.as_of", "landing.calendar"];

fn in_order(mut waiting: BTreeMap<TableName, Model>, contracts: &[Contract]) -> Result<Vec<Model>, ModelError> {
    let names: Vec<String> = waiting.keys().map(ToString::to_string).collect();
    let made = |table: &TableName| {
        let name = table.to_string();
        MADE.contains(&name.as_str()) || contracts.iter().any(|contract| name == format!("landing.{}", contract.source))
    };
    let mut ordered: Vec<Model> = Vec::new();
    while !waiting.is_empty() {
        let ready = waiting
            .values()
            .find(|model| model.reads.iter().all(|read| made(read) || ordered.iter().any(|done| done.table == *read)));
        let Some(table) = ready.map(|model| model.table.clone()) else {
            let stuck = waiting.values().next().map(|model| (model.table.to_string(), model.reads.clone()));
            let (table, reads) = stuck.unwrap_or_default();
            let reads: Vec<_> = reads.iter().map(ToString::to_string).collect();
            return Err(ModelError::file(
                table.replace('.', "/") + ".sql",
                format!("what it reads cannot be made before it: {}", reads.join(", ")),
                format!("look for a circle, or a name that is none of {}", names.join(", ")),
            ));
        };
        let Some(mut model) = waiting.remove(&table) else { continue };
        let contract = contracts
            .iter()
            .find(|contract| model.source.as_ref() == Some(&contract.source))
            .map(|contract| contract.fingerprint.clone());
        let parents = ordered.iter().filter(|done| model.reads.contains(&done.table));
        let parts: Vec<String> = parents
            .map(|parent| parent.fingerprint.clone())
            .chain(contract)
            .chain([model.fingerprint.clone()])
            .collect();
        model.fingerprint = hex_digest(parts.iter().map(String::as_str));
        model.fingerprint.truncate(FINGERPRINT_DIGITS);
        ordered.push(model);
    }
    Ok(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_project_holds_together() {
        let project = Project::embedded().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(project.contracts()[0].source, "orders");
        for contract in project.contracts() {
            let model = project.model_of_source(&contract.source).unwrap();
            assert_eq!(model.table.layer.name(), "clean");
        }
        for model in project.models() {
            assert!(
                model.columns.iter().all(|column| !column.doc.is_empty()),
                "{} has an undocumented column",
                model.table
            );
        }
    }

    #[test]
    fn tables_that_a_model_reads_can_be_renamed() {
        let project = Project::embedded().unwrap();
        for model in project.models() {
            let renamed = model.reading(|table| format!("lake_of_{}.{}", table.layer.name(), table.name)).unwrap();
            assert_eq!(renamed.lines().count(), model.sql.lines().count(), "{}", model.table);
            for read in &model.reads {
                assert!(renamed.contains(&format!("lake_of_{read}")), "{} reads {read}", model.table);
            }
            assert_eq!(renamed.replace("lake_of_", ""), model.sql);
        }
    }

    #[test]
    fn a_changed_parent_changes_the_fingerprint_of_its_children() {
        let contract = "file='o.csv'\ndescription='o'\nkind='changes'\nkey=['id']\nknown='purchase'\n[[column]]\nname='id'\ntype='id'\n";
        let model = |read: &str, note: &str| {
            format!(
                "/*---\ndescription='{note}'\ngrain=['id']\nwrite='upsert'\ncolumns=[['id','STRING','x']]\n---*/\nselect id from {read}"
            )
        };
        let project = |note: &str| {
            Project::parse([
                ("landing/orders.toml".to_owned(), contract.to_owned()),
                ("clean/a.sql".to_owned(), model("landing.orders", note)),
                ("clean/b.sql".to_owned(), model("clean.a", "b")),
            ])
            .unwrap()
        };
        let (first, second) = (project("one"), project("two"));
        assert_ne!(first.models()[0].fingerprint, second.models()[0].fingerprint);
        assert_ne!(first.models()[1].fingerprint, second.models()[1].fingerprint);
    }

    #[test]
    fn a_circle_is_named() {
        let model = |read: &str| {
            format!(
                "/*---\ndescription='x'\ngrain=['id']\nwrite='snapshot'\ncolumns=[['id','STRING','x']]\n---*/\nselect id from {read}"
            )
        };
        let files = [("clean/a.sql".to_owned(), model("clean.b")), ("clean/b.sql".to_owned(), model("clean.a"))];
        let error = Project::parse(files).unwrap_err().to_string();
        assert!(error.contains("circle"), "{error}");
    }
}
