//! `entrega quarantine`: rows that were not taken.

use std::sync::Arc;

use anyhow::bail;
use entrega_flow::{
    ingest::{self, IngestPlan, Selection},
    ledger::Ledger,
    quarantine::{Found, QuarantineFilter, give_up, groups, nothing_matches, rows},
};
use serde_json::json;

use crate::{
    arguments::{
        Quarantine, QuarantineDrop, QuarantineList, QuarantineReplay, QuarantineRows, QuarantineShow, QuarantineVerb,
    },
    commands::run::{Done, summary, tell},
    output::{complain, say, table},
    progress::Bars,
    settings::Settings,
};

/// Runs the verb.
pub async fn run(settings: &Settings, arguments: Quarantine) -> anyhow::Result<()> {
    match arguments.verb {
        QuarantineVerb::List(arguments) => list(settings, arguments).await,
        QuarantineVerb::Show(arguments) => show(settings, arguments).await,
        QuarantineVerb::Replay(arguments) => replay(settings, arguments).await,
        QuarantineVerb::Drop(arguments) => drop_rows(settings, arguments).await,
    }
}

impl From<QuarantineRows> for QuarantineFilter {
    fn from(rows: QuarantineRows) -> Self {
        let QuarantineRows { source, rule, drop, line } = rows;
        Self { source, rule, drop, line }
    }
}

async fn list(settings: &Settings, arguments: QuarantineList) -> anyhow::Result<()> {
    let context = settings.context().await?;
    let found = groups(&rows(&context, &arguments.rows.into()).await?);
    if arguments.json {
        say(&serde_json::to_string_pretty(&found)?);
    } else if found.is_empty() {
        say("the quarantine is empty");
    } else {
        let lines = found.into_iter().map(|group| {
            let state = format!("{:?}", group.state).to_lowercase();
            let (rows, drops) = (group.rows.to_string(), group.drops.to_string());
            vec![group.source, state, group.rule, rows, drops, group.example]
        });
        say(&table(&["source", "state", "rule", "rows", "drops", "for example"], lines));
    }
    Ok(())
}

async fn show(settings: &Settings, arguments: QuarantineShow) -> anyhow::Result<()> {
    let context = settings.context().await?;
    let found = rows(&context, &arguments.rows.into()).await?;
    if arguments.raw {
        return show_raw(&found);
    }
    let shown = found.iter().take(arguments.limit);
    if arguments.json {
        let objects: Vec<_> = shown.map(|(source, row)| json!({ "source": source, "row": row })).collect();
        say(&serde_json::to_string_pretty(&objects)?);
        return Ok(());
    }
    let lines = shown.map(|(source, row)| {
        let place = format!("{}/{}:{}", row.drop, row.file, row.line);
        vec![source.clone(), place, format!("{}: {}", row.rule, row.reason), row.raw.clone()]
    });
    say(&table(&["source", "where", "what is wrong", "row as delivered"], lines));
    if found.len() > arguments.limit {
        say(&format!("{} of {} rows; --limit shows more", arguments.limit, found.len()));
    }
    Ok(())
}

fn show_raw(found: &[Found]) -> anyhow::Result<()> {
    let Some((first_source, first)) = found.first() else { bail!("there is no such row\nhint: see `quarantine list`") };
    if let Some((source, row)) = found.iter().find(|(source, row)| source != first_source || row.header != first.header)
    {
        bail!(
            "rows of {first_source} and of {source} ({}) do not fit into one file\nhint: choose --source, and --drop where the columns differ",
            row.drop
        );
    }
    let lines: Vec<&str> =
        std::iter::once(first.header.as_str()).chain(found.iter().map(|(_, row)| row.raw.as_str())).collect();
    say(&lines.join("\n"));
    Ok(())
}

async fn replay(settings: &Settings, arguments: QuarantineReplay) -> anyhow::Result<()> {
    let mut context = settings.context().await?;
    let _lease = context.lake.lease().await?;
    if !arguments.json {
        context.progress = Arc::new(Bars::default());
    }
    let filter: QuarantineFilter = arguments.rows.into();
    let before = rows(&context, &filter).await?;
    if before.is_empty() {
        return Err(nothing_matches(&filter).into());
    }
    let ledger = Ledger::open(&context.lake, None).await?;
    // Drops that wait are left to the next run, but a changed model is dealt with.
    let planned = ingest::plan(&context, &ledger, &Selection::Folders(Vec::new())).await?;
    let plan = IngestPlan { replay: Some(filter), ..planned };
    let mut done = Done::default();
    done.ingests.extend(ingest::ingest(&context, ledger, plan).await?.map(|(_, report)| report));
    summary(&context, &mut done).await?;
    let after = rows(&context, &QuarantineFilter::default()).await?;
    let still = |(source, row): &&Found| {
        after.iter().any(|(name, left)| name == source && left.precedence == row.precedence && left.line == row.line)
    };
    let kept = before.iter().filter(still).count();
    if arguments.json {
        say(&serde_json::to_string_pretty(
            &json!({ "tried": before.len(), "left": before.len() - kept, "kept": kept, "done": done }),
        )?);
    } else {
        say(&tell(&done));
        say(&format!("{} rows tried again: {} left the quarantine, {kept} stay", before.len(), before.len() - kept));
    }
    done.warn();
    if kept > 0 {
        complain("hint: `entrega quarantine show` tells what is still wrong");
    }
    Ok(())
}

async fn drop_rows(settings: &Settings, arguments: QuarantineDrop) -> anyhow::Result<()> {
    let context = settings.context().await?;
    let _lease = context.lake.lease().await?;
    let filter: QuarantineFilter = arguments.rows.into();
    if filter == QuarantineFilter::default() && !arguments.all {
        bail!("which rows?\nhint: name --source, --rule, --drop or --line, or --all");
    }
    match give_up(&context, &filter).await? {
        0 => Err(nothing_matches(&filter).into()),
        gone => {
            say(&format!("{gone} rows given up"));
            Ok(())
        }
    }
}
