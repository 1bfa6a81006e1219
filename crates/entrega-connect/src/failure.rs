//! Why a statement failed: Spark's error condition, made readable.

use std::collections::BTreeMap;
use std::fmt;

use crate::place::{Asked, Place};
use crate::protocol::FetchErrorDetailsResponse;
use crate::protocol::fetch_error_details_response::{Error as Link, SparkThrowable};
use crate::status::ErrorInfo;

#[cfg(test)]
mod tests;

/// The class of errors that a statement raises itself.
const RAISED: &str = "USER_RAISED_EXCEPTION";

/// Why a statement failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// What failed: "the statement".
    pub what: String,
    /// What Spark says, without its class, its SQLSTATE and its plan.
    pub message: String,
    /// Spark's error condition, such as `DIVIDE_BY_ZERO`.
    pub error_class: Option<String>,
    /// The SQLSTATE, such as `22012`.
    pub sql_state: Option<String>,
    /// Where in the statement.
    pub place: Option<Place>,
    /// The values in the message, by name.
    pub parameters: BTreeMap<String, String>,
    /// Spark's underlying causes, outermost first, one line each.
    pub causes: Vec<String>,
}

impl Failure {
    /// The text of `raise_error('text')` or `assert_true(…, 'text')`, if that is what failed.
    #[must_use]
    pub fn raised(&self) -> Option<&str> {
        (self.error_class.as_deref() == Some(RAISED)).then_some(self.message.as_str())
    }

    /// From all that Spark knows of an error: its chain of causes, if it was fetched, and what came with the status.
    pub(crate) fn new(asked: &Asked, text: &str, info: &ErrorInfo, chain: Option<&FetchErrorDetailsResponse>) -> Self {
        let chain = chain.map(links).unwrap_or_default();
        let structured = |link: &Link| link.spark_throwable.as_ref().is_some_and(|it| it.error_class.is_some());
        // The outermost error with a class: what lies around it ("Job aborted") says less.
        let told = chain.iter().position(|link| structured(link)).unwrap_or(0);
        let (text, throwable, causes) = match chain.get(told) {
            Some(link) => (link.message.as_str(), link.spark_throwable.clone().unwrap_or_default(), &chain[told + 1..]),
            None => (text, SparkThrowable::default(), &chain[..0]),
        };
        let known = |name| info.metadata.get(name).cloned();
        let error_class = throwable.error_class.or_else(|| known("errorClass"));
        let sql_state = throwable.sql_state.or_else(|| known("sqlState"));
        let parameters: BTreeMap<_, _> = throwable.message_parameters.into_iter().collect();
        let (message, rest) = tidy(text, error_class.as_deref(), sql_state.as_deref());
        let place = throwable.query_contexts.iter().find_map(|it| asked.place_of(it)).or_else(|| asked.place_in(rest));
        let message = match parameters.get("errorMessage") {
            Some(exact) if error_class.as_deref() == Some(RAISED) => exact.clone(),
            _ => message.to_owned(),
        };
        let causes = causes.iter().filter_map(|link| link.message.trim().lines().next().map(str::to_owned)).collect();
        Self { what: asked.what.clone(), message, error_class, sql_state, place, parameters, causes }
    }

    /// From a message alone, as `explain` gives it in place of a plan.
    pub(crate) fn told(asked: &Asked, text: &str) -> Self {
        let text = text.trim();
        let class = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(class, _)| class);
        let state = text.rfind("SQLSTATE: ").and_then(|at| text[at..].get(10..15));
        let told = [("errorClass", class), ("sqlState", state)];
        let metadata =
            told.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
        Self::new(asked, text, &ErrorInfo { metadata, ..ErrorInfo::default() }, None)
    }

    /// What to do, by the kind that the SQLSTATE tells (its first two characters are its class).
    fn hint(&self) -> &'static str {
        let state = self.sql_state.as_deref().unwrap_or_default();
        match state.get(..2).unwrap_or_default() {
            "P0" => "the statement raised this itself (raise_error or assert_true): look at the rows that it checks",
            "42" | "07" => {
                "mend the statement: Spark cannot read it, or does not know a name in it, or may not use it so"
            }
            "22" | "23" => {
                "a value does not fit: look for the rows; try_divide, try_cast and their like give NULL instead"
            }
            "0A" | "56" => "Spark cannot do this: write the statement in another way",
            "2D" | "40" => "another writer was faster: run again",
            "53" | "54" => "a limit of the server was reached: give it more, or ask for less at once",
            _ => {
                "the log of the Spark server has more on this; running again may help if a machine of the cluster failed"
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} failed: {}", self.what, self.message)?;
        match (&self.error_class, &self.sql_state) {
            (Some(class), Some(state)) => write!(formatter, " ({class}, SQLSTATE {state})")?,
            (Some(class), None) => write!(formatter, " ({class})")?,
            (None, Some(state)) => write!(formatter, " (SQLSTATE {state})")?,
            (None, None) => {}
        }
        if let Some(place) = &self.place {
            write!(formatter, "\n{place}")?;
        }
        for cause in &self.causes {
            write!(formatter, "\ncause: {cause}")?;
        }
        write!(formatter, "\nhint: {}", self.hint())
    }
}

/// The chain of causes, outermost first. A server could make it a ring; that must not matter.
fn links(response: &FetchErrorDetailsResponse) -> Vec<&Link> {
    let at = |index: Option<i32>| index.and_then(|index| response.errors.get(usize::try_from(index).ok()?));
    let follow = |link: &&Link| at(link.cause_idx);
    std::iter::successors(at(response.root_error_idx), follow).take(response.errors.len()).collect()
}

/// A message without `[CLASS]` before it and without what follows it (SQLSTATE, position, plan), and what follows it.
fn tidy<'a>(text: &'a str, class: Option<&str>, state: Option<&str>) -> (&'a str, &'a str) {
    let text = text.trim();
    let bare = class.and_then(|class| text.strip_prefix(&format!("[{class}]"))).unwrap_or(text);
    let end = state.and_then(|state| bare.rfind(&format!("SQLSTATE: {state}"))).or_else(|| bare.find("\n== SQL"));
    let (message, rest) = end.map_or((bare, ""), |end| bare.split_at(end));
    (message.trim(), rest)
}
