//! Table names: `layer.table`, which is also the model's file and the storage prefix.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::ModelError;

/// The columns of `clean.deliveries` whose days are events of an order; the summaries count them.
pub const EVENT_COLUMNS: [&str; 6] = [
    "purchase_date",
    "order_approved_at",
    "order_delivered_carrier_date",
    "order_delivered_customer_date",
    "order_estimated_delivery_date",
    "review_creation_date",
];

/// The folder of a lake in which batches that Spark runs keep what they compute on their way.
pub const STAGING: &str = "_staging";

/// The layers, in the order of the data's way. A model reads from its own layer and from those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// Rows as delivered, typed by their contract; not stored as tables.
    Landing,
    /// The lake's own books: batches, drops, checks, runs, models.
    Ops,
    /// Rows that were rejected or wait for their order.
    Quarantine,
    /// Clean tables, one row for each thing of the business.
    Clean,
    /// Daily additive measures.
    Summary,
    /// Point-in-time features.
    Features,
}

impl Layer {
    /// All layers in order.
    pub const ALL: [Self; 6] = [Self::Landing, Self::Ops, Self::Quarantine, Self::Clean, Self::Summary, Self::Features];

    /// The layer's name, as folder and as schema.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Landing => "landing",
            Self::Ops => "ops",
            Self::Quarantine => "quarantine",
            Self::Clean => "clean",
            Self::Summary => "summary",
            Self::Features => "features",
        }
    }

    /// All names, for error texts.
    #[must_use]
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

/// A table of the lake.
///
/// Invariants: the layer is known; the table part is `[a-z][a-z0-9_]*`, so that it is safe as an identifier of any
/// SQL and as a path segment.
///
/// ```
/// use entrega_model::tables::TableName;
/// let table: TableName = "clean.orders".parse().unwrap();
/// assert_eq!(table.path(), "clean/orders");
/// assert!("clean.orders; drop".parse::<TableName>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TableName {
    /// Layer, schema and folder.
    pub layer: Layer,
    /// Name inside the layer.
    pub name: String,
}

impl TableName {
    /// A name from parts that are known to be valid (constants of the project).
    #[must_use]
    pub fn new(layer: Layer, name: &str) -> Self {
        debug_assert!(valid_identifier(name), "{name}");
        Self { layer, name: name.to_owned() }
    }

    /// The storage prefix relative to the lake: `layer/table`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.layer.name(), self.name)
    }
}

fn valid_identifier(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

impl FromStr for TableName {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let wrong = || ModelError::TableName { name: text.to_owned() };
        let (layer, name) = text.split_once('.').ok_or_else(wrong)?;
        let layer = Layer::ALL.into_iter().find(|known| known.name() == layer).ok_or_else(wrong)?;
        if !valid_identifier(name) {
            return Err(wrong());
        }
        Ok(Self { layer, name: name.to_owned() })
    }
}

impl TryFrom<String> for TableName {
    type Error = ModelError;

    fn try_from(text: String) -> Result<Self, ModelError> {
        text.parse()
    }
}

impl From<TableName> for String {
    fn from(table: TableName) -> Self {
        table.to_string()
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.layer.name(), self.name)
    }
}
