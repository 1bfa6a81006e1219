//! The data dictionary: what every feature means, when it is known, and how it fares.

use std::fmt::Write as _;

use arrow::array::RecordBatch;
use entrega_model::{knowledge::FeatureLineage, model::Model};
use serde::Serialize;

use super::{TrainingError, TrainingSet, drift::psi, is_feature, missing, prepare::share_true};

/// One feature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Its column.
    pub name: String,
    /// Spark SQL type.
    pub sql_type: String,
    /// What it means.
    pub meaning: String,
    /// Its unit.
    pub unit: String,
    /// What it looks back on: days, or why none.
    pub window: String,
    /// When its value is known.
    pub known_at: String,
    /// The source columns that it is computed from.
    pub sources: Vec<String>,
    /// Share of the training rows without a value.
    pub missing_in_train: f64,
    /// Share of the test rows without a value.
    pub missing_in_test: f64,
    /// Population stability index between training and test rows.
    pub psi: f64,
}

/// Describes the features of a model over two parts.
pub(super) fn describe(
    model: &Model,
    lineage: &[FeatureLineage],
    train: &RecordBatch,
    test: &RecordBatch,
) -> Result<Vec<Entry>, TrainingError> {
    let features = model.columns.iter().filter(|column| is_feature(&column.name));
    features
        .map(|column| {
            let known = lineage.iter().find(|known| known.name == column.name);
            let pair = train.column_by_name(&column.name).zip(test.column_by_name(&column.name));
            let psi = pair.map_or(Ok(0.0), |(train, test)| psi(train, test));
            let psi = psi.map_err(|source| TrainingError::Rows { what: column.name.clone(), source })?;
            Ok(Entry {
                name: column.name.clone(),
                sql_type: column.sql_type.clone(),
                meaning: column.doc.clone(),
                unit: column.unit.clone(),
                window: known.map_or_else(String::new, window),
                known_at: known.map_or_else(String::new, known_at),
                sources: known.map(sources).unwrap_or_default(),
                missing_in_train: missing(train, &column.name),
                missing_in_test: missing(test, &column.name),
                psi,
            })
        })
        .collect()
}

/// Seconds of a day.
const DAY: i64 = 86_400;

fn window(lineage: &FeatureLineage) -> String {
    let windows = lineage.windows.iter().map(|window| match window {
        Some(seconds) => format!("{} days before", seconds / DAY),
        None => "everything before".to_owned(),
    });
    let windows: Vec<String> = windows.collect();
    if windows.is_empty() { "the order itself".to_owned() } else { windows.join(", ") }
}

fn known_at(lineage: &FeatureLineage) -> String {
    let own = lineage.own.iter().map(|(_, known)| *known).max();
    match (own, lineage.past.is_empty()) {
        (Some(own), true) => own.name().to_owned(),
        (_, false) => "just before the decision".to_owned(),
        (None, true) => "always".to_owned(),
    }
}

fn sources(lineage: &FeatureLineage) -> Vec<String> {
    let mut sources: Vec<String> = lineage.own.iter().chain(&lineage.past).map(|(column, _)| column.clone()).collect();
    sources.sort();
    sources.dedup();
    sources
}

/// The dictionary as a page to read.
pub(super) fn page(set: &TrainingSet) -> String {
    let origin = &set.preparation.origin;
    let rows = origin.rows;
    let mut page = format!(
        "# Features of {table}\n\n\
         One row is one order at the moment of its decision (`decided_at`). A feature holds only what could be known at \
         that moment: values of the order itself that are known by then, and what had happened to other orders before \
         it, equal seconds excluded. A rate of few orders leans on that of the larger group to which they belong. Lake \
         {lake}, batch {batch}.\n\n\
         | part | rows | late | which |\n| --- | ---: | ---: | --- |\n\
         | train | {train} | {train_late:.1} % | promise passed before {cut} |\n\
         | test | {test} | {test_late:.1} % | decided from {cut} on and before {end}, promise passed |\n\
         | neither | {matured} | | decided before {cut}, promise passed after it: its label was not known yet |\n\
         | neither | {unlabelled} | | decided in the span of the test, without a label: promise not passed yet, or canceled |\n\n\
         Labels: `label_is_late` delivered after the promised day, or not yet when it ended; `label_delivery_days` from \
         purchase to delivery; `label_delay_days` from promise to delivery, negative = early. The two are missing for \
         orders that never came: leave such rows out, or treat them as censored.\n\n\
         *Missing* is the share of rows without a value (nothing had happened yet, mostly). *Drift* is the population \
         stability index between train and test: below 0.1 little has changed, above 0.25 much.\n",
        table = origin.table,
        lake = origin.lake,
        batch = origin.batch.as_deref().unwrap_or("unknown"),
        cut = origin.train_until,
        end = origin.test_until,
        train = rows.train,
        test = rows.test,
        train_late = 100.0 * share_true(&set.train, "label_is_late"),
        test_late = 100.0 * share_true(&set.test, "label_is_late"),
        matured = rows.matured_too_late,
        unlabelled = rows.without_label,
    );
    let mut section = "";
    for entry in &set.dictionary {
        let found = heading(&entry.name);
        if found != section {
            section = found;
            let _ = write!(
                page,
                "\n## {section}\n\n| feature | meaning | unit | looks at | known | missing in train, test | drift |\n\
                 | --- | --- | --- | --- | --- | ---: | ---: |\n"
            );
        }
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {}, {} | {:.2} |",
            entry.name,
            entry.meaning,
            entry.unit,
            entry.window,
            entry.known_at,
            percent(entry.missing_in_train),
            percent(entry.missing_in_test),
            entry.psi
        );
    }
    page
}

/// The part of the page for a feature, by the entity that its name begins with.
fn heading(name: &str) -> &'static str {
    const HEADINGS: [(&str, &str); 9] = [
        ("seller_", "The seller's recent past"),
        ("route_", "The route's recent past (seller's state to customer's state)"),
        ("state_", "The customer's state's recent past"),
        ("region_", "The recent past of the customer's zip region (first two digits)"),
        ("area_", "The recent past of the customer's postal area (first three digits)"),
        ("city_", "The recent past of the customer's city"),
        ("category_", "The category's recent past"),
        ("network_", "The whole network's recent past"),
        ("buyer_", "The buyer's earlier orders"),
    ];
    let found = HEADINGS.iter().find(|(prefix, _)| name.starts_with(prefix) && name != "seller_state");
    found.map_or("The order itself", |(_, heading)| heading)
}
