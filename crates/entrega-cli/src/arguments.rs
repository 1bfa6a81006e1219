//! The command line: verbs, flags, and examples for each.

pub mod care;
pub mod catalog;
pub mod lake;
pub mod spark;

use std::path::PathBuf;

use chrono::{NaiveDate, NaiveDateTime};
use clap::{Args, Parser, Subcommand, ValueEnum};
use entrega_flow::plan::Steps;
use entrega_model::drops::Cadence;
use entrega_source::Mess;

/// Tells a retailer every morning whether its orders arrive as promised.
///
/// Order-system exports go in as drops; out come clean tables, daily summaries and a report.
#[derive(Debug, Parser)]
#[command(
    name = "entrega",
    version,
    max_term_width = 110,
    after_help = "\
Examples:
  entrega replay --source brazilian-ecommerce.zip --lake demo-lake --as one-drop
  entrega run all --lake demo-lake
  entrega report --lake demo-lake --open

Settings: flags win over the environment (ENTREGA_LAKE, ENTREGA_MODELS), which wins over ./entrega.toml.
Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 busy (try later), 4 the delivered data is at fault."
)]
pub struct Cli {
    /// The lake: a folder or a URL (<s3://bucket/prefix>).
    #[arg(long, global = true, value_name = "URL")]
    pub lake: Option<String>,
    /// A folder of models and contracts, instead of those that are built in.
    #[arg(long, global = true, value_name = "DIR")]
    pub models: Option<PathBuf>,
    /// More of what happens, on standard error; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Deliver the public data set as the order system would have: drop by drop, or at once.
    Replay(Replay),
    /// Write the drops of a simulated shop.
    Simulate(Simulate),
    /// Run a job: take what waits, and publish the result.
    Run(Run),
    /// Write a batch as a script of Spark SQL, for spark-sql or a step of EMR.
    Compile(spark::Compile),
    /// Run both engines over the same drops, and compare every row.
    Parity(spark::Parity),
    /// Make the daily delivery report, one HTML file.
    Report(Report),
    /// Training sets of the point-in-time features, split by time and maturity.
    Features(Features),
    /// Ask the published tables in Spark SQL; nothing can be changed.
    Sql(Sql),
    /// Show what the lake knows, what waits and what is missing.
    Status(Status),
    /// Take what waits of a span of time, and say what never came.
    Backfill(Backfill),
    /// Look at rows that were not taken, try them again, or give them up.
    Quarantine(Quarantine),
    /// Look how tables lie in the lake, and say what is worth doing about it.
    Analyze(care::Analyze),
    /// Write files again where fewer or sorted ones help; the rows stay the same.
    Optimize(care::Optimize),
    /// Delete files that no version needs which is kept.
    Vacuum(care::Vacuum),
    /// Show the tables, their columns, or their DDL.
    Tables(Tables),
    /// List the operators, or run one of them alone.
    Op(Op),
    /// Keep a Hive Metastore in step with what the lake publishes.
    Catalog(catalog::Catalog),
    /// Make a place a lake, and copy files in and out of it.
    Lake(lake::LakeFiles),
    /// Examine whether a lake can live where it is to live: rights, conditional puts, clock, latency.
    Doctor(lake::Doctor),
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  entrega replay --source brazilian-ecommerce.zip --lake lake --as one-drop
  entrega replay --source olist/ --lake lake --cadence daily --from 2018-01-01 --to 2018-01-31
  entrega replay --source olist/ --lake lake --cadence hourly --to 2016-10-04")]
pub struct Replay {
    /// The data set: the zip as Kaggle serves it, or a folder of its nine CSV files.
    #[arg(long, value_name = "ZIP|FOLDER")]
    pub source: PathBuf,
    /// One drop for each day or hour.
    #[arg(long, value_enum, default_value = "daily", conflicts_with = "form")]
    pub cadence: CadenceArgument,
    /// Everything in one drop.
    #[arg(long = "as", value_enum, value_name = "FORM")]
    pub form: Option<Form>,
    /// First day; a baseline drop holds the state before it.
    #[arg(long, value_name = "DATE", conflicts_with = "form")]
    pub from: Option<NaiveDate>,
    /// Last day, inclusive.
    #[arg(long, value_name = "DATE")]
    pub to: Option<NaiveDate>,
}

/// Arguments of `simulate`.
#[derive(Debug, Args)]
#[command(after_help = "\
The same seed gives the same drops. Doing it again changes nothing. A lake remembers its shop: --follow goes on with it.

Examples:
  entrega simulate --lake lake
  entrega simulate --lake lake --orders 1000000 --cadence hourly --seed 7
  entrega simulate --lake lake --orders 5000 --from 2018-01-01 --to 2018-03-31 --mess none
  entrega simulate --lake lake --mess heavy
  entrega simulate --lake lake --follow --speed 3600x
  entrega simulate --compare brazilian-ecommerce.zip --out comparison.html")]
pub struct Simulate {
    /// Go on with the shop that is there, one drop for each interval that passes, until Ctrl-C.
    #[arg(long, conflicts_with_all = ["orders", "from", "to", "cadence", "seed", "mess", "compare"])]
    pub follow: bool,
    /// How much faster than the clock time passes: at 3600x an hourly drop comes every second.
    #[arg(long, value_name = "TIMES", default_value = "1x", value_parser = speed, requires = "follow")]
    pub speed: f64,
    /// Stop after so many intervals.
    #[arg(long, value_name = "N", requires = "follow")]
    pub intervals: Option<u64>,
    /// Orders that are bought in the time from the first to the last day [default: 100000, or the real shop's].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub orders: Option<u64>,
    /// The day on which the shop opens.
    #[arg(long, value_name = "DATE", default_value = "2017-01-01")]
    pub from: NaiveDate,
    /// Last day, inclusive.
    #[arg(long, value_name = "DATE", default_value = "2018-08-31")]
    pub to: NaiveDate,
    /// One drop for each day or hour.
    #[arg(long, value_enum, default_value = "daily")]
    pub cadence: CadenceArgument,
    /// Another seed, another shop.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How badly the shop's system behaves.
    #[arg(long, value_enum, default_value = "real")]
    pub mess: MessArgument,
    /// Workers; they change nothing but the time that it takes [default: all cores].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=256))]
    pub jobs: Option<u64>,
    /// No drops, but a comparison with the real shop: the data set's zip, or a folder of its nine CSV files. Needs no lake.
    #[arg(long, value_name = "ZIP|FOLDER")]
    pub compare: Option<PathBuf>,
    /// Where the comparison's page is written.
    #[arg(long, value_name = "FILE", default_value = "comparison.html", requires = "compare")]
    pub out: PathBuf,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.strip_suffix('x').unwrap_or(text).parse::<f64>();
    speed
        .ok()
        .filter(|speed| (0.001..=1e9).contains(speed))
        .ok_or_else(|| "write how many times faster, from 0.001x to 1000000000x, such as 3600x or 3600".to_owned())
}

/// How badly a simulated shop's system behaves.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum MessArgument {
    /// Nothing contradicts itself.
    None,
    /// As the real one, at its rates.
    Real,
    /// As real, and delivered badly: faulty rows, odd files, broken drops, all listed in _injected.json.
    Heavy,
}

