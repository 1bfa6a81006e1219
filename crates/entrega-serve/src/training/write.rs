//! The files of a training set.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use arrow::{
    array::{Array as _, RecordBatch},
    compute::cast,
    datatypes::DataType,
};
use ndarray::Array2;
use ndarray_npy::NpzWriter;
use parquet::arrow::ArrowWriter;

use super::{TrainingError, TrainingSet, dictionary, prepare::numbers};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `train.parquet` and `test.parquet`.
    Parquet,
    /// `train.csv` and `test.csv`, with a header; missing values are empty.
    Csv,
    /// `train.npz` and `test.npz`: `X` (float32), `y` (late 1 or 0), `delivery_days` and `delay_days` (NaN until delivered).
    Npz,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Writes everything; gives the names of the files.
pub(super) fn write(set: &TrainingSet, folder: &Path, format: Format) -> Result<Vec<String>, TrainingError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |source: Failure| TrainingError::Write { path, source }
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder)(error.into()))?;
    let mut written = Vec::new();
    let mut put = |name: &str, write: &dyn Fn(&PathBuf) -> Result<(), Failure>| {
        let path = folder.join(name);
        written.push(name.to_owned());
        write(&path).map_err(failed(&path))
    };
    for (part, rows) in [("train", &set.train), ("test", &set.test)] {
        match format {
            Format::Parquet => put(&format!("{part}.parquet"), &|path| parquet(rows, path))?,
            Format::Csv => put(&format!("{part}.csv"), &|path| csv(rows, path))?,
            Format::Npz => put(&format!("{part}.npz"), &|path| npz(set, rows, path))?,
        }
    }
    put("preparation.json", &|path| Ok(std::fs::write(path, serde_json::to_string_pretty(&set.preparation)?)?))?;
    put("dictionary.json", &|path| Ok(std::fs::write(path, serde_json::to_string_pretty(&set.dictionary)?)?))?;
    put("dictionary.md", &|path| Ok(std::fs::write(path, dictionary::page(set))?))?;
    Ok(written)
}

fn parquet(rows: &RecordBatch, path: &Path) -> Result<(), Failure> {
    let mut writer = ArrowWriter::try_new(File::create(path)?, rows.schema(), None)?;
    writer.write(rows)?;
    writer.close()?;
    Ok(())
}

fn csv(rows: &RecordBatch, path: &Path) -> Result<(), Failure> {
    Ok(arrow::csv::WriterBuilder::new().with_header(true).build(File::create(path)?).write(rows)?)
}

/// Matrices as `NumPy` reads them; the names of the columns of `X` are those of `preparation.json`, written out in order.
fn npz(set: &TrainingSet, rows: &RecordBatch, path: &Path) -> Result<(), Failure> {
    let names = set.preparation.outputs();
    let mut matrix = Array2::<f32>::zeros((rows.num_rows(), names.len()));
    for (place, name) in names.iter().enumerate() {
        let column = rows.column_by_name(name).ok_or_else(|| format!("no column {name}"))?;
        let column = cast(column, &DataType::Float32)?;
        let column = arrow::array::AsArray::as_primitive::<arrow::datatypes::Float32Type>(&column);
        for (row, value) in column.iter().enumerate() {
            matrix[(row, place)] = value.unwrap_or(f32::NAN);
        }
    }
    let label = |name: &str| -> Result<ndarray::Array1<f64>, Failure> {
        let column = rows.column_by_name(name).ok_or_else(|| format!("no column {name}"))?;
        Ok(numbers(column)?.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
    };
    let mut writer = NpzWriter::new_compressed(File::create(path)?);
    writer.add_array("X", &matrix)?;
    writer.add_array("y", &label("label_is_late")?)?;
    writer.add_array("delivery_days", &label("label_delivery_days")?)?;
    writer.add_array("delay_days", &label("label_delay_days")?)?;
    writer.finish()?;
    Ok(())
}
