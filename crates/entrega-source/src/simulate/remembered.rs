//! What a lake's shop was simulated with: `_simulated.json`, so that it can be followed later.

use std::fmt;

use chrono::NaiveDate;
use entrega_model::drops::Cadence;
use serde::{Deserialize, Serialize};

use super::{MOST_DAYS, Mess, SimulateOptions};
use crate::SourceError;

/// The file in the lake's folder that says which shop its drops are from.
pub const SIMULATED_FILE: &str = "_simulated.json";

/// The format of the file.
pub(crate) const VERSION: u32 = 1;

/// A simulated shop: all that its drops depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The format of this note; 1.
    pub version: u32,
    /// Orders bought between the first and the last day.
    pub orders: u64,
    /// The day on which the shop opened.
    pub from: NaiveDate,
    /// The last day that was simulated at once, inclusive.
    pub to: NaiveDate,
    /// Daily or hourly.
    pub cadence: Cadence,
    /// Other seeds, other shops.
    pub seed: u64,
    /// How badly the shop's system behaves.
    pub mess: Mess,
}

impl Remembered {
    pub(crate) fn of(options: &SimulateOptions) -> Self {
        let SimulateOptions { orders, from, to, seed, mess, .. } = *options;
        let cadence = if options.cadence == Cadence::Hourly { Cadence::Hourly } else { Cadence::Daily };
        Self { version: VERSION, orders, from, to, cadence, seed, mess }
    }

    /// Days from the first to the last.
    ///
    /// # Errors
    /// When they cannot be simulated.
    pub(crate) fn days(&self) -> Result<u32, SourceError> {
        let Self { from, to, .. } = *self;
        let days = u32::try_from((to - from).num_days() + 1).ok();
        days.filter(|days| (1..=MOST_DAYS).contains(days)).ok_or(SourceError::SimulatedSpan { from, to })
    }
}

impl fmt::Display for Remembered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version: _, orders, from, to, cadence, seed, mess } = self;
        let mess = match mess {
            Mess::None => "none",
            Mess::Real => "real",
            Mess::Heavy => "heavy",
        };
        write!(formatter, "--orders {orders} --from {from} --to {to} --cadence {cadence} --seed {seed} --mess {mess}")
    }
}
