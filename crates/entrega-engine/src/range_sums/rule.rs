//! Where the operator takes `DataFusion`'s place.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::{
    common::{
        Result, ScalarValue,
        config::ConfigOptions,
        tree_node::{Transformed, TreeNode as _, TreeNodeRecursion},
    },
    logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits},
    physical_expr::{
        PhysicalExpr,
        aggregate::AggregateFunctionExpr,
        expressions::Column,
        window::{PlainAggregateWindowExpr, SlidingAggregateWindowExpr, WindowExpr},
    },
    physical_optimizer::PhysicalOptimizerRule,
    physical_plan::{
        ExecutionPlan,
        coalesce_partitions::CoalescePartitionsExec,
        filter::FilterExec,
        projection::ProjectionExec,
        sorts::{sort::SortExec, sort_preserving_merge::SortPreservingMergeExec},
        union::UnionExec,
        windows::{BoundedWindowAggExec, WindowAggExec},
    },
};

use super::{
    plan::{Output, RangeSum, RangeSums},
    sums::Frame,
};

/// Puts [`RangeSums`] in the place of windows that hold nothing but sums over trailing ranges, and lets it take over
/// the sorts below them, and the projections and the filter above.
#[derive(Debug, Default)]
pub(crate) struct RangeSumsRule;

impl PhysicalOptimizerRule for RangeSumsRule {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let done = plan.transform_up(|node| {
            Ok(match replace(&node)? {
                Some(better) => Transformed::yes(better),
                None => Transformed::no(node),
            })
        })?;
        Ok(done.data)
    }

    fn name(&self) -> &'static str {
        "range_sums"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn replace(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let windows = node
        .downcast_ref::<BoundedWindowAggExec>()
        .map(|window| (window.input(), window.window_expr()))
        .or_else(|| node.downcast_ref::<WindowAggExec>().map(|window| (window.input(), window.window_expr())));
    if let Some((input, windows)) = windows {
        return take_windows(input, windows);
    }
    if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
        let Some(below) = projection.input().downcast_ref::<RangeSums>() else { return Ok(None) };
        let columns = projection.expr().iter().map(|column| {
            let place = column.expr.downcast_ref::<Column>()?.index();
            Some((below.outputs[place], column.alias.clone()))
        });
        let Some(columns) = columns.collect::<Option<Vec<_>>>() else { return Ok(None) };
        let (outputs, names) = columns.into_iter().unzip();
        return Ok(Some(Arc::new(below.project(outputs, names))));
    }
    if let Some(filter) = node.downcast_ref::<FilterExec>() {
        let Some(below) = filter.input().downcast_ref::<RangeSums>() else { return Ok(None) };
        if below.filter.is_some() || filter.fetch().is_some() {
            return Ok(None);
        }
        let Some(condition) = over_input(filter.predicate(), below)? else { return Ok(None) };
        let schema = below.schema();
        let kept: Vec<usize> = match filter.projection() {
            Some(kept) => kept.to_vec(),
            None => (0..below.outputs.len()).collect(),
        };
        let outputs = kept.iter().map(|column| below.outputs[*column]).collect();
        let names = kept.iter().map(|column| schema.field(*column).name().clone()).collect();
        let (input, sums) = (Arc::clone(&below.input), below.sums.clone());
        return Ok(Some(Arc::new(RangeSums::new(input, sums, Some(condition), outputs, names))));
    }
    Ok(None)
}

/// The windows as sums over what lies below their sort; joined with the sums found there.
fn take_windows(
    input: &Arc<dyn ExecutionPlan>,
    windows: &[Arc<dyn WindowExpr>],
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let input = unsorted(input)?;
    let Some(found) = windows.iter().map(range_sum).collect::<Option<Vec<_>>>() else { return Ok(None) };
    let schema = input.schema();
    let own = schema.fields().iter().map(|field| field.name().clone());
    let names: Vec<String> = own.chain(found.iter().map(|sum| sum.name.clone())).collect();
    if let Some(below) = input.downcast_ref::<RangeSums>().filter(|below| below.filter.is_none()) {
        let joined = found.iter().map(|sum| rebase(sum, below)).collect::<Result<Option<Vec<_>>>>()?;
        if let Some(joined) = joined {
            let new = below.sums.len()..below.sums.len() + joined.len();
            let outputs = below.outputs.iter().copied().chain(new.map(Output::Sum)).collect();
            let sums = below.sums.iter().cloned().chain(joined).collect();
            return Ok(Some(Arc::new(RangeSums::new(Arc::clone(&below.input), sums, None, outputs, names))));
        }
    }
    let outputs = (0..schema.fields().len()).map(Output::Input).chain((0..found.len()).map(Output::Sum)).collect();
    Ok(Some(Arc::new(RangeSums::new(input, found, None, outputs, names))))
}

