//! Arguments of what keeps a Hive Metastore in step: `run --catalog` and `catalog sync`.

use clap::{Args, Subcommand, ValueEnum};

/// Catalogs that can be kept in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CatalogKind {
    /// A Hive Metastore.
    Hive,
}

/// Which metastore, and what it holds beside the Delta tables and the files of the landing zone.
#[derive(Debug, Clone, Args)]
pub struct MetastoreArguments {
    /// The Hive Metastore; several are tried in order: thrift://host:port,thrift://other:port.
    #[arg(long, value_name = "URIS", env = "ENTREGA_METASTORE_URI")]
    pub metastore: Option<String>,
    /// Put before the names of databases, so that several lakes can share a metastore: `shop_` makes `shop_clean`.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub prefix: String,
    /// Also tables that find their files through links, for Hive, Presto and Trino: `landing_links` and its like
    #[arg(long)]
    pub links: bool,
    /// Also the summary tables as ORC, filled by the Spark of --remote: `summary_orc`.
    #[arg(long)]
    pub orc: bool,
}

/// Arguments of `catalog`.
#[derive(Debug, Args)]
#[command(after_help = "\
Only tables that are the lake's are touched, and never a file. Doing it again changes nothing.

Examples:
  entrega catalog sync --lake s3://bucket/shop --metastore thrift://metastore:9083
  entrega catalog sync --lake lake --metastore thrift://localhost:9083 --links --orc --remote sc://localhost:15002
  entrega run all --lake lake --catalog hive --metastore thrift://localhost:9083")]
pub struct Catalog {
    /// What to do.
    #[command(subcommand)]
    pub verb: CatalogVerb,
}

/// What can be done with a catalog.
#[derive(Debug, Subcommand)]
pub enum CatalogVerb {
    /// Make databases, tables, partitions and statistics those of what the lake publishes.
    Sync(CatalogSync),
}

/// Arguments of `catalog sync`.
#[derive(Debug, Args)]
pub struct CatalogSync {
    #[command(flatten)]
    pub metastore: MetastoreArguments,
    /// The Spark Connect server that fills the ORC tables: sc://host:port.
    #[arg(long, value_name = "URL", env = "SPARK_REMOTE", hide_env_values = true)]
    pub remote: Option<String>,
}
