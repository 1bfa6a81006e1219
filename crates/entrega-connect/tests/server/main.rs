//! The client against a real Spark Connect server.
//!
//! One server for all, because it takes half a minute to start and another half to answer its first query; so the steps
//! are functions that run one after another.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broken;
mod proxy;
mod servers;

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::util::pretty::pretty_format_batches;
use entrega_connect::{ConnectError, ExplainMode, Failure, Progress, Remote, Result, Session};
use tokio::sync::Notify;

use crate::servers::Servers;

/// How often the server tells of progress.
const REPORTS: &str = "spark.connect.progress.reportInterval";
/// Keeps both cores of the server busy for much longer than any test takes.
const ENDLESS: &str = "select count(*) from range(0, 100000000000, 1, 4) where sha2(cast(id as string), 256) = ''";
/// Keeps them busy for a few seconds.
const LONG: &str = "select count(*) as n from range(0, 4000000, 1, 24) where sha2(cast(id as string), 256) = ''";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_server_is_understood() {
    let Some(servers) = Servers::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let remote = Remote::parse(&servers.remote).unwrap();
    let session = Session::connect(&remote).await.unwrap();
    assert!(session.spark_version().starts_with("4."), "{}", session.spark_version());

    values_of_all_types_arrive(&session).await;
    results_arrive_in_many_pieces(&session).await;
    a_result_over_the_bound_is_refused(&session).await;
    tables_are_written_and_read(&session, folder.path()).await;
    views_and_variables_live_across_statements(&session).await;
    settings_are_set(&session).await;
    // Not every two seconds, so that queries of a second have some.
    session.set(REPORTS, "200ms").await.unwrap();
    failures_name_their_place(&session).await;
    plans_are_explained(&session).await;
    progress_arrives(&session).await;
    an_interrupt_ends_what_runs(&session).await;
    a_dropped_statement_ends(&session).await;
    broken::a_broken_connection_neither_loses_nor_repeats(&remote, &session, folder.path()).await;
    broken::a_connection_that_stays_broken_is_given_up(&remote).await;
    a_closed_session_is_lost(session).await;
    where_nothing_listens_nothing_is_reached().await;
}

async fn rows(session: &Session, sql: &str) -> Result<Vec<RecordBatch>> {
    session.execute(sql, &|_| {}).await
}

/// The one number that a query gives.
async fn number(session: &Session, sql: &str) -> i64 {
    let batches = rows(session, sql).await.unwrap();
    batches.iter().find(|batch| batch.num_rows() == 1).unwrap().column(0).as_primitive::<Int64Type>().value(0)
}

async fn failure(session: &Session, sql: &str) -> Failure {
    match rows(session, sql).await {
        Err(ConnectError::Statement(failure)) => *failure,
        other => panic!("{sql}: {other:?}"),
    }
}

async fn values_of_all_types_arrive(session: &Session) {
    let sql = "select 'é' as s, 1 as i, 9007199254740993 as b, cast(0.1 as double) as d, true as t,
          date '2018-01-31' as day, timestamp_ntz '2018-01-31 12:34:56.789' as moment,
          cast(12.3 as decimal(12, 2)) as price, array(date '2018-01-31', null) as days
        union all
        select null, null, null, null, null, null, null, null, null";
    let shown = pretty_format_batches(&rows(session, sql).await.unwrap()).unwrap().to_string();
    let expected = "\
+---+---+------------------+-----+------+------------+-------------------------+-------+---------------+
| s | i | b                | d   | t    | day        | moment                  | price | days          |
+---+---+------------------+-----+------+------------+-------------------------+-------+---------------+
| é | 1 | 9007199254740993 | 0.1 | true | 2018-01-31 | 2018-01-31T12:34:56.789 | 12.30 | [2018-01-31, ] |
|   |   |                  |     |      |            |                         |       |               |
+---+---+------------------+-----+------+------------+-------------------------+-------+---------------+";
    let plain = |text: &str| text.replace(['-', '+', ' '], "");
    assert_eq!(plain(&shown), plain(expected), "{shown}");
    let empty = rows(session, "select 1 as a, 'x' as b where false").await.unwrap();
    assert_eq!(empty.iter().map(RecordBatch::num_rows).sum::<usize>(), 0);
    assert_eq!(empty[0].num_columns(), 2);
}

