//! From text to the contract's types, and the reasons why a row is rejected.
//!
//! Each type is one loop over a column. A value is never mended by guess: what cannot be read exactly is a fault.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray as _, BooleanArray, Decimal128Array, Float64Array, Int32Array, StringArray,
        StringBuilder, TimestampMicrosecondArray,
    },
    compute::nullif,
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    error::ArrowError,
};
use chrono::NaiveDate;
use entrega_lake::read::days_since_epoch;
use entrega_model::contract::{Contract, ContractColumn, ContractType, OnViolation, STATES};

/// Why a row is rejected: the first fault found in it.
#[derive(Debug, Clone)]
pub struct Fault {
    pub row: usize,
    pub rule: String,
    pub reason: String,
}

/// Typed columns, and what was wrong with them.
pub struct Typed {
    pub columns: Vec<ArrayRef>,
    /// The rows to be rejected, ascending.
    pub faults: Vec<Fault>,
    /// Values left out, by rule and column, with the first reason.
    pub warned: BTreeMap<String, (u64, String)>,
    /// The first fault that must end the batch.
    pub fatal: Option<Fault>,
}

/// The schema of `landing.<source>` without `_drop` and `purchase_month`.
#[must_use]
pub fn landing_schema(contract: &Contract) -> SchemaRef {
    let fields: Vec<Field> =
        contract.columns.iter().map(|column| Field::new(&column.name, arrow_type(column.kind), true)).collect();
    Arc::new(Schema::new(fields))
}

fn arrow_type(kind: ContractType) -> DataType {
    match kind {
        ContractType::Id | ContractType::Text | ContractType::Zip | ContractType::State => DataType::Utf8,
        ContractType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
        ContractType::Money => DataType::Decimal128(12, 2),
        ContractType::Integer => DataType::Int32,
        ContractType::Number => DataType::Float64,
    }
}

/// Types all columns of a chunk. Of rows that are gone, only what names them counts.
pub fn type_rows(contract: &Contract, columns: &[ArrayRef], gone: Option<&BooleanArray>) -> Result<Typed, ArrowError> {
    let mut faults = Faults::default();
    let typed = contract
        .columns
        .iter()
        .zip(columns)
        .map(|(column, text)| {
            let text = text
                .as_string_opt::<i32>()
                .ok_or_else(|| ArrowError::SchemaError(format!("{} is no text", column.name)))?;
            let mut text = trimmed(text);
            faults.column = Some(column);
            let excused = gone.filter(|_| !contract.names_rows(&column.name));
            if let Some(gone) = excused {
                text = nullif(&text, gone)?.as_string().clone();
            }
            if column.required && text.null_count() > 0 {
                let excused = |row: usize| excused.is_some_and(|gone| gone.value(row));
                for row in (0..text.len()).filter(|row| text.is_null(*row) && !excused(*row)) {
                    faults.add(row, "required", "is missing", None);
                }
            }
            if !column.accepted.is_empty() {
                for (row, value) in present(&text) {
                    if !column.accepted.iter().any(|accepted| accepted == value) {
                        faults.add(row, "accepted", "is not an accepted value", Some(value));
                    }
                }
            }
            let rows = text.len();
            let typed = type_column(column, text, &mut faults);
            let left_out = std::mem::take(&mut faults.left_out);
            if left_out.is_empty() {
                return Ok(typed);
            }
            let mut without = vec![false; rows];
            for row in left_out {
                without[row] = true;
            }
            nullif(&typed, &without.into())
        })
        .collect::<Result<Vec<_>, ArrowError>>()?;
    let (warned, fatal) = (std::mem::take(&mut faults.warned), faults.fatal.take());
    Ok(Typed { columns: typed, faults: faults.by_row(), warned, fatal })
}

#[derive(Default)]
struct Faults<'a> {
    column: Option<&'a ContractColumn>,
    found: Vec<Fault>,
    /// Rows of the column at hand that lose their value.
    left_out: Vec<usize>,
    warned: BTreeMap<String, (u64, String)>,
    fatal: Option<Fault>,
}

