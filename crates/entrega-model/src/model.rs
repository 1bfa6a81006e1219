//! Model files: one Spark SQL query that makes one table, with a TOML front matter.
//!
//! ```text
//! /*---
//! description = "One row per order"
//! grain = ["order_id"]
//! write = "upsert"
//! …
//! ---*/
//! with orders as (select … from landing.orders) select … from orders
//! ```
//!
//! What a model reads is taken from its SQL; its fingerprint is taken from its SQL, its declarations and those of the
//! models that it reads, so that a change is seen wherever it matters.

use std::{collections::BTreeSet, ops::ControlFlow};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use sqlparser::{
    ast::{Spanned as _, Statement, visit_relations},
    dialect::SparkSqlDialect,
    parser::Parser,
    tokenizer::Location,
};

use crate::{
    ModelError,
    contract::Tolerance,
    known::Decision,
    tables::{Layer, TableName},
};

/// How a model's rows reach its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteMode {
    /// Rows of a source, by grain: a newer row replaces an older one.
    Upsert,
    /// Recomputed for the orders that something touched.
    Restate,
    /// Recomputed for the days that something touched, or that have ended.
    ReplaceDays,
    /// Recomputed for the purchase months that something touched.
    ReplaceMonths,
    /// Recomputed for the decisions that could see something that changed.
    Decisions,
    /// The whole table.
    Snapshot,
}

/// A column of a model's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelColumn {
    /// Name.
    pub name: String,
    /// Spark SQL type, for example `DECIMAL(12,2)`.
    pub sql_type: String,
    /// Meaning.
    pub doc: String,
    /// What its values are measured in; empty where nobody says.
    pub unit: String,
    /// The columns of other tables that its values are computed from; empty where nobody says.
    pub sources: Vec<String>,
}

impl ModelColumn {
    /// A column of which only name, type and meaning are told.
    #[must_use]
    pub fn new(name: &str, sql_type: &str, doc: &str) -> Self {
        Self {
            name: name.to_owned(),
            sql_type: sql_type.to_owned(),
            doc: doc.to_owned(),
            unit: String::new(),
            sources: Vec::new(),
        }
    }
}

/// A column as the front matter spells it: name, type and meaning; a feature says also its unit and its sources.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a column is [name, type, doc] or [name, type, doc, unit, sources]")]
enum Declaration {
    Plain([String; 3]),
    Feature([String; 5]),
}

impl From<Declaration> for ModelColumn {
    fn from(declaration: Declaration) -> Self {
        match declaration {
            Declaration::Plain([name, sql_type, doc]) => Self::new(&name, &sql_type, &doc),
            Declaration::Feature([name, sql_type, doc, unit, sources]) => {
                let sources = sources.split(',').map(str::trim).filter(|source| !source.is_empty());
                Self { unit, sources: sources.map(str::to_owned).collect(), ..Self::new(&name, &sql_type, &doc) }
            }
        }
    }
}

/// What happens when a check does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The batch is not committed.
    #[default]
    Fail,
    /// The rows for which it does not hold go to quarantine; only for tables right after landing.
    Quarantine,
    /// It is recorded.
    Warn,
}

impl Severity {
    /// Its name, as models spell it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fail => "fail",
            Self::Quarantine => "quarantine",
            Self::Warn => "warn",
        }
    }
}

/// A condition on the rows about to be committed.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Check {
    /// No two rows share the grain.
    Unique {
        /// Default fail.
        #[serde(default)]
        severity: Severity,
        /// What may be borne; default nothing of a `fail`, everything of a `quarantine` or `warn`.
        #[serde(default)]
        tolerance: Option<Tolerance>,
    },
    /// The columns hold a value in every row.
    NotNull {
        /// The columns.
        columns: Vec<String>,
        /// Default fail.
        #[serde(default)]
        severity: Severity,
        /// What may be borne; default nothing of a `fail`, everything of a `quarantine` or `warn`.
        #[serde(default)]
        tolerance: Option<Tolerance>,
    },
    /// The column holds only these values (or NULL).
    AcceptedValues {
        /// The column.
        column: String,
        /// The values.
        values: Vec<String>,
        /// Default fail.
        #[serde(default)]
        severity: Severity,
        /// What may be borne; default nothing of a `fail`, everything of a `quarantine` or `warn`.
        #[serde(default)]
        tolerance: Option<Tolerance>,
    },
    /// Every value (but NULL) is found in another table's column, `layer.table.column`.
    Relationship {
        /// The column.
        column: String,
        /// Where it must be found.
        to: String,
        /// Default fail.
        #[serde(default)]
        severity: Severity,
        /// What may be borne; default nothing of a `fail`, everything of a `quarantine` or `warn`.
        #[serde(default)]
        tolerance: Option<Tolerance>,
    },
}

