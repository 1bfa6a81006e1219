//! Contracts: what a source file of the order system must look like (`models/landing/<source>.toml`).
//!
//! A contract types a file and says what happens to what is not as it should be: rows that break a rule, columns that
//! are new or missing, too many bad rows at once. It is data, so that each engine applies the same one in its own fast
//! way.

use serde::Deserialize;

use crate::{ModelError, drops::Content, known::Known};

/// The type of a source column. All text is trimmed; an empty field is NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContractType {
    /// 32 lower-case hex digits → STRING.
    Id,
    /// Anything → STRING.
    Text,
    /// Up to five digits, left-padded with zeros to five → STRING.
    Zip,
    /// One of the 27 Brazilian states → STRING.
    State,
    /// `YYYY-MM-DD HH:MM:SS`, wall clock without a zone → TIMESTAMP.
    Timestamp,
    /// A non-negative amount with at most two decimals → DECIMAL(12,2).
    Money,
    /// A whole number → INT.
    Integer,
    /// A number → DOUBLE.
    Number,
}

impl ContractType {
    /// The Spark SQL type of a column of this kind.
    #[must_use]
    pub fn sql_type(self) -> &'static str {
        match self {
            Self::Id | Self::Text | Self::Zip | Self::State => "STRING",
            Self::Timestamp => "TIMESTAMP",
            Self::Money => "DECIMAL(12,2)",
            Self::Integer => "INT",
            Self::Number => "DOUBLE",
        }
    }
}

/// The 27 federative units of Brazil (IBGE).
pub const STATES: [&str; 27] = [
    "AC", "AL", "AM", "AP", "BA", "CE", "DF", "ES", "GO", "MA", "MG", "MS", "MT", "PA", "PB", "PE", "PI", "PR", "RJ",
    "RN", "RO", "RR", "RS", "SC", "SE", "SP", "TO",
];

/// What happens to a row whose value breaks a rule of its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnViolation {
    /// The row is kept without the value, and the loss is recorded. Only for columns that are not required.
    Warn,
    /// The row goes to quarantine.
    #[default]
    Quarantine,
    /// The batch ends: nothing of the drop is taken.
    Fail,
}

/// What happens when a file has other columns than its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnDrift {
    /// It is recorded. A new column stays in the drop and is read by nobody; a missing one is NULL in every row.
    #[default]
    Warn,
    /// The batch ends: nothing of the drop is taken.
    Fail,
}

/// How a file's columns may differ from the contract. A missing required column always ends the batch.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drift {
    /// Columns that the contract does not know.
    #[serde(default)]
    pub new_column: OnDrift,
    /// Columns that are missing and not required.
    #[serde(default)]
    pub missing_column: OnDrift,
}

/// How many rows of a file may be rejected. Beyond that the file is not dirty but another one (a column was retyped, a
/// system exports nonsense), and taking the rest of it would do harm: the batch ends.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tolerance {
    /// At most this share of a file's rows …
    pub share: f64,
    /// … unless they are no more than so many.
    pub rows: u64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { share: 0.5, rows: 20 }
    }
}

impl Tolerance {
    /// Whether so many bad ones among so many rows can be borne.
    ///
    /// ```
    /// use entrega_model::contract::Tolerance;
    /// let tolerance = Tolerance { share: 0.5, rows: 20 };
    /// assert!(tolerance.bears(20, 20));
    /// assert!(tolerance.bears(50, 100));
    /// assert!(!tolerance.bears(51, 100));
    /// ```
    #[must_use]
    pub fn bears(&self, bad: u64, rows: u64) -> bool {
        bad <= self.rows || bad as f64 <= self.share * rows as f64
    }
}