async fn results_arrive_in_many_pieces(session: &Session) {
    let many = rows(session, "select id, repeat('x', 1000) from range(20000)").await.unwrap();
    assert!(many.len() > 1);
    assert_eq!(many.iter().map(RecordBatch::num_rows).sum::<usize>(), 20_000);
    // One row, larger than what Spark puts into one message.
    let large = rows(session, "select repeat('x', 30000000) as x").await.unwrap();
    assert_eq!(large[0].column(0).as_string::<i32>().value(0).len(), 30_000_000);
}

async fn a_result_over_the_bound_is_refused(session: &Session) {
    let bounded = session.clone().with_result_limit(1 << 20);
    let error = rows(&bounded, "select id, repeat('x', 1000) from range(20000)").await.unwrap_err();
    assert!(matches!(error, ConnectError::ResultTooLarge { limit: 1_048_576 }), "{error:?}");
    assert_eq!(number(&bounded, "select count(*) from range(3)").await, 3);
}

async fn tables_are_written_and_read(session: &Session, folder: &Path) {
    let table = format!("delta.`{}`", folder.join("orders").display());
    for sql in [
        format!("create table {table} (id bigint, price decimal(12, 2)) using delta"),
        format!("insert into {table} values (1, 9.99), (2, null)"),
    ] {
        rows(session, &sql).await.unwrap();
    }
    assert_eq!(number(session, &format!("select count(*) from {table}")).await, 2);
    let merge = format!(
        "merge into {table} as old using (select 2L as id, 5 as price union all select 3L, 7) as new on old.id = new.id
         when matched then update set price = new.price when not matched then insert *"
    );
    // A command whose rows come with it.
    let shown = pretty_format_batches(&rows(session, &merge).await.unwrap()).unwrap().to_string();
    assert!(shown.contains("num_affected_rows") && shown.contains("| 2 "), "{shown}");
    assert_eq!(number(session, &format!("select sum(id) from {table} where price > 4")).await, 6);
}

async fn views_and_variables_live_across_statements(session: &Session) {
    rows(session, "create or replace temporary view late as select id from range(10) where id > 6").await.unwrap();
    rows(session, "declare or replace variable threshold bigint default 1").await.unwrap();
    rows(session, "set var threshold = (select max(id) from late)").await.unwrap();
    assert_eq!(number(session, "select threshold + count(*) from late").await, 12);
}

async fn settings_are_set(session: &Session) {
    session.set("spark.sql.shuffle.partitions", "3").await.unwrap();
    let shown = pretty_format_batches(&rows(session, "set spark.sql.shuffle.partitions").await.unwrap()).unwrap();
    assert!(shown.to_string().contains("| 3 "), "{shown}");
    let error = session.set("spark.sql.warehouse.dir", "/nowhere").await.unwrap_err().to_string();
    assert!(error.starts_with("setting spark.sql.warehouse.dir failed: "), "{error}");
    assert!(error.contains("\nhint: "), "{error}");
}

async fn failures_name_their_place(session: &Session) {
    let syntax = failure(session, "select a\nfrom\n  selec t x y z").await;
    assert_eq!(syntax.sql_state.as_deref(), Some("42601"));
    assert_eq!(syntax.error_class.as_deref(), Some("PARSE_SYNTAX_ERROR"));
    assert_eq!(
        syntax.to_string(),
        "the statement failed: Syntax error at or near 'x'. (PARSE_SYNTAX_ERROR, SQLSTATE 42601)
at line 3, column 11 of the statement:
      selec t x y z
              ^
hint: mend the statement: Spark cannot read it, or does not know a name in it, or may not use it so"
    );

    let division = failure(session, "select 'é😀',\n  2 / (1 - 1)").await;
    assert_eq!(division.sql_state.as_deref(), Some("22012"));
    let place = division.place.unwrap();
    assert_eq!((place.line, place.column, place.fragment.as_str()), (2, 3, "2 / (1 - 1)"));
    // In an executor, not in the planner.
    let division = failure(session, "select sum(id /\n  (id - 5))\nfrom range(10)").await;
    assert_eq!((division.sql_state.as_deref(), division.place.unwrap().line), (Some("22012"), 1));

    let unknown = failure(session, "select *\nfrom nowhere.orders").await;
    assert_eq!(unknown.sql_state.as_deref(), Some("42P01"));
    assert!(!unknown.message.contains("UnresolvedRelation"), "{unknown}");
    assert_eq!(unknown.place.unwrap().fragment, "nowhere.orders");

    for sql in [
        "select raise_error('parcel 7:\\n too heavy SQLSTATE: 12345')",
        "select raise_error(concat('parcel ', id, ':\\n too heavy SQLSTATE: 12345')) from range(7, 8)",
    ] {
        let raised = failure(session, sql).await;
        assert_eq!(raised.raised(), Some("parcel 7:\n too heavy SQLSTATE: 12345"));
    }
}

