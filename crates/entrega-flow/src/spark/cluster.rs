//! A Spark that is reached by Spark Connect, and statements on their way through it.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use arrow::array::RecordBatch;
use entrega_connect::{ExplainMode, Progress, Remote, Session};
use entrega_spark::Script;

use crate::{Context, FlowError, Meter, Result};

/// Someone who is told the plans of queries.
pub type Explained = Arc<dyn Fn(&str) + Send + Sync>;

/// Where a Spark is; it answered when this was made.
#[derive(Clone)]
pub struct Cluster {
    remote: Remote,
    explained: Option<Explained>,
}

impl Cluster {
    /// Looks whether a Spark answers at `sc://host:port[/;token=…]`. `explained` is told the plans
    /// of queries before they run.
    ///
    /// # Errors
    /// When the address is none, or no Spark answers there.
    pub async fn connect(remote: &str, explained: Option<Explained>) -> Result<Self> {
        let cluster = Self { remote: Remote::parse(remote)?, explained };
        let session = Session::connect(&cluster.remote).await?;
        tracing::info!(target: "entrega", version = session.spark_version(), "Spark answers");
        close(session).await;
        Ok(cluster)
    }

    /// Runs a script in a session of its own: what it leaves there (views, variables) is gone afterwards. Ctrl-C
    /// cancels what Spark is at.
    ///
    /// # Errors
    /// [`FlowError::Spark`] with the statement that failed.
    pub async fn run(&self, context: &Context, job: &str, script: &Script) -> Result<()> {
        let session = Session::connect(&self.remote).await?;
        let done = tokio::select! {
            done = self.work(context, job, &session, script) => done.map(|_| ()),
            _ = tokio::signal::ctrl_c() => {
                session.interrupt().await?;
                Err(FlowError::Request {
                    problem: "interrupted; Spark was told to stop, and nothing was published".to_owned(),
                    hint: "running again is safe".to_owned(),
                })
            }
        };
        close(session).await;
        done
    }

    /// The rows of the last statement of a script, which are few.
    ///
    /// # Errors
    /// [`FlowError::Spark`] with the statement that failed.
    pub async fn query(&self, context: &Context, script: &Script) -> Result<Vec<RecordBatch>> {
        let session = Session::connect(&self.remote).await?;
        let rows = self.work(context, "query", &session, script).await;
        close(session).await;
        rows
    }

    async fn work(&self, context: &Context, job: &str, session: &Session, script: &Script) -> Result<Vec<RecordBatch>> {
        let total = script.statements.iter().filter(|statement| statement.heavy).count();
        let meter = context.progress.begin(&format!("{job} in Spark"), total as u64);
        let mut rows = Vec::new();
        for statement in &script.statements {
            let clock = Instant::now();
            let failed = |source| FlowError::Spark { title: statement.title.clone(), source: Box::new(source) };
            if let (Some(explained), Some(query)) = (&self.explained, &statement.query) {
                explained(&plan(session, &statement.title, query).await);
            }
            let watch = Watch { context, title: &statement.title, tasks: Mutex::new(None) };
            rows = session.execute(&statement.sql, &|progress| watch.told(progress)).await.map_err(failed)?;
            if statement.heavy {
                meter.advance(1);
                tracing::info!(target: "entrega", statement = statement.title, seconds = clock.elapsed().as_secs_f64());
            }
        }
        Ok(rows)
    }
}

/// The plan that Spark makes of a query.
async fn plan(session: &Session, title: &str, query: &str) -> String {
    match session.explain(query, ExplainMode::Formatted).await {
        Ok(plan) => format!("plan of {title}:\n{plan}"),
        Err(error) => format!("Spark shows no plan of {title}: {error}"),
    }
}

/// Tells how many of a statement's tasks are done, each time that Spark does.
struct Watch<'a> {
    context: &'a Context,
    title: &'a str,
    tasks: Mutex<Option<(Box<dyn Meter>, Progress)>>,
}

impl Watch<'_> {
    fn told(&self, now: Progress) {
        let mut tasks = self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &mut *tasks {
            Some((meter, before)) if before.tasks == now.tasks => {
                meter.advance(now.completed.saturating_sub(before.completed));
                *before = now;
            }
            // Spark plans more while it runs: a new meter, as long as it is then.
            _ => {
                let meter = self.context.progress.begin(self.title, now.tasks);
                meter.advance(now.completed);
                *tasks = Some((meter, now));
            }
        }
    }
}

async fn close(session: Session) {
    if let Err(error) = session.close().await {
        tracing::debug!(target: "entrega", %error, "the session could not be closed; Spark forgets it by itself");
    }
}
