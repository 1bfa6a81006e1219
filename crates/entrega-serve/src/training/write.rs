//! The files of a training set.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
};

use arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    compute::cast,
    datatypes::{DataType, Float32Type},
};
use parquet::arrow::ArrowWriter;
use zip::{ZipWriter, write::SimpleFileOptions};

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
    let columns = names.iter().map(|name| {
        let column = rows.column_by_name(name).ok_or_else(|| format!("no column {name}"))?;
        Ok(cast(column, &DataType::Float32)?.as_primitive::<Float32Type>().clone())
    });
    let columns = columns.collect::<Result<Vec<_>, Failure>>()?;
    let matrix = (0..rows.num_rows()).flat_map(|row| {
        columns
            .iter()
            .flat_map(move |column| (if column.is_null(row) { f32::NAN } else { column.value(row) }).to_le_bytes())
    });
    let label = |name: &str| -> Result<Vec<u8>, Failure> {
        let column = rows.column_by_name(name).ok_or_else(|| format!("no column {name}"))?;
        Ok(numbers(column)?.iter().flat_map(|value| value.unwrap_or(f64::NAN).to_le_bytes()).collect())
    };
    let mut archive = ZipWriter::new(File::create(path)?);
    let long = format!("({},)", rows.num_rows());
    array(&mut archive, "X", "<f4", &format!("({}, {})", rows.num_rows(), names.len()), &matrix.collect::<Vec<u8>>())?;
    array(&mut archive, "y", "<f8", &long, &label("label_is_late")?)?;
    array(&mut archive, "delivery_days", "<f8", &long, &label("label_delivery_days")?)?;
    array(&mut archive, "delay_days", "<f8", &long, &label("label_delay_days")?)?;
    archive.finish()?;
    Ok(())
}

/// One array of an archive, in version 1 of `NumPy`'s format: magic, length of the header, header padded so that the values
/// begin at a multiple of 64 bytes, values row by row. See `numpy.lib.format`.
fn array(archive: &mut ZipWriter<File>, name: &str, kind: &str, shape: &str, values: &[u8]) -> Result<(), Failure> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    let unpadded = MAGIC.len() + 2 + header.len() + 1;
    header.push_str(&" ".repeat(unpadded.next_multiple_of(64) - unpadded));
    header.push('\n');
    archive.start_file(format!("{name}.npy"), SimpleFileOptions::default())?;
    archive.write_all(MAGIC)?;
    archive.write_all(&u16::try_from(header.len())?.to_le_bytes())?;
    archive.write_all(header.as_bytes())?;
    archive.write_all(values)?;
    Ok(())
}

/// What a file of version 1 begins with.
const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
