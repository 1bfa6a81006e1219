//! Restate: tables that combine all that is known of an order are computed again for the orders that changed.
//!
//! ```text
//!  affected orders ─▶ units of months ─▶ read their rows of every input ─▶ models ─▶ check ─▶ replace those orders
//! ```
//!
//! A month whose orders are all affected is replaced as a whole; otherwise only files that hold an affected order are
//! written again.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use arrow::{
    array::{Array as _, AsArray as _, BooleanArray, RecordBatch},
    compute::filter_record_batch,
    datatypes::{DataType, Date32Type, TimestampMicrosecondType},
};
use entrega_engine::{Inputs, Wanted};
use entrega_lake::{Rewrite, TableState};
use entrega_model::{
    model::{Check, Model, WriteMode},
    tables::{EVENT_COLUMNS, Layer, TableName},
};
use entrega_operators::{
    check::{CheckResult, References, check, stop_at_failure},
    keys::{Id, ids, text},
    months::{date, pack, split_by_column},
};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::{
    Context, FlowError, Result,
    affected::Scope,
    ingest::Batch,
    ops,
    source::{UNIT_ROWS, merge_checks},
    tables::{self, MissingReference},
};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// The days (since 1970-01-01) of all events in some rows.
#[must_use]
pub fn event_days(rows: &[RecordBatch]) -> BTreeSet<i32> {
    let mut days = BTreeSet::new();
    for column in rows.iter().flat_map(|rows| EVENT_COLUMNS.iter().filter_map(|name| rows.column_by_name(name))) {
        match column.data_type() {
            DataType::Date32 => days.extend(column.as_primitive::<Date32Type>().iter().flatten()),
            DataType::Timestamp(..) => {
                let moments = column.as_primitive::<TimestampMicrosecondType>().iter().flatten();
                let mut last = None;
                for day in moments.map(|moment| moment.div_euclid(DAY)) {
                    if last != Some(day) {
                        days.insert(i32::try_from(day).unwrap_or(i32::MAX));
                        last = Some(day);
                    }
                }
            }
            _ => {}
        }
    }
    days
}

/// Computes the restated tables of a batch again for its affected orders, and commits them.
///
/// # Errors
/// When a model, a check or the lake fails.
pub async fn restate(context: &Context, batch: &mut Batch) -> Result<()> {
    let models: Vec<Model> =
        context.project.models().iter().filter(|model| model.write == WriteMode::Restate).cloned().collect();
    let mut affected = std::mem::take(&mut batch.affected).0;
    let orders = batch.clean("orders")?.clone();
    for model in &models {
        let base = batch.table(&model.table)?;
        for (month, scope) in &mut affected {
            if base.files_of(Some(date(*month))).next().is_none() {
                *scope = Scope::All;
            }
        }
    }
    let shared = Arc::new(Shared::open(context, batch, &models).await?);
    let sizes = affected.iter().map(|(month, scope)| match scope {
        Scope::All => (
            *month,
            orders.files_of(Some(date(*month))).map(|file| usize::try_from(file.rows).unwrap_or(usize::MAX)).sum(),
        ),
        Scope::Orders(orders) => (*month, orders.len()),
    });
    let units = pack(sizes, UNIT_ROWS, context.threads);
    let meter = context.progress.begin("clean.deliveries, clean.shipments", units.len() as u64);
    let jobs: Vec<BTreeMap<i32, Scope>> = units
        .into_iter()
        .map(|months| months.iter().filter_map(|month| affected.remove_entry(month)).collect())
        .collect();
    let mut results = futures::stream::iter(jobs)
        .map(|scopes| {
            let (context, shared) = (context.clone(), Arc::clone(&shared));
            async move { tokio::spawn(unit(context, shared, scopes)).await.map_err(FlowError::joined)? }
        })
        .buffer_unordered(context.threads);
    let mut rewrites: BTreeMap<TableName, Rewrite> =
        models.iter().map(|model| (model.table.clone(), Rewrite::default())).collect();
    let mut missing: BTreeSet<MissingReference> = batch.missing.iter().cloned().collect();
    while let Some(done) = results.try_next().await? {
        meter.advance(1);
        for (table, rewrite) in done.rewrites {
            rewrites.entry(table).or_default().merge(rewrite);
        }
        merge_checks(&mut batch.checks, done.checks);
        for (month, days) in done.touched {
            batch.touch(days, month);
        }
        missing.retain(|known| !done.orders.covers(known));
        missing.extend(done.missing);
    }
    drop(results);
    stop_at_failure(&batch.checks)?;
    for (table, rewrite) in rewrites {
        let base = batch.table(&table)?.clone();
        let state = context.lake.commit(base, rewrite, &batch.note).await?;
        batch.commit(state);
    }
    let missing: Vec<MissingReference> = missing.into_iter().collect();
    let table = batch.table(&tables::missing_references().table)?.clone();
    if missing != batch.missing || table.version.is_none() {
        batch.commit(ops::replace(&context.lake, table, &missing, &batch.note).await?);
    }
    Ok(())
}

