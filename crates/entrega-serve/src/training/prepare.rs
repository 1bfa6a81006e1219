//! Imputing, encoding and scaling: fitted on the training rows, kept as data, applied to any rows.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, Float64Array, RecordBatch},
    compute::cast,
    datatypes::{DataType, Field, Float64Type, Schema},
};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{Counts, TrainingError, is_feature, share};

/// Levels of a category that get a column of their own; rarer ones share `other`.
const LEVELS: usize = 40;

/// Where the rows come from.
#[derive(Debug, Clone, Serialize)]
pub struct Origin {
    /// The table.
    pub table: String,
    /// The lake.
    pub lake: String,
    /// The published batch.
    pub batch: Option<String>,
    /// The table's Delta version.
    pub version: u64,
    /// The training day.
    pub train_until: NaiveDate,
    /// The end of the test.
    pub test_until: NaiveDate,
    /// How many rows went where.
    pub rows: Counts,
}

/// Everything that was fitted.
#[derive(Debug, Clone, Serialize)]
pub struct Preparation {
    /// Where the rows come from.
    pub origin: Origin,
    /// The features in order, with what was fitted for each.
    pub features: Vec<Feature>,
}

/// One feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// Its column.
    pub name: String,
    /// What was fitted.
    #[serde(flatten)]
    pub fitted: Fitted,
}

/// What was fitted for a feature, on the training rows alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fitted {
    /// Left as it is.
    Kept,
    /// A number: missing values become the median, then `(value - mean) / deviation`.
    Number {
        /// Median of the values that are there.
        median: f64,
        /// Mean after imputing.
        mean: f64,
        /// Standard deviation after imputing; 1 where all values are the same.
        deviation: f64,
        /// Whether a column `<name>_missing` says which values were missing: only if some were.
        flagged: bool,
    },
    /// A category: one column of 0 and 1 for each level, `<name>=<level>`.
    Category {
        /// The most frequent levels, in the order of their names.
        levels: Vec<String>,
        /// Whether a column `<name>=other` takes all other values, missing ones among them.
        other: bool,
    },
}

fn wrong(what: &str) -> impl FnOnce(arrow::error::ArrowError) -> TrainingError {
    move |source| TrainingError::Rows { what: what.to_owned(), source }
}

/// Fits what is needed, on the training rows.
pub(super) fn fit(origin: Origin, train: &RecordBatch, prepared: bool) -> Result<Preparation, TrainingError> {
    let schema = train.schema();
    let features = schema.fields().iter().zip(train.columns()).filter(|(field, _)| is_feature(field.name()));
    let features = features.map(|(field, column)| {
        let fitted = match field.data_type() {
            _ if !prepared => Fitted::Kept,
            kind if is_text(kind) => category(column).map_err(wrong(field.name()))?,
            _ => number(column).map_err(wrong(field.name()))?,
        };
        Ok(Feature { name: field.name().clone(), fitted })
    });
    Ok(Preparation { origin, features: features.collect::<Result<_, TrainingError>>()? })
}

