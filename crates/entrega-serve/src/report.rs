//! The daily delivery report: one self-contained HTML file, for a head of logistics with two minutes.
//!
//! ```text
//!  dates       which day
//!  history     network by day ─▶ figures ─▶ headline figures, sentence ─▶ first line
//!  breakdown   last 28 days by state, category, seller, route ─▶ tables, tile map
//!  late_items  the day's items handed over too late ─▶ table, CSV
//!  page        template, style, scripts, policy
//! ```
//!
//! Nine queries in all, small ones: the purchases of all days choose the date, then eight run side by side.

mod breakdown;
mod dates;
mod figures;
mod history;
mod late_items;
mod page;
mod sentence;
mod trends;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use entrega_model::metrics::METRICS;

use crate::{
    format,
    rows::{AskError, Rows, ask},
    source::{LakeFacts, QualityLevel, QuerySource},
};
use breakdown::{Breakdown, By};
pub use figures::{Comparison, Figure};
use history::{History, Span};
use page::{Definition, Page, QualityBadge, Query, Section, Source};

/// How many groups a breakdown shows.
const GROUPS_SHOWN: usize = 10;
/// How many late items the page shows; the CSV has all.
const ITEMS_SHOWN: usize = 40;

/// What a report should be about.
#[derive(Debug, Clone, Default)]
pub struct ReportOptions {
    /// The day; by default the last ended one with at least half of the usual purchases.
    pub date: Option<NaiveDate>,
}

/// A finished report.
#[derive(Debug, Clone)]
pub struct Report {
    /// The day it is about.
    pub date: NaiveDate,
    /// How the day went, in a sentence.
    pub headline: String,
    /// The figures on top.
    pub figures: Vec<Figure>,
    /// The page.
    pub html: String,
    /// The items handed to the carrier too late on the day, in the columns of the classic report.
    pub late_to_carrier_csv: String,
    /// The name under which the page links to the CSV; write it beside the page.
    pub csv_name: String,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Nothing was ever bought.
    #[error(
        "summary.delivery_daily holds no day that had ended by {as_of}\nhint: run `entrega run all` first; \
         `entrega status` shows which drops wait"
    )]
    NoDay {
        /// The lake's as-of time.
        as_of: chrono::NaiveDateTime,
    },
    /// The wanted day lies outside the data.
    #[error(
        "there is nothing to report on {date}: the lake holds days from {first} to {last}\nhint: leave out the date for the last full day"
    )]
    UnknownDay {
        /// The wanted day.
        date: NaiveDate,
        /// The first day with purchases.
        first: NaiveDate,
        /// The last day with events.
        last: NaiveDate,
    },
    /// A question has no answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The page's template is broken; a bug.
    #[error("the report's template failed: {0}\nhint: this is a bug in entrega, please report it")]
    Template(minijinja::Error),
}

