//! Every kind of fault, in one list: what it is called, what it does, what should become of it.

use entrega_model::contract::{Contract, ContractColumn, ContractType};
use serde::{Deserialize, Serialize};

use super::{
    drops::{self, DropFault},
    files::{self, FileFault},
    rows::{self, Damage},
    sheet::{Done, Note},
};
use crate::simulate::chance::Chance;

/// What should become of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// The row goes to the quarantine, by the rule that is named.
    Quarantined,
    /// Nothing: the tables are as without it.
    Absorbed,
    /// The run says so and takes the drop.
    Warned,
    /// The drop is not taken; the one that was delivered again is.
    Held,
    /// The folder is not a drop yet.
    Unfinished,
}

/// A kind of fault.
#[derive(Debug)]
pub struct FaultKind {
    /// What it is called in `_injected.json`.
    pub name: &'static str,
    /// What it does.
    pub does: &'static str,
    /// What should become of it.
    pub expected: Expected,
    pub(super) how: How,
}

impl FaultKind {
    pub(super) fn note(&self, done: Done) -> Note {
        Note { fault: self.name, expected: self.expected, done }
    }
}

/// How a fault is made.
#[derive(Debug)]
pub(super) enum How {
    /// One field of a row becomes another.
    Field(FieldFault),
    /// A row becomes another, or stands beside another.
    Record(fn(&Contract, &[u8], &mut Chance) -> Option<Damage>),
    /// By the schedule.
    Late,
    /// A whole file becomes another.
    File(FileFault),
    /// A drop is delivered otherwise.
    Drop(DropFault),
}

/// A fault of one field.
#[derive(Debug)]
pub(super) struct FieldFault {
    /// Whether it can be done to a column.
    pub columns: fn(&ContractColumn) -> bool,
    pub becomes: fn(&ContractColumn, &[u8], &mut Chance) -> Vec<u8>,
    /// The rule that rejects the row then.
    pub rule: &'static str,
}

/// The fault that needs the interval before.
pub(super) const OVERLAPPING: &str = "drop/overlapping";

/// The place of the order that is told late: the one kind that does not wait for its turn.
pub(super) const TOLD_LATE: usize = 14;

use Expected::{Absorbed, Held, Quarantined, Unfinished, Warned};

/// All kinds.
pub static FAULTS: [FaultKind; 30] = [
    field(
        "malformed_row/bad_timestamp",
        "a timestamp that cannot be read",
        "type",
        is_timestamp,
        rows::unreadable_timestamp,
    ),
    field(
        "malformed_row/impossible_date",
        "a day that the calendar does not have",
        "type",
        is_timestamp,
        rows::impossible_date,
    ),
    field("malformed_row/missing_required", "a required value is empty", "required", is_required, rows::nothing),
    field("malformed_row/bad_id", "an id that is not 32 lower-case hex digits", "type", is_id, rows::bad_id),
    field(
        "malformed_row/unknown_status",
        "a status that the contract does not know",
        "accepted",
        is_listed,
        rows::unknown_word,
    ),
    field("malformed_row/not_a_number", "text where a number belongs", "type", is_number, rows::not_a_number),
    field("malformed_row/negative_money", "an amount below zero", "range", is_money, rows::negative),
    field("malformed_row/score_out_of_range", "a score that is not 1 to 5", "range", is_bounded, rows::out_of_range),
    field(
        "malformed_row/unknown_state",
        "a state that Brazil does not have",
        "accepted",
        is_state,
        rows::unknown_state,
    ),
    record("malformed_row/too_many_fields", "one field more than the header", Quarantined, rows::too_many_fields),
    record("malformed_row/too_few_fields", "one field less than the header", Quarantined, rows::too_few_fields),
    field("malformed_row/not_utf8", "a city in Latin-1", "encoding", is_city, rows::latin_1),
    record("row/duplicate", "a row twice", Absorbed, rows::duplicate),
    record("row/older_version", "before a row, another one that contradicts it", Absorbed, rows::older_version),
    FaultKind {
        name: "row/told_late",
        does: "an order's row comes a drop after its items, payments and customer",
        expected: Absorbed,
        how: How::Late,
    },
    file("file/byte_order_mark", "a byte order mark before the header", Absorbed, files::byte_order_mark),
    file("file/crlf", "lines that end in CR LF", Absorbed, files::crlf),
    file("file/reordered_columns", "columns in another order", Absorbed, files::reordered_columns),
    file("file/blank_line", "a blank line at the end", Absorbed, files::blank_line),
    file("file/new_column", "a column that no contract knows", Warned, files::new_column),
    file("file/left_out_column", "a column that is not required is left out", Warned, files::left_out_column),
    drop("drop/late", "produced one to five days late", Absorbed, drops::late),
    drop("drop/repeated", "delivered twice", Absorbed, drops::repeated),
    drop(OVERLAPPING, "a second drop tells this interval and the one before", Absorbed, drops::overlapping),
    drop("drop/cut_off", "a file ends in the middle; the drop is delivered again", Held, drops::cut_off),
    drop("drop/changed_byte", "one byte of a file is another; the drop is delivered again", Held, drops::changed_byte),
    drop(
        "drop/torn_manifest",
        "the manifest ends in the middle; the drop is delivered again",
        Held,
        drops::torn_manifest,
    ),
    drop(
        "drop/renamed_column",
        "a required column has another name; the drop is delivered again",
        Held,
        drops::renamed_column,
    ),
    drop(
        "drop/retyped_column",
        "all values of a required column are written otherwise; the drop is delivered again",
        Held,
        drops::retyped_column,
    ),
    drop(
        "drop/torn_upload",
        "beside the drop, an upload that was given up: some files, no manifest",
        Unfinished,
        drops::torn_upload,
    ),
];

