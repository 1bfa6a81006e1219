//! The Spark SQL that fills the ORC tables, as text: whoever has a Spark runs it.
//!
//! A month is overwritten as a whole, by a statement of its own: with the partition named, a month without rows is
//! emptied too, and no setting for dynamic partitions is needed.

use crate::{
    CatalogError, Result,
    entry::{Column, Entry, Kind},
};

/// `CREATE TABLE IF NOT EXISTS … STORED AS ORC …`: the same table as [`crate::Metastore::keep_in_step`] makes of the
/// entry, for a Spark whose metastore this room cannot reach.
///
/// # Errors
/// [`CatalogError::Shape`] if the entry is no ORC table.
pub fn create_statement(entry: &Entry) -> Result<String> {
    expect_orc(entry)?;
    let partitioned = match entry.partition_columns.as_slice() {
        [] => String::new(),
        columns => format!("PARTITIONED BY ({})\n", declarations(columns)),
    };
    let properties: Vec<String> =
        entry.properties.iter().map(|(name, value)| format!("{} = {}", literal(name), literal(value))).collect();
    Ok(format!(
        "CREATE TABLE IF NOT EXISTS {} ({})\nCOMMENT {}\n{partitioned}STORED AS ORC\nLOCATION {}\nTBLPROPERTIES ({})",
        table(&entry.database, &entry.name),
        declarations(&entry.columns),
        literal(&entry.comment),
        literal(&entry.location),
        properties.join(", ")
    ))
}

/// One `INSERT OVERWRITE TABLE … SELECT …` for each of the months (`2018-01-01`), from the Delta table of that name.
/// With a version it is read as it was published. A table without partitions is overwritten whole, whatever the months.
///
/// # Errors
/// [`CatalogError::Shape`] if the entry is no ORC table, or a month is no date.
pub fn overwrite_statements(
    entry: &Entry,
    from_database: &str,
    version: Option<u64>,
    months: &[&str],
) -> Result<Vec<String>> {
    expect_orc(entry)?;
    let columns: Vec<String> = entry.columns.iter().map(selected).collect();
    let version = version.map(|version| format!(" VERSION AS OF {version}")).unwrap_or_default();
    let from = format!("{}{version}", table(from_database, &entry.name));
    let into = table(&entry.database, &entry.name);
    let Some(partition) = entry.partition_columns.first() else {
        return Ok(vec![format!("INSERT OVERWRITE TABLE {into}\nSELECT {}\nFROM {from}", columns.join(", "))]);
    };
    let column = quoted(&partition.name);
    months
        .iter()
        .map(|month| {
            let month = date(entry, month)?;
            Ok(format!(
                "INSERT OVERWRITE TABLE {into} PARTITION ({column} = {month})\nSELECT {}\nFROM {from}\nWHERE {column} = {month}",
                columns.join(", ")
            ))
        })
        .collect()
}

fn expect_orc(entry: &Entry) -> Result<()> {
    if entry.kind == Kind::Orc {
        return Ok(());
    }
    Err(CatalogError::shape(
        entry.full_name(),
        format!("it is a table of the kind '{}', not orc", entry.kind.name()),
        "ask for the tables of summary_orc only",
    ))
}

fn date(entry: &Entry, text: &str) -> Result<String> {
    let is_date = text.len() == 10
        && text
            .char_indices()
            .all(|(at, letter)| if at == 4 || at == 7 { letter == '-' } else { letter.is_ascii_digit() });
    if is_date {
        return Ok(format!("DATE'{text}'"));
    }
    Err(CatalogError::shape(entry.full_name(), format!("'{text}' is no month"), "write its first day: 2018-03-01"))
}

fn declarations(columns: &[Column]) -> String {
    let declaration =
        |column: &Column| format!("{} {} COMMENT {}", quoted(&column.name), sql_type(column), literal(&column.comment));
    columns.iter().map(declaration).collect::<Vec<_>>().join(", ")
}

/// Hive knows no `TIMESTAMP_NTZ`, and Spark makes that of `TIMESTAMP` where it is so configured.
fn sql_type(column: &Column) -> String {
    match column.hive_type.as_str() {
        "timestamp" => "TIMESTAMP_LTZ".to_owned(),
        other => other.to_ascii_uppercase(),
    }
}

fn selected(column: &Column) -> String {
    let name = quoted(&column.name);
    if column.hive_type == "timestamp" { format!("CAST({name} AS TIMESTAMP_LTZ) AS {name}") } else { name }
}

fn table(database: &str, name: &str) -> String {
    format!("{}.{}", quoted(database), quoted(name))
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
