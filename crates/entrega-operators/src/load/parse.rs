//! From a chunk of CSV to typed rows: arrow-csv for whole chunks, record by record where a chunk holds a bad one.

use std::{io::Cursor, sync::Arc};

use arrow::{
    array::{
        Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch, RecordBatchOptions, StringArray, StringBuilder,
        new_null_array,
    },
    compute::filter_record_batch,
    csv::ReaderBuilder,
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
};
use entrega_model::contract::{Contract, DELETED_COLUMN, OnDrift};

use super::{FileToLoad, LoadedChunk, Rejected, chunks::Chunk, typing};
use crate::Result;

/// Records that arrow-csv decodes at once; more doubles memory without being faster.
const CSV_ROWS: usize = 16_384;

/// A row as it was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRow {
    /// Its first line in the file, from 1.
    pub line: u64,
    /// Its text, without the line end; bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// A file's header: which of its columns the contract wants, and where.
#[derive(Debug, Clone)]
pub struct Header {
    /// The file's columns.
    pub names: Vec<String>,
    /// For each column of the contract, its place in the file, if it is there.
    pub places: Vec<Option<usize>>,
    /// Where the file says which rows are gone, if it does.
    pub deleted: Option<usize>,
    /// Columns of the file that the contract does not know.
    pub unknown: Vec<String>,
    /// Columns of the contract that the file lacks.
    pub missing: Vec<String>,
    /// The header as one line of CSV.
    pub line: Arc<str>,
}

impl Header {
    /// The header that this line of CSV is.
    #[must_use]
    pub fn of(contract: &Contract, line: &str) -> Self {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
        let record = reader.records().next().and_then(Result::ok).unwrap_or_default();
        let names: Vec<String> = record.iter().map(|name| name.trim().to_owned()).collect();
        let place = |wanted: &str| names.iter().position(|name| name == wanted);
        let places = contract
            .columns
            .iter()
            .map(|column| place(column.header()).or_else(|| place(&column.name)))
            .collect::<Vec<_>>();
        let deleted = place(DELETED_COLUMN);
        let unknown = names
            .iter()
            .enumerate()
            .filter(|(index, _)| !places.contains(&Some(*index)) && deleted != Some(*index))
            .map(|(_, name)| name.clone())
            .collect();
        let missing = contract.columns.iter().zip(&places).filter(|(_, place)| place.is_none());
        let missing = missing.map(|(column, _)| column.header().to_owned()).collect();
        Self { line: line.into(), names, places, deleted, unknown, missing }
    }

    /// Where in the file the contract's columns are, and after them the one that says which rows are gone.
    fn wanted(&self) -> impl Iterator<Item = Option<usize>> {
        self.places.iter().copied().chain(self.deleted.map(Some))
    }

    /// Whether the contract bears these columns.
    fn accept(&self, contract: &Contract, file: &FileToLoad) -> Result<()> {
        let listed = |names: &[&str]| names.join(", ");
        let fault = |problem: String, hint: &str| Err(file.fault(format!("line 1: {problem}"), hint));
        let twice = self.names.iter().enumerate().find(|(index, name)| self.names[..*index].contains(name));
        if let Some((_, name)) = twice {
            return fault(
                format!("two columns are called '{name}'"),
                "which of them is meant? deliver the file with one",
            );
        }
        let needed = |name: &&String| {
            contract.columns.iter().any(|column| {
                column.header() == name.as_str() && (column.required || contract.names_rows(&column.name))
            })
        };
        let missing: Vec<&str> = self.missing.iter().filter(needed).map(String::as_str).collect();
        if !missing.is_empty() {
            return fault(
                format!("required columns are missing: {}; it has {}", listed(&missing), self.names.join(", ")),
                "was a column renamed? deliver the file with the names of its contract (models/landing)",
            );
        }
        if contract.drift.missing_column == OnDrift::Fail && !self.missing.is_empty() {
            return fault(
                format!("columns are missing: {}; it has {}", self.missing.join(", "), self.names.join(", ")),
                "deliver the file with them, or set drift.missing_column = \"warn\" in its contract",
            );
        }
        if contract.drift.new_column == OnDrift::Fail && !self.unknown.is_empty() {
            return fault(
                format!("columns are new: {}", self.unknown.join(", ")),
                "add them to the contract (models/landing), or set drift.new_column = \"warn\" in it",
            );
        }
        Ok(())
    }

