//! The way to the server: channel, headers, who is asking, and what a failed call means.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder, Retryable};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Response, Status};
use uuid::Uuid;

use crate::error::{ConnectError, Result};
use crate::failure::Failure;
use crate::place::Asked;
use crate::protocol::spark_connect_service_client::SparkConnectServiceClient;
use crate::protocol::{FetchErrorDetailsRequest, FetchErrorDetailsResponse, UserContext};
use crate::remote::{Header, Remote};
use crate::status::{ErrorInfo, is_transient, told};

/// How long a server may take to accept a connection. Longer, and it is rather the wrong address.
const CONNECT_SECONDS: u64 = 10;
/// How long a short question may take in all. A server that makes its first session was seen to need ten seconds.
const ANSWER_SECONDS: u64 = 60;
/// How long a short question is asked again when the connection breaks.
const SHORT_PATIENCE: Duration = Duration::from_secs(15);
/// The same for the first question, when it is rather the wrong address.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);
/// The largest message, as for Spark's own clients; gRPC's 4 MiB are less than one batch of rows.
const LARGEST_MESSAGE: usize = 128 << 20;
/// Room for the details of an error, which come as a header.
const LARGEST_HEADERS: u32 = 256 << 10;

/// The generated client behind the headers of every request.
pub(crate) type Stub = SparkConnectServiceClient<InterceptedService<Channel, Headers>>;

/// Puts the token and the other headers on every request.
#[derive(Clone)]
pub(crate) struct Headers(Arc<[Header]>);

impl Interceptor for Headers {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        for (name, value) in self.0.iter() {
            request.metadata_mut().insert(name.clone(), value.clone());
        }
        Ok(request)
    }
}

/// A session's way to its server.
pub(crate) struct Wire {
    pub stub: Stub,
    /// The server, for errors.
    pub remote: String,
    pub session_id: String,
    pub user: UserContext,
    /// This program, for the server's log.
    pub client_type: String,
    /// How often this session was interrupted.
    pub interrupts: AtomicU64,
    /// The id that the server gave the session: with another one it is another session, without views and variables.
    observed: OnceLock<String>,
}

