//! What a gRPC status means: the details that Spark sends along, and whether to try again.

use std::collections::HashMap;
use std::error::Error as _;
use std::time::Duration;

use prost::{Message, Name};
use tonic::{Code, Status};

/// `google.rpc.Status`, in the trailer `grpc-status-details-bin`.
#[derive(Clone, PartialEq, Message)]
struct Details {
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// `google.rpc.ErrorInfo`: what Spark says of every error of its own.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ErrorInfo {
    /// The exception's class.
    #[prost(string, tag = "1")]
    pub reason: String,
    /// `errorClass`, `sqlState`, `errorId`, `messageParameters` and others.
    #[prost(map = "string, string", tag = "3")]
    pub metadata: HashMap<String, String>,
}

impl Name for ErrorInfo {
    const NAME: &'static str = "ErrorInfo";
    const PACKAGE: &'static str = "google.rpc";
}

impl ErrorInfo {
    /// The error info of a status, if Spark itself made it.
    pub fn of(status: &Status) -> Option<Self> {
        detail(status)
    }

    /// Spark's error condition.
    pub fn class(&self) -> &str {
        self.metadata.get("errorClass").map_or("", String::as_str)
    }
}

/// `google.rpc.RetryInfo`: the server wants to be asked again.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<prost_types::Duration>,
}

impl Name for RetryInfo {
    const NAME: &'static str = "RetryInfo";
    const PACKAGE: &'static str = "google.rpc";
}

fn detail<M: Message + Name + Default>(status: &Status) -> Option<M> {
    let details = Details::decode(status.details()).ok()?.details;
    let end = format!("/{}", M::full_name());
    details.iter().find(|any| any.type_url.ends_with(&end)).and_then(|any| M::decode(any.value.as_slice()).ok())
}

/// Whether an error says nothing of the statement, only of the way to the server, so that asking again may help.
pub(crate) fn is_transient(status: &Status) -> bool {
    // A status with a cause was made on this side: the connection broke.
    status.source().is_some()
        || status.code() == Code::Unavailable
        // A proxy ended the stream between two messages.
        || (status.code() == Code::Unknown && status.message().contains("missing grpc-status"))
        // Another request took the stream over; it was one of ours, from before the connection broke.
        || is(status, "INVALID_CURSOR.DISCONNECTED")
        || detail::<RetryInfo>(status).is_some()
}

/// How long the server wants to be left alone.
pub(crate) fn wanted_delay(status: &Status) -> Duration {
    let delay = detail::<RetryInfo>(status).and_then(|info| info.retry_delay);
    delay.and_then(|delay| Duration::try_from(delay).ok()).unwrap_or_default()
}

/// Whether a status is of an error condition.
pub(crate) fn is(status: &Status, class: &str) -> bool {
    match ErrorInfo::of(status) {
        // Not by its message, which a statement can make up with `raise_error`.
        Some(info) => info.class() == class,
        None => status.message().contains(&format!("[{class}]")),
    }
}

/// A status and its causes in one line.
pub(crate) fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let text =
            cause.downcast_ref::<Status>().map_or_else(|| cause.to_string(), |status| status.message().to_owned());
        if !text.is_empty() && !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = cause.source();
    }
    parts.join(": ")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A status as Spark sends it.
    pub(crate) fn spark_status(metadata: &[(&str, &str)]) -> Status {
        let metadata = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        with_detail(&ErrorInfo { reason: "org.apache.spark.SparkException".to_owned(), metadata })
    }

    fn with_detail<M: Message + Name>(detail: &M) -> Status {
        let any = prost_types::Any {
            type_url: format!("type.googleapis.com/{}", M::full_name()),
            value: detail.encode_to_vec(),
        };
        Status::with_details(Code::Internal, "no", Details { details: vec![any] }.encode_to_vec().into())
    }

    #[test]
    fn spark_s_own_errors_are_not_tried_again() {
        let status = spark_status(&[("errorClass", "DIVIDE_BY_ZERO"), ("sqlState", "22012")]);
        assert_eq!(ErrorInfo::of(&status).unwrap().class(), "DIVIDE_BY_ZERO");
        assert!(!is_transient(&status));
        assert!(!is_transient(&Status::unknown("java.lang.OutOfMemoryError")));
    }

    #[test]
    fn a_statement_cannot_pass_its_error_off_as_another() {
        let raised = spark_status(&[("errorClass", "USER_RAISED_EXCEPTION")]);
        let text = "[INVALID_HANDLE.OPERATION_NOT_FOUND] [INVALID_CURSOR.DISCONNECTED]";
        let raised = Status::with_details(Code::Internal, text, raised.details().to_vec().into());
        assert!(!is(&raised, "INVALID_HANDLE.OPERATION_NOT_FOUND"));
        assert!(!is_transient(&raised));
        assert!(is(&Status::internal(text), "INVALID_HANDLE.OPERATION_NOT_FOUND"));
    }

    #[test]
    fn a_broken_way_is_tried_again() {
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert!(is_transient(&Status::from_error(Box::new(broken))));
        assert!(is_transient(&Status::unavailable("")));
        assert!(is_transient(&spark_status(&[("errorClass", "INVALID_CURSOR.DISCONNECTED")])));
    }

    #[test]
    fn the_server_may_ask_for_a_delay() {
        let delay = prost_types::Duration { seconds: 3, nanos: 0 };
        let status = with_detail(&RetryInfo { retry_delay: Some(delay) });
        assert!(is_transient(&status));
        assert_eq!(wanted_delay(&status), Duration::from_secs(3));
        assert_eq!(wanted_delay(&Status::unavailable("")), Duration::ZERO);
    }

    #[test]
    fn an_error_is_told_with_its_causes_once() {
        let broken = std::io::Error::other("connection refused");
        assert_eq!(told(&Status::from_error(Box::new(broken))), "connection refused");
    }
}
