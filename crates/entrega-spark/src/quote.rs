//! Names and values as Spark SQL writes them. Every piece of text that comes from outside goes through here.

use std::fmt::Write as _;

use chrono::{NaiveDate, NaiveDateTime};

use crate::{Result, SparkError};

/// A text literal, in any case one token: Spark reads backslashes as escapes.
///
/// ```
/// assert_eq!(entrega_spark::quote::text("it's \\ here"), r"'it\'s \\ here'");
/// ```
#[must_use]
pub fn text(value: &str) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('\'');
    for character in value.chars() {
        match character {
            '\'' => quoted.push_str("\\'"),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            blank if blank != ' ' && (blank.is_whitespace() || blank.is_control()) => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(blank));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

/// A text literal, or NULL.
#[must_use]
pub fn optional_text(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_owned(), text)
}

/// A day.
#[must_use]
pub fn date(day: NaiveDate) -> String {
    format!("DATE '{}'", day.format("%Y-%m-%d"))
}

/// A moment without a zone.
#[must_use]
pub fn timestamp(moment: NaiveDateTime) -> String {
    format!("TIMESTAMP_NTZ '{}'", moment.format("%Y-%m-%d %H:%M:%S%.6f"))
}

/// Days as an array; an empty one keeps its type.
#[must_use]
pub fn dates(days: impl IntoIterator<Item = NaiveDate>) -> String {
    format!("CAST(array({}) AS ARRAY<DATE>)", list(days.into_iter().map(date)))
}

/// A name of a column or view, quoted.
///
/// # Errors
/// [`SparkError::Name`] when it is not plain.
pub fn name(name: &str) -> Result<String> {
    let plain = name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { Ok(format!("`{name}`")) } else { Err(SparkError::Name { name: name.to_owned() }) }
}

/// A path as a name: `` `file:/lake` ``.
#[must_use]
pub fn path(path: &str) -> String {
    format!("`{}`", path.replace('`', "``"))
}

/// Items with commas between.
pub fn list(items: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    items.into_iter().map(|item| item.as_ref().to_owned()).collect::<Vec<_>>().join(", ")
}

/// Names of columns with commas between, in lines that can be read.
///
/// # Errors
/// [`SparkError::Name`] when one is not plain.
pub fn names<'a>(columns: impl IntoIterator<Item = &'a String>) -> Result<String> {
    let mut lines = vec![String::new()];
    for column in columns {
        let column = name(column)?;
        match lines.last_mut() {
            Some(line) if line.is_empty() => *line = column,
            Some(line) if line.len() + column.len() < LINE => {
                line.push_str(", ");
                line.push_str(&column);
            }
            _ => lines.push(column),
        }
    }
    Ok(lines.join(",\n  "))
}

/// Characters of a line.
const LINE: usize = 110;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_pass() {
        assert_eq!(name("_drop").unwrap(), "`_drop`");
        assert!(name("a`; drop").is_err());
        assert!(name("").is_err());
    }

    #[test]
    fn no_days_are_still_days() {
        assert_eq!(dates([]), "CAST(array() AS ARRAY<DATE>)");
    }
}