const fn field(
    name: &'static str,
    does: &'static str,
    rule: &'static str,
    columns: fn(&ContractColumn) -> bool,
    becomes: fn(&ContractColumn, &[u8], &mut Chance) -> Vec<u8>,
) -> FaultKind {
    FaultKind { name, does, expected: Quarantined, how: How::Field(FieldFault { columns, becomes, rule }) }
}

const fn record(
    name: &'static str,
    does: &'static str,
    expected: Expected,
    act: fn(&Contract, &[u8], &mut Chance) -> Option<Damage>,
) -> FaultKind {
    FaultKind { name, does, expected, how: How::Record(act) }
}

const fn file(name: &'static str, does: &'static str, expected: Expected, act: FileFault) -> FaultKind {
    FaultKind { name, does, expected, how: How::File(act) }
}

const fn drop(name: &'static str, does: &'static str, expected: Expected, act: DropFault) -> FaultKind {
    FaultKind { name, does, expected, how: How::Drop(act) }
}

fn is_timestamp(column: &ContractColumn) -> bool {
    column.kind == ContractType::Timestamp
}

fn is_required(column: &ContractColumn) -> bool {
    column.required
}

fn is_id(column: &ContractColumn) -> bool {
    column.kind == ContractType::Id
}

fn is_listed(column: &ContractColumn) -> bool {
    !column.accepted.is_empty()
}

fn is_number(column: &ContractColumn) -> bool {
    matches!(column.kind, ContractType::Money | ContractType::Integer | ContractType::Number)
}

fn is_money(column: &ContractColumn) -> bool {
    column.kind == ContractType::Money
}

fn is_bounded(column: &ContractColumn) -> bool {
    column.kind == ContractType::Integer && column.min.is_some() && column.max.is_some()
}

fn is_state(column: &ContractColumn) -> bool {
    column.kind == ContractType::State
}

fn is_city(column: &ContractColumn) -> bool {
    column.kind == ContractType::Text && column.name.ends_with("_city")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_say_what_is_hit() {
        let names: HashSet<&str> = FAULTS.iter().map(|kind| kind.name).collect();
        assert_eq!(names.len(), FAULTS.len());
        for kind in &FAULTS {
            let level = kind.name.split('/').next().unwrap();
            let right = match kind.how {
                How::Field(_) => level == "malformed_row",
                How::Record(_) => matches!(level, "malformed_row" | "row"),
                How::Late => level == "row",
                How::File(_) => level == "file",
                How::Drop(_) => level == "drop",
            };
            assert!(right, "{}", kind.name);
        }
        assert!(matches!(FAULTS[TOLD_LATE].how, How::Late));
    }
}