impl From<MessArgument> for Mess {
    fn from(argument: MessArgument) -> Self {
        match argument {
            MessArgument::None => Self::None,
            MessArgument::Real => Self::Real,
            MessArgument::Heavy => Self::Heavy,
        }
    }
}

/// How often drops come.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum CadenceArgument {
    /// One drop a day.
    Daily,
    /// One drop an hour.
    Hourly,
}

impl From<CadenceArgument> for Cadence {
    fn from(argument: CadenceArgument) -> Self {
        match argument {
            CadenceArgument::Daily => Self::Daily,
            CadenceArgument::Hourly => Self::Hourly,
        }
    }
}

/// Other forms of a replay.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Form {
    /// The whole state as one drop.
    OneDrop,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  entrega run all --lake lake
  entrega run ingest --lake lake --drop landing/dt=2018-03-01
  entrega run all --lake lake --from 2018-03-01 --to 2018-04-01 --dry-run
  entrega run all --lake s3://bucket/shop --engine spark --remote sc://localhost:15002")]
#[allow(clippy::struct_excessive_bools)]
pub struct Run {
    /// The job.
    #[arg(value_enum)]
    pub job: Job,
    /// Only drops whose interval begins at or after this day or moment.
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "drop")]
    pub from: Option<NaiveDateTime>,
    /// Only drops whose interval begins before this day or moment.
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "drop")]
    pub to: Option<NaiveDateTime>,
    /// Only these drops.
    #[arg(long, value_name = "FOLDER")]
    pub drop: Vec<String>,
    /// One batch for each drop, instead of one for all.
    #[arg(long)]
    pub one_by_one: bool,
    /// Leave damaged drops aside and take the others; exit code 4 says that some were left.
    #[arg(long)]
    pub hold_damaged: bool,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    #[allow(clippy::struct_field_names)]
    pub dry_run: bool,
    /// The result as JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub engine: spark::EngineArguments,
    /// Afterwards, keep this catalog in step (see `entrega catalog --help`).
    #[arg(long, value_enum, value_name = "KIND")]
    pub catalog: Option<catalog::CatalogKind>,
    #[command(flatten)]
    pub metastore: catalog::MetastoreArguments,
}

