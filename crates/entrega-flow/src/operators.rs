//! The registry of operators: every step that can be run alone, in the order of the data's way.
//!
//! An operator takes arguments as text, does one thing, and answers in JSON, so that any scheduler can call it and read
//! what it did. Adding one is one entry of [`OPERATORS`].

use std::{collections::BTreeMap, path::PathBuf};

use chrono::TimeDelta;
use entrega_lake::Definition;
use entrega_model::tables::TableName;
use entrega_operators::{check, load, validate};
use futures::{TryStreamExt as _, future::BoxFuture};
use serde_json::{Value, json};

use crate::{
    Context, FlowError, Result, care, discover, erase, features,
    ingest::{self, Selection},
    land::{self, LandOptions, Raw},
    ledger::Ledger,
    ops, summarise,
    tables::{self, DropRow},
};

/// The arguments of an operator: names and values as text.
pub type Arguments = BTreeMap<String, String>;

/// A step that can be run alone.
pub struct Operator {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub summary: &'static str,
    /// Its arguments, with what they mean; a trailing `?` marks an optional one.
    pub arguments: &'static [(&'static str, &'static str)],
    /// A call that works on the demo lake.
    pub example: &'static str,
    run: for<'a> fn(&'a Context, &'a Arguments) -> BoxFuture<'a, Result<Value>>,
}

/// All operators, in the order of the data's way.
pub const OPERATORS: &[Operator] = &[
    Operator {
        name: "discover",
        summary: "List the drops that wait, and folders without a manifest",
        arguments: &[],
        example: "entrega op discover --lake demo-lake",
        run: |context, _| Box::pin(run_discover(context)),
    },
    Operator {
        name: "land",
        summary: "Make a drop of CSV files that have no manifest: files of this machine, or a folder of the landing zone",
        arguments: &[
            ("files?", "CSV files, one of each source; on the command line simply their names"),
            ("drop?", "instead of files: a folder of the landing zone that holds files but no manifest"),
            ("day?", "day that the files tell of; a folder dt=…[/hr=…] says it itself"),
            ("from?", "instead of a day: the interval's start"),
            ("to?", "the interval's end (exclusive)"),
            ("whole?", "true if the files hold everything there is: rows that they lack are gone"),
        ],
        example: "entrega op land --lake demo-lake olist_sellers_dataset.csv day=2018-10-30",
        run: |context, arguments| Box::pin(run_land(context, arguments)),
    },
    Operator {
        name: "validate",
        summary: "Check one drop's manifest against the contracts, without reading its files",
        arguments: &[("drop", "folder of the drop, for example landing/dt=2018-03-01")],
        example: "entrega op validate --lake demo-lake drop=landing/dt=2018-10-29",
        run: |context, arguments| Box::pin(run_validate(context, arguments)),
    },
    Operator {
        name: "load",
        summary: "Read one file of a drop by its contract and count what is accepted and rejected; nothing is written",
        arguments: &[("drop", "folder of the drop"), ("source", "source, for example orders")],
        example: "entrega op load --lake demo-lake drop=landing/dt=2018-10-29 source=orders",
        run: |context, arguments| Box::pin(run_load(context, arguments)),
    },
    Operator {
        name: "ingest",
        summary: "Take waiting drops as one batch: clean tables, deliveries, quarantine, published together",
        arguments: &[("drop?", "folder of one drop; default all that wait")],
        example: "entrega op ingest --lake demo-lake",
        run: |context, arguments| Box::pin(run_ingest(context, arguments)),
    },
    Operator {
        name: "summarise",
        summary: "Recompute the daily tables for the days that changed or have ended",
        arguments: &[],
        example: "entrega op summarise --lake demo-lake",
        run: |context, _| Box::pin(run_summarise(context)),
    },
    Operator {
        name: "features",
        summary: "Compute the features of decisions that are new or could see a change, and the labels that matured",
        arguments: &[],
        example: "entrega op features --lake demo-lake",
        run: |context, _| Box::pin(run_features(context)),
    },
    Operator {
        name: "erase",
        summary: "Forget a person: gone from landing, clean, summary details and quarantine, and from older versions",
        arguments: &[
            ("customer_unique_id", "the person, as in clean.customers"),
            ("receipt?", "file for the receipt, which names nobody"),
        ],
        example: "entrega op erase --lake demo-lake customer_unique_id=0000366f3b9a7992bf8c76cfdf3221e2",
        run: |context, arguments| Box::pin(run_erase(context, arguments)),
    },
    Operator {
        name: "check",
        summary: "Run a table's checks over all of its published rows",
        arguments: &[("table", "table, for example clean.deliveries")],
        example: "entrega op check --lake demo-lake table=clean.deliveries",
        run: |context, arguments| Box::pin(run_check(context, arguments)),
    },
    Operator {
        name: "analyze",
        summary: "Look how tables lie in the lake, and say what is worth doing about it; no row is read",
        arguments: &[("table?", "only this table")],
        example: "entrega op analyze --lake demo-lake table=clean.orders",
        run: |context, arguments| Box::pin(run_analyze(context, arguments)),
    },
    Operator {
        name: "optimize",
        summary: "Write files again where fewer or sorted ones help; the rows stay the same",
        arguments: &[("table?", "only this table")],
        example: "entrega op optimize --lake demo-lake",
        run: |context, arguments| Box::pin(run_optimize(context, arguments)),
    },
    Operator {
        name: "vacuum",
        summary: "Delete files that no version needs which was published in the last days",
        arguments: &[
            ("table?", "only this table"),
            ("keep_hours?", "for how long what was published stays readable; default 168"),
            ("dry_run?", "true to only say what would be deleted"),
        ],
        example: "entrega op vacuum --lake demo-lake dry_run=true",
        run: |context, arguments| Box::pin(run_vacuum(context, arguments)),
    },
    Operator {
        name: "reconcile",
        summary: "Compare rows in with rows accounted for, for every file of every batch",
        arguments: &[],
        example: "entrega op reconcile --lake demo-lake",
        run: |context, _| Box::pin(run_reconcile(context)),
    },
];

