//! `entrega op`: one operator alone, with a JSON result.

use std::sync::Arc;

use anyhow::bail;
use entrega_flow::operators::{Arguments, OPERATORS, operator};

use crate::{
    arguments::Op,
    output::{say, table},
    progress::Bars,
    settings::Settings,
};

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
    let mut named = Arguments::new();
    for argument in &arguments.arguments {
        let Some((name, value)) = argument.split_once('=') else {
            bail!("'{argument}' is not name=value\nhint: for example {}", operator.example)
        };
        named.insert(name.to_owned(), value.to_owned());
    }
    let mut context = settings.context().await?;
    context.progress = Arc::new(Bars::default());
    let result = operator.run(&context, &named).await?;
    say(&serde_json::to_string_pretty(&result)?);
    Ok(())
}
