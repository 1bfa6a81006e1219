//! When people work: time that runs fast while much happens and stands still at night.
//!
//! What takes two days from a Monday morning takes four from a Friday evening. So durations are fitted and drawn in
//! *working time*: a week of it is a week, and an hour of it is as long as the part of the week's happenings that fall
//! into an hour of the clock. Nothing need then be moved to the next morning, and the hours come out as they are.

use super::demand::DAY;

const WEEK: f64 = 7.0 * DAY as f64;

/// The hours of a week, by how much happens in each.
pub(crate) struct Rhythm {
    /// The share of a week's happenings before each hour, from Monday on, and one at the end.
    before: Vec<f64>,
}

impl Rhythm {
    /// From the shares of a week's hours, Monday first.
    pub fn new(hours: &[f64]) -> Self {
        let total: f64 = hours.iter().sum();
        let mut reached = 0.0;
        let mut before = vec![0.0];
        for share in hours {
            reached += share / total;
            before.push(reached);
        }
        Self { before }
    }

    /// The moment so many days of working time after another. Moments are seconds since a day that is so many days after
    /// a Monday.
    pub fn after(&self, moment: u32, days: f64, days_after_monday: u32) -> u32 {
        let hours = self.before.len() - 1;
        let monday = f64::from(days_after_monday * DAY);
        let clock = (f64::from(moment) + monday) / WEEK;
        let place = (clock - clock.floor()) * hours as f64;
        let hour = (place as usize).min(hours - 1);
        let worked = self.before[hour] + (self.before[hour + 1] - self.before[hour]) * (place - hour as f64);

        let then = clock.floor() + worked + days.max(0.0) / 7.0;
        let share = then - then.floor();
        let hour = (self.before.partition_point(|before| *before <= share) - 1).min(hours - 1);
        let within = (share - self.before[hour]) / (self.before[hour + 1] - self.before[hour]).max(f64::MIN_POSITIVE);
        let reached = (then.floor() + (hour as f64 + within.min(1.0)) / hours as f64) * WEEK;
        ((reached - monday) as u32).max(moment)
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
            let done = office.after(moment, 0.9, 3) + 3 * DAY;
            assert!(done / DAY % 7 < 5 && (8..=18).contains(&(done % DAY / 3_600)), "{moment} becomes {done}");
        }
    }

    #[test]
    fn what_begins_later_ends_later_and_weeks_are_weeks() {
        let office = office();
        let done: Vec<u32> = (0..21 * DAY).step_by(600).map(|moment| office.after(moment, 1.5, 0)).collect();
        assert!(done.is_sorted());
        let monday_at_ten = 10 * 3_600;
        assert!(office.after(monday_at_ten, 14.0, 0).abs_diff(monday_at_ten + 14 * DAY) <= 1);
        // Ten hours of work are a fifth of a week's: 1.4 days.
        assert!(office.after(4 * DAY + 8 * 3_600, 1.4 + 0.7, 0).abs_diff(7 * DAY + 13 * 3_600) <= 1, "over a weekend");
    }

    #[test]
    fn an_even_week_is_plain_time() {
        let even = Rhythm::new(&[1.0; 168]);
        assert!(even.after(1_000_000, 2.0, 5).abs_diff(1_000_000 + 2 * DAY) <= 1);
    }
}
