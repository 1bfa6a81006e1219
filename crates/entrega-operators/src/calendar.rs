//! Calendar: Brazil's national holidays and the retail peak seasons, made by rule.
//!
//! Sources: Lei 662/1949 with its amendments (fixed national holidays; 20 November since Lei 14.759/2023), Lei
//! 9.093/1995 (Good Friday, Corpus Christi by local law, Carnival by custom: carriers rest on them alike). Peak
//! seasons are those of the Brazilian retail trade.

use std::sync::Arc;

use arrow::{
    array::{Date32Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};
use chrono::{Datelike as _, Days, NaiveDate, Weekday};
use entrega_lake::read::days_since_epoch;

/// First and last year of the calendar.
const YEARS: std::ops::RangeInclusive<i32> = 2015..=2035;

/// The schema of `landing.calendar`.
#[must_use]
pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("date", DataType::Date32, true),
        Field::new("holiday", DataType::Utf8, true),
        Field::new("peak_season", DataType::Utf8, true),
    ]))
}

/// Every day of the calendar, in order.
#[must_use]
pub fn days() -> Vec<NaiveDate> {
    YEARS
        .filter_map(|year| NaiveDate::from_ymd_opt(year, 1, 1))
        .flat_map(|first| first.iter_days().take_while(move |day| day.year() == first.year()))
        .collect()
}

/// One row for each day of [`YEARS`].
///
/// # Errors
/// Never in practice.
pub fn calendar() -> Result<RecordBatch, ArrowError> {
    let days = days();
    let dates: Date32Array = days.iter().map(|day| Some(days_since_epoch(*day))).collect();
    let holidays: StringArray = days.iter().map(|day| holiday(*day)).collect();
    let seasons: StringArray = days.iter().map(|day| peak_season(*day)).collect();
    RecordBatch::try_new(schema(), vec![Arc::new(dates), Arc::new(holidays), Arc::new(seasons)])
}

/// The national holiday on a day.
///
/// ```
/// use entrega_operators::calendar::holiday;
/// assert_eq!(holiday("2018-02-13".parse().unwrap()), Some("Carnival"));
/// assert_eq!(holiday("2018-03-30".parse().unwrap()), Some("Good Friday"));
/// assert_eq!(holiday("2018-11-20".parse().unwrap()), None);
/// assert_eq!(holiday("2024-11-20".parse().unwrap()), Some("Black Consciousness Day"));
/// ```
#[must_use]
pub fn holiday(day: NaiveDate) -> Option<&'static str> {
    let from_easter = (day - easter(day.year())).num_days();
    match (day.month(), day.day(), from_easter) {
        (1, 1, _) => Some("New Year"),
        (4, 21, _) => Some("Tiradentes"),
        (5, 1, _) => Some("Labour Day"),
        (9, 7, _) => Some("Independence Day"),
        (10, 12, _) => Some("Our Lady of Aparecida"),
        (11, 2, _) => Some("All Souls' Day"),
        (11, 15, _) => Some("Republic Day"),
        (11, 20, _) if day.year() >= 2024 => Some("Black Consciousness Day"),
        (12, 25, _) => Some("Christmas"),
        (_, _, -48 | -47) => Some("Carnival"),
        (_, _, -2) => Some("Good Friday"),
        (_, _, 60) => Some("Corpus Christi"),
        _ => None,
    }
}

/// The retail peak season that a day belongs to: the days before the feast on which people buy.
#[must_use]
pub fn peak_season(day: NaiveDate) -> Option<&'static str> {
    let until = |feast: Option<NaiveDate>| feast.map(|feast| (feast - day).num_days());
    let year = day.year();
    let black_friday = NaiveDate::from_weekday_of_month_opt(year, 11, Weekday::Thu, 4)
        .and_then(|day| day.checked_add_days(Days::new(1)));
    let seasons = [
        ("Black Friday", until(black_friday), -3..=4),
        ("Mother's Day", until(NaiveDate::from_weekday_of_month_opt(year, 5, Weekday::Sun, 2)), 0..=13),
        ("Valentine's Day", until(NaiveDate::from_ymd_opt(year, 6, 12)), 0..=9),
        ("Father's Day", until(NaiveDate::from_weekday_of_month_opt(year, 8, Weekday::Sun, 2)), 0..=13),
        ("Children's Day", until(NaiveDate::from_ymd_opt(year, 10, 12)), 0..=9),
        ("Christmas", until(NaiveDate::from_ymd_opt(year, 12, 25)), 0..=24),
    ];
    seasons
        .into_iter()
        .find(|(_, distance, window)| distance.is_some_and(|distance| window.contains(&distance)))
        .map(|(name, ..)| name)
}

/// Easter Sunday of the Gregorian calendar (Meeus, Jones and Butcher's rule).
fn easter(year: i32) -> NaiveDate {
    let (golden, century, rest) = (year % 19, year / 100, year % 100);
    let correction = (century - (century + 8) / 25 + 1) / 3;
    let epact = (19 * golden + century - century / 4 - correction + 15) % 30;
    let weekday = (32 + 2 * (century % 4) + 2 * (rest / 4) - epact - rest % 4) % 7;
    let shift = (golden + 11 * epact + 22 * weekday) / 451;
    let sum = epact + weekday - 7 * shift + 114;
    let (month, day) = (u32::try_from(sum / 31).unwrap_or(4), u32::try_from(sum % 31 + 1).unwrap_or(1));
    NaiveDate::from_ymd_opt(year, month, day).unwrap_or_default()
}
