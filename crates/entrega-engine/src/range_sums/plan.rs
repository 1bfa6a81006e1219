//! The operator as a part of `DataFusion`'s plans.

use std::{fmt, sync::Arc};

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch, RecordBatchOptions, new_empty_array},
    compute::{filter, prep_null_mask_filter},
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
        let input = self.input.execute(partition, context)?;
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let (sums, filter, outputs, schema) =
            (self.sums.clone(), self.filter.clone(), self.outputs.clone(), self.schema());
        let result = async move {
            let batches: Vec<RecordBatch> = input.try_collect().await?;
            let _timer = metrics.elapsed_compute().timer();
            let batches = compute(&batches, &sums, filter.as_ref(), &outputs, &schema)?;
            metrics.record_output(batches.iter().map(RecordBatch::num_rows).sum());
            Ok::<_, DataFusionError>(stream::iter(batches.into_iter().map(Ok)))
        };
        let schema = self.schema();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::once(result).try_flatten())))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}

/// An expression over every batch.
fn evaluate(expression: &Arc<dyn PhysicalExpr>, batches: &[RecordBatch]) -> Result<Vec<ArrayRef>> {
    batches.iter().map(|batch| expression.evaluate(batch)?.into_array(batch.num_rows())).collect()
}

/// The place of an expression among those seen, new ones last.
fn place<T: PartialEq + Clone>(seen: &mut Vec<T>, wanted: &T) -> usize {
    seen.iter().position(|known| known == wanted).unwrap_or_else(|| {
        seen.push(wanted.clone());
        seen.len() - 1
    })
}

fn compute(
    batches: &[RecordBatch],
    sums: &[RangeSum],
    condition: Option<&Arc<dyn PhysicalExpr>>,
    outputs: &[Output],
    schema: &SchemaRef,
) -> Result<Vec<RecordBatch>> {
    let wanted: Vec<BooleanArray> = match condition {
        None => batches.iter().map(|batch| BooleanArray::from(vec![true; batch.num_rows()])).collect(),
        Some(condition) => {
            let found = evaluate(condition, batches)?;
            let without_nulls = |found: &BooleanArray| match found.null_count() {
                0 => found.clone(),
                _ => prep_null_mask_filter(found),
            };
            found.iter().map(|found| without_nulls(found.as_boolean())).collect()
        }
    };
    let mut results: Vec<ArrayRef> = vec![new_empty_array(&DataType::Int64); sums.len()];
    let mut orders = Vec::new();
    for sum in sums {
        place(&mut orders, &sum.order);
    }
    for order in &orders {
        let flags = wanted.iter().flat_map(|wanted| wanted.values().iter());
        let timeline = Timeline::new(&evaluate(order, batches)?, flags)?;
        let of_order = || sums.iter().enumerate().filter(|(_, sum)| sum.order.eq(order));
        let mut partitions = Vec::new();
        for (_, sum) in of_order() {
            place(&mut partitions, &sum.partition);
        }
        for keys in &partitions {
            let columns = keys.iter().map(|key| evaluate(key, batches)).collect::<Result<Vec<_>>>()?;
            let partitioning = Partitioning::new(&timeline, &columns)?;
            let of_partition = || of_order().filter(|(_, sum)| sum.partition.eq(keys));
            let mut frames = Vec::new();
            let mut arguments = Vec::new();
            for (_, sum) in of_partition() {
                place(&mut frames, &sum.frame);
                place(&mut arguments, &sum.argument);
            }
            let bounds: Vec<_> = frames.iter().map(|frame| partitioning.bounds(*frame)).collect();
            for argument in &arguments {
                let totals = partitioning.totals(&evaluate(argument, batches)?)?;
                for (index, sum) in of_partition().filter(|(_, sum)| sum.argument.eq(argument)) {
                    let frame = place(&mut frames, &sum.frame);
                    results[index] = Arc::new(totals.sums(&bounds[frame]));
                }
            }
        }
    }
    let mut first = 0;
    let mut done = Vec::with_capacity(batches.len());
    for (batch, wanted) in batches.iter().zip(&wanted) {
        let rows = wanted.true_count();
        let columns = outputs.iter().map(|output| match output {
            Output::Input(column) => Ok(filter(batch.column(*column), wanted)?),
            Output::Sum(sum) => Ok(results[*sum].slice(first, rows)),
        });
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        done.push(RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect::<Result<_>>()?, &options)?);
        first += rows;
    }
    done.retain(|batch| batch.num_rows() > 0);
    Ok(done)
}
