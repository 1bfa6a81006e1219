//! `entrega report`: the daily delivery report.

use std::path::Path;

use anyhow::Context as _;
use entrega_serve::{ReportOptions, build_report};

use crate::{answers::Answers, arguments::Report, output::say, settings::Settings};

/// Runs the verb.
pub async fn run(settings: &Settings, arguments: Report) -> anyhow::Result<()> {
    let context = settings.context().await?;
    let source = Answers::open(&context, settings.lake()?).await?;
    let report = build_report(&source, ReportOptions { date: arguments.date }).await?;
    write_page(&arguments.out, &report.html)?;
    let beside = arguments.out.with_file_name(&report.csv_name);
    write_page(&beside, &report.late_to_carrier_csv)?;
    say(&report.headline);
    say(&format!("report of {}: {}; late items: {}", report.date, arguments.out.display(), beside.display()));
    if arguments.open {
        open::that(&arguments.out)
            .with_context(|| format!("no browser could be started\nhint: open {} yourself", arguments.out.display()))?;
    }
    Ok(())
}

/// Writes a file that was asked for with `--out`, or one beside it.
pub fn write_page(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text)
        .with_context(|| format!("{} cannot be written\nhint: choose another place with --out", path.display()))
}