/// One column of a source file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractColumn {
    /// The name in `landing.<source>`.
    pub name: String,
    /// The file's own spelling, where it differs.
    #[serde(default)]
    pub header: Option<String>,
    /// How the field is read.
    #[serde(rename = "type")]
    pub kind: ContractType,
    /// Whether a row without it is rejected.
    #[serde(default)]
    pub required: bool,
    /// The only values allowed, if not empty.
    #[serde(default)]
    pub accepted: Vec<String>,
    /// Smallest number allowed.
    #[serde(default)]
    pub min: Option<f64>,
    /// Largest number allowed.
    #[serde(default)]
    pub max: Option<f64>,
    /// A row out of range is dropped and counted under this name, instead of quarantined.
    #[serde(default)]
    pub drop_rule: Option<String>,
    /// What happens to a row that breaks one of these rules.
    #[serde(default)]
    pub on_violation: OnViolation,
    /// When its values can be known at the earliest; the contract's `known` where it says nothing else.
    #[serde(default, rename = "known")]
    declared_known: Option<Known>,
    /// Whether its value is the very moment of the event at which it is known.
    #[serde(default)]
    pub moment: bool,
    /// What it means.
    #[serde(default)]
    pub doc: String,
}

impl ContractColumn {
    /// When its values can be known at the earliest. [`Contract::parse`] sees to it that every column says so.
    #[must_use]
    pub fn known(&self) -> Known {
        self.declared_known.unwrap_or(Known::Never)
    }

    /// The header in the file.
    #[must_use]
    pub fn header(&self) -> &str {
        self.header.as_deref().unwrap_or(&self.name)
    }
}

/// How a child row finds its order.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// The child's column.
    pub column: String,
    /// The column of `orders` that it refers to.
    pub order_column: String,
}

/// What one source file must look like.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contract {
    /// The source's name: the contract's file stem.
    #[serde(default)]
    pub source: String,
    /// SHA-256 of the contract's text.
    #[serde(skip)]
    pub fingerprint: String,
    /// The file's name in a drop.
    pub file: String,
    /// What a row is.
    pub description: String,
    /// Change set or snapshot.
    pub kind: Content,
    /// The columns that identify a row.
    pub key: Vec<String>,
    /// How a row finds its order; none for orders and dimensions.
    #[serde(default)]
    pub parent: Option<Parent>,
    /// How its columns may differ.
    #[serde(default)]
    pub drift: Drift,
    /// How many of its rows may be bad.
    #[serde(default)]
    pub tolerance: Tolerance,
    /// When its columns can be known at the earliest, where a column does not say it itself.
    #[serde(default)]
    known: Option<Known>,
    /// The columns in the file's order.
    #[serde(rename = "column")]
    pub columns: Vec<ContractColumn>,
}

impl Contract {
    /// Reads a contract; `source` is the file's stem.
    ///
    /// # Errors
    /// When the text is not a contract, its key or parent names a column that it does not have, or a column that rows
    /// cannot do without is only to be warned of.
    pub fn parse(source: &str, text: &str) -> Result<Self, ModelError> {
        let file = format!("landing/{source}.toml");
        let mut contract: Self = toml::from_str(text)
            .map_err(|error| ModelError::file(&file, error, "a contract is described in docs/reference/models.md"))?;
        source.clone_into(&mut contract.source);
        contract.fingerprint = crate::model::hex_digest([text]);
        let named = contract.key.iter().chain(contract.parent.iter().map(|parent| &parent.column));
        for name in named {
            if contract.column(name).is_none() {
                let columns: Vec<_> = contract.columns.iter().map(|column| column.name.as_str()).collect();
                return Err(ModelError::file(
                    &file,
                    format!("key or parent names the column '{name}', which it does not declare"),
                    format!("its columns are {}", columns.join(", ")),
                ));
            }
        }
        let warned = contract.columns.iter().find(|column| {
            column.on_violation == OnViolation::Warn && (column.required || contract.names_rows(&column.name))
        });
        if let Some(column) = warned {
            return Err(ModelError::file(
                &file,
                format!("column '{}' has on_violation = \"warn\", but rows need it", column.name),
                "a warning keeps the row without the value; use quarantine or fail for keys and required columns",
            ));
        }
        if !(0.0..=1.0).contains(&contract.tolerance.share) {
            return Err(ModelError::file(
                &file,
                format!("tolerance.share is {}", contract.tolerance.share),
                "it is a share of a file's rows, between 0 and 1",
            ));
        }
        for column in &mut contract.columns {
            column.declared_known = column.declared_known.or(contract.known);
            knowledge_holds_together(&file, column)?;
        }
        Ok(contract)
    }

