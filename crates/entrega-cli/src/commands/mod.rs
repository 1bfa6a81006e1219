//! One verb, one file.

pub mod op;
pub mod replay;
pub mod report;
pub mod run;
pub mod simulate;
pub mod sql;
pub mod status;
pub mod tables;
