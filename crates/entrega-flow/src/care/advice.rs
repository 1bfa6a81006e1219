//! Advice: what the facts mean, what to do about it, and what that would gain; the most worth first.

use entrega_model::tables::TableName;
use serde::Serialize;

use super::{DEEP, LONG_LOG, analyze::TableFacts};

/// Below so much of what could be gained nothing is worth doing.
const WORTH_DOING: f64 = 0.2;

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Write files again, few and sorted, or write a checkpoint.
    Optimize,
    /// Delete what no kept version needs.
    Vacuum,
}

/// One thing that is worth doing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Advice {
    /// The table.
    pub table: TableName,
    /// What to do.
    pub action: Action,
    /// Why.
    pub reason: String,
    /// What it gains.
    pub gain: String,
    /// The share of what is there that would be gone, 0 to 1.
    pub share: f64,
    /// By what advice is ranked: the share, weighed by how much of the lake it is a share of.
    pub worth: f64,
}

/// What to do about the facts, the most worth first.
#[must_use]
pub fn advice(facts: &[TableFacts]) -> Vec<Advice> {
    let size = |facts: &TableFacts| (facts.bytes + facts.dead.bytes + facts.held.bytes) as f64;
    let whole: f64 = facts.iter().map(size).sum::<f64>().max(1.0);
    let mut advice: Vec<Advice> = facts
        .iter()
        .flat_map(|facts| {
            let weight = size(facts) / whole;
            [dead(facts), many_files(facts), unordered(facts), long_log(facts)].into_iter().flatten().map(
                move |(action, reason, gain, share)| Advice {
                    table: facts.table.clone(),
                    action,
                    reason,
                    gain,
                    share,
                    worth: share * weight,
                },
            )
        })
        .filter(|advice| advice.share >= WORTH_DOING)
        .collect();
    advice.sort_by(|one, other| other.worth.total_cmp(&one.worth));
    advice
}

type Found = Option<(Action, String, String, f64)>;

fn dead(facts: &TableFacts) -> Found {
    let all = facts.bytes + facts.dead.bytes + facts.held.bytes;
    (facts.dead.files > 0).then(|| {
        (
            Action::Vacuum,
            format!("{} files are needed by no version that is kept", facts.dead.files),
            format!("{} of {} are free again", megabytes(facts.dead.bytes), megabytes(all)),
            facts.dead.bytes as f64 / all.max(1) as f64,
        )
    })
}

fn many_files(facts: &TableFacts) -> Found {
    let least = facts.files.saturating_sub(facts.needless_files);
    (facts.needless_files > 0).then(|| {
        (
            Action::Optimize,
            format!("{} files where {least} would do", facts.files),
            format!("a reader of everything opens {least} instead of {}", facts.files),
            facts.needless_files as f64 / facts.files.max(1) as f64,
        )
    })
}

fn unordered(facts: &TableFacts) -> Found {
    let (depth, order) = (facts.depth?, facts.order.as_deref()?);
    (depth > DEEP).then(|| {
        (
            Action::Optimize,
            format!("rows are not in the order of {order}"),
            format!("a reader of one day opens 1 row group instead of {depth:.1}"),
            1.0 - 1.0 / depth,
        )
    })
}

fn long_log(facts: &TableFacts) -> Found {
    let since = facts.log.since_checkpoint();
    (since > LONG_LOG).then(|| {
        (
            Action::Optimize,
            format!("{since} commits since the last checkpoint"),
            format!("opening the table reads 1 file instead of {since}"),
            1.0 - 1.0 / since as f64,
        )
    })
}

/// A size for people.
#[must_use]
pub fn megabytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use entrega_lake::{LogLength, Swept};

    use super::*;

    fn facts(table: &str) -> TableFacts {
        TableFacts {
            table: table.parse().unwrap(),
            version: 1,
            files: 4,
            bytes: 4_000_000,
            rows: 4,
            needless_files: 0,
            skew: 1.0,
            without_ranges: 0,
            order: Some("order_purchase_timestamp".to_owned()),
            depth: Some(1.0),
            log: LogLength::default(),
            dead: Swept::default(),
            held: Swept::default(),
            months: Vec::new(),
        }
    }

    #[test]
    fn a_table_in_shape_needs_nothing() {
        assert_eq!(advice(&[facts("clean.orders")]), []);
    }

    #[test]
    fn what_frees_most_of_the_lake_comes_first() {
        let small = TableFacts { files: 40, needless_files: 36, ..facts("clean.sellers") };
        let large = TableFacts { dead: Swept { files: 9, bytes: 90_000_000 }, ..facts("clean.orders") };
        let found = advice(&[small, large]);
        let told: Vec<_> = found.iter().map(|advice| (advice.table.to_string(), advice.action)).collect();
        assert_eq!(told, [("clean.orders".to_owned(), Action::Vacuum), ("clean.sellers".to_owned(), Action::Optimize)]);
        assert_eq!(found[0].gain, "90.0 MB of 94.0 MB are free again");
        assert_eq!(found[1].gain, "a reader of everything opens 4 instead of 40");
    }

    #[test]
    fn disorder_and_long_logs_are_told() {
        let deep = TableFacts { depth: Some(4.0), ..facts("clean.orders") };
        let long = TableFacts { log: LogLength { latest: 99, ..LogLength::default() }, ..facts("ops.batches") };
        let found = advice(&[deep, long]);
        assert_eq!(found.len(), 2);
        assert!(found.iter().any(|advice| advice.reason == "rows are not in the order of order_purchase_timestamp"));
        assert!(found.iter().any(|advice| advice.reason == "100 commits since the last checkpoint"));
    }
}
