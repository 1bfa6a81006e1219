//! A batch for tests: the embedded project with made-up versions.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use entrega_model::{
    model::ModelColumn,
    project::Project,
    tables::{Layer, TableName},
};

use crate::{Batch, Place, Script, Stored};

pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// A batch after some others: tables are at version 7, of which all but clean ones went on to 8 in a run that was
/// killed.
pub(crate) fn batch(job: &'static str) -> Batch {
    let project = Project::embedded().unwrap();
    let newest = |table: &TableName| if table.layer == Layer::Clean { 7 } else { 8 };
    let models = project.models().iter().map(|model| Stored::of(model, Some(7), Some(newest(&model.table))));
    let books = [books("batches", &["sequence"]), books("checks", &["batch_id", "table", "drop", "check"])];
    let tables: Vec<Stored> = models.chain(books).collect();
    let versions: BTreeMap<_, _> = tables.iter().map(|stored| (stored.table.clone(), 7)).collect();
    Batch {
        place: Place::new("s3://bucket/lake"),
        tables: tables.into_iter().collect(),
        id: format!("000009-{job}-20180301T060000"),
        job,
        sequence: 9,
        started_at: day("2018-03-01").and_hms_opt(6, 0, 0).unwrap(),
        as_of: day("2018-03-01").into(),
        versions,
        fingerprints: BTreeMap::new(),
        project,
    }
}

/// A script without the text of models, which is read elsewhere.
pub(crate) fn outline(script: &Script) -> String {
    let mut shown = String::new();
    let mut inside = false;
    for line in script.to_string().lines() {
        inside &= line != ") AS model" && !line.starts_with(") AS model;");
        if !inside {
            shown += line;
            shown.push('\n');
        }
        inside |= line == "FROM (";
    }
    shown
}

pub(crate) fn books(name: &str, columns: &[&str]) -> Stored {
    Stored {
        table: TableName::new(Layer::Ops, name),
        description: String::new(),
        columns: columns.iter().map(|column| ModelColumn::new(column, "STRING", "")).collect(),
        partition: None,
        published: Some(7),
        newest: Some(7),
    }
}
