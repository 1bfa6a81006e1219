//! Ingest (ETL 1) as a script: drops become the clean tables.
//!
//! ```text
//!  verify ─▶ read all sources ─▶ dimensions ─▶ orders ─▶ where orders live ─▶ children ─▶ restate ─▶ books ─▶ publish
//! ```
//!
//! Orders are merged before their children are looked at: where an order lives is then simply what `clean.orders` says.

mod books;
mod facts;
mod graves;
mod quarantine;
mod read;
mod restate;
mod snapshot;
mod typing;
mod upsert;

use std::collections::BTreeMap;

use entrega_model::{
    contract::{Contract, OnViolation},
    model::{Model, WriteMode},
    tables::{Layer, TableName},
};

pub use facts::{Calendar, Columns, Delivered, Ingest};
use upsert::Kind;

use crate::{
    Batch, Result, Script, begin, check,
    publish::{Published, publish},
    quote,
};

/// The script of an ingest.
///
/// # Errors
/// When a model, contract or table does not fit.
pub fn script(batch: &Batch, ingest: &Ingest, calendar: &Calendar) -> Result<Script> {
    let written = written(batch);
    let mut script = begin::begin(batch, "ingest", &written)?;
    check::begin(&mut script);
    drops(&mut script, batch, ingest)?;
    let sources: Vec<(&Contract, &Model, Option<Kind>)> = sources(batch)?;
    for (contract, ..) in sources.iter().filter(|(_, _, kind)| kind.is_some()) {
        script.extend(read::read(batch, ingest, contract)?);
    }
    known_orders(&mut script, batch)?;
    graves::known(&mut script, batch)?;
    for (contract, ..) in sources.iter().filter(|(_, _, kind)| kind.is_some()) {
        script.extend(graves::dig(ingest, contract)?);
    }
    for model in batch.project.models().iter().filter(|model| model.table.layer == Layer::Clean) {
        if model.write == WriteMode::Snapshot && model.source.is_none() {
            script.extend(snapshot::calendar(batch, calendar, model)?);
        }
    }
    for (contract, model, kind) in &sources {
        match kind {
            None => script.extend(snapshot::replace(batch, ingest, contract, model)?),
            Some(kind) => script.extend(upsert::upsert(batch, contract, model, *kind)?),
        }
        if *kind == Some(Kind::Orders) {
            script.staged(
                upsert::HOMES,
                &format!(
                    "SELECT order_id, customer_id, purchase_month FROM {} AS orders WHERE array_contains(batch_months, purchase_month)",
                    batch.place.table(&model.table)
                ),
            );
        }
    }
    script.extend(restate::restate(batch, ingest)?);
    let mut counts = Vec::new();
    for (contract, model, kind) in &sources {
        counts.extend(books::counts(ingest, contract, model, *kind)?);
        script.extend(quarantine::write(batch, ingest, contract, model, *kind)?);
    }
    let contracts: Vec<&Contract> = sources.iter().map(|(contract, ..)| *contract).collect();
    script.extend(books::close(batch, &contracts, &counts));
    found_in_files(&mut script, batch, ingest);
    let buried: Vec<&Contract> =
        sources.iter().filter(|(.., kind)| kind.is_some()).map(|(contract, ..)| *contract).collect();
    script.extend(graves::write(batch, &buried));
    check::record(&mut script, batch)?;
    let models: BTreeMap<TableName, String> = batch
        .project
        .models()
        .iter()
        .filter(|model| model.table.layer == Layer::Clean)
        .map(|model| (model.table.clone(), model.fingerprint.clone()))
        .collect();
    script.extend(publish(
        batch,
        &Published {
            written,
            models,
            drops: ingest.drops.len().to_string(),
            rows_in: "(SELECT coalesce(sum(rows_in), 0) FROM books)".to_owned(),
            touched: "touched_text".to_owned(),
        },
    )?);
    Ok(script.staged_in(&batch.staging()))
}

