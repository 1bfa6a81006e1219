//! Where lateness comes from: the last 28 days by state, category, seller and route.
//!
//! A list sorted by late *rate* is led by whoever had two deliveries, one late; one sorted by late *deliveries* by
//! whoever is largest. What helps is the **contribution**: late deliveries beyond those that the network's own rate
//! would give for as many deliveries. It is what would be saved if the group became average; over all groups it is 0.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use entrega_model::metrics::{days_between, metric};
use serde::Serialize;

use super::history::back;
use crate::{format, rows::Rows};

/// The length of the window, in days, the report's day included.
pub(super) const WINDOW: i64 = 28;

/// Groups that contribute less than this stay out of the tables (but for the first three).
const NOTEWORTHY: f64 = 0.5;

/// What a breakdown is by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    State,
    Category,
    Seller,
    Route,
}

impl By {
    pub const ALL: [Self; 4] = [Self::State, Self::Category, Self::Seller, Self::Route];

    pub fn table(self) -> &'static str {
        match self {
            Self::State | Self::Category => "summary.delivery_daily",
            Self::Seller => "summary.seller_daily",
            Self::Route => "summary.route_daily",
        }
    }

    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::State => &["customer_state"],
            Self::Category => &["category"],
            Self::Seller => &["seller_id"],
            Self::Route => &["seller_state", "customer_state"],
        }
    }

    /// The metrics shown besides the late rate.
    fn metrics(self) -> &'static [&'static str] {
        match self {
            Self::State => &["mean_delivery_days"],
            Self::Category => &["missed_handover_share", "review_score"],
            Self::Seller => &["missed_handover_share", "mean_handling_days", "review_score", "revenue"],
            Self::Route => &["missed_handover_share", "mean_transit_days"],
        }
    }

    /// Everything that the report asks of this breakdown, in one query: sums for the day itself, for the rest of the
    /// window, and for the window before it.
    pub fn sql(self, date: NaiveDate) -> String {
        let keys = self.keys().join(", ");
        let part = format!(
            "case when date = date '{date}' then 'day' when date >= date '{}' then 'window' else 'before' end",
            back(date, WINDOW - 1)
        );
        let mut measures = vec!["delivered", "delivered_late"];
        for measure in
            self.metrics().iter().filter_map(|name| metric(name)).flat_map(|metric| metric.formula.measures())
        {
            if !measures.contains(&measure) {
                measures.push(measure);
            }
        }
        let sums = measures.iter().map(|name| format!("sum({name}) as {name}")).collect::<Vec<_>>().join(",\n  ");
        let grouped = format!(
            "select {keys}, {part} as part,\n  {sums}\nfrom {}\nwhere {}\ngroup by {keys}, {part}",
            self.table(),
            days_between(back(date, 2 * WINDOW - 1), date)
        );
        if self == Self::Seller {
            format!(
                "select totals.*, sellers.seller_city, sellers.seller_state\nfrom (\n{grouped}\n) as totals\nleft join \
                 clean.sellers as sellers on totals.seller_id = sellers.seller_id"
            )
        } else {
            grouped
        }
    }
}

/// One state, category, seller or route over the window.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    /// What it is: codes and ids as stored.
    pub keys: Vec<String>,
    /// City and state of a seller.
    pub place: String,
    /// Measures of the window.
    pub sums: BTreeMap<String, f64>,
    /// Deliveries and late ones of the window before.
    pub before: (f64, f64),
    /// Deliveries and late ones of the report's day.
    pub day: (f64, f64),
}

impl Group {
    pub fn delivered(&self) -> f64 {
        self.sums.get("delivered").copied().unwrap_or(0.0)
    }

    pub fn late(&self) -> f64 {
        self.sums.get("delivered_late").copied().unwrap_or(0.0)
    }

    /// Late deliveries above what `rate` would give.
    pub fn contribution(&self, rate: f64) -> f64 {
        self.late() - rate * self.delivered()
    }
}

/// All groups of one breakdown, sorted by contribution.
#[derive(Debug)]
pub(super) struct Breakdown {
    pub by: By,
    pub groups: Vec<Group>,
    /// The late rate over all groups.
    pub rate: f64,
}

