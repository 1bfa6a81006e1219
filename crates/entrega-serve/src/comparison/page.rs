//! The comparison's page: charts of both shops over each other, and all figures as tables.

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    finding::{Finding, Verdict},
    questions::{self, CHAPTERS, Kind},
};
use crate::{
    format,
    html::{self, Template},
};

const TEMPLATE: Template = Template {
    name: "comparison.html",
    html: include_str!("../../assets/comparison.html"),
    style: include_str!("../../assets/comparison.css"),
    script: include_str!("../../assets/comparison.js"),
};

/// How many of the largest differences stand on top.
const SHOWN: usize = 8;

#[derive(Serialize)]
struct Page<'a> {
    title: &'a str,
    days: String,
    shops: &'a [String; 2],
    furthest: Vec<&'a Finding>,
    chapters: Vec<Chapter<'a>>,
}

#[derive(Serialize)]
struct Chapter<'a> {
    id: &'static str,
    title: &'static str,
    /// Whether its findings are one chart of correlations, instead of a chart each.
    relations: bool,
    findings: &'a [Finding],
    queries: Vec<Query>,
}

#[derive(Serialize)]
struct Query {
    of: &'static str,
    sql: String,
}

/// The whole file.
pub(super) fn render(
    headline: &str,
    shops: &[String; 2],
    (from, to): (NaiveDate, NaiveDate),
    chapters: &[(&'static str, Vec<Finding>)],
) -> Result<String, minijinja::Error> {
    let mut furthest: Vec<&Finding> = chapters.iter().flat_map(|(_, findings)| findings).collect();
    furthest.retain(|finding| finding.verdict == Verdict::Apart);
    furthest.sort_by(|one, other| other.distance.unwrap_or(0.0).total_cmp(&one.distance.unwrap_or(0.0)));
    furthest.truncate(SHOWN);
    let page = Page {
        title: headline,
        days: format!("{} to {}", format::long_date(from), format::long_date(to)),
        shops,
        furthest,
        chapters: CHAPTERS
            .iter()
            .zip(chapters)
            .map(|(chapter, (_, findings))| Chapter {
                id: chapter.name,
                title: chapter.title,
                relations: is_of_relations(chapter),
                findings,
                queries: chapter
                    .questions
                    .iter()
                    .map(|question| Query { of: question.label, sql: questions::asked(question, from, to) })
                    .collect(),
            })
            .collect(),
    };
    html::render(&TEMPLATE, &page, &chart_data(chapters))
}

fn is_of_relations(chapter: &questions::Chapter) -> bool {
    chapter.questions.iter().all(|question| question.kind == Kind::Relation)
}

/// Charts by the name of their question, and of a chapter of correlations by the name of the chapter.
fn chart_data(chapters: &[(&'static str, Vec<Finding>)]) -> Value {
    let mut charts = serde_json::Map::new();
    for (chapter, (_, findings)) in CHAPTERS.iter().zip(chapters) {
        if is_of_relations(chapter) {
            let side = |side: &str| findings.iter().map(|finding| finding.chart[side].clone()).collect::<Vec<_>>();
            let labels: Vec<_> = findings.iter().map(|finding| finding.label).collect();
            let chart =
                json!({ "form": "relations", "x": labels, "real": side("real"), "simulated": side("simulated") });
            charts.insert(chapter.name.to_owned(), chart);
        } else {
            charts.extend(findings.iter().map(|finding| (finding.name.to_owned(), finding.chart.clone())));
        }
    }
    charts.into()
}
