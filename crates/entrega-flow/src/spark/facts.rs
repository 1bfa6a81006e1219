//! What a script is made from: versions, headers, statistics. Nothing here reads rows of tables that grow.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveDateTime};
use entrega_lake::{Definition, TableState, read::date_of};
use entrega_model::{
    contract::Contract,
    model::WriteMode,
    tables::{Layer, TableName},
};
use entrega_operators::{
    calendar as rules,
    load::{Header, header},
    quarantine::{QuarantineRow, QuarantineState},
};
use entrega_spark::{
    Batch, Place, Stored,
    features::{FeaturesPlan, Since},
    ingest::{Calendar, Columns, Delivered, Ingest},
    summary,
};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::{
    Context, Result,
    features::deliveries,
    ingest::IngestPlan,
    ledger::{Ledger, Touched},
    ops,
    summarise::SummaryPlan,
    tables,
};

/// Requests to the store at once.
const CONCURRENCY: usize = 16;

/// The facts that every script needs.
pub(super) async fn batch(
    context: &Context,
    ledger: &Ledger,
    job: &'static str,
    as_of: NaiveDateTime,
) -> Result<Batch> {
    let begun = ledger.begin(job, job, context.now());
    let lake = &context.lake;
    // Spark reads a path as it is written, without the escapes of a URL.
    let place =
        lake.local_folder().map_or_else(|| lake.url().to_string(), |folder| format!("file://{}", folder.display()));
    let stored = tables::all(&context.project).into_iter().map(|definition| async move {
        Ok::<_, crate::FlowError>(Stored {
            published: ledger.versions.get(&definition.table).copied(),
            newest: newest_version(context, &definition.table).await?,
            table: definition.table,
            description: definition.description,
            columns: definition.columns.to_vec(),
            partition: definition.partition,
        })
    });
    let stored: Vec<Stored> =
        futures::stream::iter(stored.collect::<Vec<_>>()).buffered(CONCURRENCY).try_collect().await?;
    Ok(Batch {
        place: Place::new(&place),
        project: (*context.project).clone(),
        tables: stored.into_iter().collect(),
        id: begun.batch_id,
        job,
        sequence: ledger.rows.last().map_or(1, |row| row.sequence + 1),
        started_at: begun.started_at,
        as_of,
        versions: ledger.versions.clone(),
        fingerprints: ledger.models.clone(),
    })
}

/// The newest version of a table's log, published or not.
async fn newest_version(context: &Context, table: &TableName) -> Result<Option<u64>> {
    let log = context.lake.list(&format!("{}/_delta_log", table.path())).await?;
    Ok(log.objects.iter().filter_map(|(name, ..)| name.strip_suffix(".json")?.parse().ok()).max())
}

/// The drops of an ingest with their headers, and the headers of what waits in quarantine.
pub(super) async fn ingest(context: &Context, ledger: &Ledger, plan: &IngestPlan) -> Result<Ingest> {
    let contracts = context.project.contracts();
    let drops = plan.drops.iter().map(|drop| async move {
        let mut headers = BTreeMap::new();
        for contract in contracts {
            let Some(file) = drop.file(contract) else { continue };
            let found = header(&context.lake, contract, &file).await?;
            headers.insert(file.name, columns(&found));
        }
        Ok::<_, crate::FlowError>(Delivered {
            folder: drop.folder.clone(),
            manifest: drop.manifest.clone(),
            modified: drop.modified,
            headers,
        })
    });
    let drops = futures::stream::iter(drops.collect::<Vec<_>>()).buffered(CONCURRENCY).try_collect().await?;
    let mut waiting = BTreeMap::new();
    for contract in contracts {
        let table = ledger.state(&context.lake, &tables::quarantine_of(&contract.source)).await?;
        let found = waiting_headers(context, contract, &table).await?;
        if !found.is_empty() {
            waiting.insert(contract.source.clone(), found);
        }
    }
    let restated =
        |table: &&TableName| context.project.model(table).is_ok_and(|model| model.write == WriteMode::Restate);
    Ok(Ingest { drops, waiting, stale: plan.stale.iter().filter(restated).cloned().collect() })
}

