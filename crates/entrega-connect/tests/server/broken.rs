//! Statements whose connection breaks.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow::array::RecordBatch;
use entrega_connect::{ConnectError, Progress, Remote, Session};

use crate::proxy::{Fault, Proxy};
use crate::{LONG, REPORTS, number, rows};

pub async fn a_broken_connection_neither_loses_nor_repeats(remote: &Remote, session: &Session, folder: &Path) {
    let proxy = Proxy::before(format!("{}:{}", remote.host(), remote.port())).await;
    let way = Remote::parse(&format!("sc://127.0.0.1:{}", proxy.port)).unwrap();
    let through = Session::connect(&way).await.unwrap();
    through.set(REPORTS, "200ms").await.unwrap();
    let table = format!("delta.`{}`", folder.join("events").display());
    rows(&through, &format!("create table {table} (n bigint) using delta")).await.unwrap();

    // In the middle, three times.
    let cuts = AtomicUsize::new(0);
    let insert = format!("insert into {table} {LONG}");
    let cut = |progress: Progress| {
        if progress.running > 0 && cuts.fetch_add(1, Ordering::SeqCst) < 3 {
            proxy.cut();
        }
    };
    through.execute(&insert, &cut).await.unwrap();
    assert!(cuts.load(Ordering::SeqCst) > 0 && proxy.accepted() > 1, "nothing was cut");
    assert_eq!(number(session, &format!("select count(*) from {table}")).await, 1);

    // Before it arrived, and before its answer did.
    for (done, fault) in [(2, Fault::LoseRequest), (3, Fault::LoseAnswer)] {
        let before = proxy.accepted();
        proxy.set(fault);
        rows(&through, &format!("insert into {table} values (1)")).await.unwrap();
        assert_eq!(proxy.accepted(), before + 1, "nothing was lost");
        assert_eq!(number(session, &format!("select count(*) from {table}")).await, done);
    }

    // A query's rows neither.
    let cuts = AtomicUsize::new(0);
    let cut = |progress: Progress| {
        if progress.completed > 0 && cuts.fetch_add(1, Ordering::SeqCst) == 0 {
            proxy.cut();
        }
    };
    let sql = "select id from range(0, 400000, 1, 24) where sha2(repeat(cast(id as string), 30), 256) > ''";
    let batches = through.execute(sql, &cut).await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 400_000);
    through.close().await.unwrap();
}

pub async fn a_connection_that_stays_broken_is_given_up(remote: &Remote) {
    let proxy = Proxy::before(format!("{}:{}", remote.host(), remote.port())).await;
    let way = Remote::parse(&format!("sc://127.0.0.1:{}", proxy.port)).unwrap();
    let session = Session::connect(&way).await.unwrap().with_patience(Duration::from_millis(500));
    session.set(REPORTS, "200ms").await.unwrap();
    let break_for_good = |_| {
        proxy.set(Fault::Refuse);
        proxy.cut();
    };
    let error = session.execute(LONG, &break_for_good).await.unwrap_err();
    assert!(matches!(error, ConnectError::SessionLost { .. }), "{error:?}");
}
