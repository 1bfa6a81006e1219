//! Reading: files of drops become rows, typed and judged by their contract.
//!
//! ```text
//!  text lines ─▶ numbered ─▶ records (a quoted value may hold line breaks) ─▶ fields ─▶ typed, judged: read_<source>
//!  quarantine.<source>, rows that wait ─────────────────────────────────────▶─╯
//! ```
//!
//! Spark's own CSV reader knows neither line numbers nor the raw text of a row, and both belong into the quarantine. So
//! Spark reads lines (in parallel, also of one large file), puts them together where a quote is open, and then parses
//! each record.

use std::collections::{BTreeMap, BTreeSet};

use entrega_model::{
    contract::{Contract, OnViolation},
    tables::{Layer, TableName},
};

use super::{
    facts::{Columns, Ingest},
    typing,
};
use crate::{Batch, Result, Script, quote};

/// What is known of every row beside the columns of its contract: drop, line and text, its file's header, and whether it
/// had waited in quarantine.
const ABOUT: &str = "_drop, _line, _raw, _header, _retried";

/// Makes `read_<source>`: every row of the source's files, and those that come back from quarantine.
pub fn read(batch: &Batch, ingest: &Ingest, contract: &Contract) -> Result<Script> {
    let mut script = Script::default();
    let source = &contract.source;
    let files: Vec<_> = ingest.with_file(contract).collect();
    let mut headers: BTreeMap<&Columns, BTreeSet<&str>> = BTreeMap::new();
    for drop in &files {
        if let Some(columns) = drop.headers.get(&contract.file) {
            headers.entry(columns).or_default().insert(&drop.folder);
        }
    }
    let mut parts = Vec::new();
    if !files.is_empty() {
        let folders = files.iter().map(|drop| glob(drop.folder.trim_start_matches("landing/")));
        let folders = folders.collect::<Vec<_>>().join(",");
        let path = format!("{}/{{{folders}}}/{}", glob(&batch.place.url("landing")), contract.file);
        script.light(
            format!("landing.{source}: lines"),
            format!(
                "CREATE OR REPLACE TEMPORARY VIEW lines_{source} USING text\nOPTIONS (path {}, lineSep '\\n')",
                quote::text(&path)
            ),
        );
        script.view(&format!("records_{source}"), &records(source, &contract.file));
        for (columns, folders) in &headers {
            let folders = quote::list(folders.iter().map(|folder| quote::text(folder)));
            let rows = format!(
                "SELECT precedence AS _drop, line AS _line, text AS _raw, {} AS _header, false AS _retried FROM records_{source} WHERE folder IN ({folders})",
                quote::text(&columns.line)
            );
            parts.push(fields(contract, columns, &rows)?);
        }
    }
    if let Some(waiting) = ingest.waiting.get(source) {
        let quarantine = batch.tables.get(&TableName::new(Layer::Quarantine, source))?.unwritten(&batch.place)?;
        for columns in waiting {
            let rows = format!(
                "SELECT _drop, line AS _line, raw AS _raw, header AS _header, true AS _retried FROM {quarantine} AS waiting\n\
                 WHERE state = 'waiting' AND header = {} AND _drop NOT IN (SELECT precedence FROM batch_files WHERE source = '{source}')",
                quote::text(&columns.line)
            );
            parts.push(fields(contract, columns, &rows)?);
        }
    }
    if parts.is_empty() {
        // What is known to be empty needs no folder: Spark leaves it out of plans.
        script.view(&format!("fields_{source}"), &nothing(contract)?);
        script.view(&format!("read_{source}"), &judged(contract)?);
        return Ok(script);
    }
    script.view(&format!("fields_{source}"), &parts.join("\nUNION ALL\n"));
    script.staged(&format!("read_{source}"), &judged(contract)?);
    script.extend(faults(contract));
    Ok(script)
}

