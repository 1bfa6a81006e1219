//! Faults on purpose: a heavy mess is the real shop, delivered badly, with a list of what was done to it.
//!
//! ```text
//!  what an interval tells ─▶ rows.rs ─▶ files.rs ─▶ drops.rs ─▶ drops that are late, repeated, torn, …
//!                            a row      a file      a drop
//!                              └──────────┴───────────┴─ notes ─▶ injected.rs ─▶ _injected.json
//! ```
//!
//! What is wrong with an interval's drop depends on the seed, the interval's number and the rows that it tells, so it is
//! the same for any number of workers, and a shop that is followed later goes on with its faults. Faults of rows are made
//! from the contracts: which columns hold a timestamp, what is required, what an amount may be.
//!
//! Only one fault concerns time and is drawn elsewhere: an order told late is moved in the
//! [schedule](super::schedule).
//!
//! Of any three drops in a row one has a fault of its own, one a fault of a file, and one neither; all have faulty rows.
//! The kinds take turns, so that a month of daily drops has them all. The first drop, with its snapshots, has faulty rows
//! only.

// Every act of a kind has the same form: those that always succeed say so in an `Option`, too.
#![allow(clippy::unnecessary_wraps)]

mod drops;
mod files;
mod injected;
mod registry;
mod rows;
mod sheet;

use chrono::{NaiveDateTime, TimeDelta};
use entrega_model::{
    contract::Contract,
    drops::{Cadence, Interval},
    project::Project,
};

pub use injected::{Destroyed, INJECTED_FILE, Injected, Injection};
pub use registry::{Expected, FAULTS, FaultKind};

use self::{
    drops::Good,
    registry::{How, OVERLAPPING},
    sheet::Sheet,
};
use super::{
    chance::{Chance, Kind},
    rows::Sheets,
};
use crate::{
    SourceError, SourceTable,
    render::{DropFile, FilledDrop, drop_file},
};

/// Drops in a row of which one has a fault of its own and another one a fault of a file.
const BLOCK: u32 = 3;

/// What becomes of an interval: its drops in the order in which they are written, and what is wrong with them.
pub(crate) struct Filled {
    pub drops: Vec<FilledDrop>,
    pub injections: Vec<Injection>,
}

impl Filled {
    /// An ordinary drop.
    pub fn plain(interval: Interval, cadence: Cadence, sheets: Sheets) -> Self {
        let files = sheets.filled().map(|(table, bytes, rows)| drop_file(table, bytes.into(), rows)).collect();
        Self { drops: vec![FilledDrop::new(interval, cadence, files)], injections: Vec::new() }
    }
}

/// The intervals of a shop, by number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Intervals {
    pub start: NaiveDateTime,
    pub cadence: Cadence,
    pub seconds: u32,
}

impl Intervals {
    /// The interval of a number, from 0.
    pub fn at(&self, number: u32) -> Interval {
        let start = self.start + TimeDelta::seconds(i64::from(number) * i64::from(self.seconds));
        Interval { start, end: start + TimeDelta::seconds(i64::from(self.seconds)) }
    }
}

/// Makes the faults.
pub(crate) struct Injector {
    seed: u64,
    /// By [`SourceTable::index`].
    contracts: Vec<Contract>,
}

impl Injector {
    /// # Errors
    /// When the contracts that are built in make no sense; a test makes sure that they do.
    pub fn new(seed: u64) -> Result<Self, SourceError> {
        let wrong = |problem: String| SourceError::Parameters { problem };
        let project = Project::embedded().map_err(|error| wrong(error.to_string()))?;
        let contract = |table: SourceTable| {
            let found = project.contracts().iter().find(|contract| contract.file == table.file());
            found.cloned().ok_or_else(|| wrong(format!("{table} has no contract")))
        };
        Ok(Self { seed, contracts: SourceTable::ALL.into_iter().map(contract).collect::<Result<_, _>>()? })
    }

    /// Whether an interval's drops tell the interval before once more.
    pub fn overlaps(&self, number: u32) -> bool {
        self.whole_fault(number).is_some_and(|kind| kind.name == OVERLAPPING)
    }

