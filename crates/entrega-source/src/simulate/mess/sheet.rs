//! A file that is still rows: what faults work on.

use std::borrow::Cow;

use entrega_model::contract::{Contract, ContractColumn};

use super::{Destroyed, Expected, Injection};
use crate::{
    SourceTable,
    records::{record_spans, split_fields, unquote},
    render::{DropFile, drop_file},
};

/// One file before it is written.
#[derive(Clone)]
pub(super) struct Sheet<'a> {
    pub table: SourceTable,
    pub contract: &'a Contract,
    pub columns: Vec<String>,
    /// The rows, without line ends.
    pub records: Vec<Cow<'a, [u8]>>,
    pub byte_order_mark: bool,
    pub line_end: &'static str,
    pub blank_line: bool,
    /// Faults of rows, and the row's place, ascending.
    pub notes: Vec<(usize, Note)>,
    /// Faults of the file.
    pub whole: Vec<Note>,
}

/// A fault that is done; which drop, file and line it is in turns out when they are written.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub fault: &'static str,
    pub expected: Expected,
    pub done: Done,
}

/// What was done, in the words of [`Injection`].
#[derive(Debug, Clone, Default)]
pub(super) struct Done {
    pub rule: Option<&'static str>,
    pub column: Option<String>,
    pub detail: String,
    pub destroys: Vec<Destroyed>,
}

impl Note {
    pub fn injection(&self, drop: String, file: Option<&str>, line: Option<u64>) -> Injection {
        let Done { rule, column, detail, destroys } = self.done.clone();
        Injection {
            fault: self.fault.to_owned(),
            drop,
            file: file.map(str::to_owned),
            line,
            expected: self.expected,
            rule: rule.map(str::to_owned),
            column,
            detail,
            destroys,
        }
    }
}

impl<'a> Sheet<'a> {
    /// A file as the shop writes it: a header, records that end in line feeds.
    pub fn new(table: SourceTable, contract: &'a Contract, bytes: &'a [u8]) -> Self {
        let (spans, _) = record_spans(bytes);
        let records = spans.into_iter().skip(1).map(|span| Cow::Borrowed(without_line_feed(&bytes[span]))).collect();
        Self {
            table,
            contract,
            columns: table.columns().iter().map(|name| (*name).to_owned()).collect(),
            records,
            byte_order_mark: false,
            line_end: "\n",
            blank_line: false,
            notes: Vec::new(),
            whole: Vec::new(),
        }
    }

    /// The contract's column of each of the file's columns.
    pub fn contract_columns(&self) -> impl Iterator<Item = (usize, &'a ContractColumn)> + use<'a> {
        self.contract.columns.iter().enumerate()
    }

    /// Which row this is. Only while the columns are those of the contract.
    pub fn names(&self, record: &[u8]) -> Destroyed {
        let fields = fields(record);
        let value = |column: &String| {
            let place = self.contract.columns.iter().position(|own| own.name == *column);
            let field = place.and_then(|place| fields.get(place)).copied().unwrap_or_default();
            String::from_utf8_lossy(&unquote(field)).into_owned()
        };
        Destroyed { source: self.contract.source.clone(), key: self.contract.key.iter().map(value).collect() }
    }

    /// Writes every row anew from its fields.
    pub fn rewrite(&mut self, row: impl Fn(Vec<&[u8]>, bool) -> Vec<u8>) {
        let width = self.columns.len();
        for record in &mut self.records {
            let own = fields(record);
            let fits = own.len() == width;
            *record = Cow::Owned(row(own, fits));
        }
    }

    /// The file, and the first line of each row.
    pub fn written(&self) -> (DropFile, Vec<u64>) {
        let mut bytes = Vec::with_capacity(self.records.iter().map(|record| record.len() + 2).sum::<usize>() + 256);
        if self.byte_order_mark {
            bytes.extend_from_slice("\u{feff}".as_bytes());
        }
        bytes.extend_from_slice(format!("\"{}\"{}", self.columns.join("\",\""), self.line_end).as_bytes());
        let mut line = 2;
        let mut lines = Vec::with_capacity(self.records.len());
        for record in &self.records {
            lines.push(line);
            line += memchr::memchr_iter(b'\n', record).count() as u64 + 1;
            bytes.extend_from_slice(record);
            bytes.extend_from_slice(self.line_end.as_bytes());
        }
        if self.blank_line {
            bytes.extend_from_slice(self.line_end.as_bytes());
        }
        (drop_file(self.table, bytes.into(), self.records.len() as u64), lines)
    }
}

/// The raw fields of a record.
pub(super) fn fields(record: &[u8]) -> Vec<&[u8]> {
    let mut fields = Vec::with_capacity(9);
    split_fields(record, &mut fields);
    fields
}

/// Fields as a record again.
pub(super) fn joined(fields: &[&[u8]]) -> Vec<u8> {
    fields.join(&b","[..])
}

/// A field as a person reads it.
pub(super) fn shown(field: &[u8]) -> String {
    format!("'{}'", String::from_utf8_lossy(&unquote(field)))
}

/// Only the line feed: a carriage return before it would be the row's own.
fn without_line_feed(record: &[u8]) -> &[u8] {
    record.strip_suffix(b"\n").unwrap_or(record)
}
