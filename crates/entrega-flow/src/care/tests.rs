//! Care of a lake whose tables came in many tiny pieces.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use entrega_lake::{Definition, Lake, Rewrite, TableState};
use entrega_model::{project::Project, tables::TableName};
use entrega_operators::row_digest::RowDigest;
use serde_json::json;
use tempfile::TempDir;

use super::{
    advice::{Action, advice},
    analyze::{TableFacts, analyze},
    optimize::{commit, optimize, prepare_all},
    vacuum::{Extent, vacuum},
};
use crate::{Context, ledger::Ledger, ops};

const ORDERS: &str = "clean.orders";
const WEEK: Extent = Extent { keep: TimeDelta::days(7), dry_run: false, nobody_reads: false };

fn orders(context: &Context) -> Definition {
    Definition::of(context.project.model(&table()).unwrap())
}

fn table() -> TableName {
    ORDERS.parse().unwrap()
}

/// A lake on disk, worked on so long after now.
async fn lake(folder: &TempDir, later: TimeDelta) -> Context {
    let lake = Lake::open_or_create(folder.path().to_str().unwrap()).await.unwrap();
    let mut context = Context::new(lake, Project::embedded().unwrap());
    context.clock = Arc::new(move || Utc::now() + later);
    context
}

async fn published(context: &Context) -> (Ledger, TableState) {
    let ledger = Ledger::open(&context.lake, None).await.unwrap();
    let state = ledger.state(&context.lake, &orders(context)).await.unwrap();
    (ledger, state)
}

async fn digest(context: &Context) -> RowDigest {
    let (_, state) = published(context).await;
    RowDigest::of(&context.lake.read_all(&state, None).await.unwrap()).unwrap()
}

/// A batch that adds one file with one order to a month; the newest order comes first.
async fn add_order(context: &Context, number: u32, publish: bool) {
    let (ledger, state) = published(context).await;
    let month = NaiveDate::from_ymd_opt(2018, 1 + number % 2, 1).unwrap();
    let day = 28 - number / 2 % 28;
    let row = json!({
        "order_id": format!("{number:032x}"),
        "purchase_month": month,
        "purchase_date": month + TimeDelta::days(i64::from(day) - 1),
        "order_purchase_timestamp": format!("{}T07:00:00", month + TimeDelta::days(i64::from(day) - 1)),
        "_drop": "20180301T000000",
    });
    let rows = ops::to_rows(&state.definition, &[row]).unwrap();
    let file = context.lake.write(&state.definition, Some(month), rows).await.unwrap();
    let begun = ledger.begin("ingest", "upsert", context.now());
    let rewrite = Rewrite { added: vec![file], ..Rewrite::default() };
    let state = context.lake.commit(state, rewrite, &begun.note).await.unwrap();
    if publish {
        let publication = begun.publication(vec![state], BTreeMap::new(), context.now());
        ledger.publish(&context.lake, publication).await.unwrap();
    }
}

async fn facts(context: &Context, since: DateTime<Utc>) -> TableFacts {
    let (ledger, _) = published(context).await;
    analyze(context, &ledger, &[table()], since).await.unwrap().remove(0)
}

#[tokio::test]
async fn many_tiny_files_become_few_sorted_ones_and_every_row_stays() {
    let folder = TempDir::new().unwrap();
    let context = lake(&folder, TimeDelta::zero()).await;
    for number in 0..60 {
        add_order(&context, number, true).await;
    }
    let before = digest(&context).await;
    let found = facts(&context, context.now()).await;
    assert_eq!((found.files, found.needless_files, found.rows), (60, 58, 60));
    let told = advice(&[found]);
    assert_eq!((told[0].action, told[0].reason.as_str()), (Action::Optimize, "60 files where 2 would do"));

    let planned = optimize(&context, &[], true).await.unwrap();
    assert_eq!(planned.batch_id, None);
    assert_eq!(facts(&context, context.now()).await.files, 60, "a dry run changes nothing");
    let done = optimize(&context, &[], false).await.unwrap();
    let orders = done.tables.iter().find(|done| done.table == table()).unwrap();
    assert_eq!((orders.months, orders.files_before, orders.files_after, orders.rows), (2, 60, 2, 60));
    assert_eq!(digest(&context).await, before);
    let (_, state) = published(&context).await;
    for file in &state.files {
        let rows = context.lake.read(&state, &[file], Some(&["order_purchase_timestamp"])).await.unwrap();
        let column = rows[0].column(0);
        let sorted = arrow::compute::sort(column, None).unwrap();
        assert_eq!(column.as_ref(), sorted.as_ref(), "each file is sorted by time of purchase");
    }
    assert_eq!(optimize(&context, &[], false).await.unwrap().batch_id, None, "in shape is in shape");
}

