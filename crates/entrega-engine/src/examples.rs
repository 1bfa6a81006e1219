//! Every model's example, in the embedded engine; `tests/parity` runs the same files in real Spark.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, StringArray, new_null_array},
    compute::cast,
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    util::display::{ArrayFormatter, FormatOptions},
};
use entrega_lake::schema::{arrow_schema, drop_type};
use entrega_model::{
    contract::ContractType,
    project::Project,
    tables::{Layer, TableName},
};
use serde::Deserialize;

use crate::{Embedded, Inputs};

#[derive(Deserialize)]
struct Example {
    given: BTreeMap<String, String>,
    expect: Expect,
}

#[derive(Deserialize)]
struct Expect {
    rows: String,
}

/// The schema in which a model sees a table.
fn schema_of(project: &Project, table: &TableName) -> SchemaRef {
    if table.layer != Layer::Landing && table.layer != Layer::Ops {
        return arrow_schema(&project.model(table).unwrap().columns).unwrap();
    }
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
    let fields: Vec<(String, DataType)> = match table.to_string().as_str() {
        "ops.as_of" => vec![("as_of".to_owned(), timestamp)],
        "landing.calendar" => {
            vec![
                ("date".to_owned(), DataType::Date32),
                ("holiday".to_owned(), DataType::Utf8),
                ("peak_season".to_owned(), DataType::Utf8),
            ]
        }
        _ => {
            let contract = project.contract(&table.name).unwrap();
            let kind = |kind| match kind {
                ContractType::Id | ContractType::Text | ContractType::Zip | ContractType::State => DataType::Utf8,
                ContractType::Timestamp => timestamp.clone(),
                ContractType::Money => DataType::Decimal128(12, 2),
                ContractType::Integer => DataType::Int32,
                ContractType::Number => DataType::Float64,
            };
            let mut fields: Vec<_> =
                contract.columns.iter().map(|column| (column.name.clone(), kind(column.kind))).collect();
            fields.push(("_drop".to_owned(), drop_type()));
            if contract.parent.is_some() {
                fields.push(("purchase_month".to_owned(), DataType::Date32));
            }
            fields
        }
    };
    Arc::new(Schema::new(fields.into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect::<Vec<_>>()))
}

/// CSV text as rows of a schema; columns that it does not name are NULL.
fn rows(schema: &SchemaRef, text: &str) -> RecordBatch {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.trim_start().as_bytes());
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    for name in &names {
        assert!(schema.column_with_name(name).is_some(), "the example names an unknown column {name}");
    }
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .map(|field| match names.iter().position(|name| name == field.name()) {
            None => new_null_array(field.data_type(), records.len()),
            Some(place) => {
                let values: StringArray =
                    records.iter().map(|record| record.get(place).filter(|value| !value.is_empty())).collect();
                cast(&values, field.data_type()).unwrap()
            }
        })
        .collect();
    RecordBatch::try_new(Arc::clone(schema), columns).unwrap()
}

/// Rows as sorted lines; doubles to nine digits, in which engines agree.
fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut lines = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let schema = batch.schema();
            let values = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
                let text = ArrayFormatter::try_new(column, &options).unwrap().value(row).to_string();
                let text = match (field.data_type(), text.parse::<f64>()) {
                    (DataType::Float64, Ok(number)) => format!("{number:.8e}"),
                    _ => text,
                };
                format!("{}={text}", field.name())
            });
            lines.push(values.collect::<Vec<_>>().join(" "));
        }
    }
    lines.sort();
    lines
}

#[tokio::test]
async fn every_model_gives_what_its_example_says() {
    let project = Project::embedded().unwrap();
    let engine = Embedded::new();
    for model in project.models() {
        let path = format!("{}/../../models/{}.example.toml", env!("CARGO_MANIFEST_DIR"), model.table.path());
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{} has no example: {error}", model.table));
        let example: Example = toml::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut inputs = Inputs::default();
        for read in &model.reads {
            let schema = schema_of(&project, read);
            let given = example.given.get(&read.to_string()).map(|text| rows(&schema, text));
            inputs.add(read.clone(), schema, given.into_iter().collect());
        }
        let found = engine.run(model, &inputs, None).await.unwrap_or_else(|error| panic!("{}: {error:?}", model.table));
        let expected = rows(&arrow_schema(&model.columns).unwrap(), &example.expect.rows);
        assert_eq!(lines(&found), lines(&[expected]), "{}", model.table);
    }
}

#[tokio::test]
async fn max_by_is_sparks() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("key", DataType::Utf8, true),
        Field::new("value", DataType::Utf8, true),
        Field::new("rank", DataType::Int64, true),
    ]));
    let given = rows(&schema, "key,value,rank\na,low,1\na,high,2\na,unranked,\nb,,5\nb,x,4\nc,x,\n");
    let project = Project::embedded().unwrap();
    let mut model = project.models()[0].clone();
    let table: TableName = "clean.ranked".parse().unwrap();
    model.sql = "select key, max_by(value, rank) as best from clean.ranked group by key".to_owned();
    model.columns = [("key", "STRING"), ("best", "STRING")]
        .map(|(name, kind)| entrega_model::model::ModelColumn::new(name, kind, ""))
        .into();
    let mut inputs = Inputs::default();
    inputs.add(table, schema, vec![given]);
    let found = Embedded::new().run(&model, &inputs, None).await.unwrap();
    assert_eq!(lines(&found), ["key=a best=high", "key=b best=NULL", "key=c best=NULL"]);
}
