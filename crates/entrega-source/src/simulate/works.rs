//! The simulated shop at work: from drawn lives to drops in a lake, whether all at once or one by one.

use std::{collections::HashSet, sync::Arc};

use chrono::NaiveTime;
use entrega_model::drops::{Interval, MANIFEST_FILE};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use object_store::{ObjectStore, path::Path};

use super::{
    INJECTED_FILE, Injected, Injection, MOST_DAYS, Mess, Remembered, SIMULATED_FILE,
    catalogue::Catalogue,
    demand::{Demand, Size},
    life::Lives,
    mess::{Filled, Injector, Intervals},
    parameters::Shop,
    per_day, remembered,
    rows::Dates,
    schedule::{DayLives, Delivery, Plan, Schedule},
    seconds_of,
};
use crate::{Clock, DropReport, SourceError, render::ManifestState, writer::DropWriter};

/// A shop, and the lake that it delivers to.
pub(crate) struct Works {
    pub shop: Remembered,
    pub intervals: Intervals,
    lives: Arc<Lives>,
    dates: Arc<Dates>,
    injector: Option<Arc<Injector>>,
    writer: DropWriter,
    /// Manifests that were in the lake before.
    there: HashSet<Path>,
}

/// An interval that is done.
pub(crate) struct Delivered {
    pub number: u32,
    /// Its drops, the interval's own first.
    pub reports: Vec<DropReport>,
    pub injections: Vec<Injection>,
}

impl Works {
    /// A shop that can work for so many days.
    ///
    /// # Errors
    /// Days that cannot be simulated, and a store that cannot be listed.
    pub async fn open(
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        shop: Remembered,
        days: u32,
        clock: Clock,
    ) -> Result<Self, SourceError> {
        let Remembered { orders, from, cadence, seed, mess, .. } = shop;
        let size = Size { first_day: from, days: shop.days()?, orders };
        let fitted = Shop::fitted()?;
        let making = move || {
            let demand = Demand::new(fitted, seed, size, days.max(size.days))?;
            let catalogue = Catalogue::new(fitted, seed, orders, mess != Mess::None, &demand)?;
            let injector = (mess == Mess::Heavy).then(|| Injector::new(seed)).transpose()?;
            Ok((Lives::new(fitted, catalogue, demand, seed, mess)?, injector))
        };
        let (lives, injector) = tokio::task::spawn_blocking(making).await.map_err(SourceError::worker)??;
        let producer = concat!("entrega-simulate ", env!("CARGO_PKG_VERSION"));
        let writer = DropWriter { store, prefix, clock, producer };
        let there = writer.delivered().await?;
        Ok(Self {
            intervals: Intervals { start: from.and_time(NaiveTime::MIN), cadence, seconds: seconds_of(cadence) },
            lives: Arc::new(lives),
            dates: Arc::new(Dates::new(from, days + 400)),
            injector: injector.map(Arc::new),
            writer,
            there,
            shop,
        })
    }

    /// A plan for so many days from the first on.
    pub fn plan(&self, days: u32) -> Plan {
        let cadence = self.shop.cadence;
        let span = self.shop.days().unwrap_or(days) * per_day(cadence);
        Plan { cadence, intervals: days * per_day(cadence), span, injector: self.injector.clone() }
    }

    /// What the intervals tell, in their order, from the first one on. Days are drawn ahead, `jobs` at once.
    pub fn deliveries(&self, plan: Plan, jobs: usize) -> impl Stream<Item = Result<Delivery, SourceError>> + use<> {
        let days = plan.intervals / per_day(plan.cadence);
        let mut schedule = Schedule::new(&self.lives, plan);
        let (lives, seconds) = (Arc::clone(&self.lives), self.intervals.seconds);
        let drawn = stream::iter(0..days).map(move |day| {
            let lives = Arc::clone(&lives);
            async move {
                let living = move || DayLives::of(&lives, day, seconds);
                tokio::task::spawn_blocking(living).await.map_err(SourceError::worker)
            }
        });
        drawn.buffered(jobs).map_ok(move |day| stream::iter(schedule.take(day).into_iter().map(Ok))).try_flatten()
    }

