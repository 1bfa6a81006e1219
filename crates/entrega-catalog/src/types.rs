//! Column types: the models' SQL types as Hive spells them, and as Spark keeps them in a table's properties.

use std::fmt::Write as _;

use crate::{CatalogError, Result, entry::Column};

/// The Hive type of a model's SQL type. Both zone-less: a TIMESTAMP of the lake is a wall-clock time, and so is Hive's.
///
/// ```
/// assert_eq!(entrega_catalog::hive_type("clean.orders", "DECIMAL(12,2)").unwrap(), "decimal(12,2)");
/// ```
///
/// # Errors
/// [`CatalogError::Shape`] for a type that Entrega does not use.
pub fn hive_type(table: &str, sql_type: &str) -> Result<String> {
    let simple = ["STRING", "INT", "BIGINT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP"];
    if simple.contains(&sql_type) || decimal_parts(sql_type).is_some() {
        return Ok(sql_type.to_ascii_lowercase().replace(' ', ""));
    }
    Err(CatalogError::shape(
        table,
        format!("the type '{sql_type}' is unknown"),
        format!("use {} or DECIMAL(p,s)", simple.join(", ")),
    ))
}

fn decimal_parts(text: &str) -> Option<(u8, u8)> {
    let (precision, scale) = text.strip_prefix("DECIMAL(")?.strip_suffix(')')?.split_once(',')?;
    Some((precision.trim().parse().ok()?, scale.trim().parse().ok()?))
}

/// Spark's name of a Hive type in its JSON schemas.
fn spark_type(hive_type: &str) -> &str {
    match hive_type {
        "int" => "integer",
        "bigint" => "long",
        // The zone-less one, whatever the session's `spark.sql.timestampType` says.
        "timestamp" => "timestamp_ntz",
        other => other,
    }
}

/// How many characters of a schema go into one property: what a metastore's database has room for, and Spark's own
/// threshold.
const PROPERTY_ROOM: usize = 4000;

/// The properties in which Spark looks for the schema of a table that it reads itself.
pub(crate) fn spark_schema(columns: &[Column]) -> Vec<(String, String)> {
    let fields: Vec<String> = columns.iter().map(spark_field).collect();
    let json = format!(r#"{{"type":"struct","fields":[{}]}}"#, fields.join(","));
    let letters: Vec<char> = json.chars().collect();
    if letters.len() <= PROPERTY_ROOM {
        return vec![("spark.sql.sources.schema".to_owned(), json)];
    }
    let parts = letters.chunks(PROPERTY_ROOM).map(|part| part.iter().collect::<String>());
    let parts: Vec<_> =
        parts.enumerate().map(|(number, part)| (format!("spark.sql.sources.schema.part.{number}"), part)).collect();
    let count = ("spark.sql.sources.schema.numParts".to_owned(), parts.len().to_string());
    [count].into_iter().chain(parts).collect()
}

fn spark_field(column: &Column) -> String {
    let metadata =
        if column.comment.is_empty() { String::new() } else { format!(r#""comment":{}"#, json_text(&column.comment)) };
    format!(
        r#"{{"name":{},"type":"{}","nullable":true,"metadata":{{{metadata}}}}}"#,
        json_text(&column.name),
        spark_type(&column.hive_type)
    )
}

fn json_text(text: &str) -> String {
    let mut json = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            control if control < ' ' => {
                let _ = write!(json, "\\u{:04x}", u32::from(control));
            }
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_spelt_as_hive_spells_them() {
        for (sql, hive) in [("STRING", "string"), ("BIGINT", "bigint"), ("DECIMAL(22, 2)", "decimal(22,2)")] {
            assert_eq!(hive_type("t", sql).unwrap(), hive);
        }
        let message = hive_type("clean.orders", "MAP<STRING,INT>").unwrap_err().to_string();
        assert!(message.contains("clean.orders: the type 'MAP<STRING,INT>' is unknown\nhint: use STRING"), "{message}");
        assert!(hive_type("t", "DECIMAL(x,2)").is_err());
    }

    #[test]
    fn a_schema_says_names_types_and_comments() {
        let columns = [Column::new("id", "bigint", "the \"id\""), Column::new("at", "timestamp", "")];
        let expected = r#"{"type":"struct","fields":[{"name":"id","type":"long","nullable":true,"metadata":{"comment":"the \"id\""}},{"name":"at","type":"timestamp_ntz","nullable":true,"metadata":{}}]}"#;
        assert_eq!(spark_schema(&columns), [("spark.sql.sources.schema".to_owned(), expected.to_owned())]);
    }

    #[test]
    fn a_long_schema_is_cut_where_there_is_room() {
        let columns = vec![Column::new("name", "string", &"ã".repeat(200)); 40];
        let properties = spark_schema(&columns);
        assert_eq!(properties[0].1, (properties.len() - 1).to_string());
        let whole: String = properties[1..].iter().map(|(_, part)| part.as_str()).collect();
        assert!(whole.starts_with(r#"{"type":"struct""#) && whole.ends_with("]}"));
        assert!(properties.iter().all(|(_, part)| part.chars().count() <= 4000));
    }
}