/// Every source with its model, in the order in which they are taken: dimensions (what others read first), orders, children.
fn sources(batch: &Batch) -> Result<Vec<(&Contract, &Model, Option<Kind>)>> {
    let mut sources = Vec::new();
    for model in batch.project.models().iter().filter(|model| model.table.layer == Layer::Clean) {
        let Some(source) = &model.source else { continue };
        let contract = batch.project.contract(source)?;
        let kind = match (model.write, &contract.parent) {
            (WriteMode::Snapshot, _) => None,
            _ if source == "orders" => Some(Kind::Orders),
            (_, Some(_)) => Some(Kind::Child),
            (_, None) => Some(Kind::Dimension),
        };
        sources.push((contract, model, kind));
    }
    let rank = |kind: Option<Kind>| match kind {
        None => 0,
        Some(Kind::Dimension) => 1,
        Some(Kind::Orders) => 2,
        Some(Kind::Child) => 3,
    };
    sources.sort_by_key(|(.., kind)| rank(*kind));
    Ok(sources)
}

/// Every table that an ingest writes, but for the ledger.
fn written(batch: &Batch) -> Vec<TableName> {
    let clean = batch.project.models().iter().filter(|model| model.table.layer == Layer::Clean);
    let quarantines =
        batch.project.contracts().iter().map(|contract| TableName::new(Layer::Quarantine, &contract.source));
    clean
        .map(|model| model.table.clone())
        .chain(quarantines)
        .chain([
            books::drops(),
            TableName::new(Layer::Ops, "checks"),
            restate::missing_references(),
            graves::tombstones(),
        ])
        .collect()
}

/// The drops and their files as small relations, and the proof that the files are what the manifests say.
fn drops(script: &mut Script, batch: &Batch, ingest: &Ingest) -> Result<()> {
    let mut rows = Vec::new();
    for drop in &ingest.drops {
        let manifest = &drop.manifest;
        let about = |file: &str, source: &str, entry: Option<&entrega_model::drops::FileEntry>| {
            format!(
                "({}, {}, {}, {}L, {}, {}, '{}', {}, '{source}', {}L, {}L, {})",
                quote::text(&drop.folder),
                quote::text(&manifest.precedence()),
                quote::text(&manifest.digest()),
                drop.modified,
                quote::timestamp(manifest.interval.start),
                quote::timestamp(manifest.interval.end),
                manifest.cadence,
                quote::text(file),
                entry.map_or(0, |entry| entry.rows),
                entry.map_or(0, |entry| entry.bytes),
                quote::text(entry.map_or("", |entry| entry.sha256.as_str())),
            )
        };
        for (file, entry) in &manifest.files {
            let source = batch.project.contracts().iter().find(|contract| contract.file == *file);
            rows.push(about(file, source.map_or("", |contract| contract.source.as_str()), Some(entry)));
        }
        if manifest.files.is_empty() {
            rows.push(about("", "", None));
        }
    }
    let names = "folder, precedence, digest, modified, interval_start, interval_end, cadence, file, source, rows, bytes, sha256";
    let values = if rows.is_empty() {
        "SELECT '' AS folder, '' AS precedence, '' AS digest, 0L AS modified, TIMESTAMP_NTZ '1970-01-01 00:00:00' AS interval_start, TIMESTAMP_NTZ '1970-01-01 00:00:00' AS interval_end, '' AS cadence, '' AS file, '' AS source, 0L AS rows, 0L AS bytes, '' AS sha256 WHERE false".to_owned()
    } else {
        format!("SELECT * FROM VALUES\n  {}\nAS files({names})", rows.join(",\n  "))
    };
    script.view("batch_files", &values);
    let books = batch.tables.get(&books::drops())?.unwritten(&batch.place)?;
    script.staged(
        "all_drops",
        &format!("SELECT _drop, max(folder) AS folder FROM (\n  SELECT precedence AS _drop, folder FROM batch_files\n  UNION ALL SELECT _drop, drop FROM {books} AS books WHERE NOT retried\n) GROUP BY _drop"),
    );
    let files = batch
        .project
        .contracts()
        .iter()
        .map(|contract| format!("('{}', {})", contract.source, quote::text(&contract.file)));
    script.view(
        "source_files",
        &format!("SELECT * FROM VALUES {} AS files(source, file)", quote::list(files.collect::<Vec<_>>())),
    );
    if ingest.drops.iter().any(|drop| !drop.manifest.files.is_empty()) {
        let folders = ingest.drops.iter().filter(|drop| !drop.manifest.files.is_empty());
        let folders =
            folders.map(|drop| read::glob(drop.folder.trim_start_matches("landing/"))).collect::<Vec<_>>().join(",");
        let path = format!("{}/{{{folders}}}/*.csv", read::glob(&batch.place.url("landing")));
        script.light(
            "landing: files",
            format!(
                "CREATE OR REPLACE TEMPORARY VIEW delivered_files USING binaryFile\nOPTIONS (path {})",
                quote::text(&path)
            ),
        );
        script.stop_if(
            "landing: files as their manifests say",
            "SELECT min(concat(files.folder, '/', files.file, ': ', CASE
  WHEN delivered.size IS NULL THEN 'the manifest names it, but it is not there\\nhint: deliver the drop again, files first, manifest last'
  WHEN delivered.size <> files.bytes THEN concat('it has ', delivered.size, ' bytes, its manifest says ', files.bytes, '\\nhint: the file was cut or changed after its manifest was written: deliver the drop again')
  ELSE concat('its SHA-256 is ', delivered.digest, ', its manifest says ', files.sha256, '\\nhint: the file was cut or changed after its manifest was written: deliver the drop again')
END))
FROM batch_files AS files
LEFT JOIN (
  SELECT regexp_extract(path, '(landing/.*)$', 1) AS name, length AS size, sha2(content, 256) AS digest FROM delivered_files
) AS delivered ON delivered.name = concat(files.folder, '/', files.file)
WHERE files.file <> '' AND (delivered.size IS NULL OR delivered.size <> files.bytes OR delivered.digest <> files.sha256)",
        );
    }
    Ok(())
}