fn moment(text: &str) -> Result<NaiveDateTime, String> {
    let day = text.parse::<NaiveDate>().map(|day| day.and_time(chrono::NaiveTime::MIN));
    day.or_else(|_| text.replace(' ', "T").parse::<NaiveDateTime>())
        .map_err(|_| "write 2018-03-01 or '2018-03-01 07:00:00'".to_owned())
}

/// The jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Job {
    /// Drops become clean tables (ETL 1).
    Ingest,
    /// Daily tables of the days that changed or ended (ETL 2).
    Summary,
    /// Point-in-time features of the decisions that are new or could see a change, labels that matured (ETL 3).
    Features,
    /// All of them, one after the other.
    All,
}

impl Job {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Summary => "summary",
            Self::Features => "features",
            Self::All => "all",
        }
    }

    /// The steps that it is made of.
    pub fn steps(self) -> Steps {
        let has = |step| self == step || self == Self::All;
        Steps { ingest: has(Self::Ingest), summary: has(Self::Summary), features: has(Self::Features) }
    }
}

/// Arguments of `report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  entrega report --lake lake --open
  entrega report --lake lake --date 2018-03-15 --out morning.html")]
pub struct Report {
    /// The day; by default the last one with a usual number of purchases.
    #[arg(long, value_name = "DATE")]
    pub date: Option<NaiveDate>,
    /// Where to write it; the CSV of late items goes beside it.
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    pub out: PathBuf,
    /// Open it in the browser.
    #[arg(long)]
    pub open: bool,
}

/// Arguments of `sql`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  entrega sql --lake lake \"select count(*) from clean.orders\"
  entrega sql --lake lake --output csv \"select * from summary.late_to_carrier\" > late.csv
  entrega sql --lake lake --as-of-batch 12 \"select max(date) from summary.delivery_daily\"")]
pub struct Sql {
    /// The query, in Spark SQL.
    pub query: String,
    /// How rows are printed.
    #[arg(long, value_enum, default_value = "table")]
    pub output: Output,
    /// The tables as this batch (name or number) published them.
    #[arg(long, value_name = "BATCH")]
    pub as_of_batch: Option<String>,
}

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table for people.
    Table,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a line.
    Json,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  entrega status --lake lake
  entrega status --lake lake --gaps")]
pub struct Status {
    /// How many of the last batches are shown.
    #[arg(long, default_value_t = 5)]
    pub batches: usize,
    /// Every interval that no drop covers, and how late each source's drops come.
    #[arg(long)]
    pub gaps: bool,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `backfill`.
#[derive(Debug, Args)]
#[command(after_help = "\
Drops may come in any order and any time: taking an old one restates exactly what it touches. Several are taken
together where that is faster.

Examples:
  entrega backfill --lake lake --from 2018-03-01 --to 2018-03-31
  entrega backfill --lake lake --from 2018-03-01 --to 2018-03-31 --json")]
pub struct Backfill {
    /// First day.
    #[arg(long, value_name = "DATE")]
    pub from: NaiveDate,
    /// Last day, inclusive.
    #[arg(long, value_name = "DATE")]
    pub to: NaiveDate,
    /// The result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `features`.
#[derive(Debug, Args)]
pub struct Features {
    /// What to do with the features.
    #[command(subcommand)]
    pub verb: FeaturesVerb,
}

/// What can be done with features.
#[derive(Debug, Subcommand)]
pub enum FeaturesVerb {
    /// Write a training set: train and test rows, what was fitted, a data dictionary.
    Export(FeaturesExport),
}

/// Arguments of `features export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Train: rows whose promise had passed by --train-until. Test: rows decided from then on and before --test-until. Rows decided
before but matured after that day are in neither. Imputing, encoding and scaling are fitted on train alone.

Files: train.*, test.*, preparation.json (what was fitted), dictionary.md and dictionary.json (what every column means).

Examples:
  entrega features export --lake lake --table at_purchase --out training --train-until 2018-03-01 --test-until 2018-09-01
  entrega features export --lake lake --table at_handover --out training --format npz --train-until 2018-03-01 --test-until 2018-04-01
  entrega features export --lake lake --table at_purchase --out raw --prepare none --train-until 2018-03-01 --test-until 2018-09-01")]
pub struct FeaturesExport {
    /// The table: `at_purchase` or `at_handover`.
    #[arg(long, value_name = "TABLE")]
    pub table: String,
    /// The folder for the files.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// How rows are written.
    #[arg(long, value_enum, default_value = "parquet")]
    pub format: ExportFormat,
    /// The training day: labels known by then are learnt from.
    #[arg(long, value_name = "DATE")]
    pub train_until: NaiveDate,
    /// The end of the test, exclusive.
    #[arg(long, value_name = "DATE")]
    pub test_until: NaiveDate,
    /// What is done to the values.
    #[arg(long, value_enum, default_value = "standard")]
    pub prepare: Prepare,
    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
}

/// How the rows of a training set are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Parquet, for pandas, Polars, Spark.
    Parquet,
    /// Text with a header.
    Csv,
    /// `NumPy` matrices, for `PyTorch` and `TensorFlow`.
    Npz,
}

/// What is done to the values of a training set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Prepare {
    /// Missing numbers become the median (and are flagged), categories columns of 0 and 1, numbers have mean 0 and deviation 1.
    Standard,
    /// Nothing: numbers with gaps, categories as text. Trees like it so.
    None,
}

