//! Snapshots: tables that each delivery replaces as a whole, and the calendar, which is made by rule.

use entrega_model::{contract::Contract, model::Model, tables::Layer};

use super::{
    facts::{Calendar, Ingest},
    read,
};
use crate::{
    Batch, Result, Script,
    check::{self, References},
    quote,
};

/// Replaces a table by the newest snapshot of the batch, unless it holds a newer one. Afterwards `changed_<table>` says
/// whether it says something else than before.
pub fn replace(batch: &Batch, ingest: &Ingest, contract: &Contract, model: &Model) -> Result<Script> {
    let mut script = Script::default();
    let (source, name) = (&contract.source, &model.table.name);
    let Some(newest) = ingest.with_file(contract).last() else {
        script.variable(&format!("changed_{name}"), "BOOLEAN", "SELECT false");
        return Ok(script);
    };
    let only = Ingest { drops: vec![newest.clone()], ..Ingest::default() };
    script.extend(read::read(batch, &only, contract)?);
    let stored = batch.tables.get(&model.table)?.unwritten(&batch.place)?;
    script.variable(
        &format!("taken_{source}"),
        "BOOLEAN",
        &format!(
            "SELECT coalesce(max(_drop) <= {}, true) FROM {stored} AS stored",
            quote::text(&newest.manifest.precedence())
        ),
    );
    let columns = contract.columns.iter().map(|column| quote::name(&column.name)).collect::<Result<Vec<_>>>()?;
    let content = quote::list(&columns);
    let key = quote::list(contract.key.iter().map(|column| quote::name(column)).collect::<Result<Vec<_>>>()?);
    script.staged(
        &format!("ranked_{source}"),
        &format!(
            "SELECT *,
  row_number() OVER newest_first AS _place,
  struct({content}) <=> first_value(struct({content})) OVER newest_first AS _same,
  true AS _same_drop
FROM read_{source} WHERE _fault IS NULL AND NOT _gone
WINDOW newest_first AS (PARTITION BY {key} ORDER BY _line DESC)"
        ),
    );
    // Geolocation's points are counted by its model; any other snapshot keeps the last row of each key.
    let rows = if counts_points(model) { "1 = 1" } else { "_place = 1" };
    script.view(&format!("landing_{source}"), &format!("SELECT {content}, _drop FROM ranked_{source} WHERE {rows}"));
    let text = model.reading(|read| match read.layer {
        Layer::Landing => format!("landing_{}", read.name),
        _ => batch.place.table(read),
    })?;
    script.staged(&format!("made_{source}"), &text);
    check::check(&mut script, model, &format!("made_{source}"), &References::new())?;
    let said: Vec<String> = model
        .columns
        .iter()
        .filter(|column| column.name != "_drop")
        .map(|column| quote::name(&column.name))
        .collect::<Result<_>>()?;
    let said = quote::list(said);
    script.variable(
        &format!("changed_{name}"),
        "BOOLEAN",
        &format!(
            "SELECT taken_{source} AND EXISTS (
  SELECT 1 FROM (
    (SELECT {said} FROM made_{source} EXCEPT SELECT {said} FROM {stored} AS stored)
    UNION ALL
    (SELECT {said} FROM {stored} AS stored EXCEPT SELECT {said} FROM made_{source})
  )
)"
        ),
    );
    let table = batch.place.table(&model.table);
    let columns = batch.tables.get(&model.table)?.column_list()?;
    script.heavy(format!("{}: replace", model.table), format!("DELETE FROM {table} WHERE taken_{source}"));
    script.heavy(
        format!("{}: replace", model.table),
        format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM made_{source} WHERE taken_{source}"),
    );
    Ok(script)
}

/// Whether the rows of a model count how many rows of its source they stand for.
#[must_use]
pub fn counts_points(model: &Model) -> bool {
    model.column("n_points").is_some()
}

/// Makes the calendar, once.
pub fn calendar(batch: &Batch, days: &Calendar, model: &Model) -> Result<Script> {
    let mut script = Script::default();
    let stored = batch.tables.get(&model.table)?;
    if stored.published.is_some() {
        return Ok(script);
    }
    let special = days.special.iter().map(|(day, holiday, season)| {
        format!(
            "({}, {}, {})",
            quote::date(*day),
            quote::optional_text(holiday.as_deref()),
            quote::optional_text(season.as_deref())
        )
    });
    script.view(
        "landing_calendar",
        &format!(
            "SELECT days.date, special.holiday, special.peak_season
FROM (SELECT explode(sequence({}, {})) AS date) AS days
LEFT JOIN (
  SELECT * FROM VALUES
    {}
  AS special(date, holiday, peak_season)
) AS special ON days.date = special.date",
            quote::date(days.first),
            quote::date(days.last),
            special.collect::<Vec<_>>().join(",\n    ")
        ),
    );
    let text = model.reading(|read| format!("{}_{}", read.layer.name(), read.name))?;
    let columns = stored.column_list()?;
    script.heavy(
        model.table.to_string(),
        format!("INSERT INTO {} ({columns})\nSELECT {columns} FROM (\n{text}\n)", batch.place.table(&model.table)),
    );
    Ok(script)
}