/// Makes the report of a day.
///
/// # Errors
/// [`ReportError`] when there is no such day, or when the tables cannot be read.
pub async fn build_report(source: &dyn QuerySource, options: ReportOptions) -> Result<Report, ReportError> {
    let lake = source.lake();
    let purchases = ask(source, "purchases by day", dates::PURCHASES_SQL).await?;
    let purchases: BTreeMap<NaiveDate, f64> = (0..purchases.len)
        .filter_map(|row| Some((purchases.date("date", row)?, purchases.number("purchased", row)?)))
        .collect();
    let no_day = ReportError::NoDay { as_of: lake.as_of };
    let Some(begins) = purchases.keys().next().copied() else {
        return Err(no_day);
    };
    let date = match options.date {
        Some(date) => date,
        None => dates::default_date(&purchases, lake.as_of).ok_or(no_day)?,
    };
    let span = Span::of(date);

    let questions = Questions::new(&span);
    let [by_state, by_category, by_seller, by_route] = &questions.breakdowns;
    let (measures, delivery_days, standing, states, categories, sellers, routes, items) = tokio::try_join!(
        ask(source, "the network by day", &questions.measures),
        ask(source, "delivery days", &questions.delivery_days),
        ask(source, "open orders", &questions.standing),
        ask(source, "states", by_state),
        ask(source, "categories", by_category),
        ask(source, "sellers", by_seller),
        ask(source, "routes", by_route),
        ask(source, "late items", &questions.items),
    )?;

    let history = History::new(begins, &measures, &delivery_days, &standing)?;
    if date < begins || !(history.knows(date) || purchases.range(date..).next().is_some()) {
        let last = purchases.keys().next_back().copied().unwrap_or(begins);
        return Err(ReportError::UnknownDay { date, first: begins, last });
    }
    let breakdowns = [
        Breakdown::new(By::State, &states),
        Breakdown::new(By::Category, &categories),
        Breakdown::new(By::Seller, &sellers),
        Breakdown::new(By::Route, &routes),
    ];
    let figures = figures::headline_figures(&history, &span);
    let mean_days = figures::days_before(&history, date).map(|(_, _, days)| days);
    let on_time = figures.iter().find(|figure| figure.name == "on_time_rate");
    let headline = sentence::headline(&sentence::day_of(date, &breakdowns[0], on_time, mean_days));
    let csv_name = format!("late_to_carrier_{date}.csv");
    let charts = trends::chart_data(&history, &span, &figures, &breakdowns[0]);

    let sources = Sources { versions: source.table_versions() };
    let page = Page {
        title: format!("Delivery report {}", format::long_date(date)),
        headline: headline.clone(),
        second_line: sentence::second_line(&figures),
        date: format::long_date(date),
        as_of: lake.as_of.format("%-d %b %Y %H:%M").to_string(),
        lake: lake.label.clone(),
        batch: lake.batch.clone().unwrap_or_default(),
        quality: badge(source),
        note: note(&lake, date),
        headline_source: sources.headline(&figures),
        trends: trends::trends(&history, &span),
        trends_source: sources.trends(&questions),
        sections: breakdowns
            .iter()
            .zip(&questions.breakdowns)
            .map(|(breakdown, sql)| sources.section(breakdown, sql, date))
            .collect(),
        late_items: sources.late_items(&items, &questions.items, date),
        csv_name: csv_name.clone(),
        definitions: METRICS
            .iter()
            .map(|metric| Definition {
                label: metric.label,
                description: metric.description,
                sql: metric.formula.expression().unwrap_or_default(),
            })
            .collect(),
        tables: sources.every(),
        figures,
    };
    let html = page::render(&page, &charts)?;
    Ok(Report { date, headline, figures: page.figures, html, late_to_carrier_csv: late_items::csv(&items), csv_name })
}

/// The queries that need a date.
struct Questions {
    measures: String,
    delivery_days: String,
    standing: String,
    breakdowns: [String; 4],
    items: String,
}

impl Questions {
    fn new(span: &Span) -> Self {
        Self {
            measures: history::measures_sql(span),
            delivery_days: history::delivery_days_sql(span),
            standing: history::standing_sql(span),
            breakdowns: By::ALL.map(|by| by.sql(span.date)),
            items: late_items::sql(span.date),
        }
    }
}

fn badge(source: &dyn QuerySource) -> QualityBadge {
    let (level, facts) = source.quality().verdict();
    let summary = match level {
        QualityLevel::Good => "Data complete, all checks passed".to_owned(),
        QualityLevel::Notice => {
            format!("Data complete, {}", if facts.len() > 2 { "with notices" } else { "with a notice" })
        }
        QualityLevel::Bad => format!("Data in doubt: {}", facts.first().map_or("", String::as_str)),
    };
    QualityBadge { level: level.name(), summary, facts }
}

fn note(lake: &LakeFacts, date: NaiveDate) -> String {
    if dates::has_ended(date, lake.as_of) {
        String::new()
    } else {
        format!("{} had not ended when this report was made; its figures will still grow.", format::long_date(date))
    }
}

