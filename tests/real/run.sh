#!/usr/bin/env bash
# The real data set: its known numbers, and the same tables whichever way the drops arrive (a slice).
set -euo pipefail
: "${ENTREGA:?}" "${OLIST_ZIP:?}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

query() { "$ENTREGA" sql --lake "$1" --output csv "$2" | tail -n +2; }

expect() { # name, query, expected row
  local found
  found=$(query "$work/lake" "$2")
  if [ "$found" = "$3" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED: $1: found $found, expected $3"
  fi
}

tables="clean.orders clean.order_items clean.order_payments clean.order_reviews clean.customers clean.sellers clean.products
  clean.categories clean.geolocation clean.deliveries clean.shipments
  summary.delivery_daily summary.delivery_days_daily summary.seller_daily summary.route_daily summary.late_to_carrier
  features.at_purchase features.at_handover features.labels"

columns() { "$ENTREGA" tables "$1" --ddl | sed -n 's/^  \([a-z_0-9]*\) .*/\1/p' | grep -v '^_drop$' | paste -sd, ; }

same() { # name, lake, lake: every table row for row, lineage apart
  local table
  for table in $tables; do
    local statement
    statement="select $(columns "$table") from $table"
    if cmp -s <(query "$2" "$statement" | LC_ALL=C sort) <(query "$3" "$statement" | LC_ALL=C sort); then
      passed=$((passed + 1))
    else
      failed=$((failed + 1))
      echo "FAILED: $1: $table differs"
      diff <(query "$2" "$statement" | LC_ALL=C sort) <(query "$3" "$statement" | LC_ALL=C sort) | head -4 || true
    fi
  done
}

"$ENTREGA" replay --source "$OLIST_ZIP" --lake "$work/lake" --as one-drop
"$ENTREGA" run all --lake "$work/lake"
expect "orders" "select count(*) from clean.orders" 99441
expect "late by date and by timestamp" "select sum(cast(is_late as int)), sum(cast(is_late_by_timestamp as int)) from clean.deliveries" 6535,7827
expect "orders of 2018-01" "select count(*) from clean.orders where purchase_month = date '2018-01-01'" 7269
expect "carrier before approval" "select count(*) from clean.orders where order_delivered_carrier_date < order_approved_at" 1359
expect "timeline not in order" "select count(*) from clean.orders where not timeline_ok" 1390
expect "without distance" "select count(*) from clean.deliveries where distance_km is null" 1265
expect "geolocation" "select count(*), sum(n_points) from clean.geolocation" 19010,720121
expect "delivery_daily" "select count(*), sum(due), sum(due_missed), sum(delivery_seconds) from summary.delivery_daily" 151792,98207,8271,104683394605
expect "seller_daily" "select count(*) from summary.seller_daily" 206520
expect "route_daily" "select count(*) from summary.route_daily" 56867
expect "delivery_days_daily" "select count(*) from summary.delivery_days_daily" 47780
expect "late_to_carrier" "select count(*), count(distinct order_id) as orders, count(distinct seller_id) as sellers from summary.late_to_carrier" 10423,8861,1341
expect "features" "select count(*), sum(case when label_is_late then 1 else 0 end), sum(case when label_is_late is null then 1 else 0 end) from features.at_purchase" 99441,8271,1234
expect "reconciled" "select count(*) from ops.drops where rows_in <> inserted + updated + unchanged + superseded + duplicate + quarantined + waiting + dropped" 0

# A slice: ten weeks as daily drops, one batch each, against one drop cut at the same day.
until=2016-11-15
"$ENTREGA" replay --source "$OLIST_ZIP" --lake "$work/daily" --cadence daily --to $until
"$ENTREGA" run all --lake "$work/daily" --one-by-one | tail -n 1
"$ENTREGA" replay --source "$OLIST_ZIP" --lake "$work/cut" --as one-drop --to $until
"$ENTREGA" run all --lake "$work/cut"
same "daily drops to $until" "$work/daily" "$work/cut"

echo "real: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