/// What all units share.
struct Shared {
    models: Vec<Model>,
    /// Inputs that follow orders, and the columns of them that some model reads.
    partitioned: Vec<(TableState, Vec<String>)>,
    /// Whole dimensions.
    dimensions: Inputs,
    /// The restated tables as published.
    bases: BTreeMap<TableName, TableState>,
    references: References,
}

impl Shared {
    async fn open(context: &Context, batch: &Batch, models: &[Model]) -> Result<Self> {
        let made: HashSet<&TableName> = models.iter().map(|model| &model.table).collect();
        let reads: BTreeSet<TableName> = models
            .iter()
            .flat_map(|model| model.reads.iter())
            .filter(|read| !made.contains(read) && read.layer == Layer::Clean)
            .cloned()
            .collect();
        let (mut partitioned, mut dimensions, mut references) = (Vec::new(), Inputs::default(), References::new());
        for read in reads {
            let state = batch.table(&read)?.clone();
            let mut columns = used_columns(&state, models.iter().filter(|model| model.reads.contains(&read)));
            // The days of events are touched whether or not a restating model looks at them: summaries do.
            let events = state
                .definition
                .columns
                .iter()
                .map(|column| &column.name)
                .filter(|name| EVENT_COLUMNS.contains(&name.as_str()));
            let unread: Vec<String> = events.filter(|name| !columns.contains(name)).cloned().collect();
            columns.extend(unread);
            if state.definition.partition.is_some() {
                partitioned.push((state, columns));
            } else {
                let names: Vec<&str> = columns.iter().map(String::as_str).collect();
                let rows = context.lake.read_all(&state, Some(&names)).await?;
                let schema = projected(&state, &names)?;
                for column in
                    ["seller_id", "product_id"].into_iter().filter(|column| schema.column_with_name(column).is_some())
                {
                    let known = references.entry(format!("{read}.{column}")).or_default();
                    known.add(&rows, column).map_err(FlowError::rows(&read))?;
                }
                dimensions.add(read, schema, rows);
            }
        }
        // Orders first: their customers decide which customer rows are read.
        partitioned.sort_by_key(|(state, _)| state.name().name != "orders");
        let bases = models
            .iter()
            .map(|model| Ok((model.table.clone(), batch.table(&model.table)?.clone())))
            .collect::<Result<_>>()?;
        Ok(Self { models: models.to_vec(), partitioned, dimensions, bases, references })
    }
}

/// The columns of a table whose names occur in some query that reads it.
pub(crate) fn used_columns<'a>(state: &TableState, models: impl Iterator<Item = &'a Model>) -> Vec<String> {
    let words: HashSet<&str> =
        models.flat_map(|model| model.sql.split(|c: char| !c.is_alphanumeric() && c != '_')).collect();
    state
        .definition
        .columns
        .iter()
        .map(|column| column.name.clone())
        .filter(|name| words.contains(name.as_str()))
        .collect()
}

