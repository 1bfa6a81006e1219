//! One execution on the server, that outlives its connection.
//!
//! ```text
//!            ┌── not arrived: send it again ───┐
//!            ▼                                 │
//!  ExecutePlan (id chosen here) ──broken──▶ ReattachExecute (id, last answer seen) ──broken──┐
//!            │                                 │  ▲                                        wait
//!         answers                           answers └────────────────────────────────────────┘
//!            └──────────▶ ResultComplete ◀─────┘
//!                              ▼
//!                        ReleaseExecute
//! ```
//!
//! The server runs a statement whether or not somebody listens, keeps its answers, and refuses a second execution with
//! the same id. So a broken connection neither loses a statement nor repeats it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::ExponentialBackoff;
use tonic::{Request, Status, Streaming};
use uuid::Uuid;

use crate::error::{ConnectError, Result};
use crate::place::Asked;
use crate::protocol::execute_plan_request::{RequestOption, request_option};
use crate::protocol::execute_plan_response::ResponseType;
use crate::protocol::{
    ExecutePlanRequest, ExecutePlanResponse, Plan, ReattachExecuteRequest, ReattachOptions, ReleaseExecuteRequest,
    ResultChunkingOptions, release_execute_request,
};
use crate::status::{is, is_transient, told, wanted_delay};
use crate::wire::{Wire, delays};

/// A stream that says nothing for so long is dead: Spark reports progress every few seconds and ends every stream after
/// two minutes, to be attached to again.
const SILENCE: Duration = Duration::from_secs(150);
/// A stream that ends sooner, without an answer, was not ended by Spark; so do not ask again at once.
const SHORTEST_STREAM: Duration = Duration::from_secs(1);
/// How long the farewell may take. The server clears up without it too, only later.
const RELEASE_SECONDS: u64 = 10;

/// An execution. Dropping it ends it on the server too.
pub(crate) struct Operation {
    wire: Arc<Wire>,
    request: ExecutePlanRequest,
    id: String,
    stream: Option<Streaming<ExecutePlanResponse>>,
    /// Whether the request was sent, and so may have arrived.
    sent: bool,
    /// The newest answer that was seen.
    last: Option<String>,
    complete: bool,
    patience: Duration,
    delays: ExponentialBackoff,
    /// Since when nothing good was heard. Delays alone would not do: a frozen server takes its time over every attempt.
    broken: Option<Instant>,
    /// Interruptions before this execution.
    interruptions: u64,
}

impl Operation {
    /// An execution that is not sent yet; `interruptions` as counted when the statement began.
    pub fn new(wire: Arc<Wire>, plan: Plan, patience: Duration, interruptions: u64) -> Self {
        let id = Uuid::new_v4().to_string();
        let option = |option| RequestOption { request_option: Some(option) };
        let request = ExecutePlanRequest {
            session_id: wire.session_id.clone(),
            client_observed_server_side_session_id: wire.observed(),
            user_context: Some(wire.user.clone()),
            operation_id: Some(id.clone()),
            plan: Some(plan),
            client_type: Some(wire.client_type.clone()),
            request_options: vec![
                option(request_option::RequestOption::ReattachOptions(ReattachOptions { reattachable: true })),
                option(request_option::RequestOption::ResultChunkingOptions(ResultChunkingOptions {
                    allow_arrow_batch_chunking: true,
                    preferred_arrow_chunk_size: None,
                })),
            ],
            tags: Vec::new(),
        };
        Self {
            wire,
            request,
            id,
            stream: None,
            sent: false,
            last: None,
            complete: false,
            patience,
            delays: delays(patience),
            broken: None,
            interruptions,
        }
    }

