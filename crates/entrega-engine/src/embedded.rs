//! The embedded engine: `DataFusion` with Spark's dialect and functions, over rows in memory.
//!
//! Parallelism lies outside: a caller runs several small units at once (months), each on one thread, because a plan
//! over one month needs neither exchange nor spill. One prepared session state is shared, so that a run costs only its
//! own planning.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{RecordBatch, RecordBatchOptions, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use chrono::{NaiveDate, NaiveDateTime};
use datafusion::{
    catalog::{
        CatalogProvider as _, CatalogProviderList as _, MemTable, MemoryCatalogProvider, MemoryCatalogProviderList,
        MemorySchemaProvider,
    },
    common::{TableReference, plan_err},
    execution::{SessionState, SessionStateBuilder},
    physical_plan::{self, display::DisplayableExecutionPlan},
    prelude::{DataFrame, Expr, SessionConfig, SessionContext, col, lit},
    scalar::ScalarValue,
    sql::{parser::Statement, sqlparser::ast},
};
use datafusion_spark::SessionStateBuilderSpark as _;
use entrega_lake::{read::days_since_epoch, schema::arrow_schema};
use entrega_model::{model::Model, tables::TableName};

use crate::{EngineError, Result, functions, range_sums::RangeSumsRule, shared_queries::divide};

/// The catalog name of every session.
pub(crate) const CATALOG: &str = "lake";

/// The schema of unqualified names: tables of the lake are always named with their layer.
const SHARED: &str = "query";

/// The rows that each table shows to a run.
#[derive(Debug, Clone, Default)]
pub struct Inputs(BTreeMap<TableName, (SchemaRef, Vec<RecordBatch>)>);

impl Inputs {
    /// Adds a table's rows; the schema serves when there are none.
    pub fn add(&mut self, table: TableName, schema: SchemaRef, rows: Vec<RecordBatch>) {
        self.0.insert(table, (schema, rows));
    }

    /// Keeps some rows of a table, if it is there.
    ///
    /// # Errors
    /// What `kept` fails with.
    pub fn keep<E>(
        &mut self,
        table: &TableName,
        kept: impl FnOnce(Vec<RecordBatch>) -> std::result::Result<Vec<RecordBatch>, E>,
    ) -> std::result::Result<(), E> {
        if let Some((_, rows)) = self.0.get_mut(table) {
            *rows = kept(std::mem::take(rows))?;
        }
        Ok(())
    }

    /// Adds `ops.as_of`: one row with the moment up to which the lake knows everything.
    pub fn add_as_of(&mut self, as_of: NaiveDateTime) {
        let kind = DataType::Timestamp(TimeUnit::Microsecond, None);
        let schema = Arc::new(Schema::new(vec![Field::new("as_of", kind, true)]));
        let column = TimestampMicrosecondArray::from(vec![as_of.and_utc().timestamp_micros()]);
        let rows = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(column)]).into_iter().collect();
        self.add(TableName::new(entrega_model::tables::Layer::Ops, "as_of"), schema, rows);
    }
}

/// The rows of a model's result that a run asks for.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// All of them.
    All,
    /// Those whose `date` is one of these days.
    Days(&'a [NaiveDate]),
    /// Those whose `decided_at` is not before the first and before the second moment.
    Decided(NaiveDateTime, NaiveDateTime),
}

impl Wanted<'_> {
    fn condition(self) -> Option<Expr> {
        match self {
            Self::All => None,
            Self::Days(days) => {
                let days = days.iter().map(|day| lit(ScalarValue::Date32(Some(days_since_epoch(*day)))));
                Some(col("date").in_list(days.collect(), false))
            }
            Self::Decided(first, end) => {
                let moment = |at: NaiveDateTime| {
                    lit(ScalarValue::TimestampMicrosecond(Some(at.and_utc().timestamp_micros()), None))
                };
                Some(col("decided_at").gt_eq(moment(first)).and(col("decided_at").lt(moment(end))))
            }
        }
    }
}