    /// The fault of an interval's drop, or of one of its files.
    fn whole_fault(&self, number: u32) -> Option<&'static FaultKind> {
        let number = number.checked_sub(1)?;
        let block = number / BLOCK;
        let mut places: Vec<u32> = (0..BLOCK).collect();
        Chance::of(self.seed, Kind::FaultBlock, u64::from(block)).shuffle(&mut places);
        let wanted: fn(&How) -> bool = match places[(number % BLOCK) as usize] {
            0 => |how| matches!(how, How::Drop(_)),
            1 => |how| matches!(how, How::File(_)),
            _ => return None,
        };
        let mut kinds: Vec<&FaultKind> = FAULTS.iter().filter(|kind| wanted(&kind.how)).collect();
        let [round, place] = [block as usize / kinds.len(), block as usize % kinds.len()];
        Chance::of(self.seed, Kind::FaultCycle, round as u64).shuffle(&mut kinds);
        Some(kinds[place])
    }

    /// An interval's drops, with faults. `previous` is the interval before, where [`Injector::overlaps`] wants it.
    pub fn fill(&self, intervals: Intervals, number: u32, own: Sheets, previous: Option<Sheets>) -> Filled {
        let late = own.late_orders.clone();
        let files: Vec<_> = own.filled().collect();
        let (mut sheets, snapshots) = self.sheets(&files);
        rows::damage(&mut sheets, self.seed, number, &late);
        let mut chance = Chance::of(self.seed, Kind::WholeFault, u64::from(number));
        let whole = self.whole_fault(number);
        if let Some(kind @ FaultKind { how: How::File(act), .. }) = whole {
            let mut places: Vec<usize> = (0..sheets.len()).collect();
            chance.shuffle(&mut places);
            let done = places.into_iter().find_map(|place| {
                let sheet = &mut sheets[place];
                act(sheet, &mut chance).map(|done| (place, kind.note(done)))
            });
            if let Some((place, note)) = done {
                sheets[place].whole.push(note);
            }
        }
        let previous_late = previous.as_ref().map_or_else(Vec::new, |sheets| sheets.late_orders.clone());
        let previous_files: Vec<_> = previous.into_iter().flat_map(Sheets::filled).collect();
        let (mut previous, _) = self.sheets(&previous_files);
        rows::damage(&mut previous, self.seed, number.saturating_sub(1), &previous_late);
        let good = Good::new(intervals.at(number), intervals.cadence, sheets, snapshots, previous);
        let fault = match whole {
            Some(kind @ FaultKind { how: How::Drop(act), .. }) => act(&good, &mut chance).map(|turned| (kind, turned)),
            _ => None,
        };
        match fault {
            Some((kind, turned)) => turned.filled(kind, &good),
            None => good.plain(),
        }
    }

    /// Change sets as sheets that can be damaged, and snapshots as they are.
    fn sheets<'a>(&'a self, files: &'a [(SourceTable, Vec<u8>, u64)]) -> (Vec<Sheet<'a>>, Vec<DropFile>) {
        let (mut sheets, mut snapshots) = (Vec::new(), Vec::new());
        for (table, bytes, rows) in files {
            match table {
                SourceTable::Geolocation | SourceTable::Translation => {
                    snapshots.push(drop_file(*table, bytes.clone().into(), *rows));
                }
                _ => sheets.push(Sheet::new(*table, &self.contracts[table.index()], bytes)),
            }
        }
        (sheets, snapshots)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use entrega_model::contract::ContractColumn;

    use super::*;

    #[test]
    fn the_contracts_are_those_of_the_files() {
        let injector = Injector::new(1).unwrap();
        for table in SourceTable::ALL {
            let contract = &injector.contracts[table.index()];
            let headers: Vec<&str> = contract.columns.iter().map(ContractColumn::header).collect();
            assert_eq!(headers, table.columns(), "{table}");
        }
    }

    #[test]
    fn a_month_of_daily_drops_has_its_turn_of_every_kind() {
        for seed in 0..200 {
            let injector = Injector::new(1).map(|injector| Injector { seed, ..injector }).unwrap();
            assert!(injector.whole_fault(0).is_none(), "the first drop has faulty rows only");
            let met: HashSet<&str> =
                (1..30).filter_map(|number| injector.whole_fault(number)).map(|kind| kind.name).collect();
            let all = FAULTS.iter().filter(|kind| matches!(kind.how, How::File(_) | How::Drop(_)));
            assert!(all.into_iter().all(|kind| met.contains(kind.name)), "seed {seed}: {met:?}");
        }
    }

    #[test]
    fn the_guide_names_every_fault() {
        let guide = include_str!("../../../../../docs/guides/simulate.md");
        for kind in &FAULTS {
            assert!(guide.contains(&format!("`{}`", kind.name)), "{}", kind.name);
        }
    }
}