/// Writes down what was found in delivered files: columns that are new or missing, values that were left out.
fn found_in_files(script: &mut Script, batch: &Batch, ingest: &Ingest) {
    let mut found = Vec::new();
    for contract in batch.project.contracts() {
        let source = &contract.source;
        for drop in ingest.with_file(contract) {
            let Some(columns) = drop.headers.get(&contract.file) else { continue };
            let new = columns.unknown.iter().map(|name| format!("new_column({name})"));
            let missing = columns.missing.iter().map(|name| format!("missing_column({name})"));
            found.extend(new.chain(missing).map(|check| {
                format!(
                    "SELECT 'landing.{source}' AS table, folder AS drop, {} AS check, rows, rows AS failures, CAST(NULL AS STRING) AS sample FROM batch_files WHERE source = '{source}' AND folder = {}",
                    quote::text(&check),
                    quote::text(&drop.folder)
                )
            }));
        }
        let warns = contract.columns.iter().any(|column| column.on_violation == OnViolation::Warn);
        if warns && ingest.with_file(contract).next().is_some() {
            found.push(format!(
                "SELECT 'landing.{source}', files.folder, concat(found.fault.rule, '(', found.column, ')'), any_value(files.rows), count(*), min(found.fault.reason) FROM read_{source} AS rows LATERAL VIEW explode(rows._warned) AS found INNER JOIN batch_files AS files ON files.source = '{source}' AND files.precedence = rows._drop WHERE NOT rows._retried GROUP BY ALL"
            ));
        }
    }
    if !found.is_empty() {
        let checks = TableName::new(Layer::Ops, "checks");
        script.heavy(
            "ops.checks: what was found in files",
            format!(
                "INSERT INTO {} (batch_id, `table`, `drop`, `check`, severity, `rows`, failures, sample)\nSELECT {}, found.*, sample FROM (SELECT table, drop, check, 'warn' AS severity, CAST(rows AS BIGINT) AS rows, CAST(failures AS BIGINT) AS failures, sample FROM (\n{}\n)) AS found",
                batch.place.table(&checks),
                quote::text(&batch.id),
                found.join("\nUNION ALL ")
            )
            .replace("found.*, sample FROM", "found.* FROM"),
        );
    }
}

