//! `entrega report`: the daily delivery report.

use std::path::Path;

use anyhow::Context as _;
use entrega_flow::published::Published;
use entrega_serve::{LakeFacts, Quality, QueryError, QuerySource, ReportOptions, build_report};

use crate::{arguments::Report, output::say, settings::Settings};

/// The published lake as the report asks it.
struct Source {
    published: Published,
    facts: LakeFacts,
    quality: Quality,
}

#[async_trait::async_trait]
impl QuerySource for Source {
    async fn query(&self, sql: &str) -> Result<Vec<arrow::array::RecordBatch>, QueryError> {
        Ok(self.published.reader.query(sql).await?.1)
    }

    fn table_versions(&self) -> std::collections::BTreeMap<String, u64> {
        self.published.versions.iter().map(|(table, version)| (table.to_string(), *version)).collect()
    }

    fn lake(&self) -> LakeFacts {
        self.facts.clone()
    }

    fn quality(&self) -> Quality {
        self.quality.clone()
    }
}

/// Runs the verb.
pub async fn run(settings: &Settings, arguments: Report) -> anyhow::Result<()> {
    let context = settings.context().await?;
    let published = Published::open(&context, None).await?;
    let books = published.quality(&context).await?;
    let quality = Quality {
        checks_failed: books.checks_failed,
        checks_warned: books.checks_warned,
        quarantined: books.quarantined,
        waiting: books.waiting,
        reconciled: books.reconciled,
        gaps: books.gaps,
    };
    let facts =
        LakeFacts { label: settings.lake()?.to_owned(), as_of: published.as_of, batch: Some(published.batch.clone()) };
    let source = Source { published, facts, quality };
    let report = build_report(&source, ReportOptions { date: arguments.date }).await?;
    let write = |path: &Path, text: &str| {
        std::fs::write(path, text)
            .with_context(|| format!("{} cannot be written\nhint: choose another place with --out", path.display()))
    };
    write(&arguments.out, &report.html)?;
    let beside = arguments.out.with_file_name(&report.csv_name);
    write(&beside, &report.late_to_carrier_csv)?;
    say(&report.headline);
    say(&format!("report of {}: {}; late items: {}", report.date, arguments.out.display(), beside.display()));
    if arguments.open {
        open::that(&arguments.out)
            .with_context(|| format!("no browser could be started\nhint: open {} yourself", arguments.out.display()))?;
    }
    Ok(())
}
