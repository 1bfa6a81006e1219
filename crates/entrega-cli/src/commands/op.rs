//! `entrega op`: one operator alone, with a JSON result.

use std::sync::Arc;

use anyhow::bail;
use entrega_flow::operators::{Arguments, OPERATORS, Operator, operator};

use crate::{
    arguments::Op,
    output::{say, table},
    progress::Bars,
    settings::Settings,
};

/// The argument of operators that takes files as they are given.
const FILES: &str = "files?";

/// Runs the verb.
pub async fn run(settings: &Settings, arguments: Op) -> anyhow::Result<()> {
    if arguments.name == "list" {
        let rows = OPERATORS.iter().map(|operator| {
            let names: Vec<String> = operator.arguments.iter().map(|(name, doc)| format!("{name}: {doc}")).collect();
            vec![operator.name.to_owned(), operator.summary.to_owned(), names.join("\n"), operator.example.to_owned()]
        });
        say(&table(&["operator", "what it does", "arguments", "example"], rows));
        return Ok(());
    }
    let operator = operator(&arguments.name)?;
    let named = named(operator, arguments.arguments)?;
    let mut context = settings.context().await?;
    context.progress = Arc::new(Bars::default());
    let result = operator.run(&context, &named).await?;
    say(&serde_json::to_string_pretty(&result)?);
    Ok(())
}

/// Arguments as an operator takes them: `name=value`, `--name value`, and files as they are given.
fn named(operator: &Operator, arguments: Vec<String>) -> anyhow::Result<Arguments> {
    let mut named = Arguments::new();
    let mut words = arguments.into_iter();
    while let Some(word) = words.next() {
        let flag = word.strip_prefix("--");
        match (flag, flag.unwrap_or(&word).split_once('=')) {
            (Some("lake" | "models"), _) => {
                bail!("write {word} before the operator's own arguments\nhint: for example {}", operator.example)
            }
            (_, Some((name, value))) => {
                named.insert(name.replace('-', "_"), value.to_owned());
            }
            (Some(name), None) => {
                let Some(value) = words.next() else {
                    bail!("--{name} has no value\nhint: for example {}", operator.example)
                };
                named.insert(name.replace('-', "_"), value);
            }
            (None, None) if operator.arguments.iter().any(|(name, _)| *name == FILES) => {
                let files = named.entry(FILES.trim_end_matches('?').to_owned()).or_default();
                *files = format!("{files}{word}\n");
            }
            (None, None) => bail!("'{word}' is not name=value\nhint: for example {}", operator.example),
        }
    }
    Ok(named)
}
