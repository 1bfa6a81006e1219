//! The report's page: what its template shows.

use serde::Serialize;

use super::{ReportError, breakdown::Table, figures::Figure};
use crate::html::{self, Template};

const TEMPLATE: Template = Template {
    name: "report.html",
    html: include_str!("../../assets/report.html"),
    style: include_str!("../../assets/report.css"),
    script: include_str!("../../assets/report.js"),
};

/// What the template shows.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    pub title: String,
    pub headline: String,
    pub second_line: String,
    pub date: String,
    pub as_of: String,
    pub lake: String,
    pub batch: String,
    pub quality: QualityBadge,
    pub note: String,
    pub figures: Vec<Figure>,
    pub headline_source: Source,
    pub trends: Vec<Trend>,
    pub trends_source: Source,
    pub sections: Vec<Section>,
    pub late_items: Section,
    pub csv_name: String,
    pub definitions: Vec<Definition>,
    pub tables: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct QualityBadge {
    pub level: &'static str,
    pub summary: String,
    pub facts: Vec<String>,
}

/// Where figures come from: the tables with their versions, and the queries.
#[derive(Debug, Serialize)]
pub(super) struct Source {
    pub tables: Vec<String>,
    pub queries: Vec<Query>,
}

#[derive(Debug, Serialize)]
pub(super) struct Query {
    pub of: String,
    pub sql: String,
}

/// A part of the page with one table.
#[derive(Debug, Serialize)]
pub(super) struct Section {
    pub id: &'static str,
    pub title: String,
    /// What a reader should not miss; may be empty.
    pub standout: String,
    pub caption: String,
    pub table: Table,
    pub source: Source,
}

/// A chart of the last 90 days.
#[derive(Debug, Serialize)]
pub(super) struct Trend {
    pub id: &'static str,
    pub title: &'static str,
    pub note: String,
    /// A sentence for people who do not see the chart.
    pub description: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Definition {
    pub label: &'static str,
    pub description: &'static str,
    pub sql: String,
}

/// The whole file.
pub(super) fn render(page: &Page, data: &serde_json::Value) -> Result<String, ReportError> {
    html::render(&TEMPLATE, page, data).map_err(ReportError::Template)
}
