//! `entrega features`: training sets.

use entrega_model::{
    knowledge,
    model::WriteMode,
    tables::{Layer, TableName},
};
use entrega_serve::training::{Format, TrainingRequest, build};
use serde_json::json;

use crate::{
    answers::Answers,
    arguments::{ExportFormat, Features, FeaturesExport, FeaturesVerb, Prepare},
    output::say,
    settings::Settings,
};

/// Runs the verb.
pub async fn run(settings: &Settings, arguments: Features) -> anyhow::Result<()> {
    match arguments.verb {
        FeaturesVerb::Export(arguments) => export(settings, arguments).await,
    }
}

async fn export(settings: &Settings, arguments: FeaturesExport) -> anyhow::Result<()> {
    if arguments.format == ExportFormat::Npz && arguments.prepare == Prepare::None {
        anyhow::bail!(
            "matrices hold numbers only, but --prepare none leaves categories as text\nhint: leave --prepare away, or choose --format parquet"
        );
    }
    let context = settings.context().await?;
    let name = arguments.table.strip_prefix("features.").unwrap_or(&arguments.table);
    let decisions: Vec<&TableName> = context
        .project
        .models()
        .iter()
        .filter(|model| model.write == WriteMode::Decisions)
        .map(|model| &model.table)
        .collect();
    let Some(table) = decisions.iter().find(|table| table.layer == Layer::Features && table.name == name) else {
        let valid = decisions.iter().map(|table| table.name.clone()).collect();
        return Err(
            entrega_model::ModelError::Unknown { kind: "table of features", name: arguments.table, valid }.into()
        );
    };
    let model = context.project.model(table)?;
    let source = Answers::open(&context, settings.lake()?).await?;
    let request = TrainingRequest {
        model,
        train_until: arguments.train_until,
        test_until: arguments.test_until,
        prepared: arguments.prepare == Prepare::Standard,
    };
    let set = build(&source, request, &knowledge::dictionary(&context.project, table)?).await?;
    let format = match arguments.format {
        ExportFormat::Parquet => Format::Parquet,
        ExportFormat::Csv => Format::Csv,
        ExportFormat::Npz => Format::Npz,
    };
    let files = set.write(&arguments.out, format)?;
    let origin = &set.preparation.origin;
    if arguments.json {
        say(&serde_json::to_string_pretty(&json!({ "out": arguments.out, "files": files, "origin": origin }))?);
        return Ok(());
    }
    let rows = origin.rows;
    say(&format!(
        "{}: {} rows to train with, {} to test with, {} features",
        origin.table,
        rows.train,
        rows.test,
        set.preparation.features.len()
    ));
    say(&format!(
        "  in neither: {} decided before {} but matured after it, {} without a label",
        rows.matured_too_late, origin.train_until, rows.without_label
    ));
    say(&format!("  {}: {}", arguments.out.display(), files.join(", ")));
    Ok(())
}
