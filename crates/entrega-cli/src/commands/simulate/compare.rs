//! `entrega simulate --compare`: the real shop and the simulated one, side by side.
//!
//! Both become a lake of their own in a temporary folder, by the same ingest as any other, and both are asked what they
//! know at the end of the last day.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use chrono::{Days, NaiveDate, NaiveTime};
use entrega_flow::{
    Context,
    ingest::{self, Selection},
    ledger::Ledger,
};
use entrega_lake::Lake;
use entrega_serve::{Comparison, compare, comparison::count_orders};
use entrega_source::{OneDropOptions, OrderSystem, one_drop};

use super::{deliver, options};
use crate::{
    answers::Answers,
    arguments::{MessArgument, Simulate},
    commands::report::write_page,
    output::{say, table},
    progress::{Bars, bar},
    settings::Settings,
};

/// Purchases so young are left out: in the simulated shop many are still under way, and the public files hold mostly
/// those orders of their last weeks that had ended when they were cut.
const SETTLING: Days = Days::new(31);

/// Compares, prints, and writes the page.
pub async fn run(settings: &Settings, arguments: Simulate, source: PathBuf) -> anyhow::Result<()> {
    if let MessArgument::Heavy = arguments.mess {
        bail!(
            "a shop with a heavy mess cannot be compared: what it breaks would count as a difference\n\
             hint: leave --mess away, its faults are delivered on top of the real mess"
        );
    }
    let (from, to) = (arguments.from, arguments.to);
    let settled = to.checked_sub_days(SETTLING).filter(|day| *day > from + SETTLING).unwrap_or(to);
    let folder = tempfile::Builder::new().prefix("entrega-comparison-").tempdir().context(
        "no temporary folder can be made\nhint: the comparison needs about 0.5 GB there; TMPDIR names another place",
    )?;
    let real = real(settings, &source, to, &folder.path().join("real")).await?;
    count_orders(&real, from, settled).await?;
    let orders = match arguments.orders {
        Some(orders) => orders,
        None => count_orders(&real, from, to).await?,
    };
    let simulated = simulated(settings, &arguments, orders, &folder.path().join("simulated")).await?;

    let questions = bar(0, "questions");
    let comparison = compare(&real, &simulated, from, settled, |done, total| {
        questions.set_length(total as u64);
        questions.set_position(done as u64);
    })
    .await?;
    questions.finish_and_clear();
    write_page(&arguments.out, &comparison.html)?;
    say(&told(&comparison));
    say(&format!("{}: {}", comparison.headline, arguments.out.display()));
    Ok(())
}

/// The real shop, as it was known at the end of a day.
async fn real(settings: &Settings, source: &Path, to: NaiveDate, folder: &Path) -> anyhow::Result<Answers> {
    let label = source.file_name().unwrap_or(source.as_os_str()).to_string_lossy().into_owned();
    let source = source.to_owned();
    let system = tokio::task::spawn_blocking(move || OrderSystem::open(&source)).await??;
    let lake = Lake::open_or_create(&folder.to_string_lossy()).await?;
    let to = to.succ_opt().map(|day| day.and_time(NaiveTime::MIN));
    let options = OneDropOptions { to, ..OneDropOptions::default() };
    one_drop(&system, Arc::clone(lake.store()), lake.prefix().clone(), options).await?;
    taken(settings, lake, &label).await
}

/// The simulated shop.
async fn simulated(settings: &Settings, arguments: &Simulate, orders: u64, folder: &Path) -> anyhow::Result<Answers> {
    let lake = Lake::open_or_create(&folder.to_string_lossy()).await?;
    deliver(&lake, options(arguments, orders)?, "simulated drops").await?;
    taken(settings, lake, &format!("seed {}", arguments.seed)).await
}

/// A lake with its drops taken.
async fn taken(settings: &Settings, lake: Lake, label: &str) -> anyhow::Result<Answers> {
    let context = Context { progress: Arc::new(Bars::default()), ..Context::new(lake, settings.project()?) };
    let _lease = context.lake.lease().await?;
    let ledger = Ledger::open(&context.lake, None).await?;
    let plan = ingest::plan(&context, &ledger, &Selection::All).await?;
    ingest::ingest(&context, ledger, plan).await?;
    Answers::open(&context, label).await
}

/// A table for each chapter.
fn told(comparison: &Comparison) -> String {
    let chapters = comparison.chapters.iter().map(|(title, findings)| {
        let rows = findings.iter().map(|finding| {
            let verdict = finding.verdict.name().to_owned();
            vec![
                finding.label.to_owned(),
                finding.real.clone(),
                finding.simulated.clone(),
                finding.distance_text.clone(),
                verdict,
            ]
        });
        format!("{title}\n{}\n", table(&["question", "real", "simulated", "distance", "verdict"], rows))
    });
    chapters.collect::<Vec<_>>().join("\n")
}
