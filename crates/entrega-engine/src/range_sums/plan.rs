//! The operator as a part of `DataFusion`'s plans.

use std::{fmt, sync::Arc};

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch, RecordBatchOptions, new_empty_array},
    compute::{concat_batches, filter, prep_null_mask_filter},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use datafusion::{
    common::{DataFusionError, Result, tree_node::TreeNodeRecursion},
    execution::{SendableRecordBatchStream, TaskContext},
    physical_expr::{EquivalenceProperties, PhysicalExpr},
    physical_plan::{
        ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties as _,
        PlanProperties, ReplaceChildrenOptions,
        execution_plan::{Boundedness, EmissionType, apply_expression_roots},
        metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet},
        stream::RecordBatchStreamAdapter,
    },
};
use futures::{TryStreamExt as _, stream};

use super::sums::{Frame, Partitioning, Timeline};

/// One window sum over the operator's input.
#[derive(Debug, Clone)]
pub(super) struct RangeSum {
    pub name: String,
    pub partition: Vec<Arc<dyn PhysicalExpr>>,
    pub order: Arc<dyn PhysicalExpr>,
    pub argument: Arc<dyn PhysicalExpr>,
    pub frame: Frame,
}

/// A column of the operator's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Output {
    /// A column of the input.
    Input(usize),
    /// One of the sums.
    Sum(usize),
}

/// All sums of a query, for the rows that a filter lets through.
#[derive(Debug)]
pub(super) struct RangeSums {
    pub input: Arc<dyn ExecutionPlan>,
    pub sums: Vec<RangeSum>,
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    pub outputs: Vec<Output>,
    names: Vec<String>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl RangeSums {
    pub(super) fn new(
        input: Arc<dyn ExecutionPlan>,
        sums: Vec<RangeSum>,
        filter: Option<Arc<dyn PhysicalExpr>>,
        outputs: Vec<Output>,
        names: Vec<String>,
    ) -> Self {
        let fields = input.schema();
        let fields = outputs.iter().zip(&names).map(|(output, name)| match output {
            Output::Input(column) => fields.field(*column).clone().with_name(name),
            Output::Sum(_) => Field::new(name, DataType::Int64, true),
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            input.output_partitioning().clone(),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self {
            input,
            sums,
            filter,
            outputs,
            names,
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    /// The same with other output columns.
    pub(super) fn project(&self, outputs: Vec<Output>, names: Vec<String>) -> Self {
        Self::new(Arc::clone(&self.input), self.sums.clone(), self.filter.clone(), outputs, names)
    }
}

impl DisplayAs for RangeSums {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RangeSums: {} sums", self.sums.len())?;
        self.filter.iter().try_for_each(|filter| write!(formatter, ", where {filter}"))
    }
}

impl ExecutionPlan for RangeSums {
    fn name(&self) -> &'static str {
        "RangeSums"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        apply: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        let sums = self.sums.iter().flat_map(|sum| sum.partition.iter().chain([&sum.order, &sum.argument]));
        apply_expression_roots(sums.chain(&self.filter).cloned(), apply)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (sums, outputs, names) = (self.sums.clone(), self.outputs.clone(), self.names.clone());
        Ok(Arc::new(Self::new(children.swap_remove(0), sums, self.filter.clone(), outputs, names)))
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let batch_rows = context.session_config().batch_size();
        let input = self.input.execute(partition, context)?;
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let (sums, filter, outputs, schema) =
            (self.sums.clone(), self.filter.clone(), self.outputs.clone(), self.schema());
        let result = async move {
            let kinds = input.schema();
            let batches: Vec<RecordBatch> = input.try_collect().await?;
            let _timer = metrics.elapsed_compute().timer();
            let rows = concat_batches(&kinds, &batches)?;
            drop(batches);
            let done = compute(&rows, &sums, filter.as_ref(), &outputs, &schema)?;
            metrics.record_output(done.num_rows());
            let parts = (0..done.num_rows()).step_by(batch_rows);
            let parts = parts.map(move |first| Ok(done.slice(first, batch_rows.min(done.num_rows() - first))));
            Ok::<_, DataFusionError>(stream::iter(parts.collect::<Vec<_>>()))
        };
        let schema = self.schema();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::once(result).try_flatten())))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

fn evaluate(expression: &Arc<dyn PhysicalExpr>, rows: &RecordBatch) -> Result<ArrayRef> {
    expression.evaluate(rows)?.into_array(rows.num_rows())
}

/// The place of an expression among those seen, new ones last.
fn place<T: PartialEq + Clone>(seen: &mut Vec<T>, wanted: &T) -> usize {
    seen.iter().position(|known| known == wanted).unwrap_or_else(|| {
        seen.push(wanted.clone());
        seen.len() - 1
    })
}

fn compute(
    rows: &RecordBatch,
    sums: &[RangeSum],
    condition: Option<&Arc<dyn PhysicalExpr>>,
    outputs: &[Output],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let wanted = match condition {
        None => BooleanArray::from(vec![true; rows.num_rows()]),
        Some(condition) => {
            let found = evaluate(condition, rows)?;
            let found = found.as_boolean();
            if found.null_count() == 0 { found.clone() } else { prep_null_mask_filter(found) }
        }
    };
    let mut results: Vec<ArrayRef> = vec![new_empty_array(&DataType::Int64); sums.len()];
    let mut orders = Vec::new();
    for sum in sums {
        place(&mut orders, &sum.order);
    }
    for order in &orders {
        let timeline = Timeline::new(&evaluate(order, rows)?, &wanted)?;
        let of_order = || sums.iter().enumerate().filter(|(_, sum)| sum.order.eq(order));
        let mut partitions = Vec::new();
        for (_, sum) in of_order() {
            place(&mut partitions, &(sum.partition.clone(), sum.frame.reach.is_some()));
        }
        for (keys, is_bounded) in &partitions {
            let columns = keys.iter().map(|key| evaluate(key, rows)).collect::<Result<Vec<_>>>()?;
            let of_partition =
                || of_order().filter(|(_, sum)| sum.partition.eq(keys) && sum.frame.reach.is_some() == *is_bounded);
            let reach = of_partition().filter_map(|(_, sum)| sum.frame.reach).max();
            let partitioning = Partitioning::new(&timeline, &columns, reach)?;
            let mut frames = Vec::new();
            let mut arguments = Vec::new();
            for (_, sum) in of_partition() {
                place(&mut frames, &sum.frame);
                place(&mut arguments, &sum.argument);
            }
            let bounds: Vec<_> = frames.iter().map(|frame| partitioning.bounds(*frame)).collect();
            for argument in &arguments {
                let totals = partitioning.totals(evaluate(argument, rows)?.as_primitive());
                for (index, sum) in of_partition().filter(|(_, sum)| sum.argument.eq(argument)) {
                    let frame = place(&mut frames, &sum.frame);
                    results[index] = Arc::new(totals.sums(&bounds[frame]));
                }
            }
        }
    }
    let columns = outputs.iter().map(|output| match output {
        Output::Input(column) => Ok(filter(rows.column(*column), &wanted)?),
        Output::Sum(sum) => Ok(Arc::clone(&results[*sum])),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(wanted.true_count()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect::<Result<_>>()?, &options)?)
}