/// The embedded engine; cheap to clone.
#[derive(Debug, Clone)]
pub struct Embedded {
    state: Arc<SessionState>,
}

impl Default for Embedded {
    fn default() -> Self {
        Self::new()
    }
}

/// Session settings that all embedded runs share.
pub(crate) fn config(partitions: usize, default_schema: &str) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(entrega_lake::read::BATCH_ROWS)
        .with_default_catalog_and_schema(CATALOG, default_schema)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false);
    let options = config.options_mut();
    options.sql_parser.dialect = datafusion::config::Dialect::Spark;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.optimizer.enable_dynamic_filter_pushdown = false;
    config
}

/// A session builder with `DataFusion`'s, Spark's and our own functions.
pub(crate) fn builder(config: SessionConfig) -> SessionStateBuilder {
    let mut builder = SessionStateBuilder::new().with_config(config).with_default_features().with_spark_features();
    builder.scalar_functions().get_or_insert_with(Vec::new).extend(functions::scalars());
    builder.aggregate_functions().get_or_insert_with(Vec::new).extend(functions::aggregates());
    builder
}

impl Embedded {
    /// An engine whose runs each use one thread.
    #[must_use]
    pub fn new() -> Self {
        let rule = Arc::new(RangeSumsRule);
        Self { state: Arc::new(builder(config(1, SHARED)).with_physical_optimizer_rule(rule).build()) }
    }

    /// Runs a model over its inputs and gives the wanted rows in exactly the declared columns and types.
    ///
    /// # Errors
    /// [`EngineError::Model`] when the query fails, [`EngineError::Shape`] when its result is not what is declared.
    pub async fn run(&self, model: &Model, inputs: &Inputs, wanted: Wanted<'_>) -> Result<Vec<RecordBatch>> {
        let failed = |doing| move |error| EngineError::model(&model.table, doing, error);
        let context = session(&self.state, inputs).map_err(failed("preparing its inputs"))?;
        let steps = divide(parse(&context, &model.sql).map_err(failed("parsing"))?);
        for (name, query) in steps.shared {
            let frame = plan(&context, query).await.map_err(failed("planning"))?;
            let schema = open_to_null(frame.schema().as_arrow());
            let rows = collect(frame).await.map_err(failed("running"))?;
            share(&context, &name, schema, rows).map_err(failed("running"))?;
        }
        let mut frame = plan(&context, steps.query).await.map_err(failed("planning"))?;
        if let Some(condition) = wanted.condition() {
            frame = frame.filter(condition).map_err(failed("planning"))?;
        }
        let rows = collect(frame).await.map_err(failed("running"))?;
        conform(model, rows)
    }

    /// Adds up partial results of a model whose measures are additive: one row for each grain.
    ///
    /// # Errors
    /// [`EngineError::Model`].
    pub async fn add_up(&self, model: &Model, parts: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
        let failed = |doing| move |error| EngineError::model(&model.table, doing, error);
        let schema = arrow_schema(&model.columns)?;
        let is_key = |name: &String| model.grain.contains(name) || model.partition.as_ref() == Some(name);
        let mut inputs = Inputs::default();
        inputs.add(model.table.clone(), schema, parts);
        let context = session(&self.state, &inputs).map_err(failed("preparing its inputs"))?;
        let keys: Vec<String> = model.columns.iter().map(|column| column.name.clone()).filter(is_key).collect();
        let columns = model.columns.iter().map(|column| {
            if is_key(&column.name) {
                column.name.clone()
            } else {
                format!("cast(sum({0}) as {1}) as {0}", column.name, column.sql_type)
            }
        });
        // Names come from the model's own declarations, which were validated as identifiers of its query.
        let sql = format!(
            "select {} from {} group by {}",
            columns.collect::<Vec<_>>().join(", "),
            model.table,
            keys.join(", ")
        );
        let frame = context.sql(&sql).await.map_err(failed("adding up"))?;
        conform(model, collect(frame).await.map_err(failed("adding up"))?)
    }
}

