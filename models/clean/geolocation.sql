/*---
description = "Where a postal code prefix lies: one row per prefix, the medians of its distinct points inside Brazil, replaced as a whole by the newest drop that has the list."
grain = ["zip_code_prefix"]
write = "snapshot"
source = "geolocation"
columns = [
  ["zip_code_prefix", "STRING", "First five digits of the postal code. Source: geolocation."],
  ["latitude", "DOUBLE", "Median latitude of the prefix's distinct points, degrees north."],
  ["longitude", "DOUBLE", "Median longitude of the prefix's distinct points, degrees east (negative in Brazil)."],
  ["n_points", "BIGINT", "Number of distinct points behind the medians."],
  ["_drop", "STRING", "The drop that brought the list, as its precedence."],
]
checks = [
  { kind = "unique" },
  { kind = "not_null", columns = ["zip_code_prefix", "latitude", "longitude", "n_points"] },
]
---*/
with geolocation as (
  select * from landing.geolocation
),

-- One snapshot, one drop: found once, not carried through the million points.
newest as (
  select max(_drop) as _drop from geolocation
),

-- The box around Brazil: what lies outside is a typing mistake of the source. (The contract drops and counts such rows
-- before; said here too, the table does not depend on who loaded the points.)
-- The same point comes many times under several spellings of its city; it counts once.
points as (
  select
    geolocation_zip_code_prefix as zip_code_prefix,
    geolocation_lat as latitude,
    geolocation_lng as longitude
  from geolocation
  where geolocation_lat between -33.76 and 5.28
    and geolocation_lng between -73.99 and -34.79
  group by geolocation_zip_code_prefix, geolocation_lat, geolocation_lng
),

medians as (
  select
    zip_code_prefix,
    median(latitude) as latitude,
    median(longitude) as longitude,
    count(*) as n_points
  from points
  group by zip_code_prefix
)

select
  medians.zip_code_prefix,
  medians.latitude,
  medians.longitude,
  medians.n_points,
  newest._drop
from medians
cross join newest
