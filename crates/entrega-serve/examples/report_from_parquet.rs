//! Makes a report from a folder of Parquet files, one for each table (`summary.delivery_daily.parquet` …): a way to work on
//! the page without a lake.
//!
//! `cargo run --release --example report_from_parquet -- FOLDER OUT.html [DATE]`
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::{collections::BTreeMap, error::Error, path::Path, time::Instant};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use entrega_serve::{LakeFacts, Quality, QueryError, QuerySource, ReportOptions, build_report};

struct Folder {
    session: SessionContext,
    tables: BTreeMap<String, u64>,
    label: String,
}

#[async_trait]
impl QuerySource for Folder {
    async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, QueryError> {
        let start = Instant::now();
        let batches = self.session.sql(sql).await?.collect().await?;
        let line = sql
            .lines()
            .find(|line| line.contains("from ") && line.contains('.'))
            .unwrap_or(sql);
        println!("{:>8.1} ms  {}", start.elapsed().as_secs_f64() * 1e3, line.trim());
        Ok(batches)
    }

    fn table_versions(&self) -> BTreeMap<String, u64> {
        self.tables.clone()
    }

    fn lake(&self) -> LakeFacts {
        let as_of = chrono::Local::now().naive_local();
        LakeFacts {
            label: self.label.clone(),
            as_of,
            batch: None,
        }
    }

    fn quality(&self) -> Quality {
        Quality {
            reconciled: true,
            ..Quality::default()
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, out, date @ ..] = arguments.as_slice() else {
        return Err("usage: FOLDER OUT.html [DATE]".into());
    };
    let config = SessionConfig::new().set_str("datafusion.sql_parser.dialect", "databricks");
    let session = SessionContext::new_with_config(config);
    let mut tables = BTreeMap::new();
    for schema in ["summary", "clean"] {
        session.sql(&format!("create schema {schema}")).await?.collect().await?;
    }
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        let Some(name) = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".parquet"))
        else {
            continue;
        };
        if name.contains('.') {
            session
                .register_parquet(name, path.to_string_lossy(), ParquetReadOptions::default())
                .await?;
            tables.insert(name.to_owned(), 0);
        }
    }
    let source = Folder {
        session,
        tables,
        label: folder.clone(),
    };
    let date = date.first().map(|date| date.parse()).transpose()?;
    let start = Instant::now();
    let report = build_report(&source, ReportOptions { date }).await?;
    println!(
        "{:>8.1} ms  in all\n{}",
        start.elapsed().as_secs_f64() * 1e3,
        report.headline
    );
    std::fs::write(out, &report.html)?;
    std::fs::write(
        Path::new(out).with_file_name(&report.csv_name),
        &report.late_to_carrier_csv,
    )?;
    Ok(())
}
