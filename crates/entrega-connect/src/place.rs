//! Where in a statement something went wrong.
//!
//! Spark says it in three ways: as an index (of code points, not of bytes or UTF-16 units, whatever the protocol's
//! comments say), as `(line 3, pos 10)`, which counts positions from 0, and as `(line 3, position 11)`, from 1.

use std::fmt;

use crate::protocol::fetch_error_details_response::QueryContext;

/// The longest line of a statement that an error repeats.
const LONGEST_LINE: usize = 160;

/// What is asked of the server, as its errors shall call it.
#[derive(Debug, Clone)]
pub(crate) struct Asked<'a> {
    /// "the statement", "setting x".
    pub what: String,
    /// Lines that this client put before the statement, which its author does not know; each ends in a line break.
    pub head: &'static str,
    /// The statement.
    pub sql: &'a str,
}

impl<'a> Asked<'a> {
    /// A statement.
    pub fn statement(sql: &'a str) -> Self {
        Self { what: "the statement".to_owned(), head: "", sql }
    }

    /// Something without SQL.
    pub fn wish(what: impl Into<String>) -> Self {
        Self { what: what.into(), head: "", sql: "" }
    }

    /// What the server gets.
    pub fn text(&self) -> String {
        format!("{}{}", self.head, self.sql)
    }

    /// The place that Spark's structured context means.
    pub fn place_of(&self, context: &QueryContext) -> Option<Place> {
        if !context.object_type.is_empty() {
            // Within a view, whose text is not here. Its summary has the numbers, counted from 1.
            let (line, column) = numbers(&context.summary)?;
            let object = format!("{} {}", context.object_type, context.object_name);
            let source = context.fragment.lines().next().unwrap_or_default().to_owned();
            return Some(Place { line, column, object: Some(object), fragment: context.fragment.clone(), source });
        }
        let head = self.head.chars().count();
        let start = usize::try_from(context.start_index).ok()?.checked_sub(head)?;
        let stop = usize::try_from(context.stop_index).ok()?.checked_sub(head)?;
        let fragment: String = self.sql.chars().skip(start).take((stop + 1).checked_sub(start)?).collect();
        // Another text than this one, such as that of `execute immediate`. (Spark cuts its own fragment at the wrong
        // place behind characters of two UTF-16 units, so there it cannot be compared.)
        let comparable = self.sql.chars().all(|character| character.len_utf16() == 1);
        if fragment.is_empty() || (comparable && fragment != context.fragment) {
            return None;
        }
        let before: Vec<char> = self.sql.chars().take(start).collect();
        let line = before.iter().filter(|character| **character == '\n').count() + 1;
        let column = before.iter().rev().take_while(|character| **character != '\n').count() + 1;
        Some(Place { line, column, object: None, fragment, source: self.line(line)? })
    }

    /// The place that the end of a message names: `(line 3, pos 10)`.
    pub fn place_in(&self, text: &str) -> Option<Place> {
        let (line, column) = numbers(text)?;
        let line = line.checked_sub(self.head.lines().count())?;
        let source = self.line(line).filter(|source| column <= source.chars().count() + 1)?;
        let fragment = source.chars().skip(column - 1).take_while(|character| character.is_alphanumeric()).collect();
        Some(Place { line, column, object: None, fragment, source })
    }

    fn line(&self, number: usize) -> Option<String> {
        self.sql.lines().nth(number.checked_sub(1)?).map(str::to_owned)
    }
}

/// A place in a statement; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
    /// The view or function whose text is meant, if it is not the statement's own.
    pub object: Option<String>,
    /// The piece of the text that Spark blames; may be empty.
    pub fragment: String,
    /// The whole line.
    pub source: String,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.object.as_deref().unwrap_or("the statement");
        write!(formatter, "at line {}, column {} of {of}:", self.line, self.column)?;
        if self.object.is_some() || self.source.chars().count() > LONGEST_LINE {
            let fragment: String =
                self.fragment.lines().next().unwrap_or_default().chars().take(LONGEST_LINE).collect();
            return write!(formatter, "\n    {fragment}");
        }
        let first = self.fragment.lines().next().unwrap_or_default().chars().count();
        let (space, carets) = (" ".repeat(self.column - 1), "^".repeat(first.max(1)));
        write!(formatter, "\n    {}\n    {space}{carets}", self.source.replace('\t', " "))
    }
}