    /// Takes the header off a file's first chunk.
    pub(super) fn take(contract: &Contract, file: &FileToLoad, mut chunk: Chunk) -> Result<(Self, Chunk)> {
        if chunk.bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
            let _ = chunk.bytes.split_to(3);
        }
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&chunk.bytes[..]);
        let mut record = csv::StringRecord::new();
        let whole = "the file must start with a header line of column names in UTF-8";
        let found = reader.read_record(&mut record).map_err(|error| file.fault(format!("line 1: {error}"), whole))?;
        if !found {
            return Err(file.fault("it is empty", whole));
        }
        let end = usize::try_from(reader.position().byte()).unwrap_or(usize::MAX).min(chunk.bytes.len());
        chunk.first_line = reader.position().line();
        let line = chunk.bytes.split_to(end);
        let header = Self::of(contract, String::from_utf8_lossy(&line).trim_matches(['\n', '\r']));
        header.accept(contract, file)?;
        Ok((header, chunk))
    }
}

/// Line and text of some records (ascending numbers) of a chunk.
#[must_use]
pub fn raw_rows(bytes: &[u8], first_line: u64, wanted: &[usize]) -> Vec<RawRow> {
    let mut found = Vec::with_capacity(wanted.len());
    let mut wanted = wanted.iter().peekable();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    let mut number = 0;
    while wanted.peek().is_some() {
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            _ => break,
        }
        if wanted.peek() == Some(&&number) {
            wanted.next();
            let position = record.position().cloned().unwrap_or_else(csv::Position::new);
            let start = usize::try_from(position.byte()).unwrap_or(0);
            let end = usize::try_from(reader.position().byte()).unwrap_or(0).min(bytes.len());
            let raw = String::from_utf8_lossy(&bytes[start..end]);
            let text = raw.trim_matches(['\n', '\r']);
            // A record after blank lines starts at the first of them.
            let blank = bytes[start..end]
                .iter()
                .take_while(|byte| matches!(byte, b'\n' | b'\r'))
                .filter(|byte| **byte == b'\n')
                .count();
            found.push(RawRow { line: first_line + position.line() - 1 + blank as u64, text: text.to_owned() });
        }
        number += 1;
    }
    found
}

pub(super) fn parse(
    contract: &Contract,
    schema: &SchemaRef,
    header: Arc<Header>,
    chunk: Chunk,
) -> Result<LoadedChunk, ArrowError> {
    let (columns, kept, mut rejected) = match fast(&header, &chunk) {
        Ok(columns) => (columns, None, Vec::new()),
        Err(_) => by_record(&header, &chunk)?,
    };
    let rows = columns.iter().flatten().next().map_or(0, arrow::array::Array::len);
    let mut columns: Vec<ArrayRef> =
        columns.into_iter().map(|column| column.unwrap_or_else(|| new_null_array(&DataType::Utf8, rows))).collect();
    let gone =
        header.deleted.and_then(|_| columns.pop()).map(|flags| Gone::read(flags.as_string())).unwrap_or_default();
    let mut typed = typing::type_rows(contract, &columns, gone.rows.as_ref())?;
    typed.faults.splice(0..0, gone.faults);
    typed.faults.sort_by_key(|fault| fault.row);
    typed.faults.dedup_by_key(|fault| fault.row);
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let mut batch = RecordBatch::try_new_with_options(Arc::clone(schema), typed.columns, &options)?;
    let mut deleted = None;
    let mut records: Option<Vec<u32>> = kept;
    let records_read = (rows + rejected.len()) as u64;
    let place = |row: usize| records.as_ref().map_or(row, |records| records[row] as usize);
    let told = |faults: &[typing::Fault]| {
        let wanted: Vec<usize> = faults.iter().map(|fault| place(fault.row)).collect();
        let raw = raw_rows(&chunk.bytes, chunk.first_line, &wanted);
        let told = |(raw, fault): (RawRow, &typing::Fault)| Rejected {
            raw,
            rule: fault.rule.clone(),
            reason: fault.reason.clone(),
        };
        raw.into_iter().zip(faults).map(told).collect::<Vec<_>>()
    };
    let fatal = typed.fatal.and_then(|fault| told(&[fault]).pop());
    if !typed.faults.is_empty() || gone.rows.is_some() {
        rejected.extend(told(&typed.faults));
        let mut keep = vec![true; rows];
        for fault in &typed.faults {
            keep[fault.row] = false;
        }
        if let Some(gone) = &gone.rows {
            let dead: BooleanArray = (0..rows).map(|row| Some(keep[row] && gone.value(row))).collect();
            deleted = Some(filter_record_batch(&batch, &dead)?).filter(|dead| dead.num_rows() > 0);
            (0..rows).filter(|row| gone.value(*row)).for_each(|row| keep[row] = false);
        }
        let stay = (0..rows).filter(|row| keep[*row]);
        records = Some(stay.map(|row| u32::try_from(place(row)).unwrap_or(u32::MAX)).collect());
        batch = filter_record_batch(&batch, &keep.into())?;
    }
    rejected.sort_by_key(|rejected| rejected.raw.line);
    Ok(LoadedChunk {
        rows: batch,
        deleted,
        records,
        rejected,
        warned: typed.warned,
        fatal,
        records_read,
        header,
        chunk,
    })
}

