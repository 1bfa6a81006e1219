//! What a batch of Spark did, read from the books that it wrote.

use std::{collections::BTreeMap, time::Duration};

use entrega_lake::Lake;
use entrega_model::{model::WriteMode, tables::Layer};

use crate::{
    Context, FlowError, Result,
    features::FeaturesReport,
    ingest::IngestReport,
    ledger::{BatchRow, Ledger},
    ops,
    summarise::{SummaryPlan, SummaryReport},
    tables::{self, CheckRow, DropRow},
};

/// The ledger with a batch that was just published, and its row.
async fn published(lake: &Lake, batch: &str) -> Result<(Ledger, BatchRow)> {
    let ledger = Ledger::open(lake, None).await?;
    let row = ledger.rows.iter().rfind(|row| row.batch_id == batch).cloned();
    row.map(|row| (ledger, row)).ok_or_else(|| FlowError::Ledger {
        table: "ops.batches".to_owned(),
        problem: format!("Spark ran the batch {batch} to its end, but it is not there"),
    })
}

async fn checks(context: &Context, ledger: &Ledger, batch: &str) -> Result<Vec<CheckRow>> {
    let table = ledger.state(&context.lake, &tables::checks()).await?;
    let rows: Vec<CheckRow> = ops::read(&context.lake, &table).await?;
    Ok(rows.into_iter().filter(|row| row.batch_id == batch).collect())
}

pub(super) async fn ingest(
    context: &Context,
    batch: &str,
    drops: usize,
    took: Duration,
) -> Result<(BatchRow, IngestReport)> {
    let (ledger, row) = published(&context.lake, batch).await?;
    let table = ledger.state(&context.lake, &tables::drops()).await?;
    let books: Vec<DropRow> = ops::read(&context.lake, &table).await?;
    let mut rows = DropRow { batch_id: batch.to_owned(), ..DropRow::default() };
    for books in books.iter().filter(|books| books.batch_id == batch) {
        rows.add(books);
    }
    let findings = checks(context, &ledger, batch).await?.into_iter().filter(|check| check.failures > 0);
    let findings = findings.filter_map(|check| {
        let drop = check.drop?;
        Some(format!("{}: {} in {} rows of {drop}", check.table, check.check, check.failures))
    });
    let report = IngestReport {
        batch_id: batch.to_owned(),
        drops,
        rows,
        restated_months: row.touched()?.months.len(),
        rebuilt: false,
        warnings: findings.collect(),
        seconds: took.as_secs_f64(),
    };
    Ok((row, report))
}

pub(super) async fn summary(
    context: &Context,
    batch: &str,
    plan: &SummaryPlan,
    took: Duration,
) -> Result<(BatchRow, SummaryReport)> {
    let (_, row) = published(&context.lake, batch).await?;
    let report = SummaryReport {
        batch_id: batch.to_owned(),
        days: plan.days.as_ref().map(std::collections::BTreeSet::len),
        months: plan.months.as_ref().map(std::collections::BTreeSet::len),
        seconds: took.as_secs_f64(),
    };
    Ok((row, report))
}

/// `months`: the purchase months whose labels were computed again; `None` for all. Which days were, Spark found out.
pub(super) async fn features(
    context: &Context,
    batch: &str,
    months: Option<usize>,
    took: Duration,
) -> Result<(BatchRow, FeaturesReport)> {
    let (ledger, row) = published(&context.lake, batch).await?;
    let decisions = context.project.models().iter();
    let decisions: Vec<String> = decisions
        .filter(|model| model.table.layer == Layer::Features && model.write == WriteMode::Decisions)
        .map(|model| model.table.to_string())
        .collect();
    let mut rows = BTreeMap::new();
    for check in checks(context, &ledger, batch).await? {
        if decisions.contains(&check.table) {
            rows.insert(check.table, check.rows.unsigned_abs());
        }
    }
    let report = FeaturesReport { batch_id: batch.to_owned(), days: None, months, rows, seconds: took.as_secs_f64() };
    Ok((row, report))
}