pub(crate) fn projected(state: &TableState, columns: &[&str]) -> Result<arrow::datatypes::SchemaRef> {
    let schema = state.definition.schema()?;
    let fields: Vec<_> =
        schema.fields().iter().filter(|field| columns.contains(&field.name().as_str())).cloned().collect();
    Ok(Arc::new(arrow::datatypes::Schema::new(fields)))
}

/// The orders that a unit computed.
struct Covered(BTreeMap<i32, Scope>);

impl Covered {
    fn covers(&self, missing: &MissingReference) -> bool {
        match self.0.get(&missing.purchase_month) {
            None => false,
            Some(Scope::All) => true,
            Some(Scope::Orders(orders)) => {
                entrega_operators::keys::id(&missing.order_id).is_some_and(|order| orders.contains(&order))
            }
        }
    }
}

struct Done {
    rewrites: BTreeMap<TableName, Rewrite>,
    checks: Vec<CheckResult>,
    touched: BTreeMap<i32, BTreeSet<i32>>,
    missing: Vec<MissingReference>,
    orders: Covered,
}

async fn unit(context: Context, shared: Arc<Shared>, scopes: BTreeMap<i32, Scope>) -> Result<Done> {
    let mut done = Done {
        rewrites: BTreeMap::new(),
        checks: Vec::new(),
        touched: BTreeMap::new(),
        missing: Vec::new(),
        orders: Covered(BTreeMap::new()),
    };
    let mut inputs = shared.dimensions.clone();
    let mut customers: BTreeMap<i32, HashSet<Id>> = BTreeMap::new();
    let mut references = shared.references.clone();
    for (state, columns) in &shared.partitioned {
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        let mut rows = Vec::new();
        for (month, scope) in &scopes {
            let files: Vec<_> = state.files_of(Some(date(*month))).collect();
            let mut found = context.lake.read(state, &files, Some(&names)).await?;
            if let Scope::Orders(orders) = scope {
                found = restrict(state, found, orders, customers.get(month))?;
                if state.name().name == "orders" {
                    let of_rows = customers.entry(*month).or_default();
                    for rows in &found {
                        of_rows
                            .extend(ids(text(rows, "customer_id").map_err(FlowError::rows(state.name()))?).flatten());
                    }
                }
            }
            if state.name().name == "order_items" {
                find_missing(&shared.references, *month, &found, &mut done.missing)?;
            }
            if state.name().name == "order_reviews" {
                done.touched.entry(*month).or_default().extend(event_days(&found));
            }
            rows.extend(found);
        }
        refer_to(&shared.models, state, &rows, &mut references)?;
        inputs.add(state.name().clone(), projected(state, &names)?, rows);
    }
    for model in &shared.models {
        let clock = std::time::Instant::now();
        let rows = context.engine.run(model, &inputs, Wanted::All).await?;
        tracing::info!(target: "entrega", model = %model.table, months = scopes.len(), seconds = clock.elapsed().as_secs_f64());
        merge_checks(&mut done.checks, check(model, &rows, &references)?);
        let base = &shared.bases[&model.table];
        let column = model.partition.as_deref().unwrap_or_default();
        let mut parts = split_by_column(&rows, column).map_err(FlowError::rows(&model.table))?;
        inputs.add(model.table.clone(), base.definition.schema()?, rows);
        for (month, scope) in &scopes {
            let new = parts.remove(month).unwrap_or_default();
            let touched = done.touched.entry(*month).or_default();
            touched.extend(event_days(&new));
            let rewrite = replace_orders(&context, base, *month, scope, new, touched).await?;
            done.rewrites.entry(model.table.clone()).or_default().merge(rewrite);
        }
    }
    done.orders = Covered(scopes);
    Ok(done)
}

/// Collects the values of an input that some relationship check refers to.
fn refer_to(models: &[Model], state: &TableState, rows: &[RecordBatch], references: &mut References) -> Result<()> {
    let prefix = format!("{}.", state.name());
    for check in models.iter().flat_map(|model| &model.checks) {
        let Check::Relationship { to, .. } = check else { continue };
        let Some(column) = to.strip_prefix(&prefix) else { continue };
        references.entry(to.clone()).or_default().add(rows, column).map_err(FlowError::rows(state.name()))?;
    }
    Ok(())
}