#[tokio::test]
async fn what_an_ingest_changes_meanwhile_is_left_and_the_rest_is_done() {
    let folder = TempDir::new().unwrap();
    let context = lake(&folder, TimeDelta::zero()).await;
    for number in 0..8 {
        add_order(&context, number, true).await;
    }
    let prepared = prepare_all(&context, &[], false).await.unwrap();
    // Meanwhile somebody takes an order out of January.
    let (ledger, state) = published(&context).await;
    let mut rewrite = Rewrite::default();
    rewrite.remove(state.files_of(NaiveDate::from_ymd_opt(2018, 1, 1)).next().unwrap());
    let begun = ledger.begin("ingest", "upsert", context.now());
    let state = context.lake.commit(state, rewrite, &begun.note).await.unwrap();
    let publication = begun.publication(vec![state], BTreeMap::new(), context.now());
    ledger.publish(&context.lake, publication).await.unwrap();
    let before = digest(&context).await;
    assert_eq!(before.rows, 7);

    let done = commit(&context, prepared).await.unwrap();
    let orders = done.tables.iter().find(|done| done.table == table()).unwrap();
    assert_eq!((orders.left, orders.files_after), (1, 1));
    assert_eq!(digest(&context).await, before);
    let (_, state) = published(&context).await;
    assert_eq!(state.files.len(), 3 + 1);
}

#[tokio::test]
async fn a_kill_before_publication_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let context = lake(&folder, TimeDelta::zero()).await;
    for number in 0..6 {
        add_order(&context, number, true).await;
    }
    let before = digest(&context).await;
    // Killed after files were written, and a batch killed after its commit.
    drop(prepare_all(&context, &[], false).await.unwrap());
    add_order(&context, 6, false).await;
    assert_eq!(digest(&context).await, before);
    let done = optimize(&context, &[table()], false).await.unwrap();
    assert_eq!(done.tables[0].files_after, 2);
    assert_eq!(digest(&context).await, before, "what was never published is gone, all else is there");
    // What both left lies about until it is old enough.
    let left = vacuum(&lake(&folder, TimeDelta::days(8)).await, &[table()], WEEK).await.unwrap();
    assert!(left.data.files > 2 + 1, "{left:?}");
    assert_eq!(digest(&context).await, before);
}

#[tokio::test]
async fn vacuum_keeps_what_was_published_lately_and_says_what_it_did_not_keep() {
    let folder = TempDir::new().unwrap();
    let context = lake(&folder, TimeDelta::zero()).await;
    for number in 0..4 {
        add_order(&context, number, true).await;
    }
    optimize(&context, &[], false).await.unwrap();
    let before = digest(&context).await;
    let young = vacuum(&context, &[], WEEK).await.unwrap();
    assert_eq!(young.data.files, 0, "a week is kept: {young:?}");
    let later = lake(&folder, TimeDelta::days(8)).await;
    let planned = vacuum(&later, &[table()], Extent { dry_run: true, ..WEEK }).await.unwrap();
    let done = vacuum(&later, &[table()], WEEK).await.unwrap();
    assert_eq!((planned.data, done.data.files), (done.data, 4));
    assert_eq!(digest(&later).await, before);
    let older = Ledger::open(&later.lake, Some("2")).await.unwrap_err().to_string();
    assert!(older.contains("older than what the last vacuum kept"), "{older}");
    assert!(Ledger::open(&later.lake, Some("5")).await.is_ok(), "what was in force a week ago is readable");
}

#[tokio::test]
async fn keeping_nothing_is_refused_unless_nobody_reads() {
    let folder = TempDir::new().unwrap();
    let context = lake(&folder, TimeDelta::zero()).await;
    for number in 0..4 {
        add_order(&context, number, true).await;
    }
    optimize(&context, &[], false).await.unwrap();
    let nothing = Extent { keep: TimeDelta::zero(), ..WEEK };
    let refused = vacuum(&context, &[], nothing).await.unwrap_err().to_string();
    assert!(refused.contains("keeping nothing") && refused.contains("--nobody-reads"), "{refused}");
    let before = digest(&context).await;
    let later = lake(&folder, TimeDelta::seconds(5)).await;
    let held = later.lake.lease().await.unwrap();
    let busy = vacuum(&later, &[], Extent { nobody_reads: true, ..nothing }).await.unwrap_err().to_string();
    assert!(busy.contains("is being changed by another run"), "{busy}");
    drop(held);
    let done = vacuum(&later, &[table()], Extent { nobody_reads: true, ..nothing }).await.unwrap();
    assert_eq!(done.data.files, 4);
    assert_eq!(digest(&context).await, before);
}
