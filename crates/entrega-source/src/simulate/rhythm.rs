//! When people work: moments are moved to the hours of the week at which things really happen, and no further than needed.
//!
//! A duration that was fitted to real moments holds nights and weekends already. So the moment that it leads to is not made
//! to wait for the next working hour, which would count them twice; the week is bent instead. What would happen in the
//! first hundredth of an even week happens in the first hundredth of a real one, shifted so that on average nothing
//! comes sooner or later.

use super::demand::DAY;

const WEEK: f64 = 7.0 * DAY as f64;

/// The hours of a week, by how much happens in each.
pub(crate) struct Rhythm {
    /// The share of a week's happenings before each hour, from Monday on, and one at the end.
    before: Vec<f64>,
    /// By how much of a week the even week is shifted against the real one.
    shift: f64,
}

impl Rhythm {
    /// From the shares of a week's hours, Monday first.
    pub fn new(hours: &[f64]) -> Self {
        let total: f64 = hours.iter().sum();
        let mut before = vec![0.0];
        let mut reached = 0.0;
        let mut middle = 0.0;
        for (hour, share) in hours.iter().enumerate() {
            reached += share / total;
            before.push(reached);
            middle += share / total * (hour as f64 + 0.5) / hours.len() as f64;
        }
        Self { before, shift: 0.5 - middle }
    }

    /// The moment at which something happens that an even week would have at `moment`; both are seconds since a day that
    /// is so many days after a Monday.
    pub fn bend(&self, moment: u32, days_after_monday: u32) -> u32 {
        let monday = f64::from(days_after_monday * DAY);
        let place = (f64::from(moment) + monday) / WEEK + self.shift;
        let (week, share) = (place.floor(), place - place.floor());
        let hours = self.before.len() - 1;
        let hour = (self.before.partition_point(|before| *before <= share) - 1).min(hours - 1);
        let within = (share - self.before[hour]) / (self.before[hour + 1] - self.before[hour]).max(f64::MIN_POSITIVE);
        let bent = (week + (hour as f64 + within.min(1.0)) / hours as f64) * WEEK;
        (bent - monday).max(0.0) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mondays to Fridays from 8 to 18.
    fn office() -> Rhythm {
        let hours: Vec<f64> = (0..168).map(|hour| f64::from(hour / 24 < 5 && (8..18).contains(&(hour % 24)))).collect();
        Rhythm::new(&hours)
    }

    #[test]
    fn everything_happens_at_work() {
        let office = office();
        for moment in (0..30 * DAY).step_by(1_777) {
            let bent = office.bend(moment, 3) + 3 * DAY;
            assert!(bent / DAY % 7 < 5 && (8..=18).contains(&(bent % DAY / 3_600)), "{moment} becomes {bent}");
        }
    }

    #[test]
    fn nothing_is_overtaken_and_nothing_is_late_on_average() {
        let office = office();
        let moments: Vec<u32> = (7 * DAY..28 * DAY).step_by(600).collect();
        let bent: Vec<u32> = moments.iter().map(|moment| office.bend(*moment, 0)).collect();
        assert!(bent.is_sorted());
        let late = |(bent, moment): (&u32, &u32)| f64::from(*bent) - f64::from(*moment);
        let mean = bent.iter().zip(&moments).map(late).sum::<f64>() / moments.len() as f64;
        assert!(mean.abs() < 600.0, "{mean} seconds");
    }

    #[test]
    fn an_even_week_stays_as_it_is() {
        let even = Rhythm::new(&[1.0; 168]);
        assert!(even.bend(1_000_000, 5).abs_diff(1_000_000) <= 1);
    }
}