/// Arguments of `quarantine`.
#[derive(Debug, Args)]
#[command(after_help = "\
Rejected rows broke a rule; waiting rows lack their order and are tried again by every run.

Examples:
  entrega quarantine list --lake lake
  entrega quarantine show --lake lake --source orders --rule type
  entrega quarantine show --lake lake --source orders --raw > mended.csv   # mend it, then: entrega op land mended.csv
  entrega quarantine replay --lake lake --source orders
  entrega quarantine drop --lake lake --drop landing/dt=2018-03-01")]
pub struct Quarantine {
    /// What to do with the rows.
    #[command(subcommand)]
    pub verb: QuarantineVerb,
}

/// What can be done with rows in quarantine.
#[derive(Debug, Subcommand)]
pub enum QuarantineVerb {
    /// How many rows, by source and rule.
    List(QuarantineList),
    /// The rows, with their reason.
    Show(QuarantineShow),
    /// Try rejected rows again; those that pass leave the quarantine.
    Replay(QuarantineReplay),
    /// Give rows up; the ledger says so.
    Drop(QuarantineDrop),
}

/// Which rows are meant; what is not given does not matter.
#[derive(Debug, Args)]
pub struct QuarantineRows {
    /// Only rows of this source, for example orders.
    #[arg(long)]
    pub source: Option<String>,
    /// Only rows that broke this rule, for example type.
    #[arg(long)]
    pub rule: Option<String>,
    /// Only rows of this drop.
    #[arg(long, value_name = "FOLDER")]
    pub drop: Option<String>,
    /// Only the row at this line.
    #[arg(long)]
    pub line: Option<i64>,
}

/// Arguments of `quarantine list`.
#[derive(Debug, Args)]
pub struct QuarantineList {
    /// Which rows.
    #[command(flatten)]
    pub rows: QuarantineRows,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `quarantine show`.
#[derive(Debug, Args)]
pub struct QuarantineShow {
    /// Which rows.
    #[command(flatten)]
    pub rows: QuarantineRows,
    /// At most so many.
    #[arg(long, default_value_t = 20)]
    pub limit: usize,
    /// As a CSV file like the one that they came in, to be mended.
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `quarantine replay`.
#[derive(Debug, Args)]
pub struct QuarantineReplay {
    /// Which rows.
    #[command(flatten)]
    pub rows: QuarantineRows,
    /// The result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `quarantine drop`.
#[derive(Debug, Args)]
pub struct QuarantineDrop {
    /// Which rows.
    #[command(flatten)]
    pub rows: QuarantineRows,
    /// All rows of the quarantine.
    #[arg(long)]
    pub all: bool,
}

/// Arguments of `tables`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  entrega tables
  entrega tables clean.deliveries
  entrega tables --ddl
  entrega tables --diagram > docs/reference/tables.md")]
pub struct Tables {
    /// One table; default all.
    pub table: Option<String>,
    /// As CREATE TABLE statements of Spark SQL.
    #[arg(long)]
    pub ddl: bool,
    /// As the reference page with an entity-relationship diagram, in Markdown.
    #[arg(long, conflicts_with = "ddl")]
    pub diagram: bool,
}

/// Arguments of `op`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  entrega op list
  entrega op load --lake lake drop=landing/dt=2018-03-01 source=orders
  entrega op land --lake lake olist_orders_dataset.csv day=2018-03-01
  entrega op check --lake lake table=clean.deliveries")]
pub struct Op {
    /// The operator, or `list`.
    pub name: String,
    /// Its arguments, as name=value or --name value; files may be given as they are.
    #[arg(value_name = "NAME=VALUE|FILE", allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}
