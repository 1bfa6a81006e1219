//! Keeps a Hive Metastore in step with a lake.
//!
//! A lake needs no catalog: its tables are folders, and its ledger says which versions are published. But those who
//! have Spark, Hive or Trino want to say `clean.orders` and not a path. So a metastore is told what there is. It is a
//! mirror: it can be thrown away and made anew, nothing of Entrega reads it, and it never owns a file.
//!
//! ```text
//!   Project: contracts, models ┐
//!   Lake: place, names         ├─▶ contents() ──▶ Contents ──▶ Metastore::keep_in_step ──▶ [Change]
//!   Facts: files, drops        ┘      │           databases         created, altered, dropped, unchanged
//!        (plain values)               │           and entries
//!                                     ├─▶ link_files() ──▶ written by the caller *before* keep_in_step
//!                                     └─▶ create_statement(), overwrite_statements() ──▶ run by whoever has a Spark
//! ```
//!
//! Three kinds of readers get databases of their own, because no one table can serve them all:
//!
//! ```text
//!   clean          Delta by name              Spark, Trino's Delta connector; sees the newest version
//!   landing        CSV by name                Spark
//!   clean_links    Parquet by link files      Presto, Trino's Hive connector; sees the published version
//!   landing_links  CSV by link files          the same, and Hive
//!   summary_orc    ORC, filled by a Spark     whoever wants ORC
//! ```
//!
//! What belongs to the lake is told by the property `entrega.lake`, the lake's place. Tables without it are another's:
//! they are never altered, never dropped, and if one stands in the way nothing is changed at all.
//!
//! This room reads and writes no files and knows neither Delta nor the object store. What is stored comes in as
//! [`Facts`], and what is to be written goes out as [`LinkFile`]s.

mod change;
mod entries;
mod entry;
mod error;
mod facts;
mod metastore;
mod orc_sql;
mod place;
mod types;

pub use change::{Action, Change, Difference, PartitionCounts};
pub use entries::{LinkFile, contents, link_files};
pub use entry::{Column, Contents, Database, Entry, Kind, LAKE_PROPERTY, Partition};
pub use error::{CatalogError, Result};
pub use facts::{DropFile, Facts, Statistics, StoredDrop, StoredFile, StoredTable};
pub use metastore::Metastore;
pub use orc_sql::{create_statement, overwrite_statements};
pub use place::{Lake, NULL_PARTITION, Reader};
pub use types::hive_type;
