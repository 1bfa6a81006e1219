//! The real shop and the simulated one, asked the same questions: could an analyst tell them apart?
//!
//! ```text
//!  questions   what is asked, as data ──▶ SQL over the purchases of the same days
//!                                              │ both shops
//!  answer      rows ─▶ numbers, bins, a correlation
//!  measures    two answers ─▶ one distance
//!  finding     both in words, how far apart, what the chart shows
//!  page        small multiples and tables, one file
//! ```
//!
//! Distances read alike whatever is asked: the share of the cases that would have to be others (Kolmogorov and Smirnov for
//! numbers, total variation for shares). Only correlations differ by their own size.

mod answer;
mod finding;
mod measures;
mod page;
mod questions;

use chrono::NaiveDate;

use crate::{
    QuerySource, format,
    rows::{AskError, ask},
};
use answer::Answer;
pub use finding::{Finding, Verdict};
use questions::CHAPTERS;

/// A finished comparison.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// How alike the two are, in a sentence.
    pub headline: String,
    /// What was found, by chapter, in the order of the page.
    pub chapters: Vec<(&'static str, Vec<Finding>)>,
    /// The page.
    pub html: String,
}

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub enum ComparisonError {
    /// A shop without purchases in the time compared.
    #[error(
        "nobody bought anything from {from} to {to} in {shop}{}\nhint: choose other days with --from and --to",
        .known.map_or_else(String::new, |(first, last)| format!("; its orders go from {first} to {last}"))
    )]
    NoOrders {
        /// The shop.
        shop: String,
        /// The first day compared.
        from: NaiveDate,
        /// The last one.
        to: NaiveDate,
        /// The first and the last day with orders, if there are any.
        known: Option<(NaiveDate, NaiveDate)>,
    },
    /// A question has no answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The page's template is broken; a bug.
    #[error("the comparison's template failed: {0}\nhint: this is a bug in entrega, please report it")]
    Template(#[from] minijinja::Error),
}

/// How many orders a shop took from one day to another, both inclusive.
///
/// # Errors
/// [`ComparisonError::NoOrders`] when it took none.
pub async fn count_orders(shop: &dyn QuerySource, from: NaiveDate, to: NaiveDate) -> Result<u64, ComparisonError> {
    let sql = format!(
        "\
select
  sum(case when purchase_date between date '{from}' and date '{to}' then 1 else 0 end) as orders,
  min(purchase_date) as first_day,
  max(purchase_date) as last_day
from clean.orders"
    );
    let rows = ask(shop, "how many orders there are", &sql).await?;
    let orders = rows.number("orders", 0).unwrap_or_default();
    if orders < 1.0 {
        let known = rows.date("first_day", 0).zip(rows.date("last_day", 0));
        return Err(ComparisonError::NoOrders { shop: shop.lake().label, from, to, known });
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A count of rows.
    Ok(orders as u64)
}

/// Asks both shops everything about the purchases of these days, both inclusive. Calls `progress` with how many questions
/// of how many are answered.
///
/// # Errors
/// [`ComparisonError`] when one of them sold nothing then, or cannot be asked.
pub async fn compare(
    real: &dyn QuerySource,
    simulated: &dyn QuerySource,
    from: NaiveDate,
    to: NaiveDate,
    mut progress: impl FnMut(usize, usize),
) -> Result<Comparison, ComparisonError> {
    let (real_orders, simulated_orders) =
        tokio::try_join!(count_orders(real, from, to), count_orders(simulated, from, to))?;
    let total = CHAPTERS.iter().map(|chapter| chapter.questions.len()).sum();
    let mut asked = 0;
    let mut chapters = Vec::new();
    for chapter in &CHAPTERS {
        let mut findings = Vec::new();
        for question in chapter.questions {
            let sql = questions::asked(question, from, to);
            let (of_real, of_simulated) =
                tokio::try_join!(ask(real, question.label, &sql), ask(simulated, question.label, &sql))?;
            let read = |rows| Answer::read(question.kind, rows);
            findings.push(Finding::new(question, &read(&of_real), &read(&of_simulated)));
            asked += 1;
            progress(asked, total);
        }
        chapters.push((chapter.title, findings));
    }
    let headline = headline(&chapters);
    let says = |orders: u64, shop: &dyn QuerySource| {
        format!("{} orders of {}", format::decimal(orders as f64, 0), shop.lake().label)
    };
    let shops = [says(real_orders, real), says(simulated_orders, simulated)];
    let html = page::render(&headline, &shops, (from, to), &chapters)?;
    Ok(Comparison { headline, chapters, html })
}

fn headline(chapters: &[(&'static str, Vec<Finding>)]) -> String {
    let findings = || chapters.iter().flat_map(|(_, findings)| findings);
    let count = |verdict| findings().filter(|finding| finding.verdict == verdict).count();
    let unknown = match count(Verdict::Unknown) {
        0 => String::new(),
        some => format!(", {some} cannot be judged"),
    };
    format!(
        "Of {} questions, {} find the two shops alike, {} close, {} apart{unknown}",
        findings().count(),
        count(Verdict::Alike),
        count(Verdict::Close),
        count(Verdict::Apart),
    )
}