async fn plans_are_explained(session: &Session) {
    for (mode, word) in [
        (ExplainMode::Simple, "Physical Plan"),
        (ExplainMode::Extended, "Parsed Logical Plan"),
        (ExplainMode::Codegen, "WholeStageCodegen"),
        (ExplainMode::Cost, "Statistics"),
        (ExplainMode::Formatted, "Physical Plan"),
    ] {
        let plan = session.explain("select id + 1 from range(10) where id > 3", mode).await.unwrap();
        assert!(plan.contains(word), "{mode:?}: {plan}");
    }
    for sql in ["select 1,\n  nothing", "select 1,\n  nothing )"] {
        let Err(ConnectError::Statement(failure)) = session.explain(sql, ExplainMode::Formatted).await else {
            panic!()
        };
        assert_eq!(failure.place.as_ref().unwrap().line, 2, "{failure:?}");
        assert_eq!(failure.sql_state.as_ref().unwrap()[..2], *"42");
    }
}

async fn progress_arrives(session: &Session) {
    let seen: Mutex<Vec<Progress>> = Mutex::default();
    session.execute(LONG, &|progress| seen.lock().unwrap().push(progress)).await.unwrap();
    let seen = seen.into_inner().unwrap();
    assert!(seen.iter().any(|progress| progress.running > 0 && progress.tasks >= 24), "{seen:?}");
    assert!(seen.iter().any(|progress| progress.completed > 0), "{seen:?}");
    assert!(seen.iter().all(|progress| progress.completed <= progress.tasks), "{seen:?}");
}

/// Runs the endless query until it is seen to run, then does something beside it.
async fn beside_a_running_query<F: Future>(
    session: &Session,
    then: impl FnOnce() -> F,
) -> (Result<Vec<RecordBatch>>, F::Output) {
    let runs = Notify::new();
    let notify = |progress: Progress| {
        if progress.running > 0 {
            runs.notify_one();
        }
    };
    let query = session.execute(ENDLESS, &notify);
    let other = async {
        runs.notified().await;
        then().await
    };
    tokio::join!(query, other)
}

async fn an_interrupt_ends_what_runs(session: &Session) {
    let asked: Mutex<Option<Instant>> = Mutex::default();
    let other = session.clone();
    let (result, interrupted) = beside_a_running_query(session, || {
        *asked.lock().unwrap() = Some(Instant::now());
        async move { tokio::spawn(async move { other.interrupt().await }).await.unwrap() }
    })
    .await;
    assert!(matches!(result, Err(ConnectError::Interrupted)), "{result:?}");
    assert_eq!(interrupted.unwrap(), 1);
    let took = asked.into_inner().unwrap().unwrap().elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(number(session, "select count(*) from range(3)").await, 3);
    assert_eq!(session.interrupt().await.unwrap(), 0);
}

async fn a_dropped_statement_ends(session: &Session) {
    let runs = Notify::new();
    let notify = |progress: Progress| {
        if progress.running > 0 {
            runs.notify_one();
        }
    };
    tokio::select! {
        result = session.execute(ENDLESS, &notify) => panic!("{result:?}"),
        () = runs.notified() => {}
    }
    // With its two cores taken the server would not get to this one.
    assert_eq!(number(session, "select count(*) from range(3)").await, 3);
}

async fn a_closed_session_is_lost(session: Session) {
    let clone = session.clone();
    session.close().await.unwrap();
    let error = rows(&clone, "select 1").await.unwrap_err();
    assert!(matches!(error, ConnectError::SessionLost { .. }), "{error:?}");
}

async fn where_nothing_listens_nothing_is_reached() {
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let remote = Remote::parse(&format!("sc://127.0.0.1:{port}/;token=secret")).unwrap();
    let error = Session::connect(&remote).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("refused") && !format!("{error} {error:?}").contains("secret"), "{error}");
}