/// The operator of a name.
///
/// # Errors
/// [`FlowError::Request`] that lists the names.
pub fn operator(name: &str) -> Result<&'static Operator> {
    OPERATORS.iter().find(|operator| operator.name == name).ok_or_else(|| FlowError::Request {
        problem: format!("there is no operator '{name}'"),
        hint: format!(
            "operators are {}",
            OPERATORS.iter().map(|operator| operator.name).collect::<Vec<_>>().join(", ")
        ),
    })
}

impl Operator {
    /// Runs the operator.
    ///
    /// # Errors
    /// [`FlowError::Request`] for a missing or unknown argument, else the step's own.
    pub async fn run(&self, context: &Context, arguments: &Arguments) -> Result<Value> {
        let known = |name: &str| self.arguments.iter().any(|(known, _)| known.trim_end_matches('?') == name);
        let usage = || {
            let names: Vec<_> = self.arguments.iter().map(|(name, doc)| format!("{name} ({doc})")).collect();
            format!(
                "arguments are {}; for example: {}",
                if names.is_empty() { "none".to_owned() } else { names.join(", ") },
                self.example
            )
        };
        if let Some(unknown) = arguments.keys().find(|name| !known(name)) {
            return Err(FlowError::Request {
                problem: format!("operator {} has no argument '{unknown}'", self.name),
                hint: usage(),
            });
        }
        if let Some((missing, _)) =
            self.arguments.iter().find(|(name, _)| !name.ends_with('?') && !arguments.contains_key(*name))
        {
            return Err(FlowError::Request {
                problem: format!("operator {} needs the argument '{missing}'", self.name),
                hint: usage(),
            });
        }
        (self.run)(context, arguments).await
    }
}

async fn run_discover(context: &Context) -> Result<Value> {
    let landing = discover::landing(&context.lake).await?;
    let ledger = Ledger::open(&context.lake, None).await?;
    let taken = ledger.state(&context.lake, &tables::drops()).await?;
    let taken: Vec<DropRow> = ops::read(&context.lake, &taken).await?;
    let waiting = discover::waiting(&context.lake, context.project.contracts(), &landing, &taken).await?;
    let damaged: serde_json::Map<String, Value> =
        waiting.damaged.iter().map(|(folder, error)| (folder.clone(), json!(error.to_string()))).collect();
    let waiting: Vec<&str> = waiting.drops.iter().map(|drop| drop.folder.as_str()).collect();
    Ok(
        json!({ "waiting": waiting, "damaged": damaged, "without_manifest": landing.incomplete, "complete": landing.complete.len() }),
    )
}

