//! A client of Spark Connect: SQL goes to a Spark server, small results come back.
//!
//! Spark Connect is a protocol over gRPC. A client keeps a *session* on the server, in which settings, temporary views
//! and variables live, and has *operations* run in it. Data stays with Spark; what comes back is meant for people and
//! for decisions, and is bounded.
//!
//! ```text
//!   Remote                Session                        Operation
//!   sc://host:port/;… ──▶ connect, set, explain ───────▶ one execution, found again     ┌──────────────┐
//!   who, where, token     execute ─ one statement ─┐     by its id when the way breaks ◀┼▶ Spark       │
//!                         interrupt, close         │        │        │                  └──────────────┘
//!                                                  ▼        ▼        ▼
//!                                              Progress    Rows    status ─▶ Failure at a Place, or another
//!                                                          Arrow             ConnectError: what to do next
//! ```
//!
//! A statement is sent as a *command*. If it is one (`insert`, `create`, `set`, …), the server has run it when it answers,
//! and its rows, if any, are in the answer. If it is a query, the answer is a relation, which is run by a second
//! operation. Each operation has an id that is chosen here: when the connection breaks, the client attaches to it again,
//! or sends it again if it never arrived; so a statement is neither lost nor run twice ([`Session::execute`]).
//!
//! A failure says what the server knows of it (error condition, SQLSTATE, cause) and where in the statement it lies, and
//! ends in a hint. A token goes over the network only encrypted, and is never shown.
//!
//! ```no_run
//! use entrega_connect::{Remote, Session};
//!
//! # async fn example() -> entrega_connect::Result<()> {
//! let session = Session::connect(&Remote::parse("sc://localhost")?).await?;
//! let rows = session.execute("select 1 as one", &|progress| tracing::debug!(?progress)).await?;
//! assert_eq!(rows[0].num_rows(), 1);
//! session.close().await
//! # }
//! ```
//!
//! Deliberately absent: data frames, uploads, user functions, streams, and any knowledge of models and tables. What Spark
//! does, SQL says.

mod error;
mod failure;
mod operation;
mod place;
mod progress;
mod remote;
mod rows;
mod session;
mod status;
mod wire;

pub use error::{ConnectError, Result};
pub use failure::Failure;
pub use place::Place;
pub use progress::Progress;
pub use remote::{DEFAULT_PORT, Remote, TOKEN_VARIABLE};
pub use session::{ExplainMode, PATIENCE, RESULT_LIMIT, Session};

/// The protocol, generated from Spark's own files.
#[allow(dead_code, missing_docs, clippy::all, clippy::pedantic, rustdoc::all)]
mod protocol {
    tonic::include_proto!("spark.connect");
}