/// Line and column of `line 3, pos 10`, `line 3 pos 10` or `line 3, position 11`, the column counted from 1.
fn numbers(text: &str) -> Option<(usize, usize)> {
    let (_, rest) = text.split_once("line ")?;
    let digits = rest.find(|character: char| !character.is_ascii_digit())?;
    let line = rest[..digits].parse().ok()?;
    let rest = rest[digits..].trim_start_matches([',', ' ']);
    let (number, origin) = match rest.strip_prefix("position ") {
        Some(number) => (number, 0),
        None => (rest.strip_prefix("pos ")?, 1),
    };
    let digits = number.find(|character: char| !character.is_ascii_digit()).unwrap_or(number.len());
    let column: usize = number[..digits].parse().ok()?;
    Some((line, column.checked_add(origin)?.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(start: i32, stop: i32, fragment: &str) -> QueryContext {
        QueryContext { start_index: start, stop_index: stop, fragment: fragment.to_owned(), ..QueryContext::default() }
    }

    #[test]
    fn an_index_becomes_line_and_column() {
        let place = Asked::statement("select *\nfrom\n  nope.nope").place_of(&context(16, 24, "nope.nope")).unwrap();
        assert_eq!((place.line, place.column, place.fragment.as_str()), (3, 3, "nope.nope"));
        assert_eq!(place.to_string(), "at line 3, column 3 of the statement:\n      nope.nope\n      ^^^^^^^^^");
    }

    #[test]
    fn an_index_counts_code_points() {
        // As seen from Spark 4.2, whose own fragment is off by one here.
        let place = Asked::statement("select 1,\n  'é😀', nocol").place_of(&context(18, 22, " noco")).unwrap();
        assert_eq!((place.line, place.column, place.fragment.as_str()), (2, 9, "nocol"));
    }

    #[test]
    fn a_place_in_another_text_is_no_place() {
        assert_eq!(Asked::statement("execute immediate text").place_of(&context(7, 9, "1/0")), None);
        assert_eq!(Asked::statement("select 1").place_of(&context(-1, -1, "")), None);
        assert_eq!(Asked::statement("select 1").place_of(&context(700, 703, "oops")), None);
    }

    #[test]
    fn lines_that_the_author_does_not_know_do_not_count() {
        let asked = Asked { head: "explain formatted\n", ..Asked::statement("select\n nocol") };
        assert_eq!(asked.place_of(&context(26, 30, "nocol")).unwrap().line, 2);
        assert_eq!(asked.place_in("(line 3, pos 1)").unwrap().fragment, "nocol");
    }

    #[test]
    fn positions_in_messages_are_understood() {
        for (text, expected) in [
            (" (line 3, pos 10)\n\n== SQL ==", Some((3, 11))),
            ("; line 3 pos 2;\n'Project [*]", Some((3, 3))),
            ("== SQL (line 2, position 9) ==", Some((2, 9))),
            ("a line of no use", None),
            ("line 99999999999999999999999 pos 1", None),
        ] {
            assert_eq!(numbers(text), expected, "{text}");
        }
    }

    #[test]
    fn a_view_is_named_with_its_own_place() {
        let context = QueryContext {
            object_type: "VIEW".to_owned(),
            object_name: "shop.late".to_owned(),
            summary: "== SQL of VIEW shop.late (line 1, position 8) ==".to_owned(),
            ..context(7, 11, "1 / 0")
        };
        let place = Asked::statement("select * from shop.late").place_of(&context).unwrap();
        assert_eq!(place.to_string(), "at line 1, column 8 of VIEW shop.late:\n    1 / 0");
    }
}
