//! The ticks of a job: by cron in a time zone, or every so often.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

/// When a job's intervals begin and end.
#[derive(Debug, Clone)]
pub enum Rhythm {
    /// By the wall clock of a time zone. Where clocks go forward, a tick in the gap falls on its end; where they go
    /// back, a tick at a fixed hour happens once.
    Cron(Box<Cron>, Tz),
    /// Every so often, counted from 1970 in UTC, so that two machines agree on the ticks.
    Every(TimeDelta),
}

impl Rhythm {
    /// The rhythm of a cron expression with five fields.
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub fn cron(expression: &str, time_zone: Tz) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(expression).map_err(|error| error.to_string())?;
        Ok(Self::Cron(Box::new(cron), time_zone))
    }

    /// The first tick after a moment; none if the expression never comes again (30 February).
    ///
    /// ```
    /// use entrega_schedule::Rhythm;
    /// let daily = Rhythm::cron("0 0 * * *", chrono_tz::America::Sao_Paulo).expect("a cron expression");
    /// // Clocks went forward at midnight on 15 October 2017: that day began at one o'clock.
    /// let tick = daily.after("2017-10-14T12:00:00Z".parse()?).expect("days go on");
    /// assert_eq!(tick.to_rfc3339(), "2017-10-15T03:00:00+00:00");
    /// # Ok::<_, chrono::ParseError>(())
    /// ```
    #[must_use]
    pub fn after(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Cron(cron, zone) => {
                let tick = cron.find_next_occurrence(&moment.with_timezone(zone), false).ok()?;
                Some(tick.with_timezone(&Utc))
            }
            Self::Every(step) => {
                let since = moment.signed_duration_since(DateTime::UNIX_EPOCH).num_seconds();
                let step = step.num_seconds();
                DateTime::from_timestamp((since.div_euclid(step) + 1) * step, 0)
            }
        }
    }

    /// The newest tick that is not after a moment.
    #[must_use]
    pub fn until(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Cron(cron, zone) => {
                let tick = cron.find_previous_occurrence(&moment.with_timezone(zone), true).ok()?;
                Some(tick.with_timezone(&Utc))
            }
            Self::Every(step) => {
                let since = moment.signed_duration_since(DateTime::UNIX_EPOCH).num_seconds();
                DateTime::from_timestamp(since.div_euclid(step.num_seconds()) * step.num_seconds(), 0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn ticks_are_the_same_forwards_and_backwards_over_a_year_with_both_clock_changes() {
        for expression in ["0 * * * *", "0 0 * * *", "30 5 * * 1-5", "15 0,12 1 * *"] {
            let rhythm = Rhythm::cron(expression, chrono_tz::America::Sao_Paulo).unwrap();
            let mut tick = rhythm.after(at("2017-09-01T00:00:00Z")).unwrap();
            while tick < at("2018-09-01T00:00:00Z") {
                let next = rhythm.after(tick).unwrap();
                assert!(next > tick, "{expression}: {next} after {tick}");
                assert_eq!(rhythm.until(tick), Some(tick), "{expression}");
                assert_eq!(rhythm.until(next - TimeDelta::seconds(1)), Some(tick), "{expression} before {next}");
                tick = next;
            }
        }
    }

    #[test]
    fn every_quarter_of_an_hour() {
        let rhythm = Rhythm::Every(TimeDelta::minutes(15));
        assert_eq!(rhythm.after(at("2018-03-01T10:15:00Z")), Some(at("2018-03-01T10:30:00Z")));
        assert_eq!(rhythm.until(at("2018-03-01T10:29:59Z")), Some(at("2018-03-01T10:15:00Z")));
        assert_eq!(rhythm.until(at("1969-12-31T23:59:00Z")), Some(at("1969-12-31T23:45:00Z")));
    }

    #[test]
    fn what_never_comes_is_no_tick() {
        assert_eq!(Rhythm::cron("0 0 30 2 *", chrono_tz::UTC).unwrap().after(at("2018-01-01T00:00:00Z")), None);
    }

    #[test]
    fn seconds_and_nonsense_are_refused() {
        assert!(Rhythm::cron("0 0 0 * * *", chrono_tz::UTC).is_err());
        assert!(Rhythm::cron("61 * * * *", chrono_tz::UTC).is_err());
        assert!(Rhythm::cron("hourly", chrono_tz::UTC).is_err());
    }
}