/// What lies below sorts that were only made for windows; the sorts of a union's branches stand below it.
fn unsorted(input: &Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(sort) = input.downcast_ref::<SortExec>().filter(|sort| sort.fetch().is_none()) {
        return Ok(Arc::clone(sort.input()));
    }
    let Some(merge) = input.downcast_ref::<SortPreservingMergeExec>().filter(|merge| merge.fetch().is_none()) else {
        return Ok(Arc::clone(input));
    };
    let below = match merge.input().downcast_ref::<UnionExec>() {
        Some(union) => UnionExec::try_new(union.inputs().iter().map(unsorted).collect::<Result<_>>()?)?,
        None => unsorted(merge.input())?,
    };
    Ok(Arc::new(CoalescePartitionsExec::new(below)))
}

/// A window that is a sum of whole numbers over a trailing range of whole numbers; `None` for any other.
fn range_sum(window: &Arc<dyn WindowExpr>) -> Option<RangeSum> {
    let function = aggregate(window)?;
    // The condition of `sum(…) filter (where …)` is known only from its name.
    let plain = function.fun().name() == "sum" && !function.is_distinct() && !window.name().contains("FILTER");
    let arguments = window.expressions();
    let ([order], [argument]) = (window.order_by(), arguments.as_slice()) else { return None };
    let ascending = !order.options.descending;
    let field = window.field().ok()?;
    (plain && ascending && *field.data_type() == DataType::Int64).then_some(())?;
    Some(RangeSum {
        name: window.name().to_owned(),
        partition: window.partition_by().to_vec(),
        order: Arc::clone(&order.expr),
        argument: Arc::clone(argument),
        frame: frame(window.get_window_frame())?,
    })
}

fn aggregate(window: &Arc<dyn WindowExpr>) -> Option<&AggregateFunctionExpr> {
    let window = window.as_any();
    window
        .downcast_ref::<SlidingAggregateWindowExpr>()
        .map(SlidingAggregateWindowExpr::get_aggregate_expr)
        .or_else(|| window.downcast_ref::<PlainAggregateWindowExpr>().map(PlainAggregateWindowExpr::get_aggregate_expr))
}

fn frame(frame: &WindowFrame) -> Option<Frame> {
    let before = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::Preceding(ScalarValue::Int64(Some(seconds))) => Some(Some(*seconds)),
        WindowFrameBound::Preceding(distance) if distance.is_null() => Some(None),
        WindowFrameBound::CurrentRow => Some(Some(0)),
        _ => None,
    };
    (frame.units == WindowFrameUnits::Range).then_some(())?;
    Some(Frame { reach: before(&frame.start_bound)?, gap: before(&frame.end_bound)?? })
}

/// An expression over the output of some sums as one over their input; `None` if it needs one of the sums.
fn over_input(expression: &Arc<dyn PhysicalExpr>, below: &RangeSums) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    let schema = below.input.schema();
    let mut possible = true;
    let moved = Arc::clone(expression).transform_up(|node| {
        let Some(column) = node.downcast_ref::<Column>() else { return Ok(Transformed::no(node)) };
        match below.outputs[column.index()] {
            Output::Input(place) => {
                let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(schema.field(place).name(), place));
                Ok(Transformed::yes(column))
            }
            Output::Sum(_) => {
                possible = false;
                Ok(Transformed::new(node, false, TreeNodeRecursion::Stop))
            }
        }
    })?;
    Ok(possible.then_some(moved.data))
}

fn rebase(sum: &RangeSum, below: &RangeSums) -> Result<Option<RangeSum>> {
    let partition = sum.partition.iter().map(|key| over_input(key, below)).collect::<Result<Option<Vec<_>>>>()?;
    let (Some(partition), Some(order), Some(argument)) =
        (partition, over_input(&sum.order, below)?, over_input(&sum.argument, below)?)
    else {
        return Ok(None);
    };
    Ok(Some(RangeSum { name: sum.name.clone(), partition, order, argument, frame: sum.frame }))
}