impl Breakdown {
    pub fn new(by: By, rows: &Rows) -> Self {
        let mut groups: BTreeMap<Vec<String>, Group> = BTreeMap::new();
        for row in 0..rows.len {
            let keys: Vec<String> =
                by.keys().iter().map(|key| rows.text(key, row).unwrap_or("unknown").to_owned()).collect();
            let group = groups.entry(keys.clone()).or_insert_with(|| Group { keys, ..Group::default() });
            let number = |name: &str| rows.number(name, row).unwrap_or(0.0);
            let deliveries = (number("delivered"), number("delivered_late"));
            let part = rows.text("part", row).unwrap_or_default();
            if part == "before" {
                group.before = deliveries;
                continue;
            }
            if part == "day" {
                group.day = deliveries;
            }
            for measure in ["delivered", "delivered_late"]
                .into_iter()
                .chain(by.metrics().iter().filter_map(|name| metric(name)).flat_map(|metric| metric.formula.measures()))
                .collect::<std::collections::BTreeSet<_>>()
            {
                *group.sums.entry(measure.to_owned()).or_default() += number(measure);
            }
            if let (Some(city), Some(state)) = (rows.text("seller_city", row), rows.text("seller_state", row)) {
                group.place = format!("{city}, {state}");
            }
        }
        let mut groups: Vec<_> = groups.into_values().filter(|group| group.delivered() > 0.0).collect();
        let total: f64 = groups.iter().map(Group::delivered).sum();
        let late: f64 = groups.iter().map(Group::late).sum();
        let rate = if total > 0.0 { late / total } else { 0.0 };
        groups.sort_by(|a, b| b.contribution(rate).total_cmp(&a.contribution(rate)).then_with(|| a.keys.cmp(&b.keys)));
        Self { by, groups, rate }
    }
}

/// A table of the report.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Table {
    /// Heads of the columns.
    pub columns: Vec<Column>,
    /// Cells row by row.
    pub rows: Vec<Vec<Cell>>,
    /// What the rows left out amount to; empty when none was.
    pub rest: String,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Column {
    pub label: String,
    pub numeric: bool,
}

#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Cell {
    pub text: String,
    /// Said in smaller type after the text: the number behind a rate, a place.
    pub small: String,
    /// Shown on hovering.
    pub title: String,
    /// A bar's length in percent of the longest.
    pub bar: Option<f64>,
    /// Whether the bar counts for the good.
    pub below: bool,
}

pub(super) fn text(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), ..Cell::default() }
}

pub(super) fn columns(heads: &[(&str, bool)]) -> Vec<Column> {
    heads.iter().map(|(label, numeric)| Column { label: (*label).to_owned(), numeric: *numeric }).collect()
}

impl Breakdown {
    /// The group that stands out, in a sentence; empty when none does.
    pub fn standout(&self) -> String {
        let Some(group) = self.groups.first().filter(|group| group.contribution(self.rate) >= 3.0) else {
            return String::new();
        };
        let share = |(delivered, late): (f64, f64)| format::percent(late / delivered);
        let before = if group.before.0 > 0.0 {
            format!(", after {} of {} in the 28 days before", share(group.before), format::decimal(group.before.0, 0))
        } else {
            String::new()
        };
        let name = self.name(group);
        let name = match (name.title.is_empty(), name.small.is_empty()) {
            (false, true) => name.title,
            (_, false) => format!("Seller {} ({})", name.text, name.small),
            (true, true) => name.text,
        };
        format!(
            "{name} stands out: {} of {} deliveries were late ({}{before}), {} more than the network average would give.",
            format::decimal(group.late(), 0),
            format::decimal(group.delivered(), 0),
            share((group.delivered(), group.late())),
            format::decimal(group.contribution(self.rate), 0),
        )
    }