fn session(state: &SessionState, inputs: &Inputs) -> datafusion::error::Result<SessionContext> {
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(SHARED, Arc::new(MemorySchemaProvider::new()))?;
    for (table, (schema, rows)) in &inputs.0 {
        let provider = if let Some(provider) = catalog.schema(table.layer.name()) {
            provider
        } else {
            let provider = Arc::new(MemorySchemaProvider::new());
            catalog.register_schema(table.layer.name(), provider.clone())?;
            provider
        };
        let rows = MemTable::try_new(Arc::clone(schema), vec![rows.clone()])?;
        provider.register_table(table.name.clone(), Arc::new(rows))?;
    }
    let catalogs = MemoryCatalogProviderList::new();
    catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
    let state = SessionStateBuilder::new_from_existing(state.clone()).with_catalog_list(Arc::new(catalogs)).build();
    Ok(SessionContext::new_with_state(state))
}

fn parse(context: &SessionContext, sql: &str) -> datafusion::error::Result<ast::Statement> {
    match context.state().sql_to_statement(sql, &datafusion::config::Dialect::Spark)? {
        Statement::Statement(statement) => Ok(*statement),
        other => plan_err!("a model is one query, not {other}"),
    }
}

async fn plan(context: &SessionContext, query: ast::Statement) -> datafusion::error::Result<DataFrame> {
    let plan = context.state().statement_to_plan(Statement::Statement(Box::new(query))).await?;
    context.execute_logical_plan(plan).await
}

/// A schema without promises about NULL: plan and rows do not always agree on them.
fn open_to_null(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Makes rows known under an unqualified name.
fn share(
    context: &SessionContext,
    name: &str,
    schema: SchemaRef,
    rows: Vec<RecordBatch>,
) -> datafusion::error::Result<()> {
    let rows = rows.into_iter().map(|rows| rows.with_schema(Arc::clone(&schema)));
    let rows = rows.collect::<std::result::Result<Vec<_>, _>>()?;
    context.register_table(TableReference::bare(name), Arc::new(MemTable::try_new(schema, vec![rows])?))?;
    Ok(())
}

/// Runs a query on the caller's thread; its plan, with what each operator did, goes into the log at debug level.
async fn collect(frame: DataFrame) -> datafusion::error::Result<Vec<RecordBatch>> {
    let tasks = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await?;
    let rows = physical_plan::collect(Arc::clone(&plan), tasks).await?;
    tracing::debug!(target: "entrega", plan = %DisplayableExecutionPlan::with_metrics(plan.as_ref()).indent(false));
    Ok(rows)
}

/// Rows as exactly the declared columns: by name, cast between encodings of the same type, never between types.
fn conform(model: &Model, rows: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
    let schema = arrow_schema(&model.columns)?;
    rows.into_iter()
        .map(|batch| {
            let found = batch.schema();
            let columns = schema
                .fields()
                .iter()
                .map(|field| {
                    let shape = |found: String| EngineError::Shape {
                        model: model.table.to_string(),
                        declared: format!("the column {} {}", field.name(), field.data_type()),
                        found,
                    };
                    let names = || found.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>().join(", ");
                    let column = batch.column_by_name(field.name()).ok_or_else(|| shape(names()))?;
                    if column.data_type() == field.data_type() {
                        return Ok(Arc::clone(column));
                    }
                    if !same_kind(column.data_type(), field.data_type()) {
                        return Err(shape(column.data_type().to_string()));
                    }
                    arrow::compute::cast(column, field.data_type()).map_err(|error| shape(error.to_string()))
                })
                .collect::<Result<Vec<_>>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
            RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)
                .map_err(|error| EngineError::model(&model.table, "running", error.into()))
        })
        .collect()
}

fn same_kind(found: &DataType, declared: &DataType) -> bool {
    let text = |kind: &DataType| match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => matches!(**value, DataType::Utf8 | DataType::Utf8View),
        _ => false,
    };
    text(found) && text(declared)
        || matches!(
            (found, declared),
            (DataType::Timestamp(_, None), DataType::Timestamp(_, None)) | (DataType::Null, _)
        )
}
