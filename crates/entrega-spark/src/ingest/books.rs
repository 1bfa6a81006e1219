//! Books: what became of every row of every file, and the proof that none is missing.

use entrega_model::{
    contract::Contract,
    model::{Model, WriteMode},
    tables::{Layer, TableName},
};

use super::{facts::Ingest, snapshot, upsert::Kind};
use crate::{Batch, Result, Script, quote};

/// The counts of a file's books after `rows_in`.
const COUNTS: [&str; 9] =
    ["inserted", "updated", "unchanged", "superseded", "duplicate", "quarantined", "waiting", "deleted", "dropped"];

/// The books of drops.
#[must_use]
pub fn drops() -> TableName {
    TableName::new(Layer::Ops, "drops")
}

/// One row for each fate and drop of a source: `source, _drop, _retried, counted, rows`.
pub fn counts(ingest: &Ingest, contract: &Contract, model: &Model, kind: Option<Kind>) -> Result<Vec<String>> {
    let source = &contract.source;
    let mut counts = Vec::new();
    let mut add = |relation: &str, fate: &str, where_: &str| {
        counts.push(format!("SELECT '{source}' AS source, _drop, _retried, {fate} AS fate, count(*) AS rows FROM {relation} WHERE {where_} GROUP BY ALL"));
    };
    let read = ingest.with_file(contract).next().is_some() || ingest.waiting.contains_key(source);
    if model.write == WriteMode::Snapshot && ingest.with_file(contract).next().is_none() || !read && kind.is_none() {
        return Ok(counts);
    }
    let dropped: Vec<String> =
        contract.columns.iter().filter_map(|column| column.drop_rule.as_deref()).map(quote::text).collect();
    let is_dropped =
        if dropped.is_empty() { "false".to_owned() } else { format!("_fault.rule IN ({})", quote::list(dropped)) };
    add(
        &format!("read_{source}"),
        &format!("CASE WHEN _fault IS NULL THEN 'deleted' WHEN {is_dropped} THEN 'dropped' ELSE 'quarantined' END"),
        "(_fault IS NOT NULL AND NOT _retried) OR (_fault IS NULL AND _gone)",
    );
    if kind.is_some() {
        add(&format!("live_{source}"), "'superseded'", "_dead");
    }
    if kind == Some(Kind::Child) {
        add(&format!("placed_{source}"), "'waiting'", "purchase_month IS NULL AND NOT _retried");
    }
    let ranked = format!("ranked_{source}");
    if kind.is_some() {
        add(&ranked, "CASE WHEN _same THEN 'duplicate' ELSE 'superseded' END", "_place > 1");
        let keys = contract.key.iter().map(|column| {
            let column = quote::name(column)?;
            Ok(format!("ranked.{column} = compared.new.{column}"))
        });
        let keys = keys.collect::<Result<Vec<_>>>()?.join(" AND ");
        let compared = format!(
            "(SELECT ranked._drop, ranked._retried, coalesce(compared._fate, 'superseded') AS _fate FROM {ranked} AS ranked\n    LEFT JOIN compared_{source} AS compared ON {keys} AND compared.new._drop = ranked._drop WHERE ranked._place = 1) AS winners"
        );
        add(
            &compared,
            "CASE WHEN _fate IN ('known', 'confirmed') THEN 'unchanged' WHEN _fate LIKE 'superseded%' THEN 'superseded' ELSE _fate END",
            "true",
        );
    } else {
        let name = &model.table.name;
        let kept = format!(
            "CASE WHEN NOT taken_{source} THEN 'superseded' WHEN changed_{name} THEN 'inserted' ELSE 'unchanged' END"
        );
        if snapshot::counts_points(model) {
            add(
                &ranked,
                &format!(
                    "CASE WHEN _place = 1 THEN {kept} ELSE CASE WHEN taken_{source} THEN 'duplicate' ELSE 'superseded' END END"
                ),
                "true",
            );
        } else {
            add(
                &ranked,
                &format!(
                    "CASE WHEN _place = 1 THEN {kept} WHEN _same AND taken_{source} THEN 'duplicate' ELSE 'superseded' END"
                ),
                "true",
            );
        }
        // Older snapshots of the batch were not even read.
        if let Some((_, older)) = ingest.with_file(contract).collect::<Vec<_>>().split_last() {
            for drop in older {
                let rows = drop.manifest.files.get(&contract.file).map_or(0, |file| file.rows);
                counts.push(format!(
                        "SELECT '{source}' AS source, {} AS _drop, false AS _retried, 'superseded' AS fate, {rows}L AS rows",
                        quote::text(&drop.manifest.precedence())
                    ));
            }
        }
    }
    Ok(counts)
}