    /// The groups that contribute most, `limit` at the most, as a table.
    pub fn table(&self, limit: usize) -> Table {
        let mut heads = vec![
            (
                match self.by {
                    By::State => "State",
                    By::Category => "Category",
                    By::Seller => "Seller",
                    By::Route => "Route, from – to",
                },
                false,
            ),
            ("Late above average", true),
            ("Late", true),
            ("Deliveries", true),
            ("Late rate", true),
            ("28 days before", true),
        ];
        heads.extend(self.by.metrics().iter().map(|name| match *name {
            "mean_delivery_days" => ("Mean delivery time", true),
            "mean_handling_days" => ("Mean handling time", true),
            "mean_transit_days" => ("Mean transit time", true),
            "missed_handover_share" => ("Missed hand-overs", true),
            "review_score" => ("Review score", true),
            _ => ("Revenue", true),
        }));
        let most = self.groups.iter().map(|group| group.contribution(self.rate).abs()).fold(1e-9, f64::max);
        let above = self.groups.iter().filter(|group| group.contribution(self.rate) >= NOTEWORTHY).count();
        let shown = above.clamp(3, limit).min(self.groups.len());
        let rows = self.groups.iter().take(shown).map(|group| self.row(group, most)).collect();
        let rest = self.groups.get(shown..).unwrap_or_default();
        let rest = if rest.is_empty() {
            String::new()
        } else {
            let delivered: f64 = rest.iter().map(Group::delivered).sum();
            let late: f64 = rest.iter().map(Group::late).sum();
            format!(
                "The other {} together: {} late of {} deliveries ({}).",
                format::decimal(count(rest.len()), 0),
                format::decimal(late, 0),
                format::decimal(delivered, 0),
                format::percent(if delivered > 0.0 { late / delivered } else { 0.0 })
            )
        };
        Table { columns: columns(&heads), rows, rest }
    }

    fn row(&self, group: &Group, most: f64) -> Vec<Cell> {
        let contribution = group.contribution(self.rate);
        let (before_delivered, before_late) = group.before;
        let before = if before_delivered > 0.0 {
            let small = format!("of {}", format::decimal(before_delivered, 0));
            Cell { text: format::percent(before_late / before_delivered), small, ..Cell::default() }
        } else {
            text("–")
        };
        let mut cells = vec![
            self.name(group),
            Cell {
                text: format::signed(contribution, 1),
                bar: Some((100.0 * contribution.abs() / most).round()),
                below: contribution < 0.0,
                ..Cell::default()
            },
            text(format::decimal(group.late(), 0)),
            text(format::decimal(group.delivered(), 0)),
            text(format::percent(group.late() / group.delivered())),
            before,
        ];
        for metric in self.by.metrics().iter().filter_map(|name| metric(name)) {
            let value = metric.formula.value(&group.sums);
            let base = match metric.formula {
                entrega_model::metrics::Formula::Ratio { per, .. } => group.sums.get(per).copied(),
                _ => None,
            };
            let small = match (value, base) {
                (Some(_), Some(base)) => format!("of {}", format::decimal(base, 0)),
                _ => String::new(),
            };
            cells.push(Cell { text: format::figure(value, metric.unit), small, ..Cell::default() });
        }
        cells
    }

    fn name(&self, group: &Group) -> Cell {
        let key = |index: usize| group.keys.get(index).map_or("", String::as_str);
        match self.by {
            By::State => text(format::state_name(key(0))),
            By::Category => text(format::category_name(key(0))),
            By::Seller => {
                Cell { text: short_id(key(0)), small: group.place.clone(), title: key(0).to_owned(), ..Cell::default() }
            }
            By::Route => Cell {
                text: format!("{} – {}", key(0), key(1)),
                title: format!("{} – {}", format::state_name(key(0)), format::state_name(key(1))),
                ..Cell::default()
            },
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a number of groups")]
fn count(number: usize) -> f64 {
    number as f64
}

/// The first eight characters of an id; the whole stands in the cell's title.
pub(super) fn short_id(id: &str) -> String {
    id.chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contribution_is_what_an_average_group_would_save() {
        let group = |delivered: f64, late: f64| Group {
            sums: BTreeMap::from([("delivered".to_owned(), delivered), ("delivered_late".to_owned(), late)]),
            ..Group::default()
        };
        let (large, small) = (group(100.0, 15.0), group(2.0, 1.0));
        assert!(
            large.contribution(0.1) > small.contribution(0.1),
            "a rate of one in two says little of two deliveries"
        );
        assert!(group(100.0, 5.0).contribution(0.1) < 0.0);
    }

    #[test]
    fn one_query_asks_for_the_day_the_window_and_the_one_before() {
        let sql = By::Route.sql("2018-08-23".parse().unwrap());
        assert!(sql.contains("date between date '2018-06-29' and date '2018-08-23'"), "{sql}");
        assert!(sql.contains("date >= date '2018-07-27' then 'window'"), "{sql}");
    }
}
