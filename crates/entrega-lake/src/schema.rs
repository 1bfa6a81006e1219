//! Column types: Spark SQL's names, Arrow's and Delta's.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake::kernel::{DataType as DeltaType, PrimitiveType, StructField};
use entrega_model::model::ModelColumn;

use crate::{LakeError, Result};

/// The column that keeps a row's drop, as lineage and precedence. It repeats, so it is dictionary-encoded in memory.
pub const DROP_COLUMN: &str = "_drop";

/// The Arrow type of `_drop`.
#[must_use]
pub fn drop_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// The Arrow type of a column with a Spark SQL type.
///
/// # Errors
/// [`LakeError::Shape`] for a type that Entrega does not use.
pub fn arrow_type(column: &ModelColumn) -> Result<DataType> {
    if column.name == DROP_COLUMN {
        return Ok(drop_type());
    }
    Ok(match column.sql_type.as_str() {
        "STRING" => DataType::Utf8,
        "BOOLEAN" => DataType::Boolean,
        "INT" => DataType::Int32,
        "BIGINT" => DataType::Int64,
        "DOUBLE" => DataType::Float64,
        "DATE" => DataType::Date32,
        "TIMESTAMP" => DataType::Timestamp(TimeUnit::Microsecond, None),
        decimal => {
            let (precision, scale) = decimal_parts(decimal).ok_or_else(|| LakeError::Shape {
                table: column.name.clone(),
                problem: format!("the type '{decimal}' is unknown"),
                hint: "use STRING, BOOLEAN, INT, BIGINT, DOUBLE, DATE, TIMESTAMP or DECIMAL(p,s)",
            })?;
            DataType::Decimal128(precision, scale)
        }
    })
}

fn decimal_parts(text: &str) -> Option<(u8, i8)> {
    let inner = text.strip_prefix("DECIMAL(")?.strip_suffix(')')?;
    let (precision, scale) = inner.split_once(',')?;
    Some((precision.trim().parse().ok()?, scale.trim().parse().ok()?))
}

/// The Arrow schema of a table's columns; every column may be NULL, checks say what must not be.
///
/// # Errors
/// [`LakeError::Shape`] for an unknown type.
pub fn arrow_schema(columns: &[ModelColumn]) -> Result<SchemaRef> {
    let fields: Result<Vec<Field>> =
        columns.iter().map(|column| Ok(Field::new(&column.name, arrow_type(column)?, true))).collect();
    Ok(Arc::new(Schema::new(fields?)))
}

/// The Delta fields of a table's columns, their docs as comments.
///
/// # Errors
/// [`LakeError::Shape`] for an unknown type.
pub fn delta_fields(columns: &[ModelColumn]) -> Result<Vec<StructField>> {
    columns
        .iter()
        .map(|column| {
            let kind = match arrow_type(column)? {
                DataType::Boolean => PrimitiveType::Boolean,
                DataType::Int32 => PrimitiveType::Integer,
                DataType::Int64 => PrimitiveType::Long,
                DataType::Float64 => PrimitiveType::Double,
                DataType::Date32 => PrimitiveType::Date,
                DataType::Timestamp(..) => PrimitiveType::TimestampNtz,
                DataType::Decimal128(precision, scale) => PrimitiveType::decimal(precision, scale.unsigned_abs())
                    .map_err(|error| LakeError::Shape {
                        table: column.name.clone(),
                        problem: error.to_string(),
                        hint: "a decimal has at most 38 digits",
                    })?,
                _ => PrimitiveType::String,
            };
            let field = StructField::nullable(&column.name, DeltaType::Primitive(kind));
            Ok(field.with_metadata([("comment", column.doc.as_str())]))
        })
        .collect()
}
