//! What was done to the shop's drops, and what should become of it: `_injected.json`.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::Expected;

/// The file in the lake's folder that lists all faults.
pub const INJECTED_FILE: &str = "_injected.json";

/// The format of the list.
const VERSION: u32 = 1;

/// All faults of a simulated shop's drops, in the order of the drops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Injected {
    /// The format of this list; 1.
    pub version: u32,
    /// The shop's seed.
    pub seed: u64,
    /// How many intervals the list covers, from the first on.
    pub intervals: u32,
    /// The faults.
    pub faults: Vec<Injection>,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Injection {
    /// Its kind: the name of one of [`FAULTS`](crate::FAULTS).
    pub fault: String,
    /// The drop's folder in the lake.
    pub drop: String,
    /// The file, if it is about one.
    pub file: Option<String>,
    /// The first line of the row in the file, if it is about one; the header is line 1.
    pub line: Option<u64>,
    /// What should become of it.
    pub expected: Expected,
    /// The rule that should reject the row.
    pub rule: Option<String>,
    /// The column, if it is about one.
    pub column: Option<String>,
    /// What was done, for people.
    pub detail: String,
    /// Rows whose content this drop does not tell because of the fault, or not all of it.
    pub destroys: Vec<Destroyed>,
}

/// A row that a fault destroyed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Destroyed {
    /// The source, as its contract is called.
    pub source: String,
    /// The values of its key, as the contract lists them.
    pub key: Vec<String>,
}

impl Injected {
    pub(crate) fn new(seed: u64) -> Self {
        Self { version: VERSION, seed, intervals: 0, faults: Vec::new() }
    }

    /// JSON with a line for each fault, so that the list can be searched and compared by line.
    pub(crate) fn to_json(&self) -> Result<String, serde_json::Error> {
        let Self { version, seed, intervals, faults } = self;
        let mut text = String::new();
        // Writing to text cannot fail.
        let _ = write!(text, r#"{{"version":{version},"seed":{seed},"intervals":{intervals},"faults":["#);
        for (place, fault) in faults.iter().enumerate() {
            text.push_str(if place == 0 { "\n" } else { ",\n" });
            text.push_str(&serde_json::to_string(fault)?);
        }
        text.push_str("\n]}\n");
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_reads_back_with_a_line_for_each_fault() {
        let fault = Injection {
            fault: "row/duplicate".to_owned(),
            drop: "landing/dt=2018-03-01".to_owned(),
            file: Some("olist_orders_dataset.csv".to_owned()),
            line: Some(17),
            expected: Expected::Absorbed,
            rule: None,
            column: None,
            detail: "said \"twice\"".to_owned(),
            destroys: vec![Destroyed { source: "orders".to_owned(), key: vec!["17".to_owned()] }],
        };
        let list = Injected { intervals: 3, faults: vec![fault.clone(), fault], ..Injected::new(7) };
        let text = list.to_json().unwrap();
        assert_eq!(text.lines().count(), 4);
        assert_eq!(serde_json::from_str::<Injected>(&text).unwrap(), list);
    }
}