/// Which records say that their row is gone.
#[derive(Default)]
struct Gone {
    rows: Option<BooleanArray>,
    faults: Vec<typing::Fault>,
}

impl Gone {
    fn read(flags: &StringArray) -> Self {
        let mut faults = Vec::new();
        let rows = (0..flags.len()).map(|row| {
            let flag = if flags.is_valid(row) { flags.value(row).trim() } else { "" };
            match flag.to_ascii_lowercase().as_str() {
                "true" | "t" | "1" | "yes" | "y" => Some(true),
                "" | "false" | "f" | "0" | "no" | "n" => Some(false),
                _ => {
                    let reason = format!("{DELETED_COLUMN} is neither true nor false: '{flag}'");
                    faults.push(typing::Fault { row, rule: "type".to_owned(), reason });
                    Some(false)
                }
            }
        });
        let rows = Some(rows.collect());
        Self { rows, faults }
    }
}

/// The contract's columns as text; fails when any record of the chunk has another number of fields or is no UTF-8.
fn fast(header: &Header, chunk: &Chunk) -> Result<Vec<Option<ArrayRef>>, ArrowError> {
    let fields: Vec<Field> =
        header.names.iter().enumerate().map(|(index, _)| Field::new(index.to_string(), DataType::Utf8, true)).collect();
    let wanted: Vec<usize> = header.wanted().flatten().collect();
    let schema = Arc::new(Schema::new(fields));
    let reader = ReaderBuilder::new(Arc::clone(&schema))
        .with_header(false)
        .with_batch_size(CSV_ROWS)
        .with_projection(wanted.clone())
        .build_buffered(Cursor::new(&chunk.bytes))?;
    let batches = reader.collect::<Result<Vec<_>, _>>()?;
    let projected = Arc::new(schema.project(&wanted)?);
    let whole =
        if batches.len() == 1 { batches[0].clone() } else { arrow::compute::concat_batches(&projected, &batches)? };
    let mut next = 0..;
    Ok(header
        .wanted()
        .map(|place| place.and_then(|_| next.next()).map(|index| Arc::clone(whole.column(index))))
        .collect())
}

type ByRecord = (Vec<Option<ArrayRef>>, Option<Vec<u32>>, Vec<Rejected>);

/// The same, record by record: those that cannot be taken are rejected, the others kept.
fn by_record(header: &Header, chunk: &Chunk) -> Result<ByRecord, ArrowError> {
    let mut builders: Vec<StringBuilder> = header.wanted().map(|_| StringBuilder::new()).collect();
    let (mut kept, mut bad, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&chunk.bytes[..]);
    let mut record = csv::ByteRecord::new();
    let mut number = 0usize;
    while reader.read_byte_record(&mut record).map_err(|error| ArrowError::CsvError(error.to_string()))? {
        let fault = if record.len() == header.names.len() {
            record
                .iter()
                .any(|field| std::str::from_utf8(field).is_err())
                .then(|| ("encoding", "the row is not valid UTF-8".to_owned()))
        } else {
            Some(("columns", format!("the row has {} fields, the header {}", record.len(), header.names.len())))
        };
        if let Some(fault) = fault {
            bad.push(number);
            reasons.push(fault);
        } else {
            kept.push(u32::try_from(number).unwrap_or(u32::MAX));
            for (builder, place) in builders.iter_mut().zip(header.wanted()) {
                let field = place.and_then(|place| record.get(place)).and_then(|field| std::str::from_utf8(field).ok());
                builder.append_option(field.filter(|field| !field.is_empty()));
            }
        }
        number += 1;
    }
    let raw = raw_rows(&chunk.bytes, chunk.first_line, &bad);
    let rejected = raw
        .into_iter()
        .zip(reasons)
        .map(|(raw, (rule, reason))| Rejected { raw, rule: rule.to_owned(), reason })
        .collect();
    let columns = builders.iter_mut().map(|builder| Some(Arc::new(builder.finish()) as ArrayRef)).collect();
    Ok((columns, Some(kept), rejected))
}