/// The lines of files, numbered, and put together where a quoted value goes on.
///
/// A quote counts where a value begins or ends; doubled ones and those in the middle of a plain value do not.
fn records(source: &str, file: &str) -> String {
    format!(
        "WITH placed AS (
  SELECT
    value,
    regexp_extract(input_file_name(), '(landing/.*)/{file}$', 1) AS folder,
    input_file_block_start() AS block,
    monotonically_increasing_id() AS place
  FROM lines_{source}
),

lines AS (
  SELECT files.folder, files.precedence, placed.value, placed.block, placed.place
  FROM placed
  INNER JOIN (SELECT * FROM batch_files WHERE source = '{source}') AS files ON placed.folder = files.folder
),

numbered AS (
  SELECT
    *,
    row_number() OVER in_order AS line,
    sum(regexp_count(replace(value, '\"\"', ''), '(?<![^,])\"|\"(?=\\\\r?$|,)')) OVER in_order AS quotes
  FROM lines
  WINDOW in_order AS (PARTITION BY folder ORDER BY block, place)
),

begun AS (
  SELECT *, coalesce(lag(quotes) OVER in_order, 0) % 2 = 0 AS begins
  FROM numbered
  WINDOW in_order AS (PARTITION BY folder ORDER BY line)
),

records AS (
  SELECT *, max(CASE WHEN begins THEN line END) OVER in_order AS first_line
  FROM begun
  WINDOW in_order AS (PARTITION BY folder ORDER BY line)
),

whole AS (
  SELECT
    folder,
    precedence,
    first_line AS line,
    trim(TRAILING '\\r' FROM CASE
      WHEN count(*) = 1 THEN any_value(value)
      ELSE array_join(transform(array_sort(collect_list(struct(line, value))), part -> part.value), '\\n')
    END) AS text
  FROM records
  GROUP BY folder, precedence, first_line
)

SELECT folder, precedence, line, text
FROM whole
WHERE line > 1 AND text <> ''"
    )
}

/// The fields of rows with one header, as text under the names of the contract.
fn fields(contract: &Contract, columns: &Columns, rows: &str) -> Result<String> {
    let places = (0..columns.count).map(|place| format!("c{place} STRING")).collect::<Vec<_>>().join(", ");
    let mut named = Vec::new();
    for (column, place) in contract.columns.iter().zip(&columns.places) {
        let field =
            place.map_or_else(|| "CAST(NULL AS STRING)".to_owned(), |place| typing::trimmed(&format!("csv.c{place}")));
        named.push(format!("  {field} AS {}", quote::name(&column.name)?));
    }
    let flag = columns
        .deleted
        .map_or_else(|| "CAST(NULL AS STRING)".to_owned(), |place| typing::trimmed(&format!("csv.c{place}")));
    Ok(format!(
        "SELECT\n  {ABOUT},\n{},\n  {flag} AS _flag,\n  csv._corrupt IS NOT NULL AS _miscounted,\n  {} AS _columns\nFROM (\n  SELECT *, from_csv(_raw, '{places}, _corrupt STRING', map('escape', '\"', 'multiLine', 'true', 'mode', 'PERMISSIVE', 'columnNameOfCorruptRecord', '_corrupt', 'maxCharsPerColumn', '-1')) AS csv\n  FROM ({rows})\n)",
        named.join(",\n"),
        columns.count
    ))
}

fn nothing(contract: &Contract) -> Result<String> {
    let named =
        contract.columns.iter().map(|column| Ok(format!("CAST(NULL AS STRING) AS {}", quote::name(&column.name)?)));
    Ok(format!(
        "SELECT '' AS _drop, 0L AS _line, '' AS _raw, '' AS _header, false AS _retried, {}, CAST(NULL AS STRING) AS _flag, false AS _miscounted, 0 AS _columns WHERE false",
        quote::list(named.collect::<Result<Vec<_>>>()?)
    ))
}

