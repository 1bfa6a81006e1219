//! Arguments of the verbs that know of Spark: the engine of `run`, `compile` and `parity`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Who runs the models.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// This process, by `DataFusion`.
    #[default]
    Embedded,
    /// A Spark that is reached by Spark Connect; nothing but small results comes here.
    Spark,
}

/// Which engine runs a job.
#[derive(Debug, Clone, Args)]
pub struct EngineArguments {
    /// Who runs the models.
    #[arg(long, value_enum, default_value = "embedded")]
    pub engine: Engine,
    /// The Spark Connect server: `sc://host:port[/;use_ssl=true]`. A token is read from `SPARK_CONNECT_AUTHENTICATE_TOKEN`.
    #[arg(long, value_name = "URL", env = "SPARK_REMOTE", hide_env_values = true)]
    pub remote: Option<String>,
    /// Show the plan that Spark makes of each statement, before it runs.
    #[arg(long)]
    pub explain: bool,
}

/// Arguments of `compile`.
#[derive(Debug, Args)]
#[command(after_help = "\
The script holds one batch: what waits when it is made. Run it before anything else writes to the lake; if something
did, the script ends without publishing. Make the next script after this one has run.

Examples:
  entrega compile ingest --lake s3://bucket/shop --out ingest.sql && spark-sql -f ingest.sql
  entrega compile summary --lake s3://bucket/shop")]
pub struct Compile {
    /// The job.
    #[arg(value_enum)]
    pub job: CompiledJob,
    /// The file to write; without it the script is printed.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Only these drops.
    #[arg(long, value_name = "FOLDER")]
    pub drop: Vec<String>,
}

/// Jobs that can be compiled, each as one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompiledJob {
    /// Drops become clean tables (ETL 1).
    Ingest,
    /// Daily tables of the days that changed or ended (ETL 2).
    Summary,
    /// Point-in-time features of the decisions that changed or came (ETL 3).
    Features,
}

/// Arguments of `parity`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  entrega parity --lake lake --work parity --remote sc://localhost:15002
  entrega parity --lake lake --with s3://bucket/shop
  entrega parity --lake s3://bucket/shop --work s3://bucket/parity --drops dt=2018-03-01 --drops dt=2018-03-02")]
pub struct Parity {
    /// The place in which two lakes are made, one for each engine; it must be empty, and Spark must see it too.
    #[arg(long, value_name = "URL", required_unless_present = "with")]
    pub work: Option<String>,
    /// Run nothing; compare what the lake and this one publish.
    #[arg(long, value_name = "URL", conflicts_with_all = ["work", "drops", "alternate"])]
    pub with: Option<String>,
    /// Only these drops of the lake, in this order, each as a batch of its own; without it all drops as one.
    #[arg(long, value_name = "FOLDER")]
    pub drops: Vec<String>,
    /// The Spark Connect server: sc://host:port.
    #[arg(long, value_name = "URL", env = "SPARK_REMOTE", hide_env_values = true)]
    pub remote: Option<String>,
    /// The engines take turns: the second lake gets every other batch from the embedded engine.
    #[arg(long)]
    pub alternate: bool,
}