async fn waiting_headers(context: &Context, contract: &Contract, table: &TableState) -> Result<BTreeSet<Columns>> {
    let rows: Vec<QuarantineRow> = ops::read(&context.lake, table).await?;
    let waiting = rows.iter().filter(|row| row.state == QuarantineState::Waiting);
    let lines: BTreeSet<&str> = waiting.map(|row| row.header.as_str()).collect();
    Ok(lines.into_iter().map(|line| columns(&Header::of(contract, line))).collect())
}

fn columns(header: &Header) -> Columns {
    Columns {
        line: header.line.to_string(),
        count: header.names.len(),
        places: header.places.clone(),
        deleted: header.deleted,
        unknown: header.unknown.clone(),
        missing: header.missing.clone(),
    }
}

/// The calendar by its rules.
pub(super) fn calendar() -> Calendar {
    let days = rules::days();
    let special = days.iter().filter_map(|day| {
        let (holiday, season) = (rules::holiday(*day), rules::peak_season(*day));
        let told = |text: Option<&str>| text.map(str::to_owned);
        (holiday.is_some() || season.is_some()).then(|| (*day, told(holiday), told(season)))
    });
    let edge = |day: Option<&NaiveDate>| day.copied().unwrap_or_default();
    Calendar { first: edge(days.first()), last: edge(days.last()), special: special.collect() }
}

/// What a summary computes, and the purchase months that may hold its days.
pub(super) async fn summary(context: &Context, ledger: &Ledger, plan: &SummaryPlan) -> Result<summary::SummaryPlan> {
    let dates = |days: &BTreeSet<i32>| days.iter().map(|day| date_of(*day)).collect::<BTreeSet<NaiveDate>>();
    let (days, months) = (plan.days.as_ref().map(dates), plan.months.as_ref().map(dates));
    let stale = plan.stale.iter().cloned().collect();
    let mut found = summary::SummaryPlan::new(&context.project, days.as_ref(), months.as_ref(), &stale);
    if let Some(days) = &days {
        let models = context.project.models().iter();
        let read: BTreeSet<&TableName> = models
            .filter(|model| model.table.layer == Layer::Summary && model.write == WriteMode::ReplaceDays)
            .flat_map(|model| &model.reads)
            .filter(|read| read.layer == Layer::Clean)
            .collect();
        let mut months = BTreeSet::new();
        for table in read {
            let state = ledger.state(&context.lake, &Definition::of(context.project.model(table)?)).await?;
            let hold = |file: &&entrega_lake::DataFile| {
                file.may_hold_day(|first, last| days.range(first..=last).next().is_some())
            };
            months.extend(state.files.iter().filter(hold).filter_map(|file| file.month));
        }
        found.months_of_days = Some(months);
    }
    Ok(found)
}

/// What features compute; `None` if nothing has come since the last ones.
pub(super) async fn features(context: &Context, ledger: &Ledger, as_of: NaiveDateTime) -> Result<Option<FeaturesPlan>> {
    let whole = Ok(Some(FeaturesPlan { since: None }));
    let Some((last, versions)) = ledger.last_of("features")? else { return whole };
    let stale = context.project.models().iter().any(|model| {
        model.table.layer == Layer::Features && ledger.models.get(&model.table) != Some(&model.fingerprint)
    });
    let table = deliveries();
    let (Some(then), false) = (versions.get(&table), stale) else { return whole };
    let erased = ledger.rows.iter().any(|row| row.sequence > last.sequence && row.job == "erase");
    if erased {
        return whole;
    }
    let mut touched = Touched::default();
    for row in ledger.rows.iter().filter(|row| row.sequence > last.sequence) {
        touched.merge(row.touched()?);
    }
    let mut matured = BTreeSet::new();
    if let Some(before) = last.as_of.filter(|before| *before < as_of) {
        let (first, end) = (before.date().pred_opt().unwrap_or(NaiveDate::MIN), as_of.date());
        let state = ledger.state(&context.lake, &Definition::of(context.project.model(&table)?)).await?;
        let promised = |file: &&entrega_lake::DataFile| {
            let days = file.days.get("order_estimated_delivery_date");
            days.is_some_and(|(earliest, latest)| *earliest <= end && first <= *latest)
        };
        matured.extend(state.files.iter().filter(promised).filter_map(|file| file.month));
    }
    let touched: BTreeSet<NaiveDate> = touched.months.iter().map(|month| date_of(*month)).collect();
    let nothing = touched.is_empty() && matured.is_empty();
    Ok((!nothing).then_some(FeaturesPlan { since: Some(Since { deliveries: *then, touched, matured }) }))
}
