//! Spark functions that `DataFusion` and `datafusion-spark` lack, with Spark's semantics.
//!
//! One function, one struct; each is tested against real Spark by the models' parity tests.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray as _, Date32Array, Int64Array},
    compute::cast,
    datatypes::{DataType, TimeUnit, TimestampMicrosecondType},
};
use datafusion::{
    common::{Result, exec_err},
    logical_expr::{AggregateUDF, ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};

use crate::max_by::MaxBy;

/// All aggregate functions, to be registered with a session.
#[must_use]
pub fn aggregates() -> Vec<Arc<AggregateUDF>> {
    vec![Arc::new(AggregateUDF::from(MaxBy::default()))]
}

/// All scalar functions, to be registered with a session.
#[must_use]
pub fn scalars() -> Vec<Arc<ScalarUDF>> {
    vec![Arc::new(ScalarUDF::from(UnixTimestamp::new())), Arc::new(ScalarUDF::from(ToDate::new()))]
}

/// `unix_timestamp(t)`: whole seconds since 1970-01-01 00:00:00 of a zone-less timestamp or a date, rounded down.
#[derive(Debug, PartialEq, Eq, Hash)]
struct UnixTimestamp {
    signature: Signature,
}

impl UnixTimestamp {
    fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for UnixTimestamp {
    fn name(&self) -> &'static str {
        "unix_timestamp"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [DataType::Timestamp(_, None) | DataType::Date32 | DataType::Null] => Ok(DataType::Int64),
            other => exec_err!("unix_timestamp takes a TIMESTAMP_NTZ or a DATE, not {other:?}"),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = matches!(arguments.args.as_slice(), [ColumnarValue::Scalar(_)]);
        let arrays = ColumnarValue::values_to_arrays(&arguments.args)?;
        let [moments] = arrays.as_slice() else { return exec_err!("unix_timestamp takes one argument") };
        let micros = cast(moments, &DataType::Timestamp(TimeUnit::Microsecond, None))?;
        let seconds: Int64Array =
            micros.as_primitive::<TimestampMicrosecondType>().unary(|value| value.div_euclid(1_000_000));
        let seconds: ArrayRef = Arc::new(seconds);
        if scalar {
            return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&seconds, 0)?));
        }
        Ok(ColumnarValue::Array(seconds))
    }
}

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// `to_date(t)`: the day of a zone-less timestamp. Arrow's own cast goes through a calendar for every row; a division
/// gives the same day. Anything else is cast as usual.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ToDate {
    signature: Signature,
}

impl ToDate {
    fn new() -> Self {
        Self { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ToDate {
    fn name(&self) -> &'static str {
        "to_date"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Date32)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [moments] = arguments.args.as_slice() else { return exec_err!("to_date takes one argument") };
        match moments {
            ColumnarValue::Array(moments)
                if *moments.data_type() == DataType::Timestamp(TimeUnit::Microsecond, None) =>
            {
                let moments = moments.as_primitive::<TimestampMicrosecondType>();
                // Every day of a timestamp in microseconds fits: it spans 292,000 years each way.
                let days: Date32Array =
                    moments.unary(|moment| i32::try_from(moment.div_euclid(DAY)).unwrap_or(i32::MAX));
                Ok(ColumnarValue::Array(Arc::new(days)))
            }
            other => other.cast_to(&DataType::Date32, None),
        }
    }
}
