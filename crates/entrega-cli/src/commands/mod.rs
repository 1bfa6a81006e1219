//! One verb, one file.

pub mod backfill;
pub mod care;
pub mod catalog;
pub mod compile;
pub mod doctor;
pub mod features;
pub mod lake;
pub mod op;
pub mod parity;
pub mod quarantine;
pub mod replay;
pub mod report;
pub mod run;
pub mod simulate;
pub mod sql;
pub mod status;
pub mod tables;
