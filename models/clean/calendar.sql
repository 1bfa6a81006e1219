/*---
description = "The days: one row per date, with its place in week and year, Brazilian national holidays and the peak seasons of retail. Made by Entrega, not ingested."
grain = ["date"]
write = "snapshot"
columns = [
  ["date", "DATE", "The day."],
  ["year", "INT", "Calendar year."],
  ["quarter", "INT", "Quarter of the year, 1 to 4."],
  ["month", "INT", "Month of the year, 1 to 12."],
  ["day", "INT", "Day of the month, 1 to 31."],
  ["weekday", "INT", "Day of the week by ISO 8601: 1 = Monday to 7 = Sunday."],
  ["iso_week", "INT", "Week of the year by ISO 8601, 1 to 53."],
  ["iso_year", "INT", "Year that the ISO week belongs to; differs from `year` around New Year."],
  ["month_start", "DATE", "First day of the month."],
  ["is_weekend", "BOOLEAN", "Saturday or Sunday."],
  ["holiday", "STRING", "Name of the national holiday; NULL on other days."],
  ["is_holiday", "BOOLEAN", "Whether the day is a national holiday."],
  ["peak_season", "STRING", "Name of the retail peak season the day falls in; NULL outside."],
  ["is_peak_season", "BOOLEAN", "Whether the day falls in a peak season."],
  ["is_working_day", "BOOLEAN", "Monday to Friday and no national holiday: the days on which carriers work."],
]
checks = [
  { kind = "unique" },
  { kind = "not_null", columns = ["date", "weekday", "iso_week", "iso_year", "is_weekend", "is_holiday", "is_peak_season", "is_working_day"] },
]
---*/
-- landing.calendar is made by the calendar operator, not by a contract. Its columns:
--   date DATE, holiday STRING (NULL on other days), peak_season STRING (NULL outside)
with calendar as (
  select * from landing.calendar
),

-- date_part numbers weekday and week by ISO 8601 in both engines.
parts as (
  select
    *,
    date_part('dayofweek_iso', date) as weekday
  from calendar
)

select
  date,
  cast(date_part('year', date) as int) as year,
  cast(date_part('quarter', date) as int) as quarter,
  cast(date_part('month', date) as int) as month,
  cast(date_part('day', date) as int) as day,
  cast(weekday as int) as weekday,
  cast(date_part('week', date) as int) as iso_week,
  cast(date_part('yearofweek', date) as int) as iso_year,
  trunc(date, 'MM') as month_start,
  weekday >= 6 as is_weekend,
  holiday,
  holiday is not null as is_holiday,
  peak_season,
  peak_season is not null as is_peak_season,
  weekday <= 5 and holiday is null as is_working_day
from parts
