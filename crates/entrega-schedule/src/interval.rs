//! A stretch of time that one run answers for.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

/// From `start` (inclusive) to `end` (exclusive), in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Interval {
    /// Its first moment.
    pub start: DateTime<Utc>,
    /// The first moment after it.
    pub end: DateTime<Utc>,
}

impl Interval {
    /// Fills `{start}`, `{end}` (RFC 3339, UTC) and `{date}` (the local day on which the interval begins) into a text.
    ///
    /// ```
    /// use entrega_schedule::Interval;
    /// let hour = Interval { start: "2018-03-01T02:00:00Z".parse()?, end: "2018-03-01T03:00:00Z".parse()? };
    /// assert_eq!(hour.fill("until={end}", chrono_tz::America::Sao_Paulo), "until=2018-03-01T03:00:00Z");
    /// assert_eq!(hour.fill("report-{date}.html", chrono_tz::America::Sao_Paulo), "report-2018-02-28.html");
    /// # Ok::<_, chrono::ParseError>(())
    /// ```
    #[must_use]
    pub fn fill(&self, text: &str, time_zone: Tz) -> String {
        let moment = |moment: &DateTime<Utc>| moment.to_rfc3339_opts(SecondsFormat::Secs, true);
        text.replace("{start}", &moment(&self.start))
            .replace("{end}", &moment(&self.end))
            .replace("{date}", &self.start.with_timezone(&time_zone).date_naive().to_string())
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = |moment: &DateTime<Utc>| moment.to_rfc3339_opts(SecondsFormat::Secs, true);
        write!(formatter, "{} to {}", moment(&self.start), moment(&self.end))
    }
}