impl Faults<'_> {
    fn add(&mut self, row: usize, rule: &str, problem: &str, value: Option<&str>) {
        let mut reason = format!("{} {problem}", self.column.map_or("", |column| column.header()));
        if let Some(value) = value {
            let shown: String = value.chars().take(60).collect();
            let _ = write!(reason, ": '{shown}'");
        }
        let fault = Fault { row, rule: rule.to_owned(), reason };
        let drops = self.column.is_some_and(|column| column.drop_rule.as_deref() == Some(rule));
        match self.column.map(|column| column.on_violation).unwrap_or_default() {
            OnViolation::Warn if !drops => {
                self.left_out.push(row);
                let name = format!("{rule}({})", self.column.map_or("", |column| column.name.as_str()));
                self.warned.entry(name).or_insert((0, fault.reason)).0 += 1;
            }
            OnViolation::Fail if !drops => {
                self.fatal.get_or_insert(fault);
            }
            _ => self.found.push(fault),
        }
    }

    fn by_row(mut self) -> Vec<Fault> {
        self.found.sort_by_key(|fault| fault.row);
        self.found.dedup_by_key(|fault| fault.row);
        self.found
    }
}

fn present(text: &StringArray) -> impl Iterator<Item = (usize, &str)> {
    text.iter().enumerate().filter_map(|(row, value)| Some((row, value?)))
}

/// Text without blanks around it, empty text as NULL; untouched (and shared) where nothing needs it.
fn trimmed(text: &StringArray) -> StringArray {
    let needs = |value: &str| value.is_empty() || value.trim().len() != value.len();
    if !text.iter().flatten().any(needs) {
        return text.clone();
    }
    text.iter().map(|value| value.map(str::trim).filter(|value| !value.is_empty())).collect()
}

