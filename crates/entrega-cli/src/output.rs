//! The only place that prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::io::{IsTerminal as _, Write as _};

use arrow::{
    array::RecordBatch,
    datatypes::SchemaRef,
    util::display::{ArrayFormatter, FormatOptions},
};
use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};

use crate::arguments::Output;

/// Starts the log on standard error.
pub fn start_log(verbose: u8) {
    let level = ["off", "entrega=info", "debug"][usize::from(verbose.min(2))];
    let filter = tracing_subscriber::EnvFilter::try_from_env("ENTREGA_LOG").unwrap_or_else(|_| level.into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}

/// Prints a line; a reader that has gone away is no error.
pub fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints to standard error.
pub fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Whether a person watches.
pub fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// A table for people; numbers right-aligned by the caller's choice of text.
pub fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
}

/// Rows as text.
pub fn rows(output: Output, schema: &SchemaRef, batches: &[RecordBatch]) -> anyhow::Result<String> {
    let mut text = Vec::new();
    match output {
        Output::Csv => {
            let mut writer = arrow::csv::WriterBuilder::new().with_header(true).build(&mut text);
            let empty = [RecordBatch::new_empty(schema.clone())];
            for batch in if batches.is_empty() { &empty } else { batches } {
                writer.write(batch)?;
            }
        }
        Output::Json => {
            let mut writer = arrow::json::LineDelimitedWriter::new(&mut text);
            for batch in batches {
                writer.write(batch)?;
            }
            writer.finish()?;
        }
        Output::Table => {
            let header: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            let options = FormatOptions::default().with_null("NULL").with_timestamp_format(Some("%Y-%m-%d %H:%M:%S"));
            let mut lines = Vec::new();
            for batch in batches {
                let columns = batch
                    .columns()
                    .iter()
                    .map(|column| ArrayFormatter::try_new(column, &options))
                    .collect::<Result<Vec<_>, _>>()?;
                for row in 0..batch.num_rows() {
                    lines.push(columns.iter().map(|column| column.value(row).to_string()).collect());
                }
            }
            let count = lines.len();
            return Ok(format!("{}\n{count} row{}", table(&header, lines), if count == 1 { "" } else { "s" }));
        }
    }
    Ok(String::from_utf8(text)?.trim_end().to_owned())
}
