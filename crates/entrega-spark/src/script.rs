//! A script: titled statements in order.

use std::fmt;

use crate::quote;

/// Stands for the folder of a batch until it is known.
const SOMEWHERE: &str = "staging://";

/// One statement of Spark SQL, without its semicolon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What it is for, for progress and error texts: `clean.orders: upsert`.
    pub title: String,
    /// The text.
    pub sql: String,
    /// Whether Spark reads or writes rows for it: its progress is worth following.
    pub heavy: bool,
    /// The query in it whose plan is worth showing: of a command as a whole Spark shows none.
    pub query: Option<String>,
}

impl Statement {
    fn new(title: impl Into<String>, sql: impl Into<String>, heavy: bool) -> Self {
        Self { title: title.into(), sql: sql.into(), heavy, query: None }
    }
}

/// Statements in the order in which they run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// The statements.
    pub statements: Vec<Statement>,
}

impl Script {
    /// Adds a statement that only names, sets or releases something.
    pub fn light(&mut self, title: impl Into<String>, sql: impl Into<String>) {
        self.statements.push(Statement::new(title, sql, false));
    }

    /// Adds a statement that reads or writes rows.
    pub fn heavy(&mut self, title: impl Into<String>, sql: impl Into<String>) {
        self.statements.push(Statement::new(title, sql, true));
    }

    /// Names a query, evaluated wherever it is used.
    pub fn view(&mut self, name: &str, query: &str) {
        self.light(format!("view {name}"), format!("CREATE OR REPLACE TEMPORARY VIEW {name} AS\n{query}"));
    }

    /// Names a query's rows, written into the batch's folder, for what later steps build on. A cache (`CACHE TABLE`) would keep
    /// the whole way to the rows in every later plan, and Spark would plan longer than it computes.
    pub fn staged(&mut self, name: &str, query: &str) {
        let path = quote::text(&format!("{SOMEWHERE}/{name}"));
        let insert = format!("INSERT OVERWRITE DIRECTORY {path} USING parquet\n{query}");
        self.statements.push(Statement { query: Some(query.to_owned()), ..Statement::new(name, insert, true) });
        self.light(name, format!("CREATE OR REPLACE TEMPORARY VIEW {name} USING parquet OPTIONS (path {path})"));
    }

    /// The script with a folder for its staged rows; they are of no use after it.
    #[must_use]
    pub fn staged_in(mut self, folder: &str) -> Self {
        let folder = quote::text(folder);
        let folder = folder.trim_matches('\'');
        for statement in &mut self.statements {
            for text in [Some(&mut statement.sql), statement.query.as_mut()].into_iter().flatten() {
                *text = text.replace(SOMEWHERE, folder);
            }
        }
        self
    }

    /// Declares a session variable and gives it the value of a query (one row, one column) or expression.
    pub fn variable(&mut self, name: &str, sql_type: &str, value: &str) {
        self.light(format!("variable {name}"), format!("DECLARE OR REPLACE VARIABLE {name} {sql_type}"));
        self.heavy(format!("variable {name}"), format!("SET VARIABLE {name} = ({value})"));
    }

    /// Ends the batch with a message unless the query (one row, one column: the message, or NULL if all is well) is NULL.
    pub fn stop_if(&mut self, title: impl Into<String>, message: &str) {
        self.heavy(
            title,
            format!("SELECT raise_error(message) FROM ({message}) AS found(message) WHERE message IS NOT NULL"),
        );
    }

    /// Adds all statements of another script.
    pub fn extend(&mut self, other: Self) {
        self.statements.extend(other.statements);
    }
}

impl fmt::Display for Script {
    /// The script as a file for `spark-sql -f`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = "";
        for statement in &self.statements {
            if statement.title != last {
                writeln!(formatter, "\n-- {}", statement.title.replace('\n', " "))?;
                last = &statement.title;
            }
            writeln!(formatter, "{};", statement.sql.trim_end())?;
        }
        Ok(())
    }
}
