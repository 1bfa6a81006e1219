//! `max_by(x, y)`: the `x` of the row with the largest `y`.
//!
//! `DataFusion` lacks it, and its own per-group accumulators cost one heap object for each group, which a million orders
//! do not forgive. Here a group is eight bytes: where its best row lies among the batches seen; the values are gathered
//! once, at the end.
//!
//! Semantics are Spark's: rows whose `y` is NULL are ignored, `x` may be NULL, a group without any `y` gives NULL.

use std::{mem::size_of, sync::Arc};

use arrow::{
    array::{Array as _, ArrayRef, BooleanArray, new_empty_array, new_null_array},
    compute::interleave,
    datatypes::{DataType, Field, FieldRef},
    row::{RowConverter, Rows, SortField},
};
use datafusion::{
    common::{Result, ScalarValue, exec_err},
    logical_expr::{
        Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
        function::{AccumulatorArgs, StateFieldsArgs},
    },
};

/// The aggregate function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct MaxBy {
    signature: Signature,
}

impl Default for MaxBy {
    fn default() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl AggregateUDFImpl for MaxBy {
    fn name(&self) -> &'static str {
        "max_by"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        if let [value, _] = arguments {
            Ok(value.clone())
        } else {
            exec_err!("max_by takes a value and what it is ordered by")
        }
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Single(Groups::new(&arguments)?)))
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let names = ["value", "order"];
        let fields = arguments.input_fields.iter().zip(names).map(|(field, name)| {
            let name = format!("{}[{name}]", arguments.name);
            Arc::new(Field::new(name, field.data_type().clone(), true))
        });
        Ok(fields.collect())
    }

    fn groups_accumulator_supported(&self, _arguments: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Groups::new(&arguments)?))
    }
}

/// A row of a batch that was seen.
type Place = (u32, u32);

/// No row yet.
const NOWHERE: Place = (u32::MAX, u32::MAX);

#[derive(Debug)]
struct Groups {
    value_type: DataType,
    order_type: DataType,
    converter: RowConverter,
    values: Vec<ArrayRef>,
    orders: Vec<ArrayRef>,
    rows: Vec<Rows>,
    best: Vec<Place>,
}

impl Groups {
    fn new(arguments: &AccumulatorArgs<'_>) -> Result<Self> {
        let types = arguments
            .exprs
            .iter()
            .map(|expression| expression.data_type(arguments.schema))
            .collect::<Result<Vec<_>>>()?;
        let [value_type, order_type] = types.as_slice() else { return exec_err!("max_by takes two arguments") };
        Ok(Self {
            value_type: value_type.clone(),
            order_type: order_type.clone(),
            converter: RowConverter::new(vec![SortField::new(order_type.clone())])?,
            values: Vec::new(),
            orders: Vec::new(),
            rows: Vec::new(),
            best: Vec::new(),
        })
    }

    fn see(
        &mut self,
        arrays: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        let [values, orders] = arrays else { return exec_err!("max_by takes two arguments") };
        self.best.resize(total, NOWHERE);
        let batch = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.rows.push(self.converter.convert_columns(&[Arc::clone(orders)])?);
        for (row, group) in groups.iter().enumerate() {
            let taken = filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row));
            if !taken || orders.is_null(row) {
                continue;
            }
            let (known_batch, known_row) = self.best[*group];
            let place = (batch, u32::try_from(row).unwrap_or(u32::MAX));
            if (known_batch, known_row) == NOWHERE
                || self.rows[known_batch as usize].row(known_row as usize) < self.rows[batch as usize].row(row)
            {
                self.best[*group] = place;
            }
        }
        self.values.push(Arc::clone(values));
        self.orders.push(Arc::clone(orders));
        Ok(())
    }

    fn gather(places: &[Place], arrays: &[ArrayRef], kind: &DataType) -> Result<ArrayRef> {
        if places.is_empty() {
            return Ok(new_empty_array(kind));
        }
        let nothing = new_null_array(kind, 1);
        let mut sources: Vec<&dyn arrow::array::Array> = arrays.iter().map(AsRef::as_ref).collect();
        sources.push(nothing.as_ref());
        let last = sources.len() - 1;
        let indices: Vec<(usize, usize)> = places
            .iter()
            .map(|place| if *place == NOWHERE { (last, 0) } else { (place.0 as usize, place.1 as usize) })
            .collect();
        Ok(interleave(&sources, &indices)?)
    }

    fn emit(&mut self, emit_to: EmitTo) -> Vec<Place> {
        emit_to.take_needed(&mut self.best)
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.see(values, groups, filter, total)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.see(values, groups, None, total)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let [values, orders] = values else { return exec_err!("max_by takes two arguments") };
        // A row that is filtered out has no order, so that nothing prefers it.
        let orders = match filter {
            Some(filter) => {
                arrow::compute::nullif(orders, &arrow::compute::not(&arrow::compute::prep_null_mask_filter(filter))?)?
            }
            None => Arc::clone(orders),
        };
        Ok(vec![Arc::clone(values), orders])
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let places = self.emit(emit_to);
        Self::gather(&places, &self.values, &self.value_type)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let places = self.emit(emit_to);
        Ok(vec![
            Self::gather(&places, &self.values, &self.value_type)?,
            Self::gather(&places, &self.orders, &self.order_type)?,
        ])
    }

    fn size(&self) -> usize {
        let arrays: usize =
            self.values.iter().chain(&self.orders).map(arrow::array::Array::get_array_memory_size).sum();
        arrays + self.rows.iter().map(Rows::size).sum::<usize>() + self.best.capacity() * size_of::<Place>()
    }
}

/// The same without grouping: one group.
#[derive(Debug)]
struct Single(Groups);

impl Accumulator for Single {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, arrow::array::Array::len);
        self.0.see(values, &vec![0; rows], None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.0.best.resize(1, NOWHERE);
        let value = Groups::gather(&self.0.best, &self.0.values, &self.0.value_type)?;
        ScalarValue::try_from_array(&value, 0)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.0.best.resize(1, NOWHERE);
        let order = Groups::gather(&self.0.best, &self.0.orders, &self.0.order_type)?;
        Ok(vec![self.evaluate()?, ScalarValue::try_from_array(&order, 0)?])
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}