fn type_column(column: &ContractColumn, text: StringArray, faults: &mut Faults<'_>) -> ArrayRef {
    match column.kind {
        ContractType::Text => Arc::new(text),
        ContractType::Id => {
            for (row, value) in present(&text) {
                if !is_id(value.as_bytes()) {
                    faults.add(row, "type", "is not 32 lower-case hex digits", Some(value));
                }
            }
            Arc::new(text)
        }
        ContractType::State => {
            for (row, value) in present(&text) {
                if !STATES.contains(&value) {
                    faults.add(row, "accepted", "is none of the 27 states", Some(value));
                }
            }
            Arc::new(text)
        }
        ContractType::Zip => {
            let mut builder = StringBuilder::with_capacity(text.len(), text.len() * 5);
            for (row, value) in text.iter().enumerate() {
                let good = value.filter(|value| value.len() <= 5 && value.bytes().all(|byte| byte.is_ascii_digit()));
                match (value, good) {
                    (_, Some(good)) if good.len() == 5 => builder.append_value(good),
                    (_, Some(good)) => builder.append_value(format!("{good:0>5}")),
                    (Some(bad), None) => {
                        faults.add(row, "type", "is not a zip prefix of five digits", Some(bad));
                        builder.append_null();
                    }
                    (None, None) => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        ContractType::Timestamp => Arc::new(read::<_, TimestampMicrosecondArray>(
            &text,
            faults,
            "is not a time YYYY-MM-DD HH:MM:SS",
            timestamp,
        )),
        ContractType::Money => {
            let values: Decimal128Array = read(&text, faults, "is not an amount with at most two decimals", money);
            range(column, &text, faults, |row| values.is_valid(row).then(|| values.value(row) as f64 / 100.0));
            let typed = values.with_data_type(DataType::Decimal128(12, 2));
            Arc::new(typed)
        }
        ContractType::Integer => {
            let values: Int32Array = read(&text, faults, "is not a whole number", integer);
            range(column, &text, faults, |row| values.is_valid(row).then(|| f64::from(values.value(row))));
            Arc::new(values)
        }
        ContractType::Number => {
            let number = |value: &str| value.parse::<f64>().ok().filter(|number| number.is_finite());
            let values: Float64Array = read(&text, faults, "is not a number", number);
            range(column, &text, faults, |row| values.is_valid(row).then(|| values.value(row)));
            Arc::new(values)
        }
    }
}

fn read<T, A: FromIterator<Option<T>>>(
    text: &StringArray,
    faults: &mut Faults<'_>,
    problem: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> A {
    text.iter()
        .enumerate()
        .map(|(row, value)| {
            let value = value?;
            let parsed = parse(value);
            if parsed.is_none() {
                faults.add(row, "type", problem, Some(value));
            }
            parsed
        })
        .collect()
}

fn range(column: &ContractColumn, text: &StringArray, faults: &mut Faults<'_>, number: impl Fn(usize) -> Option<f64>) {
    let low = column.min.or((column.kind == ContractType::Money).then_some(0.0));
    if low.is_none() && column.max.is_none() {
        return;
    }
    for row in 0..text.len() {
        let Some(number) = number(row) else { continue };
        if low.is_some_and(|low| number < low) || column.max.is_some_and(|high| number > high) {
            faults.add(row, column.drop_rule.as_deref().unwrap_or("range"), "is out of range", Some(text.value(row)));
        }
    }
}

fn is_id(value: &[u8]) -> bool {
    // No early exit inside the loop, so that it compiles to vector instructions.
    value.len() == 32 && value.iter().fold(true, |good, byte| good & matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Microseconds of `YYYY-MM-DD HH:MM:SS`, or of a plain date at midnight.
fn timestamp(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |range: std::ops::Range<usize>| {
        let mut value = 0u32;
        for byte in bytes.get(range)? {
            value = value * 10 + u32::from(byte.wrapping_sub(b'0')).checked_sub(0).filter(|digit| *digit < 10)?;
        }
        Some(value)
    };
    if !matches!(bytes.len(), 10 | 19) || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let year = i32::try_from(number(0..4)?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(5..7)?, number(8..10)?)?;
    let midnight = i64::from(days_since_epoch(date)) * 86_400;
    if bytes.len() == 10 {
        return Some(midnight * 1_000_000);
    }
    if bytes[10] != b' ' || bytes[13] != b':' || bytes[16] != b':' {
        return None;
    }
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    (hour < 24 && minute < 60 && second < 60)
        .then(|| (midnight + i64::from(hour * 3600 + minute * 60 + second)) * 1_000_000)
}

/// Hundredths of an amount: `58.9` → 5890. More than two decimals would lose money, so they are refused, unless zeros.
fn money(text: &str) -> Option<i128> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let part = part.trim_end_matches('0');
    if (whole.is_empty() && part.is_empty()) || whole.len() > 10 || part.len() > 2 {
        return None;
    }
    let mut cents: i128 = 0;
    for byte in whole.bytes().chain(part.bytes()).chain(std::iter::repeat_n(b'0', 2 - part.len())) {
        if !byte.is_ascii_digit() {
            return None;
        }
        cents = cents * 10 + i128::from(byte - b'0');
    }
    Some(if negative { -cents } else { cents })
}

/// A whole number; `3.0`, as spreadsheets and data frames write integers beside gaps, is one.
fn integer(text: &str) -> Option<i32> {
    text.strip_suffix(".0").unwrap_or(text).parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_exactly_or_not_at_all() {
        assert_eq!(timestamp("1970-01-02 00:00:01"), Some(86_401_000_000));
        assert_eq!(timestamp("2018-02-30 00:00:00"), None);
        assert_eq!(timestamp("2018-02-03T00:00:00Z"), None);
        assert_eq!(timestamp("2018-02-03 24:00:00"), None);
        assert_eq!(timestamp("03/02/2018"), None);
    }

    #[test]
    fn money_never_loses_a_cent() {
        assert_eq!(money("58.9"), Some(5890));
        assert_eq!(money("58.900"), Some(5890));
        assert_eq!(money("58.905"), None);
        assert_eq!(money("-1"), Some(-100));
        assert_eq!(money("1e3"), None);
        assert_eq!(money(""), None);
        assert_eq!(money("."), None);
    }

    proptest! {
        #[test]
        fn every_moment_survives(seconds in 0i64..4_000_000_000) {
            let moment = chrono::DateTime::from_timestamp(seconds, 0).unwrap().naive_utc();
            prop_assert_eq!(timestamp(&moment.format("%Y-%m-%d %H:%M:%S").to_string()), Some(seconds * 1_000_000));
        }

        #[test]
        fn every_amount_survives(cents in 0i64..999_999_999_999) {
            prop_assert_eq!(money(&format!("{}.{:02}", cents / 100, cents % 100)), Some(i128::from(cents)));
        }
    }
}