/// Typed values, the first rule that each row breaks, and whether it says that its key is gone. Of such a row only what
/// names it counts.
fn judged(contract: &Contract) -> Result<String> {
    let source = &contract.source;
    let (mut kept, mut typed, mut warned) = (Vec::new(), Vec::new(), Vec::new());
    for column in &contract.columns {
        let name = quote::name(&column.name)?;
        let kept_field = if contract.names_rows(&column.name) {
            name.clone()
        } else {
            format!("CASE WHEN NOT _gone THEN {name} END AS {name}")
        };
        kept.push(format!("    {kept_field}"));
        typed.push(format!("  {} AS {name}", typing::value(column)?));
        if column.on_violation == OnViolation::Warn
            && let Some(fault) = typing::broken(column)?
        {
            warned.push(format!("named_struct('column', {}, 'fault', {fault})", quote::text(&column.name)));
        }
    }
    let mut fault = typing::first_fault(contract)?;
    // A row that is gone need not say more than its key.
    let excused: Vec<_> =
        contract.columns.iter().filter(|column| column.required && !contract.names_rows(&column.name)).collect();
    for column in &excused {
        let missing = format!("{} IS NULL THEN", quote::name(&column.name)?);
        fault = fault.replace(&format!("WHEN {missing}"), &format!("WHEN NOT _gone AND {missing}"));
    }
    let fatal = contract.columns.iter().filter(|column| column.on_violation == OnViolation::Fail);
    let fatal = fatal.map(typing::broken).collect::<Result<Vec<_>>>()?;
    let fatal =
        quote::list(fatal.into_iter().flatten().map(|fault| format!("({fault}).reason")).chain(["NULL".to_owned()]));
    let fatal = format!("CAST(coalesce({fatal}, NULL) AS STRING)");
    let warned = if warned.is_empty() {
        "CAST(array() AS ARRAY<STRUCT<column: STRING, fault: STRUCT<rule: STRING, reason: STRING>>>)".to_owned()
    } else {
        format!("filter(array({}), found -> found.fault IS NOT NULL)", warned.join(", "))
    };
    Ok(format!(
        "WITH flagged AS (
  SELECT *, coalesce(lower(_flag) IN ('true', 't', '1', 'yes', 'y'), false) AS _gone
  FROM fields_{source}
),

kept AS (
  SELECT
    {ABOUT}, _flag, _miscounted, _columns, _gone,
{}
  FROM flagged
),

judged AS (
  SELECT
    *,
    CASE
      WHEN _miscounted THEN named_struct(
        'rule', 'columns',
        'reason', concat('the row has ', 1 + regexp_count(regexp_replace(_raw, '\"(?:[^\"]|\"\")*\"', ''), ','), ' fields, the header ', _columns))
      WHEN NOT is_valid_utf8(_raw) THEN named_struct('rule', 'encoding', 'reason', 'the row is not valid UTF-8')
      WHEN lower(_flag) NOT IN ('true', 't', '1', 'yes', 'y', 'false', 'f', '0', 'no', 'n')
        THEN named_struct('rule', 'type', 'reason', concat('_deleted is neither true nor false: ''', _flag, ''''))
      ELSE {fault}
    END AS _fault
  FROM kept
)

SELECT
  _drop, _line, make_valid_utf8(_raw) AS _raw, _header, _retried, _fault, _gone,
  {warned} AS _warned,
  {fatal} AS _fatal,
{}
FROM judged",
        kept.join(",\n"),
        typed.join(",\n")
    ))
}

/// Ends the batch for files that do not hold what their manifest says, or too many bad rows.
fn faults(contract: &Contract) -> Script {
    let mut script = Script::default();
    let (source, tolerance) = (&contract.source, contract.tolerance);
    let dropped: Vec<String> =
        contract.columns.iter().filter_map(|column| column.drop_rule.as_deref()).map(quote::text).collect();
    let bad = if dropped.is_empty() {
        "_fault IS NOT NULL".to_owned()
    } else {
        format!("_fault IS NOT NULL AND _fault.rule NOT IN ({})", quote::list(dropped))
    };
    script.stop_if(
        format!("landing.{source}: as its manifest and its contract say"),
        &format!(
            "SELECT min(concat(files.folder, '/', files.file, ': ', CASE
  WHEN coalesce(found.records, 0) <> files.rows THEN concat('it holds ', coalesce(found.records, 0), ' records, its manifest says ', files.rows,
    '\\nhint: deliver the drop again with a manifest that is true')
  ELSE concat(found.bad, ' of ', found.records, ' rows are not as the contract says; line ', found.first.line, ': ', found.first.reason,
    '\\nhint: did a column change its form? deliver the drop again, or mend the contract or its tolerance (models/landing)')
END))
FROM (SELECT * FROM batch_files WHERE source = '{source}') AS files
LEFT JOIN (
  SELECT _drop, count(*) AS records, count_if({bad}) AS bad,
    min(CASE WHEN {bad} THEN named_struct('line', _line, 'reason', _fault.reason) END) AS first
  FROM read_{source} WHERE NOT _retried GROUP BY _drop
) AS found ON found._drop = files.precedence
WHERE coalesce(found.records, 0) <> files.rows
  OR (found.bad > {} AND found.bad > {:?}D * found.records)",
            tolerance.rows, tolerance.share
        ),
    );
    if contract.columns.iter().any(|column| column.on_violation == OnViolation::Fail) {
        script.stop_if(
            format!("landing.{source}: rules that end a batch"),
            &format!(
                "SELECT min(concat('{}: line ', _line, ': ', _fatal, '\\nhint: the contract ends the batch for this (on_violation = \"fail\"): deliver the drop again, mended')) FROM read_{source}",
                contract.file
            ),
        );
    }
    script
}

/// A path in which nothing is a pattern.
pub fn glob(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for character in path.chars() {
        if matches!(character, '{' | '}' | '[' | ']' | '*' | '?' | ',' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
