//! The page: one HTML file with everything in it.
//!
//! Tables and headline figures are plain HTML, escaped by the template engine; charts are drawn in the browser by
//! Observable Plot from a block of JSON. A content security policy forbids the page to load anything or to run any
//! script but the three it was made with, which it names by their hash.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{ReportError, breakdown::Table, figures::Figure};

const TEMPLATE: &str = include_str!("../../assets/report.html");
const STYLE: &str = include_str!("../../assets/report.css");
const CHARTS: &str = include_str!("../../assets/report.js");
const D3: &str = include_str!("../../assets/vendor/d3.min.js");
const PLOT: &str = include_str!("../../assets/vendor/plot.umd.min.js");

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
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_template("report.html", TEMPLATE).map_err(ReportError::Template)?;
    let scripts: Vec<_> =
        [D3, PLOT, CHARTS].iter().map(|script| Value::from_safe_string((*script).to_owned())).collect();
    let hashes: Vec<_> = [D3, PLOT, CHARTS].iter().map(|script| format!("'sha256-{}'", hash(script))).collect();
    let policy = format!(
        "default-src 'none'; script-src {}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'",
        hashes.join(" ")
    );
    let context = minijinja::context! {
        page => Value::from(minijinja::value::Serde(page)),
        policy => Value::from_safe_string(policy),
        style => Value::from_safe_string(STYLE.to_owned()),
        scripts => scripts,
        data => Value::from_safe_string(json_for_script(data)),
    };
    let template = environment.get_template("report.html").map_err(ReportError::Template)?;
    template.render(context).map_err(ReportError::Template)
}

/// JSON that cannot end the script element it stands in, whatever the data says.
pub(super) fn json_for_script(data: &serde_json::Value) -> String {
    data.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn hash(script: &str) -> String {
    STANDARD.encode(Sha256::digest(script.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_end_its_script() {
        let text = json_for_script(&serde_json::json!({ "category": "</script><script>alert(1)</script>" }));
        assert!(!text.contains('<'), "{text}");
        let back: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(back["category"], "</script><script>alert(1)</script>");
    }

    #[test]
    fn scripts_can_stand_in_a_page() {
        for script in [D3, PLOT, CHARTS] {
            assert!(!script.to_lowercase().contains("</script") && !script.contains("<!--"));
        }
    }
}
