//! Sums over trailing ranges as differences of running totals.
//!
//! ```text
//!  sum over the last 30 days:   ──────────[==========)·      Spark adds up the whole frame anew for each row
//!  = everything until now       [====================)·      both grow with the rows: Spark goes on
//!  − everything before          [=========)           ·      from where it was
//! ```
//!
//! Spark's sliding frames cost rows × frame: a log of a million events with a month in each frame takes hours, on one
//! core where nothing partitions it. Its growing frames cost one step for each row. For whole numbers, which is what
//! features count, the difference is the same to the last digit. The embedded engine does the same (`range_sums`).
//!
//! Only this is rewritten, since it is certain by its text: `coalesce(sum(column) over name, 0)`, where `name` is a
//! window of the query that ends `range between n preceding and m preceding)`. All else runs as it stands.

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::{
    dialect::SparkSqlDialect,
    tokenizer::{Token, Tokenizer},
};

/// A query with its trailing sums as differences; as it is, where there is none.
#[must_use]
pub fn as_totals(sql: &str) -> String {
    let Ok(tokens) = Tokenizer::new(&SparkSqlDialect {}, sql).tokenize() else { return sql.to_owned() };
    let mut texts: Vec<String> = tokens.iter().map(ToString::to_string).collect();
    if texts.concat() != sql {
        return sql.to_owned();
    }
    let words: Vec<usize> =
        (0..tokens.len()).filter(|place| !matches!(tokens[*place], Token::Whitespace(_) | Token::EOF)).collect();
    let word = |place: usize| words.get(place).map(|index| texts[*index].to_ascii_lowercase()).unwrap_or_default();
    let known: BTreeSet<String> = (0..words.len()).map(word).collect();
    let windows: BTreeMap<String, Window> = (0..words.len())
        .filter_map(|place| Window::at(place, &word))
        .filter(|window| !known.contains(&window.until()) && !known.contains(&window.before()))
        .map(|window| (window.name.clone(), window))
        .collect();
    let mut changes: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    let mut used: BTreeMap<&str, usize> = BTreeMap::new();
    for place in 0..words.len() {
        let Some(window) = (word(place) == "over").then(|| windows.get(&word(place + 1))).flatten() else { continue };
        let before: Option<Vec<String>> = place.checked_sub(6).map(|start| (start..place).map(word).collect());
        let column = match before.as_deref() {
            Some([coalesce, open, sum, inner, column, close])
                if [coalesce, open, sum, inner, close] == ["coalesce", "(", "sum", "(", ")"]
                    && [word(place + 2), word(place + 3), word(place + 4)] == [",", "0", ")"] =>
            {
                column
            }
            _ => continue,
        };
        *used.entry(&window.name).or_default() += 1;
        let total = |name: String| format!("coalesce(sum({column}) over {name}, 0)");
        let difference = format!("({} - {})", total(window.until()), total(window.before()));
        changes.push((words[place - 6]..words[place + 4] + 1, difference));
    }
    for window in windows.values() {
        let uses = (0..words.len()).filter(|place| word(*place) == "over" && word(place + 1) == window.name).count();
        let totals = used.get(window.name.as_str()).copied().unwrap_or_default();
        if totals == 0 {
            continue;
        }
        let specification = texts[words[window.open] + 1..words[window.range]].concat();
        let (until, before) = (window.until(), window.before());
        let (last, first) = (window.upper, window.lower + 1);
        let mut definitions = format!(
            "{until} as ({specification}range between unbounded preceding and {last} preceding),\n    \
             {before} as ({specification}range between unbounded preceding and {first} preceding)"
        );
        if uses > totals {
            let itself = texts[words[window.place]..=words[window.close]].concat();
            definitions = format!("{itself},\n    {definitions}");
        }
        changes.push((words[window.place]..words[window.close] + 1, definitions));
    }
    changes.sort_by_key(|(range, _)| range.start);
    for (range, text) in changes.into_iter().rev() {
        texts.splice(range, [text]);
    }
    texts.concat()
}

/// `name as (… range between lower preceding and upper preceding)`; places are those of words.
#[derive(Debug)]
struct Window {
    name: String,
    lower: u64,
    upper: u64,
    place: usize,
    open: usize,
    range: usize,
    close: usize,
}

impl Window {
    fn at(place: usize, word: &impl Fn(usize) -> String) -> Option<Self> {
        let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let name = word(place);
        let starts = plain(&name) && !name.is_empty() && word(place + 1) == "as" && word(place + 2) == "(";
        let open = starts.then_some(place + 2)?;
        let mut close = open + 1;
        while word(close) != ")" {
            if matches!(word(close).as_str(), "" | "(") {
                return None;
            }
            close += 1;
        }
        let range = close.checked_sub(7).filter(|range| *range > open)?;
        let frame: Vec<String> = (range..close).map(word).collect();
        let [kind, between, lower, preceding, and, upper, last] = frame.as_slice() else { return None };
        let is_frame = [kind, between, preceding, and, last] == ["range", "between", "preceding", "and", "preceding"];
        let (lower, upper) = (lower.parse().ok()?, upper.parse().ok()?);
        is_frame.then_some(Self { name, lower, upper, place, open, range, close })
    }

    fn until(&self) -> String {
        format!("{}_until", self.name)
    }

    fn before(&self) -> String {
        format!("{}_before", self.name)
    }
}

#[cfg(test)]
mod tests {
    use entrega_model::model::WriteMode;

    use super::*;
    use crate::fixture::batch;

    #[test]
    fn a_trailing_sum_becomes_a_difference() {
        let sql = "select coalesce(sum(late) over seller_90, 0) as n -- of 90 days\nfrom events\n\
                   window seller_90 as (partition by seller_id order by moment range between 7776000 preceding and 1 preceding)";
        insta::assert_snapshot!(as_totals(sql), @r"
        select (coalesce(sum(late) over seller_90_until, 0) - coalesce(sum(late) over seller_90_before, 0)) as n -- of 90 days
        from events
        window seller_90_until as (partition by seller_id order by moment range between unbounded preceding and 1 preceding),
            seller_90_before as (partition by seller_id order by moment range between unbounded preceding and 7776001 preceding)
        ");
    }

    #[test]
    fn what_is_not_certain_stays() {
        for sql in [
            "select sum(late) over w from events window w as (order by moment range between 9 preceding and 1 preceding)",
            "select coalesce(max(late) over w, 0) from events window w as (order by moment range between 9 preceding and 1 preceding)",
            "select coalesce(sum(late) over w, 0) from events window w as (order by moment rows between 9 preceding and 1 preceding)",
            "select coalesce(sum(late) over w, 0) from events window w as (order by moment range between unbounded preceding and 1 preceding)",
            "select 'coalesce(sum(late) over w, 0)' from events",
        ] {
            assert_eq!(as_totals(sql), sql);
        }
        let both = as_totals(
            "select coalesce(sum(a) over w, 0), max(a) over w from t window w as (order by m range between 9 preceding and 1 preceding)",
        );
        assert!(both.contains("max(a) over w from") && both.contains("w as (order by m range between 9"), "{both}");
    }

    #[test]
    fn no_model_of_decisions_slides() {
        let project = batch("features").project;
        for model in project.models().iter().filter(|model| model.write == WriteMode::Decisions) {
            assert!(model.sql.contains("between 1209600 preceding"));
            let totals = as_totals(&model.sql);
            let sliding = totals.lines().find(|line| line.contains("between") && line.contains("0 preceding"));
            assert_eq!(sliding, None, "{}", model.table);
        }
    }
}
