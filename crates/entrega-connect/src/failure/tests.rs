use std::collections::HashMap;

use super::*;
use crate::protocol::fetch_error_details_response::QueryContext;

/// An error as Spark tells it.
fn link(message: &str, class: Option<&str>, state: Option<&str>, cause: Option<i32>) -> Link {
    let throwable = SparkThrowable {
        error_class: class.map(str::to_owned),
        sql_state: state.map(str::to_owned),
        ..SparkThrowable::default()
    };
    Link { message: message.to_owned(), cause_idx: cause, spark_throwable: Some(throwable), ..Link::default() }
}

fn chain(errors: Vec<Link>) -> FetchErrorDetailsResponse {
    FetchErrorDetailsResponse { root_error_idx: Some(0), errors, ..FetchErrorDetailsResponse::default() }
}

fn failed(sql: &str, errors: Vec<Link>) -> Failure {
    Failure::new(&Asked::statement(sql), "short form", &ErrorInfo::default(), Some(&chain(errors)))
}

#[test]
fn a_failure_is_shown_with_its_place() {
    let mut link = link(
        "[DIVIDE_BY_ZERO] Division by zero. Use `try_divide`. SQLSTATE: 22012\n== SQL (line 2, position 3) ==\n  2 / 0\n  ^^^^^\n",
        Some("DIVIDE_BY_ZERO"),
        Some("22012"),
        None,
    );
    let context =
        QueryContext { start_index: 12, stop_index: 16, fragment: "2 / 0".to_owned(), ..QueryContext::default() };
    link.spark_throwable.as_mut().unwrap().query_contexts.push(context);
    assert_eq!(
        failed("select 1,\n  2 / 0", vec![link]).to_string(),
        "the statement failed: Division by zero. Use `try_divide`. (DIVIDE_BY_ZERO, SQLSTATE 22012)
at line 2, column 3 of the statement:
      2 / 0
      ^^^^^
hint: a value does not fit: look for the rows; try_divide, try_cast and their like give NULL instead"
    );
}

#[test]
fn the_plan_behind_a_message_is_left_out() {
    let text = "[UNRESOLVED_COLUMN] A column `b` cannot be resolved.  SQLSTATE: 42703; line 1 pos 7;\n'Project ['b]\n";
    let failure = failed("select b", vec![link(text, Some("UNRESOLVED_COLUMN"), Some("42703"), None)]);
    assert_eq!(failure.message, "A column `b` cannot be resolved.");
    assert_eq!(failure.place.map(|place| (place.line, place.column, place.fragment)), Some((1, 8, "b".to_owned())));
}

#[test]
fn a_raised_text_is_kept_to_the_letter() {
    let mut link =
        link("[USER_RAISED_EXCEPTION] no SQLSTATE: P0001 ! SQLSTATE: P0001", Some(RAISED), Some("P0001"), None);
    let parameters = &mut link.spark_throwable.as_mut().unwrap().message_parameters;
    parameters.insert("errorMessage".to_owned(), " no SQLSTATE: P0001 !\n".to_owned());
    let failure = failed("select raise_error('…')", vec![link]);
    assert_eq!(failure.raised(), Some(" no SQLSTATE: P0001 !\n"));
    assert_eq!(failed("select 1", vec![]).raised(), None);
}

#[test]
fn the_outermost_error_with_a_class_is_told_and_then_its_causes() {
    let errors = vec![
        link("Job aborted due to stage failure", None, None, Some(1)),
        link("[TASK_WRITE_FAILED] Task failed. SQLSTATE: 58030", Some("TASK_WRITE_FAILED"), Some("58030"), Some(2)),
        link("No space left on device\nat …", None, None, Some(1)),
    ];
    let failure = failed("insert into t values (1)", errors);
    assert_eq!(failure.message, "Task failed.");
    assert_eq!(failure.causes[0], "No space left on device");
    let shown = failure.to_string();
    assert!(shown.contains("(TASK_WRITE_FAILED, SQLSTATE 58030)\ncause: No space left on device\n"), "{shown}");
    assert!(shown.ends_with("if a machine of the cluster failed"), "{shown}");
}

#[test]
fn without_its_details_a_failure_is_told_from_the_status() {
    let told = [("errorClass", "DIVIDE_BY_ZERO"), ("sqlState", "22012")];
    let metadata: HashMap<_, _> = told.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let info = ErrorInfo { metadata, ..ErrorInfo::default() };
    for details in [None, Some(FetchErrorDetailsResponse::default())] {
        let text = "[DIVIDE_BY_ZERO] Division by zero. SQLSTATE: 22012";
        let failure = Failure::new(&Asked::statement("select 1/0"), text, &info, details.as_ref());
        assert_eq!((failure.message.as_str(), failure.sql_state.as_deref()), ("Division by zero.", Some("22012")));
    }
}

#[test]
fn a_message_alone_is_understood() {
    let asked = Asked { head: "explain\n", ..Asked::statement("select *\nfrom nope") };
    let failure =
        Failure::told(&asked, " \n[TABLE_OR_VIEW_NOT_FOUND] No `nope`. SQLSTATE: 42P01; line 3 pos 5;\n'Project [*]");
    assert_eq!(failure.error_class.as_deref(), Some("TABLE_OR_VIEW_NOT_FOUND"));
    assert_eq!(failure.sql_state.as_deref(), Some("42P01"));
    assert_eq!(failure.message, "No `nope`.");
    assert_eq!(failure.place.unwrap().fragment, "nope");
    let bare = Failure::told(&asked, "something else");
    assert_eq!(bare.to_string().lines().next(), Some("the statement failed: something else"));
}
