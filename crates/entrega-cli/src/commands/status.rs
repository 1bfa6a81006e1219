//! `entrega status`: what the lake knows, what waits and what is missing.

use entrega_flow::status::{Status, status};

use crate::{
    arguments,
    output::{say, table},
    settings::Settings,
};

/// So many names of a list are shown.
const SHOWN: usize = 10;

/// Runs the verb.
pub async fn run(settings: &Settings, arguments: arguments::Status) -> anyhow::Result<()> {
    let context = settings.context().await?;
    let found = status(&context, arguments.batches).await?;
    say(&if arguments.json {
        serde_json::to_string_pretty(&found)?
    } else if arguments.gaps {
        arrivals(&found)
    } else {
        describe(&found)
    });
    Ok(())
}

/// Every gap, and how drops arrive.
fn arrivals(status: &Status) -> String {
    let covered = status.covered.map_or("nothing".to_owned(), |span| span.to_string());
    let mut lines = vec![format!("drops cover {covered}")];
    if status.gaps.is_empty() {
        lines.push("no gaps".to_owned());
    } else {
        lines.push(table(&["no drop covers"], status.gaps.iter().map(|gap| vec![gap.to_string()])));
        lines.push(
            "hint: ask the order system for these intervals; `entrega backfill` takes them when they come".to_owned(),
        );
    }
    let rows = status.arrivals.iter().map(|source| {
        vec![
            source.source.clone(),
            source.drops.to_string(),
            source.late.to_string(),
            source.repeated.to_string(),
            duration(source.median_seconds),
            duration(source.longest_seconds),
        ]
    });
    lines.push(table(&["source", "drops", "out of order", "repeated", "late by, median", "late by, at most"], rows));
    lines.join("\n")
}

/// How late drops come, in one line: the usual, and the source that is worst.
fn lateness(status: &Status) -> String {
    let Some(worst) = status.arrivals.iter().max_by_key(|source| source.longest_seconds) else {
        return "nothing taken yet".to_owned();
    };
    let usual = status.arrivals.iter().map(|source| source.median_seconds).max().unwrap_or_default();
    let out_of_order = status.arrivals.iter().map(|source| source.late).max().unwrap_or_default();
    let out_of_order = if out_of_order > 0 { format!("; {out_of_order} out of order") } else { String::new() };
    format!(
        "{} (median), at most {} ({}){out_of_order}",
        duration(usual),
        duration(worst.longest_seconds),
        worst.source
    )
}

fn duration(seconds: i64) -> String {
    match seconds {
        ..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{:.1} h", seconds as f64 / 3_600.0),
        _ => format!("{:.1} days", seconds as f64 / 86_400.0),
    }
}

fn describe(status: &Status) -> String {
    let as_of =
        status.as_of.map_or("nothing ingested yet".to_owned(), |moment| moment.format("%Y-%m-%d %H:%M").to_string());
    let mut lines = vec![
        format!("as of:             {as_of}"),
        format!("drops taken:       {}", status.drops_taken),
        listed("drops waiting:     ", &status.waiting),
    ];
    if !status.waiting.is_empty() {
        lines.push("  hint: `entrega run all` takes them".to_owned());
    }
    for (_, problem) in &status.damaged {
        lines.push(format!("damaged:            {}", problem.replace("\nhint: ", "\n  hint: ")));
    }
    lines.push(format!("late by:            {}", lateness(status)));
    let gaps: Vec<String> = status.gaps.iter().map(ToString::to_string).collect();
    lines.push(listed("gaps:              ", &gaps));
    lines.push(listed("without manifest:  ", &status.without_manifest));
    if !status.without_manifest.is_empty() {
        lines.push("  hint: such a drop is not complete; its producer writes _manifest.json last".to_owned());
    }
    let quarantine: Vec<String> = status.quarantine.iter().map(|(source, rows)| format!("{source} {rows}")).collect();
    lines.push(listed("rows in quarantine:", &quarantine));
    if !status.batches.is_empty() {
        let rows = status.batches.iter().map(|batch| {
            vec![
                batch.batch_id.clone(),
                batch.published_at.format("%Y-%m-%d %H:%M:%S").to_string(),
                batch.as_of.map_or(String::new(), |moment| moment.format("%Y-%m-%d %H:%M").to_string()),
                batch.drops.to_string(),
                batch.rows_in.to_string(),
            ]
        });
        lines.push(table(&["batch", "published (UTC)", "as of", "drops", "rows in"], rows));
    }
    lines.join("\n")
}

fn listed(label: &str, names: &[String]) -> String {
    if names.is_empty() {
        format!("{label} none")
    } else {
        let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
        let more = if names.len() > SHOWN { format!(" … ({})", names.len()) } else { String::new() };
        format!("{label} {shown}{more}")
    }
}
