//! Where a report gets its rows and its facts from.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use chrono::NaiveDateTime;

/// Why a query gave no rows; the report adds what it was asking for.
pub type QueryError = Box<dyn std::error::Error + Send + Sync>;

/// A lake's published tables, as something that answers SQL.
///
/// Every query of one report must see the same table versions.
#[async_trait]
pub trait QuerySource: Send + Sync {
    /// The rows of one SQL query over `clean.*` and `summary.*`, in the dialect of the models.
    async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, QueryError>;

    /// The published Delta version of each table, by `layer.table`.
    fn table_versions(&self) -> BTreeMap<String, u64>;

    /// Which lake this is and how far its data reaches.
    fn lake(&self) -> LakeFacts;

    /// How sound the data is.
    fn quality(&self) -> Quality;
}

/// Which lake a report is about, and how far its data reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LakeFacts {
    /// What people call the lake: its URL or name.
    pub label: String,
    /// The end of the last published interval: everything before it is in. Brazilian wall clock.
    pub as_of: NaiveDateTime,
    /// The last published batch; `None` where the source is no ledger.
    pub batch: Option<String>,
}

/// How sound the data behind a report is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quality {
    /// Checks of severity `fail` that failed in the published batches.
    pub checks_failed: u64,
    /// Checks of severity `warn` that found something.
    pub checks_warned: u64,
    /// Rejected rows by source (`quarantine.<source>`), children that only wait for their order not included.
    pub quarantined: BTreeMap<String, u64>,
    /// Rows by source whose order has not arrived yet.
    pub waiting: BTreeMap<String, u64>,
    /// Whether every row of every file is accounted for.
    pub reconciled: bool,
    /// Intervals inside the lake's span for which no drop has arrived.
    pub gaps: u64,
}

/// How good news the quality is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QualityLevel {
    /// Nothing to say against the figures.
    Good,
    /// The figures hold, with something to know.
    Notice,
    /// The figures may be wrong.
    Bad,
}

impl QualityLevel {
    /// The level as a word, for style sheets and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Notice => "notice",
            Self::Bad => "bad",
        }
    }
}

impl Quality {
    /// The level, and every fact in words, the gravest first.
    #[must_use]
    pub fn verdict(&self) -> (QualityLevel, Vec<String>) {
        let mut bad = Vec::new();
        let mut notice = Vec::new();
        if self.checks_failed > 0 {
            bad.push(counted(self.checks_failed, "check failed", "checks failed"));
        }
        if !self.reconciled {
            bad.push("rows of the source files are not all accounted for".to_owned());
        }
        if self.gaps > 0 {
            bad.push(counted(self.gaps, "interval has not arrived", "intervals have not arrived"));
        }
        if self.checks_warned > 0 {
            notice.push(counted(self.checks_warned, "check warns", "checks warn"));
        }
        for (what, rows) in [("rejected", &self.quarantined), ("waiting for their order", &self.waiting)] {
            let sources: Vec<_> =
                rows.iter().filter(|(_, rows)| **rows > 0).map(|(source, rows)| format!("{source} {rows}")).collect();
            if !sources.is_empty() {
                let total: u64 = rows.values().sum();
                notice.push(format!("{} {what} ({})", counted(total, "row", "rows"), sources.join(", ")));
            }
        }
        let level = match (bad.is_empty(), notice.is_empty()) {
            (false, _) => QualityLevel::Bad,
            (true, false) => QualityLevel::Notice,
            (true, true) => QualityLevel::Good,
        };
        bad.append(&mut notice);
        if self.reconciled {
            bad.push("every row of every source file is accounted for".to_owned());
        }
        (level, bad)
    }
}

fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_fact_decides() {
        let sound = Quality { reconciled: true, ..Quality::default() };
        assert_eq!(sound.verdict().0, QualityLevel::Good);
        let waiting = Quality { waiting: BTreeMap::from([("order_reviews".to_owned(), 3)]), ..sound.clone() };
        let (level, facts) = waiting.verdict();
        assert_eq!(level, QualityLevel::Notice);
        assert_eq!(facts[0], "3 rows waiting for their order (order_reviews 3)");
        let gap = Quality { gaps: 1, ..waiting };
        let (level, facts) = gap.verdict();
        assert_eq!((level, facts[0].as_str()), (QualityLevel::Bad, "1 interval has not arrived"));
        assert_eq!(Quality::default().verdict().0, QualityLevel::Bad, "an unreconciled lake is never good");
    }
}
