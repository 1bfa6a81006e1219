//! Pages: one HTML file each, with everything in it.
//!
//! Tables and figures are plain HTML, escaped by the template engine; charts are drawn in the browser by Observable Plot
//! from a block of JSON. A content security policy forbids a page to load anything or to run any script but those it was
//! made with, which it names by their hash.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// What all pages share.
const STYLE: &str = include_str!("../assets/page.css");
const D3: &str = include_str!("../assets/vendor/d3.min.js");
const PLOT: &str = include_str!("../assets/vendor/plot.umd.min.js");
const CHARTS: &str = include_str!("../assets/charts.js");

/// A kind of page.
pub(crate) struct Template {
    pub name: &'static str,
    pub html: &'static str,
    /// What it needs beyond the style of all pages.
    pub style: &'static str,
    /// Draws its charts.
    pub script: &'static str,
}

/// The whole file: the template over `page`, its script over `data`.
pub(crate) fn render(
    template: &Template,
    page: &impl Serialize,
    data: &serde_json::Value,
) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_template(template.name, template.html)?;
    let scripts = [D3, PLOT, CHARTS, template.script];
    let hashes: Vec<_> = scripts.iter().map(|script| format!("'sha256-{}'", hash(script))).collect();
    let policy = format!(
        "default-src 'none'; script-src {}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'",
        hashes.join(" ")
    );
    let scripts: Vec<_> = scripts.iter().map(|script| Value::from_safe_string((*script).to_owned())).collect();
    let context = minijinja::context! {
        page => Value::from(minijinja::value::Serde(page)),
        policy => Value::from_safe_string(policy),
        style => Value::from_safe_string(format!("{STYLE}{}", template.style)),
        scripts => scripts,
        data => Value::from_safe_string(json_for_script(data)),
    };
    environment.get_template(template.name)?.render(context)
}

/// JSON that cannot end the script element it stands in, whatever the data says.
fn json_for_script(data: &serde_json::Value) -> String {
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
        for script in [D3, PLOT, CHARTS, include_str!("../assets/report.js"), include_str!("../assets/comparison.js")] {
            assert!(!script.to_lowercase().contains("</script") && !script.contains("<!--"));
        }
    }
}
