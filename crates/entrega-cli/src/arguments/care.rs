//! Arguments of table care: `analyze`, `optimize`, `vacuum`.

use chrono::TimeDelta;
use clap::Args;
use entrega_model::tables::TableName;

/// Arguments of `analyze`.
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is changed and no row is read. Advice comes with what it gains, the most worth first.

Examples:
  entrega analyze --lake lake
  entrega analyze --lake lake clean.orders
  entrega analyze --lake lake --json")]
pub struct Analyze {
    /// Only these tables; of a single one its months are shown, too.
    #[arg(value_name = "TABLE")]
    pub tables: Vec<TableName>,
    /// For how long what was published is to stay readable: what that needs counts as held, not as dead.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = span)]
    pub keep: TimeDelta,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `optimize`.
#[derive(Debug, Args)]
#[command(after_help = "\
Rows stay the same: they are counted and hashed before and after, and nothing is committed unless both are equal. An
ingest can run meanwhile; months that it changes are left for the next time.

Examples:
  entrega optimize --lake lake --dry-run
  entrega optimize --lake lake
  entrega optimize --lake lake clean.orders features.at_purchase")]
pub struct Optimize {
    /// Only these tables [default: all that need it].
    #[arg(value_name = "TABLE")]
    pub tables: Vec<TableName>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// The result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `vacuum`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --delete it only says what would be deleted. Everything that was published in the time that is kept stays
readable, and so do files that a run under way has written.

Examples:
  entrega vacuum --lake lake
  entrega vacuum --lake lake --delete
  entrega vacuum --lake lake --delete --keep 30d clean.deliveries")]
pub struct Vacuum {
    /// Only these tables [default: all].
    #[arg(value_name = "TABLE")]
    pub tables: Vec<TableName>,
    /// Really delete.
    #[arg(long)]
    pub delete: bool,
    /// For how long what was published stays readable: 12h, 7d; an hour or more.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = span)]
    pub keep: TimeDelta,
    /// Nothing else uses the lake: less than an hour may be kept.
    #[arg(long)]
    pub nobody_reads: bool,
    /// The result as JSON.
    #[arg(long)]
    pub json: bool,
}

fn span(text: &str) -> Result<TimeDelta, String> {
    let wrong = || "write 12h, 7d or '1d 12h'".to_owned();
    let span = humantime::parse_duration(text).map_err(|_| wrong())?;
    TimeDelta::from_std(span).ok().filter(|span| *span < TimeDelta::days(36_500)).ok_or_else(wrong)
}