    /// The next answer; none at the end.
    pub async fn next(&mut self, asked: &Asked<'_>) -> Result<Option<ExecutePlanResponse>> {
        while !self.complete {
            let (fresh, first, begun) = (self.stream.is_none(), !self.sent, Instant::now());
            let answer = tokio::time::timeout(SILENCE, self.listen()).await;
            match answer.unwrap_or_else(|_| Err(Status::unavailable("the server has fallen silent"))) {
                Ok(Some(answer)) => {
                    self.wire.observe(&answer.server_side_session_id)?;
                    self.last = Some(answer.response_id.clone());
                    self.is_well();
                    if !matches!(answer.response_type, Some(ResponseType::ResultComplete(_))) {
                        return Ok(Some(answer));
                    }
                    self.complete = true;
                }
                // The server ends long streams, to be attached to again.
                Ok(None) => {
                    self.stream = None;
                    if fresh && begun.elapsed() < SHORTEST_STREAM {
                        self.wait(&Status::unavailable("the server ends the stream without an answer")).await?;
                    } else {
                        self.is_well();
                    }
                }
                Err(status) => {
                    self.stream = None;
                    self.recover(status, first, asked).await?;
                }
            }
        }
        Ok(None)
    }

    /// The next message of the stream, which is opened if there is none.
    async fn listen(&mut self) -> Result<Option<ExecutePlanResponse>, Status> {
        let mut stub = self.wire.stub.clone();
        if self.stream.is_none() {
            let answer = if self.sent {
                tracing::debug!(target: "entrega", operation = self.id, "reattaching");
                stub.reattach_execute(self.reattachment()).await
            } else {
                // From now on it may have arrived, whatever comes back.
                self.sent = true;
                stub.execute_plan(self.request.clone()).await
            };
            self.stream = Some(answer?.into_inner());
        }
        let Some(stream) = &mut self.stream else { return Ok(None) };
        stream.message().await
    }

    /// Goes on after a failure, if it was only the way to the server.
    async fn recover(&mut self, status: Status, first: bool, asked: &Asked<'_>) -> Result<()> {
        if is(&status, "INVALID_HANDLE.OPERATION_NOT_FOUND") && self.last.is_none() {
            // The request itself got lost.
            self.sent = false;
            return self.wait(&status).await;
        }
        let repeated = first && is(&status, "INVALID_HANDLE.OPERATION_ALREADY_EXISTS");
        if repeated || is_transient(&status) {
            return self.wait(&status).await;
        }
        Err(self.wire.explain(status, asked).await)
    }

    /// The server was heard: whatever breaks next is a new break.
    fn is_well(&mut self) {
        self.delays = delays(self.patience);
        self.broken = None;
    }

    /// Waits before the next attempt, if patience is left.
    async fn wait(&mut self, status: &Status) -> Result<()> {
        let since = *self.broken.get_or_insert_with(Instant::now);
        let delay = self.delays.next().filter(|_| since.elapsed() < self.patience);
        let Some(delay) = delay else { return Err(self.wire.lost(told(status))) };
        tracing::debug!(target: "entrega", operation = self.id, %status, ?delay, "the stream broke");
        tokio::time::sleep(delay.max(wanted_delay(status))).await;
        if self.wire.interruptions() == self.interruptions { Ok(()) } else { Err(ConnectError::Interrupted) }
    }

    fn reattachment(&self) -> ReattachExecuteRequest {
        ReattachExecuteRequest {
            session_id: self.wire.session_id.clone(),
            client_observed_server_side_session_id: self.wire.observed(),
            user_context: Some(self.wire.user.clone()),
            operation_id: self.id.clone(),
            client_type: Some(self.wire.client_type.clone()),
            last_response_id: self.last.clone(),
        }
    }
}

impl Drop for Operation {
    /// Lets the server forget the execution, and end it if it still runs.
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !self.sent {
            return;
        }
        let mut request = Request::new(ReleaseExecuteRequest {
            session_id: self.wire.session_id.clone(),
            client_observed_server_side_session_id: self.wire.observed(),
            user_context: Some(self.wire.user.clone()),
            operation_id: self.id.clone(),
            client_type: Some(self.wire.client_type.clone()),
            release: Some(release_execute_request::Release::ReleaseAll(release_execute_request::ReleaseAll {})),
        });
        request.set_timeout(Duration::from_secs(RELEASE_SECONDS));
        let mut stub = self.wire.stub.clone();
        runtime.spawn(async move {
            if let Err(status) = stub.release_execute(request).await {
                tracing::debug!(target: "entrega", %status, "the server will clear up by itself");
            }
        });
    }
}
