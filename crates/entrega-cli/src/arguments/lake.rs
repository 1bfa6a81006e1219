//! Arguments of the verbs that look after a lake's place.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// Arguments of `lake`.
#[derive(Debug, Args)]
#[command(after_help = "\
Paths are relative to the lake; landing/ is where drops go. What was cut is begun again where it ended.

Examples:
  entrega lake init --lake s3://shop-data/lake
  entrega lake init --lake s3://shop-data/lake --print policy --role reader
  entrega lake put olist/orders.csv landing/dt=2018-08-01/orders.csv --lake s3://shop-data/lake
  entrega lake ls landing --lake s3://shop-data/lake
  entrega lake get landing copy/ --lake s3://shop-data/lake
  entrega lake du --lake s3://shop-data/lake")]
pub struct LakeFiles {
    /// What to do.
    #[command(subcommand)]
    pub verb: LakeVerb,
}

/// What can be done with a lake's files.
#[derive(Debug, Subcommand)]
pub enum LakeVerb {
    /// Make the place a lake, or print what its bucket's owner grants and sets for it.
    Init(LakeInit),
    /// Copy a file or a folder into the lake.
    Put(LakePut),
    /// Copy a file or a folder out of the lake.
    Get(LakeGet),
    /// List what is in the lake.
    Ls(LakeList),
    /// Delete files of the landing zone.
    Rm(LakeRemove),
    /// Show how much each folder holds.
    Du(LakeUsage),
}

/// Arguments of `lake init`.
#[derive(Debug, Args)]
pub struct LakeInit {
    /// Make nothing; print this for a bucket, as JSON.
    #[arg(long, value_enum, value_name = "WHAT")]
    pub print: Option<Printed>,
    /// Whom the policy is for.
    #[arg(long, value_enum, default_value = "runner", requires = "print")]
    pub role: RoleArgument,
}

/// What `lake init` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Printed {
    /// An IAM policy with the least that a role needs.
    Policy,
    /// Lifecycle rules of the bucket.
    Lifecycle,
    /// The folders of a lake.
    Layout,
}

/// Who works with a lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleArgument {
    /// Runs jobs: reads and writes.
    Runner,
    /// Looks at tables: reads.
    Reader,
    /// The order system: puts drops into landing/.
    Deliverer,
}

/// Arguments of `lake put`.
#[derive(Debug, Args)]
pub struct LakePut {
    /// A local file or folder.
    #[arg(value_name = "FROM")]
    pub from: PathBuf,
    /// Where in the lake, below landing/; a folder's files keep their paths below it.
    #[arg(value_name = "TO")]
    pub to: String,
}

/// Arguments of `lake get`.
#[derive(Debug, Args)]
pub struct LakeGet {
    /// A file or folder of the lake.
    #[arg(value_name = "FROM")]
    pub from: String,
    /// The local file or folder.
    #[arg(value_name = "TO")]
    pub to: PathBuf,
}

/// Arguments of `lake ls`.
#[derive(Debug, Args)]
pub struct LakeList {
    /// A folder of the lake.
    #[arg(value_name = "PATH", default_value = "")]
    pub path: String,
    /// Everything below it, not only what lies directly in it.
    #[arg(long, short)]
    pub recursive: bool,
    /// One JSON array.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `lake rm`.
#[derive(Debug, Args)]
pub struct LakeRemove {
    /// A file or folder below landing/.
    #[arg(value_name = "PATH")]
    pub path: String,
    /// Everything below a folder.
    #[arg(long, short)]
    pub recursive: bool,
    /// Only say what would be deleted.
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `lake du`.
#[derive(Debug, Args)]
pub struct LakeUsage {
    /// A folder of the lake.
    #[arg(value_name = "PATH", default_value = "")]
    pub path: String,
    /// One JSON array.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 1 when no lake can work there.

Examples:
  entrega doctor --lake s3://shop-data/lake
  entrega doctor --lake /data/lake --json")]
pub struct Doctor {
    /// One JSON array.
    #[arg(long)]
    pub json: bool,
}
