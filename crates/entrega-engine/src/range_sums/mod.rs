//! Sums over trailing ranges: what the point-in-time features are made of, computed as differences of running totals.
//!
//! ```sql
//! sum(delivered) over (partition by seller_id order by at range between 2592000 preceding and 1 preceding)
//! ```
//!
//! `DataFusion` runs such a window with one heap-allocated accumulator for each partition and one call for each row and
//! sum, after a sort of whole rows for each partitioning. Here all windows of a query meet in one operator:
//!
//! ```text
//!  rows ─▶ order by time, once ─▶ for each partitioning: counting sort by its key
//!                                   ├─ for each frame:    two pointers per row that is wanted
//!                                   └─ for each argument: running total; sum = total[end] − total[start]
//! ```
//!
//! Rows are never moved, and only those that a filter above wants are given results. The result is the same as
//! `DataFusion`'s, row for row; whatever is not such a sum is left to it.

mod plan;
mod rule;
mod sums;
#[cfg(test)]
mod tests;

pub(crate) use rule::RangeSumsRule;
