//! The order system: what a shop exports, hour by hour or day by day.
//!
//! The lake needs drops as a running shop would have delivered them, but the public data set only tells how
//! everything ended. This crate turns time back: it works out when each row became known ([`timeline`]), and writes
//! for every interval the rows that a shop would have exported then, with nothing in them that nobody could know yet.
//!
//! ```text
//!   brazilian-ecommerce.zip          OrderSystem               landing/
//!   or a folder of nine CSVs ─open─▶ raw records  ───replay──▶ dt=2016-09-04/ orders…  _manifest.json
//!                                    + timeline                dt=2016-09-05/          _manifest.json (nothing new)
//!                                                 ──one_drop─▶ dt=2018-10-29/ all nine _manifest.json
//! ```
//!
//! [`simulate`](simulate()) makes the same kind of drops for a shop that never was, fitted to the real one, and
//! [`follow`](follow()) goes on with it, drop by drop.
//!
//! Three rules hold for a replay, and the tests prove them:
//!
//! - **The last state over all drops is the source**, key by key and byte by byte: records are copied, never
//!   rewritten; only an order that is not finished yet loses the fields that lie in its future.
//! - **One drop cut at T is the same state** as all drops up to T.
//! - **Running again changes nothing.** A drop that is there is compared and left; one that was torn off in the
//!   middle (files without a manifest) is written again; one that holds something else is an error.
//!
//! What is deliberately absent: typed values and a query engine. Whether a row is any good is for the lake to judge.

mod error;
mod one_drop;
mod order_system;
mod records;
mod render;
mod replay;
mod simulate;
mod tables;
pub mod timeline;
mod writer;

pub use error::SourceError;
pub use one_drop::{OneDropOptions, one_drop};
pub use order_system::OrderSystem;
pub use records::RawTable;
pub use replay::{ReplayOptions, replay};
pub use simulate::{
    Destroyed, Expected, FAULTS, FaultKind, FollowOptions, INJECTED_FILE, Injected, Injection, Mess, Remembered,
    SIMULATED_FILE, SimulateOptions, follow, simulate,
};
pub use tables::SourceTable;
pub use writer::{Clock, DeliverySummary, DropReport, Outcome, Progress, five_minutes_after};