pub(super) fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// A column's values as numbers; truth as 1 and 0.
pub(super) fn numbers(column: &ArrayRef) -> Result<Float64Array, arrow::error::ArrowError> {
    Ok(cast(column, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
}

/// A column's values as text.
pub(super) fn texts(column: &ArrayRef) -> Result<Vec<Option<String>>, arrow::error::ArrowError> {
    let column = cast(column, &DataType::Utf8)?;
    Ok(column.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect())
}

#[allow(clippy::cast_precision_loss)]
fn number(column: &ArrayRef) -> Result<Fitted, arrow::error::ArrowError> {
    let column = numbers(column)?;
    let mut known: Vec<f64> = column.iter().flatten().filter(|value| value.is_finite()).collect();
    known.sort_by(f64::total_cmp);
    let median = match known.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => known[odd / 2],
        even => f64::midpoint(known[even / 2 - 1], known[even / 2]),
    };
    let missing = column.len() - known.len();
    let count = (column.len() as f64).max(1.0);
    let mean = (known.iter().sum::<f64>() + median * missing as f64) / count;
    let squares =
        known.iter().map(|value| (value - mean).powi(2)).sum::<f64>() + (median - mean).powi(2) * missing as f64;
    let deviation = (squares / count).sqrt();
    let deviation = if deviation > 0.0 { deviation } else { 1.0 };
    Ok(Fitted::Number { median, mean, deviation, flagged: missing > 0 })
}

fn category(column: &ArrayRef) -> Result<Fitted, arrow::error::ArrowError> {
    let values = texts(column)?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for value in values.iter().flatten() {
        *counts.entry(value.clone()).or_default() += 1;
    }
    let mut levels: Vec<(String, usize)> = counts.into_iter().collect();
    // The most frequent first; those of equal frequency by name, so that a fit can be repeated.
    levels.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    let rare = levels.split_off(levels.len().min(LEVELS));
    let mut levels: Vec<String> = levels.into_iter().map(|(level, _)| level).collect();
    levels.sort();
    let other = !rare.is_empty() || values.iter().any(Option::is_none);
    Ok(Fitted::Category { levels, other })
}

impl Preparation {
    /// Applies what was fitted; columns that are no features stay as they are, in front.
    ///
    /// # Errors
    /// [`TrainingError::Rows`] when a feature is missing or of another type.
    pub fn apply(&self, rows: &RecordBatch) -> Result<RecordBatch, TrainingError> {
        let mut columns: Vec<(Field, ArrayRef)> = Vec::new();
        for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
            if !is_feature(field.name()) {
                columns.push((field.as_ref().clone(), Arc::clone(column)));
            }
        }
        for feature in &self.features {
            let column = rows.column_by_name(&feature.name).ok_or_else(|| {
                let missing = arrow::error::ArrowError::SchemaError(format!("no column {}", feature.name));
                wrong(&feature.name)(missing)
            })?;
            feature.apply(column, &mut columns).map_err(wrong(&feature.name))?;
        }
        let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(wrong("all columns"))
    }

    /// The names of the columns that the features become, in order.
    #[must_use]
    pub fn outputs(&self) -> Vec<String> {
        self.features.iter().flat_map(Feature::outputs).collect()
    }
}

impl Feature {
    fn outputs(&self) -> Vec<String> {
        let name = &self.name;
        match &self.fitted {
            Fitted::Number { flagged: true, .. } => vec![name.clone(), format!("{name}_missing")],
            Fitted::Kept | Fitted::Number { .. } => vec![name.clone()],
            Fitted::Category { levels, other } => {
                let levels = levels.iter().map(|level| format!("{name}={level}"));
                levels.chain(other.then(|| format!("{name}=other"))).collect()
            }
        }
    }

    fn apply(&self, column: &ArrayRef, into: &mut Vec<(Field, ArrayRef)>) -> Result<(), arrow::error::ArrowError> {
        let mut push = |name: String, values: Float64Array| {
            into.push((Field::new(name, DataType::Float64, false), Arc::new(values)));
        };
        let truth = |holds: bool| if holds { 1.0 } else { 0.0 };
        match &self.fitted {
            Fitted::Kept => into.push((Field::new(&self.name, column.data_type().clone(), true), Arc::clone(column))),
            Fitted::Number { median, mean, deviation, flagged } => {
                let values = numbers(column)?;
                let known = |value: Option<f64>| value.filter(|value| value.is_finite());
                let scaled = values.iter().map(|value| (known(value).unwrap_or(*median) - mean) / deviation);
                push(self.name.clone(), scaled.collect::<Vec<f64>>().into());
                if *flagged {
                    let gone = values.iter().map(|value| truth(known(value).is_none()));
                    push(format!("{}_missing", self.name), gone.collect::<Vec<f64>>().into());
                }
            }
            Fitted::Category { levels, other } => {
                let values = texts(column)?;
                for level in levels {
                    let hits = values.iter().map(|value| truth(value.as_ref() == Some(level)));
                    push(format!("{}={level}", self.name), hits.collect::<Vec<f64>>().into());
                }
                if *other {
                    let rest =
                        values.iter().map(|value| truth(value.as_ref().is_none_or(|value| !levels.contains(value))));
                    push(format!("{}=other", self.name), rest.collect::<Vec<f64>>().into());
                }
            }
        }
        Ok(())
    }
}