async fn find_drop(context: &Context, arguments: &Arguments) -> Result<validate::Drop> {
    let folder = ingest::normal_folder(&arguments["drop"]);
    Ok(validate::validate(&context.lake, &folder, 0, context.project.contracts()).await?)
}

async fn run_validate(context: &Context, arguments: &Arguments) -> Result<Value> {
    let drop = find_drop(context, arguments).await?;
    let mut files = serde_json::Map::new();
    for (name, entry) in &drop.manifest.files {
        let size = context
            .lake
            .list(&drop.folder)
            .await?
            .objects
            .iter()
            .find(|(object, ..)| object == name)
            .map(|(_, size, _)| *size);
        if size != Some(entry.bytes) {
            return Err(entrega_operators::OperatorError::Delivery {
                drop: drop.folder.clone(),
                file: name.clone(),
                problem: format!(
                    "it has {} bytes, its manifest says {}",
                    size.map_or("no".to_owned(), |size| size.to_string()),
                    entry.bytes
                ),
                hint: "deliver the drop again, files first, manifest last".to_owned(),
            }
            .into());
        }
        files.insert(name.clone(), json!(entry.rows));
    }
    Ok(
        json!({ "drop": drop.folder, "interval": drop.manifest.interval.to_string(), "digest": drop.manifest.digest(), "rows": files }),
    )
}

async fn run_land(context: &Context, arguments: &Arguments) -> Result<Value> {
    let argument = |name: &str| arguments.get(name).map(String::as_str);
    let options = LandOptions {
        interval: land::interval(argument("day"), argument("from"), argument("to"))?,
        whole: argument("whole") == Some("true"),
    };
    let raw = match argument("drop") {
        Some(folder) => Raw::Folder(folder.to_owned()),
        None => Raw::Files(argument("files").unwrap_or_default().lines().map(PathBuf::from).collect()),
    };
    Ok(json!(land::land(context, &raw, &options).await?))
}

async fn run_erase(context: &Context, arguments: &Arguments) -> Result<Value> {
    let _lease = context.lake.lease().await?;
    let receipt = json!(Box::pin(erase::erase(context, &arguments["customer_unique_id"])).await?);
    if let Some(path) = arguments.get("receipt") {
        let text = serde_json::to_string_pretty(&receipt).unwrap_or_default();
        std::fs::write(path, text).map_err(|error| FlowError::Request {
            problem: format!("the person is erased, but the receipt {path} cannot be written: {error}"),
            hint: "take it from standard output: run the command again".to_owned(),
        })?;
    }
    Ok(receipt)
}

async fn run_load(context: &Context, arguments: &Arguments) -> Result<Value> {
    let drop = find_drop(context, arguments).await?;
    let contract = context.project.contract(&arguments["source"])?;
    let file = drop.file(contract).ok_or_else(|| FlowError::Request {
        problem: format!("the drop {} has no file {}", drop.folder, contract.file),
        hint: format!("its files are {}", drop.manifest.files.keys().cloned().collect::<Vec<_>>().join(", ")),
    })?;
    let (mut accepted, mut rejected) = (0, BTreeMap::<String, u64>::new());
    let mut chunks = std::pin::pin!(load::load(&context.lake, contract, &file, context.threads));
    while let Some(chunk) = chunks.try_next().await? {
        accepted += chunk.rows.num_rows();
        for row in chunk.rejected {
            *rejected.entry(row.rule).or_default() += 1;
        }
    }
    Ok(json!({ "drop": drop.folder, "file": file.name, "accepted": accepted, "rejected": rejected }))
}

async fn run_ingest(context: &Context, arguments: &Arguments) -> Result<Value> {
    let _lease = context.lake.lease().await?;
    let ledger = Ledger::open(&context.lake, None).await?;
    let selection = arguments.get("drop").map_or(Selection::All, |drop| Selection::Folders(vec![drop.clone()]));
    let plan = ingest::plan(context, &ledger, &selection).await?;
    Ok(match ingest::ingest(context, ledger, plan).await? {
        Some((_, report)) => json!(report),
        None => json!({ "nothing_to_do": true }),
    })
}

async fn run_summarise(context: &Context) -> Result<Value> {
    let _lease = context.lake.lease().await?;
    let ledger = Ledger::open(&context.lake, None).await?;
    let plan = summarise::plan(context, &ledger)?;
    Ok(match summarise::summarise(context, ledger, plan).await? {
        Some((_, report)) => json!(report),
        None => json!({ "nothing_to_do": true }),
    })
}

