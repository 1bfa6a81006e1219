//! The questions that both shops are asked: one registry, by chapter.
//!
//! A question is data: what it is called, what its rows are, and Spark SQL over the purchases compared. It need not know
//! which purchases those are: `orders`, `deliveries`, `shipments`, `order_payments` and `order_reviews` are
//! `clean.*` of them alone ([`asked`]). To ask something new, add one entry to a chapter.

mod catalogue;
mod contradictions;
mod delivery;
mod demand;
mod payment;
mod people;
mod relations;
mod reviews;

use chrono::NaiveDate;

/// All questions, in the order of the page.
pub(super) const CHAPTERS: [Chapter; 8] = [
    demand::CHAPTER,
    people::CHAPTER,
    catalogue::CHAPTER,
    payment::CHAPTER,
    delivery::CHAPTER,
    reviews::CHAPTER,
    contradictions::CHAPTER,
    relations::CHAPTER,
];

/// Questions about one side of a shop.
#[derive(Debug)]
pub(super) struct Chapter {
    pub name: &'static str,
    pub title: &'static str,
    pub questions: &'static [Question],
}

/// Something that both shops are asked.
#[derive(Debug)]
pub(super) struct Question {
    pub name: &'static str,
    pub label: &'static str,
    /// What is counted or measured: orders, items, sellers.
    pub of: &'static str,
    pub kind: Kind,
    pub sql: &'static str,
}

/// What the rows of an answer are, and so how two answers are held against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Rows `value`: a distribution.
    Numbers { unit: Unit, scale: Scale },
    /// Rows `bin, weight`: how a whole is divided.
    Shares { axis: Axis },
    /// Rows `bin, value, weight`: something measured in each part. Values are never negative.
    Rates { axis: Axis, unit: Unit },
    /// Rows `x, y`: how two things go together.
    Relation,
}

/// What a number is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Count,
    Share,
    Reais,
    Kilometres,
    Grams,
    Litres,
    Hours,
    Days,
    Stars,
    Letters,
}

/// How a distribution is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    /// For what spans orders of magnitude.
    Log,
}

/// What the bins of an answer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    /// Days.
    Days,
    /// Months, by their first day.
    Months,
    /// Hours since Monday began.
    HourOfWeek,
    /// Numbers in a row; the text says of what.
    Steps(&'static str),
    /// Names, of which so many are shown, the largest of the real shop.
    Names(usize),
}

/// The query of a question: over the purchases of these days only, both inclusive.
pub(super) fn asked(question: &Question, from: NaiveDate, to: NaiveDate) -> String {
    format!(
        "\
with orders as (
  select * from clean.orders where purchase_date between date '{from}' and date '{to}'
),

deliveries as (
  select * from clean.deliveries where purchase_date between date '{from}' and date '{to}'
),

shipments as (
  select * from clean.shipments where order_id in (select order_id from orders)
),

order_payments as (
  select * from clean.order_payments where order_id in (select order_id from orders)
),

order_reviews as (
  select * from clean.order_reviews where order_id in (select order_id from orders)
)

select * from (
{}
) as answer",
        question.sql.trim_matches('\n')
    )
}

const fn numbers(
    name: &'static str,
    label: &'static str,
    of: &'static str,
    unit: Unit,
    scale: Scale,
    sql: &'static str,
) -> Question {
    Question { name, label, of, kind: Kind::Numbers { unit, scale }, sql }
}

const fn shares(name: &'static str, label: &'static str, of: &'static str, axis: Axis, sql: &'static str) -> Question {
    Question { name, label, of, kind: Kind::Shares { axis }, sql }
}

const fn rates(
    name: &'static str,
    label: &'static str,
    of: &'static str,
    axis: Axis,
    unit: Unit,
    sql: &'static str,
) -> Question {
    Question { name, label, of, kind: Kind::Rates { axis, unit }, sql }
}

const fn relation(name: &'static str, label: &'static str, of: &'static str, sql: &'static str) -> Question {
    Question { name, label, of, kind: Kind::Relation, sql }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = &'static Question> {
        CHAPTERS.iter().flat_map(|chapter| chapter.questions)
    }

    #[test]
    fn every_question_has_its_own_name_and_label() {
        let names: std::collections::BTreeSet<_> = all().map(|question| question.name).collect();
        let labels: std::collections::BTreeSet<_> = all().map(|question| question.label).collect();
        assert_eq!((names.len(), labels.len()), (all().count(), all().count()));
    }

    #[test]
    fn no_question_looks_past_the_purchases_compared() {
        for question in all() {
            for table in ["orders", "deliveries", "shipments", "order_items", "order_payments", "order_reviews"] {
                assert!(!question.sql.contains(&format!("clean.{table}")), "{} reads clean.{table}", question.name);
            }
        }
    }
}