/// The stored orders that the batch's rows name.
fn known_orders(script: &mut Script, batch: &Batch) -> Result<()> {
    let orders = batch.tables.get(&"clean.orders".parse()?)?.unwritten(&batch.place)?;
    let (mut by_order, mut by_customer) = (Vec::new(), Vec::new());
    for contract in batch.project.contracts() {
        let source = &contract.source;
        match &contract.parent {
            Some(parent) if parent.order_column == "customer_id" => {
                by_customer.push(format!("SELECT {} AS customer_id FROM read_{source}", quote::name(&parent.column)?));
            }
            Some(parent) => {
                by_order.push(format!("SELECT {} AS order_id FROM read_{source}", quote::name(&parent.column)?));
            }
            None if source == "orders" => by_order.push("SELECT order_id FROM read_orders".to_owned()),
            None => {}
        }
    }
    script.staged(
        "known_orders",
        &format!(
            "SELECT DISTINCT order_id, customer_id, purchase_month FROM (
  SELECT order_id, customer_id, purchase_month FROM {orders} AS orders LEFT SEMI JOIN ({}) AS named USING (order_id)
  UNION ALL
  SELECT order_id, customer_id, purchase_month FROM {orders} AS orders LEFT SEMI JOIN ({}) AS named USING (customer_id)
)",
            by_order.join(" UNION ALL "),
            by_customer.join(" UNION ALL ")
        ),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use entrega_model::drops::Manifest;

    use super::*;
    use crate::{
        Stored,
        fixture::{self, books, day},
    };

    fn batch() -> Batch {
        let mut batch = fixture::batch("ingest");
        let quarantines = batch.project.contracts().iter().map(|contract| {
            let table = TableName::new(Layer::Quarantine, &contract.source);
            Stored { table, ..books("drops", &[]) }
        });
        let more = [books("drops", &[]), books("missing_references", &[]), books("tombstones", &[])];
        batch.tables = batch.tables.iter().cloned().chain(quarantines).chain(more).collect();
        batch
    }

    fn delivered(batch: &Batch, source: &str) -> Delivered {
        let contract = batch.project.contract(source).unwrap();
        let manifest: Manifest = serde_json::from_value(serde_json::json!({
            "version": 1,
            "start": "2018-02-28T00:00:00",
            "end": "2018-03-01T00:00:00",
            "cadence": "daily",
            "produced_at": "2018-03-01T00:10:00Z",
            "producer": "a test",
            "files": { (contract.file.clone()): { "sha256": "00", "bytes": 99, "rows": 2, "content": "changes" } },
        }))
        .unwrap();
        let names: Vec<&str> = contract.columns.iter().map(entrega_model::contract::ContractColumn::header).collect();
        let columns = Columns {
            line: names.join(","),
            count: names.len(),
            places: (0..names.len()).map(Some).collect(),
            deleted: None,
            unknown: Vec::new(),
            missing: Vec::new(),
        };
        Delivered {
            folder: "landing/dt=2018-02-28".to_owned(),
            manifest,
            modified: 1,
            headers: BTreeMap::from([(contract.file.clone(), columns)]),
        }
    }

    fn script_of(batch: &Batch, source: &str) -> Script {
        let ingest = Ingest { drops: vec![delivered(batch, source)], ..Ingest::default() };
        let calendar = Calendar { first: day("2018-01-01"), last: day("2018-12-31"), special: Vec::new() };
        script(batch, &ingest, &calendar).unwrap()
    }

    #[test]
    fn the_steps_in_order() {
        let batch = batch();
        let mut titles: Vec<String> =
            script_of(&batch, "orders").statements.into_iter().filter(|one| one.heavy).map(|one| one.title).collect();
        titles.dedup();
        insta::assert_snapshot!(titles.join("\n"));
    }

    #[test]
    fn what_no_drop_holds_is_not_read() {
        let batch = batch();
        let script = script_of(&batch, "order_reviews");
        let text = script.to_string();
        assert!(text.contains("landing/{dt=2018-02-28}/olist_order_reviews_dataset.csv"), "{text}");
        assert!(!text.contains("olist_order_items_dataset.csv' "), "{text}");
        // Nothing was staged but below the batch's own folder.
        let staged = text.lines().filter(|line| line.contains("INSERT OVERWRITE DIRECTORY"));
        assert!(staged.clone().count() > 20);
        assert!(staged.into_iter().all(|line| line.contains(&format!("s3://bucket/lake/_staging/{}/", batch.id))));
    }

    #[test]
    fn the_publication_comes_last_and_once() {
        let statements = script_of(&batch(), "orders").statements;
        let published: Vec<usize> =
            (0..statements.len()).filter(|place| statements[*place].title == "publish").collect();
        assert_eq!(published, [statements.len() - 1]);
    }
}