    /// The drops of an interval, not yet written.
    ///
    /// # Errors
    /// Only when a worker stops.
    pub async fn fill(&self, delivery: Delivery) -> Result<(u32, Filled), SourceError> {
        let (lives, dates, injector) = (Arc::clone(&self.lives), Arc::clone(&self.dates), self.injector.clone());
        let intervals = self.intervals;
        let filling = move || {
            let Delivery { told, previous } = delivery;
            let sheets = |told: &super::schedule::Told| told.sheets(&lives, &dates, intervals.seconds);
            let filled = match injector {
                Some(injector) => injector.fill(intervals, told.number, sheets(&told), previous.as_deref().map(sheets)),
                None => Filled::plain(intervals.at(told.number), intervals.cadence, sheets(&told)),
            };
            (told.number, filled)
        };
        tokio::task::spawn_blocking(filling).await.map_err(SourceError::worker)
    }

    /// Writes an interval's drops, or compares them with those that are there.
    ///
    /// # Errors
    /// A store that cannot be read or written, and a folder that holds another drop.
    pub async fn deliver(&self, delivery: Delivery) -> Result<Delivered, SourceError> {
        let (number, filled) = self.fill(delivery).await?;
        let mut reports = Vec::with_capacity(filled.drops.len());
        for drop in filled.drops {
            let counts = drop.state != ManifestState::Missing;
            let report = self.writer.deliver(drop, &self.there).await?;
            if counts {
                reports.push(report);
            }
        }
        Ok(Delivered { number, reports, injections: filled.injections })
    }

    /// The first interval whose own drop was not in the lake before.
    pub fn first_missing(&self) -> u32 {
        let there = |number: &u32| {
            let folder = self.intervals.at(*number).folder(self.intervals.cadence);
            self.there.contains(&self.writer.path(&folder, MANIFEST_FILE))
        };
        let all = MOST_DAYS * per_day(self.shop.cadence);
        (0..all).find(|number| !there(number)).unwrap_or(all)
    }

    /// The interval of a number.
    pub fn interval(&self, number: u32) -> Interval {
        self.intervals.at(number)
    }

    /// Whether a list of faults is kept.
    pub fn injects(&self) -> bool {
        self.injector.is_some()
    }

    /// The shop that the lake's drops are from, if it says so.
    ///
    /// # Errors
    /// A store that cannot be read, and a note that cannot be understood.
    pub async fn remembered(&self) -> Result<Option<Remembered>, SourceError> {
        remembered(&self.writer).await
    }

    /// Notes in the lake which shop its drops are from.
    ///
    /// # Errors
    /// A store that cannot be written.
    pub async fn remember(&self) -> Result<(), SourceError> {
        let note = |source| SourceError::Manifest { folder: SIMULATED_FILE.to_owned(), source };
        let text = serde_json::to_string_pretty(&self.shop).map_err(note)? + "\n";
        self.writer.put("", SIMULATED_FILE, text.into()).await
    }

    /// The list of faults that is in the lake, if it is this shop's; else an empty one.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub async fn injected(&self) -> Result<Injected, SourceError> {
        let text = self.writer.get(INJECTED_FILE).await?;
        let there = text.and_then(|text| serde_json::from_slice::<Injected>(&text).ok());
        // What cannot be read is made anew: it follows from the shop.
        Ok(there.filter(|list| list.seed == self.shop.seed).unwrap_or_else(|| Injected::new(self.shop.seed)))
    }

    /// Writes the list of faults, unless the one that is there covers more: that of a shop that was followed.
    ///
    /// # Errors
    /// A store that cannot be read or written.
    pub async fn list_injected(&self, intervals: u32, faults: Vec<Injection>) -> Result<(), SourceError> {
        if !self.injects() || self.injected().await?.intervals > intervals {
            return Ok(());
        }
        let list = Injected { intervals, faults, ..Injected::new(self.shop.seed) };
        let failed = |source| SourceError::Manifest { folder: INJECTED_FILE.to_owned(), source };
        self.writer.put("", INJECTED_FILE, list.to_json().map_err(failed)?.into()).await
    }
}

/// The shop that a lake's drops are from, if it says so.
pub(crate) async fn remembered(writer: &DropWriter) -> Result<Option<Remembered>, SourceError> {
    let Some(text) = writer.get(SIMULATED_FILE).await? else { return Ok(None) };
    let damaged = |problem: String| SourceError::DamagedNote { problem };
    let note: Remembered = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    match note.version {
        remembered::VERSION => Ok(Some(note)),
        other => Err(damaged(format!("its version is {other}, this Entrega understands {}", remembered::VERSION))),
    }
}