impl Wire {
    /// Connects; nothing is asked yet.
    pub async fn open(remote: &Remote) -> Result<Self> {
        let unreachable = |error: tonic::transport::Error| {
            let problem = match told(&error) {
                // What rustls says of an answer that is no TLS.
                text if text.contains("InvalidContentType") => {
                    "it does not speak TLS, as use_ssl or a token wants".to_owned()
                }
                text => text,
            };
            ConnectError::Unreachable { remote: remote.to_string(), problem }
        };
        let mut endpoint = Endpoint::from_shared(remote.uri())
            .and_then(|endpoint| endpoint.user_agent(remote.agent()))
            .map_err(unreachable)?
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS))
            // Dead connections are found by TCP. gRPC's own pings would be taken for an attack by Spark's server.
            .tcp_keepalive(Some(Duration::from_secs(30)))
            .tcp_keepalive_interval(Some(Duration::from_secs(10)))
            .tcp_keepalive_retries(Some(3))
            .http2_max_header_list_size(LARGEST_HEADERS);
        if remote.is_encrypted() {
            endpoint = endpoint.tls_config(ClientTlsConfig::new().with_enabled_roots()).map_err(unreachable)?;
        }
        let channel = endpoint.connect().await.map_err(unreachable)?;
        let user = remote.user().unwrap_or_default().to_owned();
        Ok(Self {
            stub: SparkConnectServiceClient::with_interceptor(channel, Headers(remote.headers().into()))
                .max_decoding_message_size(LARGEST_MESSAGE)
                .max_encoding_message_size(LARGEST_MESSAGE),
            remote: remote.to_string(),
            session_id: remote.session().unwrap_or_else(Uuid::new_v4).to_string(),
            user: UserContext { user_name: user.clone(), user_id: user, extensions: Vec::new() },
            client_type: remote.agent(),
            interrupts: AtomicU64::new(0),
            observed: OnceLock::new(),
        })
    }

    /// The server's id of the session, once it is known.
    pub fn observed(&self) -> Option<String> {
        self.observed.get().cloned()
    }

    /// Notes the server's id of the session; another one than before means that the session is gone.
    pub fn observe(&self, id: &str) -> Result<()> {
        if id.is_empty() || self.observed.get_or_init(|| id.to_owned()) == id {
            return Ok(());
        }
        Err(self.lost("the server was started anew"))
    }

    /// How often this session was interrupted until now.
    pub fn interruptions(&self) -> u64 {
        self.interrupts.load(Ordering::SeqCst)
    }

    /// Asks a short question, again if the connection breaks: so only such as do no harm when asked twice.
    pub async fn ask<Q, A, F>(&self, question: Q, call: impl Fn(Stub, Request<Q>) -> F) -> Result<A, Status>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let patience = if self.observed.get().is_some() { SHORT_PATIENCE } else { FIRST_PATIENCE };
        let once = || async { call(self.stub.clone(), Request::new(question.clone())).await.map(Response::into_inner) };
        let answer = once.retry(delays(patience)).when(is_transient);
        match tokio::time::timeout(Duration::from_secs(ANSWER_SECONDS), answer).await {
            Ok(answer) => answer,
            Err(_) => Err(Status::unavailable(format!("no answer within {ANSWER_SECONDS} seconds"))),
        }
    }

    /// What a failed call means to who asked.
    pub async fn explain(&self, status: Status, asked: &Asked<'_>) -> ConnectError {
        let remote = self.remote.clone();
        if let Some(info) = ErrorInfo::of(&status) {
            return match info.class() {
                "OPERATION_CANCELED" => ConnectError::Interrupted,
                class if class.starts_with("INVALID_HANDLE") || class.starts_with("INVALID_CURSOR") => {
                    self.lost(status.message())
                }
                _ => {
                    let chain = self.chain(&info).await;
                    let failure = Failure::new(asked, status.message(), &info, chain.as_ref());
                    ConnectError::Statement(Box::new(failure))
                }
            };
        }
        let problem = told(&status);
        match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => ConnectError::Unauthorised { remote, problem },
            // The only way to learn that a single message was too large.
            Code::OutOfRange if problem.contains("message length") => {
                ConnectError::ResultTooLarge { limit: LARGEST_MESSAGE }
            }
            _ if is_transient(&status) && self.observed.get().is_some() => self.lost(problem),
            Code::Unimplemented => {
                ConnectError::Unreachable { remote, problem: format!("something else than Spark Connect: {problem}") }
            }
            _ if self.observed.get().is_none() => ConnectError::Unreachable { remote, problem },
            code => ConnectError::Answer { remote, problem: format!("{problem} ({code:?})") },
        }
    }

    /// The whole error behind its short form, if the server still knows it.
    async fn chain(&self, info: &ErrorInfo) -> Option<FetchErrorDetailsResponse> {
        let question = FetchErrorDetailsRequest {
            session_id: self.session_id.clone(),
            client_observed_server_side_session_id: self.observed(),
            user_context: Some(self.user.clone()),
            error_id: info.metadata.get("errorId")?.clone(),
            client_type: Some(self.client_type.clone()),
        };
        let answer = self.ask(question, |mut stub, question| async move { stub.fetch_error_details(question).await });
        match answer.await {
            Ok(chain) => Some(chain),
            Err(status) => {
                tracing::debug!(target: "entrega", %status, "no details of the error");
                None
            }
        }
    }

    /// The session is gone.
    pub fn lost(&self, problem: impl Into<String>) -> ConnectError {
        ConnectError::SessionLost { remote: self.remote.clone(), problem: problem.into() }
    }

    /// The answer is none that Spark's protocol knows.
    pub fn unexpected(&self, problem: impl Into<String>) -> ConnectError {
        ConnectError::Answer { remote: self.remote.clone(), problem: problem.into() }
    }
}

/// Waits that grow from 50 ms to 15 s, as long as `patience` in all.
pub(crate) fn delays(patience: Duration) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_millis(50))
        .with_max_delay(Duration::from_secs(15))
        .with_factor(3.0)
        .with_jitter()
        .without_max_times()
        .with_total_delay(Some(patience))
        .build()
}