/// The share of true values of a column of truth.
pub(super) fn share_true(rows: &RecordBatch, column: &str) -> f64 {
    let found = rows.column_by_name(column).and_then(|column| column.as_boolean_opt().cloned());
    found.map_or(0.0, |column| share(column.true_count(), column.len()))
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, Int32Array, StringArray};

    use super::*;

    fn rows(days: Vec<Option<i32>>, states: Vec<Option<&str>>) -> RecordBatch {
        let late = BooleanArray::from(vec![true; days.len()]);
        let columns: [(&str, ArrayRef); 3] = [
            ("label_is_late", Arc::new(late)),
            ("days", Arc::new(Int32Array::from(days))),
            ("state", Arc::new(StringArray::from(states))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
    }

    fn origin() -> Origin {
        let rows = Counts { train: 0, test: 0, matured_too_late: 0, without_label: 0 };
        let day = NaiveDate::default();
        let (table, lake) = ("features.at_purchase".to_owned(), "lake".to_owned());
        Origin { table, lake, batch: None, version: 0, train_until: day, test_until: day, rows }
    }

    fn column(batch: &RecordBatch, name: &str) -> Vec<f64> {
        batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().values().to_vec()
    }

    #[test]
    fn what_was_fitted_on_train_is_applied_to_test() {
        let train = rows(vec![Some(1), Some(3), None, Some(8)], vec![Some("SP"), Some("RJ"), Some("SP"), None]);
        let test = rows(vec![None, Some(1000)], vec![Some("AC"), Some("SP")]);
        let fitted = fit(origin(), &train, true).unwrap();
        // Median 3 of 1, 3, 8; mean (1 + 3 + 3 + 8) / 4.
        let Fitted::Number { median, mean, deviation, flagged } = fitted.features[0].fitted else { panic!() };
        assert_eq!((median, mean, flagged), (3.0, 3.75, true));
        let applied = fitted.apply(&test).unwrap();
        assert_eq!(column(&applied, "days"), [(3.0 - mean) / deviation, (1000.0 - mean) / deviation]);
        assert_eq!(column(&applied, "days_missing"), [1.0, 0.0]);
        assert_eq!(column(&applied, "state=SP"), [0.0, 1.0]);
        // A state that training never saw is like a missing one.
        assert_eq!(column(&applied, "state=other"), [1.0, 0.0]);
        assert_eq!(fitted.outputs(), ["days", "days_missing", "state=RJ", "state=SP", "state=other"]);
        let names: Vec<_> = applied.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names[1..], fitted.outputs());
    }

    #[test]
    fn scaled_training_columns_have_mean_zero_and_deviation_one() {
        let train = rows((0..100).map(|day| Some(day * day)).collect(), vec![Some("SP"); 100]);
        let applied = fit(origin(), &train, true).unwrap().apply(&train).unwrap();
        let values = column(&applied, "days");
        let mean: f64 = values.iter().sum::<f64>() / 100.0;
        let variance: f64 = values.iter().map(|value| value * value).sum::<f64>() / 100.0;
        assert!(mean.abs() < 1e-12 && (variance - 1.0).abs() < 1e-12, "{mean} {variance}");
    }

    #[test]
    fn a_column_without_values_or_variance_becomes_zeros() {
        let train = rows(vec![None, None], vec![None, None]);
        let applied = fit(origin(), &train, true).unwrap().apply(&train).unwrap();
        assert_eq!(column(&applied, "days"), [0.0, 0.0]);
        assert_eq!(column(&applied, "state=other"), [1.0, 1.0]);
    }

    #[test]
    fn rows_can_be_left_as_they_are() {
        let train = rows(vec![Some(1), None], vec![None, Some("SP")]);
        let fitted = fit(origin(), &train, false).unwrap();
        assert_eq!(fitted.apply(&train).unwrap().column_by_name("days"), train.column_by_name("days"));
    }
}