    /// Whether a column is part of the key, or names the order: what a row cannot be told by without.
    #[must_use]
    pub fn names_rows(&self, column: &str) -> bool {
        self.key.iter().any(|key| key == column) || self.parent.as_ref().is_some_and(|parent| parent.column == column)
    }

    /// Whether rows that break this rule are dropped and counted, not quarantined.
    #[must_use]
    pub fn drops_by(&self, rule: &str) -> bool {
        self.columns.iter().any(|column| column.drop_rule.as_deref() == Some(rule))
    }

    /// A column by name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ContractColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}

fn knowledge_holds_together(file: &str, column: &ContractColumn) -> Result<(), ModelError> {
    let Some(known) = column.declared_known else {
        return Err(ModelError::file(
            file,
            format!("nothing says when column '{}' is known", column.name),
            format!("write known = \"…\" for the contract or for the column: {}", Known::names()),
        ));
    };
    if column.moment && column.kind != ContractType::Timestamp {
        return Err(ModelError::file(
            file,
            format!("column '{}' has moment = true, but is no timestamp", column.name),
            "a moment is the time at which an event happened: give it type = \"timestamp\", or take moment away",
        ));
    }
    if column.moment && matches!(known, Known::Always | Known::Never) {
        return Err(ModelError::file(
            file,
            format!("column '{}' has moment = true, but is known '{known}', which is no event", column.name),
            "give it known = the event whose moment it is, or take moment away",
        ));
    }
    Ok(())
}

/// The optional column of a change set that says that a row is gone: `true` (or `t`, `1`, `yes`, `y`, in any case).
/// Such a row needs only its key, and its order's.
pub const DELETED_COLUMN: &str = "_deleted";

#[cfg(test)]
mod tests {
    use super::*;

    const THINGS: &str = r#"
        file = "things.csv"
        description = "Things."
        kind = "changes"
        key = ["thing"]
        known = "purchase"
        [[column]]
        name = "thing"
        type = "text"
        required = true
        [[column]]
        name = "weight"
        type = "integer"
        on_violation = "warn"
    "#;

    #[test]
    fn policies_have_defaults() {
        let contract = Contract::parse("things", THINGS).unwrap();
        assert_eq!(contract.drift.new_column, OnDrift::Warn);
        assert_eq!(contract.columns[0].on_violation, OnViolation::Quarantine);
        assert_eq!(contract.columns[1].on_violation, OnViolation::Warn);
        assert_eq!(contract.tolerance.rows, 20);
    }

    #[test]
    fn a_key_cannot_be_warned_of() {
        let text = THINGS.replace("required = true", "on_violation = \"warn\"");
        let message = Contract::parse("things", &text).unwrap_err().to_string();
        assert!(message.contains("column 'thing' has on_violation"), "{message}");
    }

    #[test]
    fn a_share_is_a_share() {
        let message = Contract::parse("things", &format!("tolerance = {{ share = 3.0 }}\n{THINGS}")).unwrap_err();
        assert!(message.to_string().contains("tolerance.share is 3"), "{message}");
    }
    #[test]
    fn columns_say_when_they_are_known() {
        let contract = Contract::parse("things", &format!("{THINGS}known = \"delivery\"")).unwrap();
        assert_eq!(contract.columns[0].known(), Known::Purchase);
        assert_eq!(contract.columns[1].known(), Known::Delivery);
    }

    #[test]
    fn a_column_of_unknown_knowledge_is_refused() {
        let message = Contract::parse("things", &THINGS.replace("known = \"purchase\"", "")).unwrap_err().to_string();
        assert!(message.contains("nothing says when column 'thing' is known"), "{message}");
    }

    #[test]
    fn a_moment_is_a_timestamp_of_an_event() {
        let message = Contract::parse("things", &format!("{THINGS}moment = true")).unwrap_err().to_string();
        assert!(message.contains("column 'weight' has moment = true, but is no timestamp"), "{message}");
        let text = THINGS.replace("integer", "timestamp").replace("on_violation = \"warn\"", "known = \"always\"");
        let message = Contract::parse("things", &format!("{text}\nmoment = true")).unwrap_err().to_string();
        assert!(message.contains("is known 'always', which is no event"), "{message}");
    }
}
