//! What can go wrong with a Spark Connect server, by what the reader does next.

use thiserror::Error;

use crate::failure::Failure;

/// The result of talking to Spark.
pub type Result<T, E = ConnectError> = std::result::Result<T, E>;

/// An error of a Spark Connect session; no kind ever shows a token.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The connection string is wrong: mend it.
    #[error("the address of the Spark Connect server is wrong: {problem}\nhint: {hint}")]
    Address {
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: &'static str,
    },
    /// Nothing that speaks Spark Connect was reached: mend the address, or start the server.
    #[error(
        "no Spark Connect server answers at {remote}: {problem}\nhint: is the server up, is this its port (15002 unless it was told otherwise), and does it want ;use_ssl=true or a token?"
    )]
    Unreachable {
        /// The server.
        remote: String,
        /// What was seen.
        problem: String,
    },
    /// The server refuses this user: mend the token.
    #[error(
        "{remote} does not let this program in: {problem}\nhint: give the server's token as ;token=… or in SPARK_CONNECT_AUTHENTICATE_TOKEN, and see that it has not expired"
    )]
    Unauthorised {
        /// The server.
        remote: String,
        /// What it said.
        problem: String,
    },
    /// The statement failed: mend it, or the rows that it reads.
    #[error("{0}")]
    Statement(Box<Failure>),
    /// The statement's rows are too many to be fetched: ask for fewer.
    #[error(
        "the result is larger than {limit} bytes\nhint: ask for fewer rows (aggregate, or a limit clause), or write them to a table"
    )]
    ResultTooLarge {
        /// The bound.
        limit: usize,
    },
    /// The server, or what it kept for this session, is gone: begin anew.
    #[error(
        "the session at {remote} is lost: {problem}\nhint: temporary views and variables went with it, and the statement that ran may or may not have taken effect; see that the server is up, then begin anew with a new session"
    )]
    SessionLost {
        /// The server.
        remote: String,
        /// What was seen.
        problem: String,
    },
    /// Somebody interrupted the session, as was asked for.
    #[error("the statement was interrupted\nhint: if that was not meant, run again")]
    Interrupted,
    /// The server answered, but not as Spark's protocol wants.
    #[error(
        "{remote} answered in an unexpected way: {problem}\nhint: this client speaks the protocol of Spark 4.2; is the server much older or newer, or is there a proxy between?"
    )]
    Answer {
        /// The server.
        remote: String,
        /// What was unexpected.
        problem: String,
    },
}