/// Closes the books: every row of every file must be accounted for.
pub fn close(batch: &Batch, contracts: &[&Contract], counts: &[String]) -> Script {
    let mut script = Script::default();
    let nothing = "SELECT '' AS source, '' AS _drop, false AS _retried, '' AS fate, 0L AS rows WHERE false".to_owned();
    let counts: Vec<String> = counts.iter().cloned().chain([nothing]).collect();
    script.staged("fates", &counts.join("\nUNION ALL "));
    let sums = COUNTS
        .map(|count| format!("coalesce(sum(rows) FILTER (WHERE fate = '{count}'), 0) AS {count}"))
        .join(",\n    ");
    let rules = contracts.iter().filter_map(|contract| {
        let rule = contract.columns.iter().find_map(|column| column.drop_rule.as_deref())?;
        Some(format!("WHEN '{}' THEN {}", contract.source, quote::text(rule)))
    });
    let rules = rules.collect::<Vec<_>>().join(" ");
    let dropped_by = if rules.is_empty() {
        "''".to_owned()
    } else {
        format!("CASE WHEN dropped > 0 THEN CASE source {rules} END ELSE '' END")
    };
    let sum = COUNTS.join(" + ");
    script.staged(
        "books",
        &format!(
            "WITH sums AS (
  SELECT source, _drop, _retried,
    {sums}
  FROM fates GROUP BY source, _drop, _retried
),

-- A row that had waited is taken from a drop of an earlier batch.
files AS (
  SELECT folder, precedence, digest, modified, interval_start, interval_end, cadence, file, source, rows, false AS retried FROM batch_files
  UNION ALL
  SELECT all_drops.folder, sums._drop, '', 0L, TIMESTAMP_NTZ '1970-01-01 00:00:00', TIMESTAMP_NTZ '1970-01-01 00:00:00', '',
    source_files.file, sums.source, {sum}, true
  FROM sums
  INNER JOIN source_files ON sums.source = source_files.source
  LEFT JOIN all_drops ON all_drops._drop = sums._drop
  WHERE sums._retried
)

SELECT
  files.folder AS drop, files.precedence AS _drop, files.digest, files.modified AS manifest_modified,
  files.interval_start, files.interval_end, files.cadence, files.file, files.retried,
  CAST(files.rows AS BIGINT) AS rows_in,
  {},
  coalesce({dropped_by}, '') AS dropped_by
FROM files
LEFT JOIN sums ON files.source = sums.source AND files.precedence = sums._drop AND files.retried = sums._retried",
            COUNTS.map(|count| format!("CAST(coalesce(sums.{count}, 0) AS BIGINT) AS {count}")).join(", ")
        )
        .replace("CASE source", "CASE files.source"),
    );
    script.stop_if(
        "ops.drops: reconciled",
        &format!(
            "SELECT min(concat(drop, '/', file, ': ', rows_in, ' rows came in, ', {sum}, ' are accounted for\\nhint: this is a bug; please report it')) FROM books WHERE rows_in <> {sum}"
        ),
    );
    script.heavy(
        "ops.drops",
        format!(
            "INSERT INTO {} (batch_id, drop, _drop, digest, manifest_modified, interval_start, interval_end, cadence, file, retried, rows_in, {counts}, dropped_by)
SELECT {}, drop, _drop, digest, manifest_modified, interval_start, interval_end, cadence, file, retried, rows_in, {counts}, dropped_by FROM books",
            batch.place.table(&drops()),
            quote::text(&batch.id),
            counts = COUNTS.join(", ")
        ),
    );
    script
}