/// The rows of some orders; customers, which carry no order id, by the orders' customers.
fn restrict(
    state: &TableState,
    rows: Vec<RecordBatch>,
    orders: &HashSet<Id>,
    customers: Option<&HashSet<Id>>,
) -> Result<Vec<RecordBatch>> {
    let by_customer = state.definition.columns.iter().all(|column| column.name != "order_id");
    let (column, wanted) = match customers {
        Some(customers) if by_customer => ("customer_id", customers),
        _ => ("order_id", orders),
    };
    let error = || FlowError::rows(state.name());
    rows.into_iter()
        .map(|rows| {
            let keep: BooleanArray = ids(text(&rows, column).map_err(error())?)
                .map(|id| Some(id.is_some_and(|id| wanted.contains(&id))))
                .collect();
            filter_record_batch(&rows, &keep).map_err(error())
        })
        .collect()
}

fn find_missing(
    references: &References,
    month: i32,
    items: &[RecordBatch],
    missing: &mut Vec<MissingReference>,
) -> Result<()> {
    for (source, column) in [("sellers", "seller_id"), ("products", "product_id")] {
        let Some(known) = references.get(&format!("clean.{source}.{column}")) else { continue };
        for rows in items {
            let error = || FlowError::rows("clean.order_items");
            let (keys, orders) = (text(rows, column).map_err(error())?, text(rows, "order_id").map_err(error())?);
            for row in (0..keys.len()).filter(|row| keys.is_valid(*row) && !known.contains(keys.value(*row))) {
                missing.push(MissingReference {
                    source: source.to_owned(),
                    key: keys.value(row).to_owned(),
                    order_id: orders.value(row).to_owned(),
                    purchase_month: month,
                });
            }
        }
    }
    Ok(())
}

/// Replaces the rows of some orders of a month; what they said before counts as touched too.
async fn replace_orders(
    context: &Context,
    base: &TableState,
    month: i32,
    scope: &Scope,
    new: Vec<RecordBatch>,
    touched: &mut BTreeSet<i32>,
) -> Result<Rewrite> {
    let mut rewrite = Rewrite::default();
    let mut rows: Vec<RecordBatch> = Vec::new();
    let mut spare = None;
    let error = || FlowError::rows(base.name());
    for file in base.files_of(Some(date(month))) {
        let existing = context.lake.read(base, &[file], None).await?;
        let Scope::Orders(orders) = scope else {
            touched.extend(event_days(&existing));
            rewrite.remove(file);
            continue;
        };
        let mut kept = Vec::new();
        let mut hit = false;
        for existing in existing {
            let leaves: BooleanArray = ids(text(&existing, "order_id").map_err(error())?)
                .map(|id| Some(id.is_some_and(|id| orders.contains(&id))))
                .collect();
            if leaves.true_count() > 0 {
                hit = true;
                touched.extend(event_days(&[filter_record_batch(&existing, &leaves).map_err(error())?]));
                kept.push(
                    filter_record_batch(&existing, &arrow::compute::not(&leaves).map_err(error())?).map_err(error())?,
                );
            } else {
                kept.push(existing);
            }
        }
        if hit {
            rewrite.remove(file);
            rows.extend(kept);
        } else {
            spare = Some((file, kept));
        }
    }
    let arriving = new.iter().any(|rows| rows.num_rows() > 0);
    if arriving
        && rewrite.is_empty()
        && let Some((file, kept)) = spare
    {
        rewrite.remove(file);
        rows.extend(kept);
    }
    rows.extend(new);
    rows.retain(|rows| rows.num_rows() > 0);
    if !rows.is_empty() && (arriving || !rewrite.is_empty()) {
        rewrite.added.push(context.lake.write(&base.definition, Some(date(month)), rows).await?);
    }
    Ok(rewrite)
}