/// The tables and their versions, for the disclosures.
struct Sources {
    versions: BTreeMap<String, u64>,
}

impl Sources {
    fn table(&self, name: &str) -> String {
        self.versions.get(name).map_or_else(|| name.to_owned(), |version| format!("{name} version {version}"))
    }

    /// The source of some queries: every table that they name.
    fn of(&self, queries: Vec<(String, String)>) -> Source {
        let known = [
            "summary.delivery_daily",
            "summary.delivery_days_daily",
            "summary.seller_daily",
            "summary.route_daily",
            "summary.late_to_carrier",
            "clean.deliveries",
            "clean.sellers",
            "clean.products",
        ];
        let used =
            |name: &str| queries.iter().any(|(_, sql)| sql.split(|c: char| c.is_whitespace()).any(|word| word == name));
        let tables = known.into_iter().filter(|name| used(name)).map(|name| self.table(name)).collect();
        Source { tables, queries: queries.into_iter().map(|(of, sql)| Query { of, sql }).collect() }
    }

    fn headline(&self, figures: &[Figure]) -> Source {
        self.of(figures.iter().map(|figure| (figure.label.to_owned(), figure.sql.clone())).collect())
    }

    fn trends(&self, questions: &Questions) -> Source {
        self.of(vec![
            (
                "Measures by day; the definitions at the end say how a metric follows".to_owned(),
                questions.measures.clone(),
            ),
            ("Delivery days by day".to_owned(), questions.delivery_days.clone()),
            ("Open orders at the end of each day".to_owned(), questions.standing.clone()),
        ])
    }

    fn section(&self, breakdown: &Breakdown, sql: &str, date: NaiveDate) -> Section {
        let (id, title) = match breakdown.by {
            By::State => ("states", "States"),
            By::Category => ("categories", "Categories"),
            By::Seller => ("sellers", "Sellers: the partner scorecard"),
            By::Route => ("routes", "Routes"),
        };
        let what = match breakdown.by {
            By::State => "customer state",
            By::Category => "category of the order's main item",
            By::Seller => "seller; an order counts for each of its sellers",
            By::Route => "state of the main seller to state of the customer",
        };
        let window = format!(
            "{} to {}",
            format::short_date(history::back(date, breakdown::WINDOW - 1)),
            format::short_date(date)
        );
        let delivered: f64 = breakdown.groups.iter().map(breakdown::Group::delivered).sum();
        Section {
            id,
            title: title.to_owned(),
            standout: breakdown.standout(),
            caption: format!(
                "Deliveries from {window} by {what}; {} deliveries, {} of them late. Sorted by late deliveries above average.",
                format::decimal(delivered, 0),
                format::percent(breakdown.rate)
            ),
            table: breakdown.table(GROUPS_SHOWN),
            source: self.of(vec![(title.to_owned(), sql.to_owned())]),
        }
    }

    fn late_items(&self, items: &Rows, sql: &str, date: NaiveDate) -> Section {
        let count = items.len;
        Section {
            id: "late-items",
            title: "Items late to the carrier".to_owned(),
            standout: String::new(),
            caption: match count {
                0 => format!(
                    "No item was handed to the carrier after its shipping limit on {}.",
                    format::short_date(date)
                ),
                1 => format!(
                    "1 item was handed to the carrier after its shipping limit on {}.",
                    format::short_date(date)
                ),
                _ => format!(
                    "{count} items were handed to the carrier after their shipping limit on {}; the latest first.",
                    format::short_date(date)
                ),
            },
            table: late_items::table(items, ITEMS_SHOWN),
            source: self.of(vec![("Items".to_owned(), sql.to_owned())]),
        }
    }

    fn every(&self) -> Vec<String> {
        self.versions.keys().map(|name| self.table(name)).collect()
    }
}