async fn run_features(context: &Context) -> Result<Value> {
    let _lease = context.lake.lease().await?;
    let ledger = Ledger::open(&context.lake, None).await?;
    let plan = features::plan(context, &ledger).await?;
    Ok(match features::compute(context, ledger, plan).await? {
        Some((_, report)) => json!(report),
        None => json!({ "nothing_to_do": true }),
    })
}

fn wanted_tables(arguments: &Arguments) -> Result<Vec<TableName>> {
    Ok(arguments.get("table").map(|table| table.parse()).transpose()?.into_iter().collect())
}

async fn run_analyze(context: &Context, arguments: &Arguments) -> Result<Value> {
    let ledger = Ledger::open(&context.lake, None).await?;
    let since = context.now() - care::KEPT;
    let facts = care::analyze::analyze(context, &ledger, &wanted_tables(arguments)?, since).await?;
    let advice = care::advice::advice(&facts);
    Ok(json!({ "tables": facts, "advice": advice }))
}

async fn run_optimize(context: &Context, arguments: &Arguments) -> Result<Value> {
    Ok(json!(care::optimize::optimize(context, &wanted_tables(arguments)?, false).await?))
}

async fn run_vacuum(context: &Context, arguments: &Arguments) -> Result<Value> {
    let hours = arguments.get("keep_hours").map(|hours| {
        hours.parse::<u32>().map_err(|_| FlowError::Request {
            problem: format!("keep_hours={hours} is no whole number"),
            hint: "write for example keep_hours=168".to_owned(),
        })
    });
    let keep = hours.transpose()?.map_or(care::KEPT, |hours| TimeDelta::hours(hours.into()));
    let dry_run = arguments.get("dry_run").is_some_and(|value| value == "true");
    let extent = care::vacuum::Extent { keep, dry_run, nobody_reads: false };
    Ok(json!(care::vacuum::vacuum(context, &wanted_tables(arguments)?, extent).await?))
}

async fn run_check(context: &Context, arguments: &Arguments) -> Result<Value> {
    let model = context.project.model(&arguments["table"].parse()?)?;
    let ledger = Ledger::open(&context.lake, None).await?;
    let state = ledger.state(&context.lake, &Definition::of(model)).await?;
    let rows = context.lake.read_all(&state, None).await?;
    let references = ingest::references(context, &ledger, model).await?;
    // Enforced or not: here every check looks at the rows themselves.
    let mut standalone = model.clone();
    standalone.source = None;
    let results = check::check(&standalone, &rows, &references)?;
    check::stop_at_failure(&results)?;
    let results: Vec<Value> = results.iter().map(|result| json!({ "check": result.check, "rows": result.rows, "failures": result.failures, "sample": result.sample })).collect();
    Ok(json!({ "table": model.table.to_string(), "version": state.version, "checks": results }))
}

async fn run_reconcile(context: &Context) -> Result<Value> {
    let ledger = Ledger::open(&context.lake, None).await?;
    let table = ledger.state(&context.lake, &tables::drops()).await?;
    let rows: Vec<DropRow> = ops::read(&context.lake, &table).await?;
    if let Some(row) = rows.iter().find(|row| row.rows_in != row.accounted()) {
        return Err(FlowError::Unreconciled {
            drop: row.drop.clone(),
            file: row.file.clone(),
            rows_in: row.rows_in.unsigned_abs(),
            accounted: row.accounted().unsigned_abs(),
        });
    }
    Ok(
        json!({ "files": rows.iter().filter(|row| !row.file.is_empty()).count(), "rows_in": rows.iter().map(|row| row.rows_in).sum::<i64>(), "reconciled": true }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_is_named_once_and_shows_how_it_is_called() {
        let mut names: Vec<_> = OPERATORS.iter().map(|operator| operator.name).collect();
        names.dedup();
        assert_eq!(names.len(), OPERATORS.len());
        for operator in OPERATORS {
            assert!(operator.example.starts_with(&format!("entrega op {} ", operator.name)));
            for (argument, doc) in operator.arguments {
                assert!(
                    !doc.is_empty() && (argument.ends_with('?') || operator.example.contains(&format!("{argument}=")))
                );
            }
        }
    }
}
