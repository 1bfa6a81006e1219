//! The same rows as `DataFusion`'s own windows, over random events.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray},
    util::pretty::pretty_format_batches,
};
use datafusion::{
    catalog::MemTable,
    execution::SessionStateBuilder,
    physical_plan::displayable,
    prelude::{SessionConfig, SessionContext},
};

use super::RangeSumsRule;

/// Numbers without a pattern, the same on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn events(first: u64, rows: u64, numbers: &mut Numbers) -> RecordBatch {
    let some = |odds: u64, numbers: &mut Numbers| numbers.below(10) < odds;
    let id: Int64Array = (first..first + rows).map(|row| Some(row.cast_signed())).collect();
    let wanted: BooleanArray = (0..rows).map(|_| Some(some(4, numbers))).collect();
    let at: Int64Array = (0..rows).map(|_| Some(numbers.below(300).cast_signed())).collect();
    let mut key = |odds: u64, kinds: u64| -> StringArray {
        (0..rows).map(|_| some(odds, numbers).then(|| format!("k{}", numbers.below(kinds)))).collect()
    };
    let (seller, state) = (key(9, 20), key(10, 3));
    let days: Int64Array = (0..rows).map(|_| some(6, numbers).then(|| numbers.below(50).cast_signed() - 25)).collect();
    let one: Int64Array = (0..rows).map(|_| Some(1)).collect();
    let columns: [(&str, ArrayRef); 7] = [
        ("id", Arc::new(id)),
        ("wanted", Arc::new(wanted)),
        ("at", Arc::new(at)),
        ("seller", Arc::new(seller)),
        ("state", Arc::new(state)),
        ("days", Arc::new(days)),
        ("one", Arc::new(one)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
}

const QUERY: &str = "
with past as (
  select *,
    sum(one) over seller_30 as n, sum(days) over seller_30 as d, sum(days) over seller_90 as d90,
    sum(one) over seller_all as total, sum(days) over state_30 as s, sum(one) over pair as p, sum(one) over network as w
  from events
  window
    seller_30 as (partition by seller order by at range between 30 preceding and 1 preceding),
    seller_90 as (partition by seller order by at range between 90 preceding and 31 preceding),
    seller_all as (partition by seller order by at range between unbounded preceding and 1 preceding),
    state_30 as (partition by state order by at range between 30 preceding and current row),
    pair as (partition by seller, state order by at range between 100 preceding and 1 preceding),
    network as (order by at range between 7 preceding and 1 preceding)
)
select id, at, n, cast(d as double) / nullif(n, 0) as mean, d90, total, s, p, w from past where wanted and at >= 20 order by id";

async fn run(batches: &[RecordBatch], ours: bool, query: &str) -> (String, String) {
    let config = SessionConfig::new().with_target_partitions(1);
    let mut builder = SessionStateBuilder::new().with_config(config).with_default_features();
    if ours {
        builder = builder.with_physical_optimizer_rule(Arc::new(RangeSumsRule));
    }
    let context = SessionContext::new_with_state(builder.build());
    let table = MemTable::try_new(batches[0].schema(), vec![batches.to_vec()]).unwrap();
    context.register_table("events", Arc::new(table)).unwrap();
    let frame = context.sql(query).await.unwrap();
    let plan = frame.clone().create_physical_plan().await.unwrap();
    let rows = frame.collect().await.unwrap();
    (displayable(plan.as_ref()).indent(false).to_string(), pretty_format_batches(&rows).unwrap().to_string())
}

#[tokio::test]
async fn random_events_give_the_same_sums_as_datafusions_windows() {
    let mut numbers = Numbers(7);
    for rows in [0, 1, 2, 50, 700] {
        let batches: Vec<_> = (0..3).map(|batch| events(batch * rows, rows, &mut numbers)).collect();
        let (plan, ours) = run(&batches, true, QUERY).await;
        let (_, theirs) = run(&batches, false, QUERY).await;
        assert_eq!(ours, theirs, "{rows} rows");
        // All windows, their projections and the filter have become one operator; only the last sort is left.
        assert_eq!(plan.matches("RangeSums: 7 sums, where").count(), 1, "{plan}");
        assert!(!plan.contains("WindowAggExec") && !plan.contains("FilterExec"), "{plan}");
        assert_eq!(plan.matches("SortExec").count(), 1, "{plan}");
    }
}

#[tokio::test]
async fn a_union_below_is_not_sorted_either() {
    let batches: Vec<_> = (0..3).map(|batch| events(batch * 300, 300, &mut Numbers(batch))).collect();
    let query = "
      with all_of_them as (select * from events union all select id + 1000, wanted, at - 5000000000, seller, state, days, one from events),
      past as (select *, sum(days) over (partition by seller order by at range between 30 preceding and 1 preceding) as d from all_of_them)
      select id, at, d from past where wanted order by id";
    let (plan, ours) = run(&batches, true, query).await;
    let (_, theirs) = run(&batches, false, query).await;
    assert_eq!(ours, theirs);
    assert_eq!(plan.matches("Sort").count(), 1, "{plan}");
}

#[tokio::test]
async fn other_windows_are_left_to_datafusion() {
    let batch = [events(0, 60, &mut Numbers(3))];
    let others = [
        "select id, avg(days) over (partition by seller order by at range between 30 preceding and 1 preceding) as x from events order by id",
        "select id, sum(days) filter (where days > 0) over (order by at range between 30 preceding and 1 preceding) as x from events order by id",
        "select id, sum(days) over (order by at, id rows between 3 preceding and current row) as x from events order by id",
        "select id, sum(days) over (order by at range between 3 preceding and 3 following) as x from events order by id",
        "select id, sum(days) over (order by at desc range between 3 preceding and current row) as x from events order by id",
    ];
    for query in others {
        let (plan, ours) = run(&batch, true, query).await;
        let (_, theirs) = run(&batch, false, query).await;
        assert!(!plan.contains("RangeSums"), "{plan}");
        assert_eq!(ours, theirs, "{query}");
    }
}

#[tokio::test]
async fn a_sum_over_sums_stays_a_second_operator() {
    let batch = [events(0, 200, &mut Numbers(5))];
    let query = "
      with first as (select *, sum(one) over (partition by seller order by at range between 30 preceding and 1 preceding) as n from events)
      select id, n, sum(n) over (partition by state order by at range between 30 preceding and 1 preceding) as m from first where n > 1 order by id";
    let (plan, ours) = run(&batch, true, query).await;
    let (_, theirs) = run(&batch, false, query).await;
    assert_eq!(plan.matches("RangeSums").count(), 2, "{plan}");
    assert_eq!(ours, theirs);
}
