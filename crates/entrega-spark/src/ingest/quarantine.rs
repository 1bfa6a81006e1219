//! Quarantine: rows that break a rule or wait, with their raw text; rows that were taken back leave it.

use entrega_model::{
    contract::Contract,
    model::Model,
    tables::{Layer, TableName},
};

use super::{facts::Ingest, upsert::Kind};
use crate::{Batch, Result, Script, quote};

/// Brings `quarantine.<source>` up to date after the source's rows were compared.
pub fn write(batch: &Batch, ingest: &Ingest, contract: &Contract, model: &Model, kind: Option<Kind>) -> Result<Script> {
    let mut script = Script::default();
    let source = &contract.source;
    let table = TableName::new(Layer::Quarantine, source);
    let stored = batch.tables.get(&table)?;
    if ingest.with_file(contract).next().is_none() && !ingest.waiting.contains_key(source) && kind != Some(Kind::Child)
    {
        return Ok(script);
    }
    let (id, now, file) = (quote::text(&batch.id), quote::timestamp(batch.started_at), quote::text(&contract.file));
    let dropped: Vec<String> =
        contract.columns.iter().filter_map(|column| column.drop_rule.as_deref()).map(quote::text).collect();
    let undropped =
        if dropped.is_empty() { String::new() } else { format!(" AND _fault.rule NOT IN ({})", quote::list(dropped)) };
    let row = |state: &str, rule: &str, reason: &str| {
        format!(
            "'enter' AS _act, _drop, _line AS line, '{state}' AS state, {rule} AS rule, {reason} AS reason, _raw AS raw, _header AS header, {id} AS batch_id, {now} AS quarantined_at"
        )
    };
    let mut acts = vec![
        format!(
            "SELECT {} FROM read_{source} WHERE _fault IS NOT NULL AND NOT _retried{undropped}",
            row("rejected", "_fault.rule", "_fault.reason")
        ),
        format!(
            "SELECT 'judge', _drop, _line, 'rejected', _fault.rule, _fault.reason, _raw, _header, NULL, NULL FROM read_{source} WHERE _fault IS NOT NULL AND _retried"
        ),
        // A drop that is delivered again is judged again as a whole.
        format!(
            "SELECT 'leave', _drop, line, state, rule, reason, raw, header, NULL, NULL FROM {} AS waiting WHERE _drop IN (SELECT precedence FROM batch_files WHERE source = '{source}')",
            stored.unwritten(&batch.place)?
        ),
    ];
    if let Some(kind) = kind {
        let gone = "SELECT 'leave', _drop, _line, '', '', '', '', '', NULL, NULL";
        acts.push(format!("{gone} FROM live_{source} WHERE _retried AND _dead"));
        let taken = if kind == Kind::Child { " AND purchase_month IS NOT NULL" } else { "" };
        acts.push(format!("{gone} FROM placed_{source} WHERE _retried{taken}"));
    }
    if let (Some(Kind::Child), Some(parent)) = (kind, &contract.parent) {
        let reason = quote::text(&format!("its order ({}) is not there", parent.column));
        let waits = row("waiting", "'parent'", &reason);
        acts.push(format!("SELECT {waits} FROM placed_{source} WHERE purchase_month IS NULL AND NOT _retried"));
        // A stored row whose order is no more: its text is written anew, and its line tells that it is no line of a file.
        let values = contract.columns.iter().map(|column| {
            let name = quote::name(&column.name)?;
            Ok(model
                .column(&column.name)
                .map_or_else(|| format!("CAST(NULL AS STRING) AS {name}"), |_| format!("old.{name} AS {name}")))
        });
        let values = quote::list(values.collect::<Result<Vec<_>>>()?);
        let header = contract.columns.iter().map(|column| column.header().to_owned()).collect::<Vec<_>>().join(",");
        let key = quote::list(
            contract
                .key
                .iter()
                .map(|column| Ok(format!("old.{}", quote::name(column)?)))
                .collect::<Result<Vec<_>>>()?,
        );
        acts.push(format!(
            "SELECT {waits} FROM (
    SELECT old._drop, -row_number() OVER (PARTITION BY old._drop ORDER BY {key}) AS _line,
      to_csv(named_struct({}), map('escape', '\"', 'timestampNTZFormat', 'yyyy-MM-dd HH:mm:ss')) AS _raw, {} AS _header
    FROM (SELECT old FROM compared_{source} WHERE _fate = 'orphaned')
  )",
            struct_fields(&values),
            quote::text(&header)
        ));
    }
    script.heavy(
        format!("{table}: rows that come and leave"),
        format!(
            "MERGE INTO {} AS stored
USING (
  SELECT acts.*, files.folder FROM (
    SELECT *, row_number() OVER (PARTITION BY _drop, line ORDER BY CASE _act WHEN 'enter' THEN 1 WHEN 'judge' THEN 2 ELSE 3 END) AS _first FROM (
    {}
    )
  ) AS acts LEFT JOIN all_drops AS files ON files._drop = acts._drop
  WHERE _first = 1
) AS acts
ON stored._drop = acts._drop AND stored.line = acts.line
WHEN MATCHED AND acts._act = 'leave' THEN DELETE
WHEN MATCHED AND acts._act = 'judge' THEN UPDATE SET state = acts.state, rule = acts.rule, reason = acts.reason
WHEN MATCHED THEN UPDATE SET state = acts.state, rule = acts.rule, reason = acts.reason, raw = acts.raw, header = acts.header, batch_id = acts.batch_id, quarantined_at = acts.quarantined_at
WHEN NOT MATCHED AND acts._act = 'enter' THEN INSERT (_drop, drop, file, line, state, rule, reason, raw, header, batch_id, quarantined_at)
  VALUES (acts._drop, acts.folder, {file}, acts.line, acts.state, acts.rule, acts.reason, acts.raw, acts.header, acts.batch_id, acts.quarantined_at)",
            batch.place.table(&table),
            acts.join("\n    UNION ALL "),
        ),
    );
    Ok(script)
}

/// `a AS b, …` as the arguments of `named_struct`.
fn struct_fields(values: &str) -> String {
    let fields = values.split(", ").filter_map(|field| field.rsplit_once(" AS "));
    quote::list(fields.map(|(value, name)| format!("'{}', {value}", name.trim_matches('`'))))
}
