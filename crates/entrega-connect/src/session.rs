//! A session: what its statements leave behind (views, variables, settings) is there for the next.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};

use crate::error::{ConnectError, Result};
use crate::failure::Failure;
use crate::operation::Operation;
use crate::place::Asked;
use crate::progress::Progress;
use crate::protocol::execute_plan_response::ResponseType;
use crate::protocol::relation::RelType;
use crate::protocol::{
    AnalyzePlanRequest, Command, ConfigRequest, InterruptRequest, KeyValue, Plan, Relation, ReleaseSessionRequest, Sql,
    SqlCommand, analyze_plan_request, analyze_plan_response, command, config_request, interrupt_request, plan,
};
use crate::remote::Remote;
use crate::rows::{Refused, Rows, read};
use crate::wire::Wire;

/// The largest result, unless the session is told otherwise: rows are for people and small tables, data stays in tables.
pub const RESULT_LIMIT: usize = 64 << 20;
/// How long a broken connection may take to come back. Spark gives up on a statement without a listener after as long.
pub const PATIENCE: Duration = Duration::from_mins(5);
/// What `explain` of Spark gives in place of a plan.
const NO_PLAN: &str = "Error occurred during query planning:";

/// How much a plan says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplainMode {
    /// The physical plan.
    Simple,
    /// Logical and physical plans.
    Extended,
    /// The physical plan and the code generated for it.
    Codegen,
    /// The logical plan with its statistics.
    Cost,
    /// An outline of the physical plan, then each of its nodes.
    Formatted,
}

/// A session on a Spark Connect server. Clones are the same session, so one may interrupt what another runs.
#[derive(Clone)]
pub struct Session {
    wire: Arc<Wire>,
    version: String,
    limit: usize,
    patience: Duration,
}

