//! Contracts: what a source file of the order system must look like (`models/landing/<source>.toml`).
//!
//! A contract types a file and says which values are rejected; it is data, so that each engine applies the same one
//! in its own fast way.

use serde::Deserialize;

use crate::{ModelError, drops::Content};

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
    /// What it means.
    #[serde(default)]
    pub doc: String,
}

impl ContractColumn {
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
    /// The columns in the file's order.
    #[serde(rename = "column")]
    pub columns: Vec<ContractColumn>,
}

impl Contract {
    /// Reads a contract; `source` is the file's stem.
    ///
    /// # Errors
    /// When the text is not a contract, or its key or parent names a column that it does not have.
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
        Ok(contract)
    }

    /// A column by name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ContractColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}
