//! `entrega analyze`, `optimize` and `vacuum`: table care.

use std::sync::Arc;

use entrega_flow::{
    Context,
    care::{
        advice::{Action, Advice, advice, megabytes},
        analyze::{TableFacts, analyze},
        optimize::{OptimizeReport, optimize},
        vacuum::{Extent, VacuumReport, vacuum},
    },
    ledger::Ledger,
};
use serde_json::json;

use crate::{
    arguments::care,
    output::{say, table},
    progress::Bars,
    settings::Settings,
};

async fn context(settings: &Settings, json: bool) -> anyhow::Result<Context> {
    let mut context = settings.context().await?;
    if !json {
        context.progress = Arc::new(Bars::default());
    }
    Ok(context)
}

/// Runs `analyze`.
pub async fn analyzed(settings: &Settings, arguments: care::Analyze) -> anyhow::Result<()> {
    let context = context(settings, arguments.json).await?;
    let ledger = Ledger::open(&context.lake, None).await?;
    let facts = analyze(&context, &ledger, &arguments.tables, context.now() - arguments.keep).await?;
    let advice = advice(&facts);
    say(&if arguments.json {
        serde_json::to_string_pretty(&json!({ "tables": facts, "advice": advice }))?
    } else {
        describe(&facts, &advice)
    });
    Ok(())
}

fn describe(facts: &[TableFacts], advice: &[Advice]) -> String {
    if facts.is_empty() {
        return "no table was written yet".to_owned();
    }
    let rows = facts.iter().map(|facts| {
        vec![
            facts.table.to_string(),
            facts.rows.to_string(),
            facts.files.to_string(),
            megabytes(facts.bytes),
            facts.depth.map_or("-".to_owned(), |depth| format!("{depth:.1}")),
            format!("{:.1}", facts.skew),
            format!("{} ({} since checkpoint)", facts.log.entries, facts.log.since_checkpoint()),
            megabytes(facts.held.bytes),
            megabytes(facts.dead.bytes),
        ]
    });
    let header = ["table", "rows", "files", "size", "depth", "skew", "log", "held", "dead"];
    let mut lines = vec![table(&header, rows)];
    if let [facts] = facts {
        let months = facts.months.iter().map(|month| {
            vec![
                month.month.map_or("all".to_owned(), |month| month.format("%Y-%m").to_string()),
                month.rows.to_string(),
                month.files.to_string(),
                megabytes(month.bytes),
                month.depth.map_or("-".to_owned(), |depth| format!("{depth:.1}")),
            ]
        });
        lines.push(table(&["month", "rows", "files", "size", "depth"], months));
    }
    lines.push(
        "depth: row groups that a reader of one day opens; skew: largest month by the median one; \
         held: files of older versions that are kept; dead: files that nobody can need"
            .to_owned(),
    );
    if advice.is_empty() {
        lines.push("nothing needs to be done".to_owned());
    } else {
        let rows = advice.iter().map(|advice| {
            let verb = match advice.action {
                Action::Optimize => "optimize",
                Action::Vacuum => "vacuum --delete",
            };
            vec![advice.table.to_string(), advice.reason.clone(), format!("entrega {verb}"), advice.gain.clone()]
        });
        lines.push(table(&["advice for", "because", "do", "gain"], rows));
    }
    lines.join("\n")
}

/// Runs `optimize`.
pub async fn optimized(settings: &Settings, arguments: care::Optimize) -> anyhow::Result<()> {
    let context = context(settings, arguments.json).await?;
    let report = optimize(&context, &arguments.tables, arguments.dry_run).await?;
    say(&if arguments.json { serde_json::to_string_pretty(&report)? } else { tell_optimized(&report) });
    Ok(())
}

fn tell_optimized(report: &OptimizeReport) -> String {
    if report.tables.is_empty() {
        return "nothing to do: every table is in shape".to_owned();
    }
    let rows = report.tables.iter().map(|table| {
        let now = |after: String| if report.dry_run { "?".to_owned() } else { after };
        vec![
            table.table.to_string(),
            table.months.to_string(),
            format!("{} → {}", table.files_before, now(table.files_after.to_string())),
            format!("{} → {}", megabytes(table.bytes_before), now(megabytes(table.bytes_after))),
            table.rows.to_string(),
            if table.checkpoint { "written" } else { "-" }.to_owned(),
        ]
    });
    let mut lines = vec![table(&["table", "months", "files", "size", "rows, the same", "checkpoint"], rows)];
    let left: u64 = report.tables.iter().map(|table| table.left).sum();
    if left > 0 {
        lines.push(format!("{left} months were changed by a run meanwhile and are left for the next time"));
    }
    lines.push(match (&report.batch_id, report.dry_run) {
        (_, true) => "nothing was done: a dry run".to_owned(),
        (Some(batch), _) => format!("published as batch {batch}; `entrega vacuum` frees the old files"),
        (None, _) => "no file was written again".to_owned(),
    });
    lines.join("\n")
}

/// Runs `vacuum`.
pub async fn vacuumed(settings: &Settings, arguments: care::Vacuum) -> anyhow::Result<()> {
    let context = context(settings, arguments.json).await?;
    let extent = Extent { keep: arguments.keep, dry_run: !arguments.delete, nobody_reads: arguments.nobody_reads };
    let report = vacuum(&context, &arguments.tables, extent).await?;
    say(&if arguments.json { serde_json::to_string_pretty(&report)? } else { tell_vacuumed(&report) });
    Ok(())
}

fn tell_vacuumed(report: &VacuumReport) -> String {
    if report.tables.is_empty() {
        return "nothing to do: every file is needed by what is kept".to_owned();
    }
    let rows = report.tables.iter().map(|swept| {
        vec![
            swept.table.to_string(),
            swept.data.files.to_string(),
            megabytes(swept.data.bytes),
            swept.log_entries.to_string(),
        ]
    });
    let verb = if report.dry_run { "would be deleted (add --delete)" } else { "deleted" };
    let since = report.kept_since.format("%Y-%m-%d %H:%M:%S");
    format!(
        "{}\n{} files, {}, {} log entries {verb}; what was published since {since} UTC stays readable",
        table(&["table", "files", "size", "log entries"], rows),
        report.data.files,
        megabytes(report.data.bytes),
        report.log_entries,
    )
}
