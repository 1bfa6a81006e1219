//! What a lake says, row by row, and how two lakes differ.

use std::{collections::BTreeMap, sync::OnceLock};

use super::Lake;

/// Tables whose rows must not depend on the way in which the drops came.
const TABLES: [&str; 20] = [
    "clean.calendar",
    "clean.categories",
    "clean.customers",
    "clean.deliveries",
    "clean.geolocation",
    "clean.order_items",
    "clean.order_payments",
    "clean.order_reviews",
    "clean.orders",
    "clean.products",
    "clean.sellers",
    "clean.shipments",
    "features.at_handover",
    "features.at_purchase",
    "features.labels",
    "summary.delivery_daily",
    "summary.delivery_days_daily",
    "summary.late_to_carrier",
    "summary.route_daily",
    "summary.seller_daily",
];

/// Sources, each with a table of quarantined rows.
const SOURCES: [&str; 9] = [
    "categories",
    "customers",
    "geolocation",
    "order_items",
    "order_payments",
    "order_reviews",
    "orders",
    "products",
    "sellers",
];

/// Columns that say why a row is in quarantine; the others say when and from where it came.
const QUARANTINE_COLUMNS: [&str; 4] = ["state", "rule", "reason", "raw"];

/// Differing rows shown for each table.
const SHOWN: usize = 3;

/// Every row of every table, as text, sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents(BTreeMap<String, Vec<String>>);

impl Contents {
    /// Reads a lake.
    pub fn of(lake: &Lake) -> Self {
        let mut tables: BTreeMap<String, Vec<String>> =
            columns(lake).iter().map(|(table, _)| (table.clone(), Vec::new())).collect();
        for row in lake.rows(query(lake)) {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            tables.get_mut(&text("table_name")).unwrap().push(text("content"));
        }
        for rows in tables.values_mut() {
            rows.sort();
        }
        Self(tables)
    }

    /// The rows of a table.
    pub fn rows(&self, table: &str) -> &[String] {
        &self.0[table]
    }
}

/// The columns of each table that are compared. `_drop` is left out: it names the drop, not the business.
fn columns(lake: &Lake) -> &'static [(String, Vec<String>)] {
    static COLUMNS: OnceLock<Vec<(String, Vec<String>)>> = OnceLock::new();
    COLUMNS.get_or_init(|| {
        // Each column of the DDL is a line that is indented.
        let columns_of = |table: &&str| {
            let ddl = lake.ok(&format!("tables --ddl {table}"));
            let names =
                ddl.lines().filter(|line| line.starts_with("  ")).filter_map(|line| line.split_whitespace().next());
            ((*table).to_owned(), names.filter(|name| *name != "_drop").map(str::to_owned).collect())
        };
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let quarantines = SOURCES.iter().map(|source| (format!("quarantine.{source}"), owned(&QUARANTINE_COLUMNS)));
        let missing = ("ops.missing_references".to_owned(), owned(&["order_id", "purchase_month", "source", "key"]));
        TABLES.iter().map(columns_of).chain(quarantines).chain([missing]).collect()
    })
}

/// One query over all tables: starting the binary once for each would take most of a story's time.
fn query(lake: &Lake) -> &'static str {
    static QUERY: OnceLock<String> = OnceLock::new();
    QUERY.get_or_init(|| {
        let of_table = |(table, names): &(String, Vec<String>)| {
            let parts: Vec<String> =
                names.iter().map(|name| format!("'{name}=', coalesce(cast({name} as string), 'NULL')")).collect();
            format!("select '{table}' as table_name, concat({}) as content from {table}", parts.join(", ' ', "))
        };
        columns(lake).iter().map(of_table).collect::<Vec<_>>().join("\nunion all\n")
    })
}

/// Fails with the first differing rows of each table, if there are any.
#[track_caller]
pub fn assert_same(expected: &Contents, actual: &Contents, what: &str) {
    let mut differences = Vec::new();
    for (table, rows) in &expected.0 {
        let only = |mine: &[String], theirs: &[String]| -> Vec<String> {
            let mut left: BTreeMap<&str, usize> = BTreeMap::new();
            for row in theirs {
                *left.entry(row).or_default() += 1;
            }
            mine.iter()
                .filter(|row| {
                    left.get_mut(row.as_str())
                        .is_none_or(|count| std::mem::replace(count, count.saturating_sub(1)) == 0)
                })
                .cloned()
                .collect()
        };
        let (missing, surplus) = (only(rows, &actual.0[table]), only(&actual.0[table], rows));
        if missing.is_empty() && surplus.is_empty() {
            continue;
        }
        differences.push(format!("{table}: {} rows missing, {} rows too many", missing.len(), surplus.len()));
        differences.extend(missing.iter().take(SHOWN).map(|row| format!("  - {row}")));
        differences.extend(surplus.iter().take(SHOWN).map(|row| format!("  + {row}")));
    }
    assert!(differences.is_empty(), "{what}: the tables differ (- expected, + found)\n{}", differences.join("\n"));
}