impl Session {
    /// Connects and begins a session.
    ///
    /// # Errors
    /// If nothing that speaks Spark Connect answers there, or it does not let this user in.
    pub async fn connect(remote: &Remote) -> Result<Self> {
        let wire = Arc::new(Wire::open(remote).await?);
        let question = AnalyzePlanRequest {
            session_id: wire.session_id.clone(),
            client_observed_server_side_session_id: None,
            user_context: Some(wire.user.clone()),
            client_type: Some(wire.client_type.clone()),
            analyze: Some(analyze_plan_request::Analyze::SparkVersion(analyze_plan_request::SparkVersion {})),
        };
        let answer =
            wire.ask(question, |mut stub, question| async move { Box::pin(stub.analyze_plan(question)).await }).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(status) => return Err(wire.explain(status, &Asked::wish("beginning the session")).await),
        };
        wire.observe(&answer.server_side_session_id)?;
        let Some(analyze_plan_response::Result::SparkVersion(version)) = answer.result else {
            return Err(wire.unexpected("it does not tell its version"));
        };
        tracing::debug!(target: "entrega", %remote, session = wire.session_id, version = version.version, "connected");
        Ok(Self { wire, version: version.version, limit: RESULT_LIMIT, patience: PATIENCE })
    }

    /// The same session with another bound of results, in bytes.
    #[must_use]
    pub fn with_result_limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// The same session, with another patience with a connection that does not come back.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The server's version of Spark.
    #[must_use]
    pub fn spark_version(&self) -> &str {
        &self.version
    }

    /// The session's id, as in the server's log.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.wire.session_id
    }

    /// Runs one statement and fetches its rows, telling on the way how far it is. Dropping the future ends it.
    ///
    /// A statement without rows gives no batch or an empty one. A broken connection is mended: the statement is neither
    /// lost nor repeated.
    ///
    /// # Errors
    /// If the statement fails or is interrupted, its rows are too many, or the session is lost.
    pub async fn execute(&self, sql: &str, progress: &(dyn Fn(Progress) + Sync)) -> Result<Vec<RecordBatch>> {
        self.run(&Asked::statement(sql), progress).await
    }

    /// How Spark would run a statement; it is not run.
    ///
    /// # Errors
    /// If the statement cannot be planned, or the session is lost.
    pub async fn explain(&self, sql: &str, mode: ExplainMode) -> Result<String> {
        let head = match mode {
            ExplainMode::Simple => "explain\n",
            ExplainMode::Extended => "explain extended\n",
            ExplainMode::Codegen => "explain codegen\n",
            ExplainMode::Cost => "explain cost\n",
            ExplainMode::Formatted => "explain formatted\n",
        };
        let asked = Asked { head, ..Asked::statement(sql) };
        let mut lines: Vec<String> = Vec::new();
        for batch in self.run(&asked, &|_| {}).await? {
            let column = batch.columns().first().and_then(|column| column.as_string_opt::<i32>());
            let column = column.ok_or_else(|| self.wire.unexpected("a plan that is not text"))?;
            lines.extend(column.iter().flatten().map(str::to_owned));
        }
        let plan = lines.join("\n");
        match plan.trim().strip_prefix(NO_PLAN) {
            Some(problem) => Err(ConnectError::Statement(Box::new(Failure::told(&asked, problem)))),
            None => Ok(plan),
        }
    }

    /// Sets a configuration of the session.
    ///
    /// # Errors
    /// If Spark refuses it, or the session is lost.
    pub async fn set(&self, key: &str, value: &str) -> Result<()> {
        let pairs = vec![KeyValue { key: key.to_owned(), value: Some(value.to_owned()) }];
        let set = config_request::Set { pairs, silent: None };
        let question = ConfigRequest {
            session_id: self.wire.session_id.clone(),
            client_observed_server_side_session_id: self.wire.observed(),
            user_context: Some(self.wire.user.clone()),
            operation: Some(config_request::Operation { op_type: Some(config_request::operation::OpType::Set(set)) }),
            client_type: Some(self.wire.client_type.clone()),
        };
        let answer = self.wire.ask(question, |mut stub, question| async move { stub.config(question).await }).await;
        match answer {
            Ok(answer) => {
                for warning in &answer.warnings {
                    tracing::warn!(target: "entrega", key, warning, "Spark warns");
                }
                self.wire.observe(&answer.server_side_session_id)
            }
            Err(status) => Err(self.wire.explain(status, &Asked::wish(format!("setting {key}"))).await),
        }
    }

    /// Ends whatever runs in this session, in this and all clones; how many statements that were.
    ///
    /// # Errors
    /// If the server is not reached.
    pub async fn interrupt(&self) -> Result<usize> {
        // Counted first, so that a statement between two of its steps sees it too.
        self.wire.interrupts.fetch_add(1, Ordering::SeqCst);
        let question = InterruptRequest {
            session_id: self.wire.session_id.clone(),
            client_observed_server_side_session_id: self.wire.observed(),
            user_context: Some(self.wire.user.clone()),
            client_type: Some(self.wire.client_type.clone()),
            interrupt_type: interrupt_request::InterruptType::All.into(),
            interrupt: None,
        };
        let answer = self.wire.ask(question, |mut stub, question| async move { stub.interrupt(question).await }).await;
        match answer {
            Ok(answer) => Ok(answer.interrupted_ids.len()),
            Err(status) => Err(self.wire.explain(status, &Asked::wish("interrupting")).await),
        }
    }

    /// Ends the session, its views and variables, and whatever still runs in it.
    ///
    /// # Errors
    /// If the server is not reached; it then forgets the session by itself, an hour later.
    pub async fn close(self) -> Result<()> {
        let question = ReleaseSessionRequest {
            session_id: self.wire.session_id.clone(),
            user_context: Some(self.wire.user.clone()),
            client_type: Some(self.wire.client_type.clone()),
            allow_reconnect: false,
        };
        let ask = self.wire.ask(question, |mut stub, question| async move { stub.release_session(question).await });
        match ask.await {
            Ok(_) => Ok(()),
            Err(status) => Err(self.wire.explain(status, &Asked::wish("closing the session")).await),
        }
    }

    /// Runs a statement. Spark runs commands at once and gives their rows; a query comes back as something to be run.
    async fn run(&self, asked: &Asked<'_>, progress: &(dyn Fn(Progress) + Sync)) -> Result<Vec<RecordBatch>> {
        let interruptions = self.wire.interruptions();
        let sql =
            Relation { common: None, rel_type: Some(RelType::Sql(Sql { query: asked.text(), ..Sql::default() })) };
        let sql = SqlCommand { input: Some(sql), ..SqlCommand::default() };
        let first = plan::OpType::Command(Command { command_type: Some(command::CommandType::SqlCommand(sql)) });
        let (rows, relation) = self.operate(first, interruptions, asked, progress).await?;
        let Some(relation) = relation else { return Ok(rows) };
        if let Some(RelType::LocalRelation(local)) = &relation.rel_type
            && let Some(data) = &local.data
        {
            return read(data.clone()).map_err(|refused| self.refuse(refused));
        }
        if self.wire.interruptions() != interruptions {
            return Err(ConnectError::Interrupted);
        }
        Ok(self.operate(plan::OpType::Root(relation), interruptions, asked, progress).await?.0)
    }

    /// Runs one plan to its end: its rows, and the relation that it gives.
    async fn operate(
        &self,
        plan: plan::OpType,
        interruptions: u64,
        asked: &Asked<'_>,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<(Vec<RecordBatch>, Option<Relation>)> {
        let plan = Plan { op_type: Some(plan) };
        let mut operation = Operation::new(Arc::clone(&self.wire), plan, self.patience, interruptions);
        let (mut rows, mut relation) = (Rows::new(self.limit), None);
        while let Some(answer) = operation.next(asked).await? {
            match answer.response_type {
                Some(ResponseType::ArrowBatch(piece)) => rows.take(piece).map_err(|refused| self.refuse(refused))?,
                Some(ResponseType::SqlCommandResult(result)) => relation = result.relation,
                Some(ResponseType::ExecutionProgress(report)) => progress(Progress::from(&report)),
                // Metrics, schemas, and what later versions may add.
                _ => {}
            }
        }
        Ok((rows.finish().map_err(|refused| self.refuse(refused))?, relation))
    }

    fn refuse(&self, refused: Refused) -> ConnectError {
        match refused {
            Refused::TooLarge => ConnectError::ResultTooLarge { limit: self.limit },
            Refused::Broken(problem) => self.wire.unexpected(problem),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Session");
        shown.field("remote", &self.wire.remote).field("id", &self.wire.session_id).finish_non_exhaustive()
    }
}