impl Check {
    /// What happens when it does not hold.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Unique { severity, .. }
            | Self::NotNull { severity, .. }
            | Self::AcceptedValues { severity, .. }
            | Self::Relationship { severity, .. } => *severity,
        }
    }

    /// How many failures are borne. Beyond that the batch ends whatever the severity; up to it, a `fail` is only recorded.
    #[must_use]
    pub fn tolerance(&self) -> Option<Tolerance> {
        match self {
            Self::Unique { tolerance, .. }
            | Self::NotNull { tolerance, .. }
            | Self::AcceptedValues { tolerance, .. }
            | Self::Relationship { tolerance, .. } => *tolerance,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FrontMatter {
    description: String,
    grain: Vec<String>,
    write: WriteMode,
    #[serde(default)]
    partition: Option<String>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    decision: Option<Decision>,
    #[serde(default)]
    history_days: Option<i32>,
    #[serde(default)]
    settled_days: Option<i32>,
    #[serde(default)]
    labels: Option<TableName>,
    columns: Vec<Declaration>,
    #[serde(default)]
    checks: Vec<Check>,
}

/// One SQL file that makes one table.
#[derive(Debug, Clone)]
pub struct Model {
    /// The table that it makes.
    pub table: TableName,
    /// What a row is.
    pub description: String,
    /// The columns that identify a row.
    pub grain: Vec<String>,
    /// How rows reach the table.
    pub write: WriteMode,
    /// The partition column (a DATE, the first of a month), if any.
    pub partition: Option<String>,
    /// The source whose contract feeds it, for models right after landing.
    pub source: Option<String>,
    /// The moment at which its features must be known; none for models without features of an order.
    pub decision: Option<Decision>,
    /// For decisions: how many days after its purchase an order can still matter to others.
    pub history_days: Option<i32>,
    /// For decisions: how many days after the last event that it has a column for a delivered order can still matter;
    /// without it, [`Model::history_days`] counts.
    pub settled_days: Option<i32>,
    /// For decisions: the table whose columns are taken over as they are, and laid over older rows when they change.
    pub labels: Option<TableName>,
    /// The table's columns, in order.
    pub columns: Vec<ModelColumn>,
    /// What must hold of rows before they are committed.
    pub checks: Vec<Check>,
    /// The query.
    pub sql: String,
    /// The tables that the query reads.
    pub reads: BTreeSet<TableName>,
    /// SHA-256 of front matter and query; [`crate::project::Project`] folds in its contract and what it reads.
    pub fingerprint: String,
}

impl Model {
    /// Reads a model file.
    ///
    /// # Errors
    /// When front matter or SQL cannot be parsed, or the declarations contradict each other.
    pub fn parse(table: &TableName, text: &str) -> Result<Self, ModelError> {
        let file = format!("{}.sql", table.path());
        let body = text.trim_start().strip_prefix("/*---").and_then(|rest| rest.split_once("---*/"));
        let (front, sql) = body.ok_or_else(|| {
            ModelError::file(
                &file,
                "it has no front matter",
                "begin the file with /*--- … ---*/, see docs/reference/models.md",
            )
        })?;
        let front: FrontMatter = toml::from_str(front).map_err(|error| {
            ModelError::file(&file, error, "the front matter is TOML, see docs/reference/models.md")
        })?;
        let reads = relations(sql).map_err(|error| {
            ModelError::file(&file, error, "a model is one Spark SQL query; run it in spark-sql to see more")
        })?;
        let model = Self {
            table: table.clone(),
            description: front.description,
            grain: front.grain,
            write: front.write,
            partition: front.partition,
            source: front.source,
            decision: front.decision,
            history_days: front.history_days,
            settled_days: front.settled_days,
            labels: front.labels,
            columns: front.columns.into_iter().map(ModelColumn::from).collect(),
            checks: front.checks,
            sql: sql.trim().to_owned(),
            reads,
            fingerprint: hex_digest([text]),
        };
        model.validate(&file)?;
        Ok(model)
    }

    /// A column by name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ModelColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The query with the tables that it reads renamed; all else stays where it was, so that a line of an error is a
    /// line of the model.
    ///
    /// # Errors
    /// [`ModelError::File`] when the query does not parse, which it did when the model was loaded.
    pub fn reading(&self, renamed: impl Fn(&TableName) -> String) -> Result<String, ModelError> {
        let file = self.table.path() + ".sql";
        let failed = |problem: String| ModelError::file(&file, problem, "this is a bug; please report it");
        let statement = parse(&self.sql).map_err(failed)?;
        let mut places: Vec<(Location, Location, TableName)> = Vec::new();
        let _: ControlFlow<()> = visit_relations(&statement, |relation| {
            if let Ok(table) = relation.to_string().parse::<TableName>() {
                let span = relation.span();
                places.push((span.start, span.end, table));
            }
            ControlFlow::Continue(())
        });
        places.sort_by_key(|(start, ..)| *start);
        let mut lines: Vec<Vec<char>> = self.sql.split('\n').map(|line| line.chars().collect()).collect();
        // From the end, so that the places before stay true.
        for (start, end, table) in places.into_iter().rev() {
            let index = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).saturating_sub(1);
            let range = index(start.column)..index(end.column);
            match lines.get_mut(index(start.line)) {
                Some(line) if start.line == end.line && range.end <= line.len() => {
                    line.splice(range, renamed(&table).chars());
                }
                _ => return Err(failed(format!("the name {table} is written over several lines"))),
            }
        }
        Ok(lines.into_iter().map(String::from_iter).collect::<Vec<_>>().join("\n"))
    }

    fn validate(&self, file: &str) -> Result<(), ModelError> {
        let names: Vec<_> = self.columns.iter().map(|column| column.name.as_str()).collect();
        let named = self.grain.iter().chain(&self.partition);
        if let Some(missing) = named.into_iter().find(|name| !names.contains(&name.as_str())) {
            return Err(ModelError::file(
                file,
                format!("grain or partition names the column '{missing}', which it does not declare"),
                format!("its columns are {}", names.join(", ")),
            ));
        }
        if self.decision.is_some() && self.table.layer != Layer::Features {
            return Err(ModelError::file(
                file,
                "it has a decision, but is no model of the layer features",
                "move it to features/, or take decision away",
            ));
        }
        let from_landing = self.source.is_some() && self.write == WriteMode::Upsert;
        if !from_landing && self.checks.iter().any(|check| check.severity() == Severity::Quarantine) {
            return Err(ModelError::file(
                file,
                "a check has severity = \"quarantine\", but its rows are computed, not delivered",
                "only rows of a model with a source, written by upsert, can go to quarantine; use warn or fail here",
            ));
        }
        if let Some(right) = self.reads.iter().find(|read| read.layer > self.table.layer) {
            return Err(ModelError::file(
                file,
                format!("it reads {right}, which lies to its right"),
                format!("a model reads from its own layer or earlier ones: {}", crate::tables::Layer::names()),
            ));
        }
        Ok(())
    }
}

/// The one statement of a model's SQL.
pub(crate) fn parse(sql: &str) -> Result<Statement, String> {
    let mut statements = Parser::parse_sql(&SparkSqlDialect {}, sql).map_err(|error| error.to_string())?;
    match (statements.pop(), statements.len()) {
        (Some(statement), 0) => Ok(statement),
        (None, _) => Err("it holds no statement".to_owned()),
        (Some(_), others) => Err(format!("it holds {} statements", others + 1)),
    }
}

/// The `layer.table` names that a query reads; names without a layer are its own CTEs.
fn relations(sql: &str) -> Result<BTreeSet<TableName>, String> {
    let statement = parse(sql)?;
    let mut found = BTreeSet::new();
    let flow = visit_relations(&statement, |relation| {
        let name = relation.to_string();
        if name.contains('.') {
            match name.parse() {
                Ok(table) => found.insert(table),
                Err(_) => return ControlFlow::Break(format!("it reads '{name}', which is not layer.table")),
            };
        }
        ControlFlow::Continue(())
    });
    match flow {
        ControlFlow::Break(problem) => Err(problem),
        ControlFlow::Continue(()) => Ok(found),
    }
}

/// SHA-256 over parts, as hex.
pub(crate) fn hex_digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
        hasher.update([0]);
    }
    format!("{:x}", hasher.finalize())
}
