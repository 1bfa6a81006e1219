//! CSV files as raw records.
//!
//! A replayed row must come out as it went in, quotes, line breaks and all. So a file stays one block of bytes, and a
//! record is a place in it:
//!
//! ```text
//!  "review_id","order_id",…⏎            header
//!  "7bc2…","73fc…",4,,"good⏎ fast",…⏎    record 0, with its line end; the break inside quotes does not end it
//!  …                                      record 1
//! ```
//!
//! Fields are split only where one is needed, and are then raw slices too, with their quotes.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;

use crate::{SourceError, SourceTable};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// One CSV file in memory: its bytes, and where each record lies.
#[derive(Debug, Clone)]
pub struct RawTable {
    table: SourceTable,
    bytes: Bytes,
    header: Range<usize>,
    records: Vec<Range<usize>>,
    columns: Vec<String>,
}

impl RawTable {
    /// Finds the records of a file and checks its header and its end.
    ///
    /// # Errors
    /// Missing columns, a file that ends inside a record, and records whose number of fields differs from the header's.
    pub fn parse(table: SourceTable, bytes: Bytes) -> Result<Self, SourceError> {
        let file = || table.file().to_owned();
        let (mut spans, unclosed) = record_spans(&bytes);
        if unclosed {
            let start = spans.last().map_or(0, |span| span.start);
            return Err(SourceError::Truncated {
                file: file(),
                line: line_of(&bytes, start),
                reason: "a quote is left open".to_owned(),
            });
        }
        let header = if spans.is_empty() { 0..0 } else { spans.remove(0) };
        let columns: Vec<String> = {
            let text = &bytes[header.clone()];
            let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
            let mut fields = Vec::new();
            split_fields(text, &mut fields);
            fields.retain(|_| !without_line_end(text).is_empty());
            fields.iter().map(|field| String::from_utf8_lossy(&unquote(field)).trim().to_owned()).collect()
        };
        let lacks = |name: &&&str| !columns.iter().any(|column| column == **name);
        let missing: Vec<String> = table.columns().iter().filter(lacks).map(|name| (*name).to_owned()).collect();
        if !missing.is_empty() {
            return Err(SourceError::MissingColumns { file: file(), missing, found: columns });
        }
        let parsed = Self { table, bytes, header, records: spans, columns };
        parsed.check_field_counts()?;
        Ok(parsed)
    }

    fn check_field_counts(&self) -> Result<(), SourceError> {
        let expected = self.columns.len();
        for (row, span) in self.records.iter().enumerate() {
            let found = count_fields(&self.bytes[span.clone()]);
            if found == expected {
                continue;
            }
            let file = self.table.file().to_owned();
            let line = self.line(row);
            let at_the_end = row + 1 == self.records.len() && !self.bytes.ends_with(b"\n");
            return Err(if at_the_end && found < expected {
                let reason = format!("{found} of {expected} fields");
                SourceError::Truncated { file, line, reason }
            } else {
                SourceError::FieldCount { file, line, expected, found }
            });
        }
        Ok(())
    }

    /// Which of the nine this is.
    #[must_use]
    pub fn table(&self) -> SourceTable {
        self.table
    }

    /// The whole file, byte for byte.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The header line, with byte order mark and line end where the file has them.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.bytes[self.header.clone()]
    }

    /// The column names, in the file's order.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is nothing but a header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// A record as it stands in the file, with its line end (which the last one may lack).
    #[must_use]
    pub fn record(&self, row: usize) -> &[u8] {
        &self.bytes[self.records[row].clone()]
    }

    /// The line on which a record starts, from 1.
    #[must_use]
    pub fn line(&self, row: usize) -> usize {
        line_of(&self.bytes, self.records[row].start)
    }

    /// The place of a column that [`SourceTable::columns`] lists.
    pub(crate) fn position(&self, column: &str) -> usize {
        self.columns.iter().position(|name| name == column).unwrap_or_default()
    }

    /// The line end that the file uses.
    pub(crate) fn line_end(&self) -> &'static [u8] {
        if self.header().ends_with(b"\r\n") { b"\r\n" } else { b"\n" }
    }
}

/// The raw fields of a record (line end left out), each with its quotes.
pub(crate) fn split_fields<'a>(record: &'a [u8], fields: &mut Vec<&'a [u8]>) {
    fields.clear();
    let record = without_line_end(record);
    let mut start = 0;
    loop {
        let end = field_end(record, start);
        fields.push(&record[start..end]);
        if end == record.len() {
            return;
        }
        start = end + 1;
    }
}

fn count_fields(record: &[u8]) -> usize {
    let record = without_line_end(record);
    let mut count = 1;
    let mut end = field_end(record, 0);
    while end < record.len() {
        count += 1;
        end = field_end(record, end + 1);
    }
    count
}

/// Where the field that starts at `start` ends: at its comma, or at the record's end.
fn field_end(record: &[u8], start: usize) -> usize {
    let mut from = start;
    if record.get(start) == Some(&b'"') {
        from = closing_quote(record, start + 1).map_or(record.len(), |quote| quote + 1);
    }
    memchr::memchr(b',', &record[from..]).map_or(record.len(), |comma| from + comma)
}

/// The quote that closes a quoted field whose text starts at `from`; a doubled quote is text.
fn closing_quote(bytes: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let quote = from + memchr::memchr(b'"', &bytes[from..])?;
        if bytes.get(quote + 1) != Some(&b'"') {
            return Some(quote);
        }
        from = quote + 2;
    }
}

/// A field's text: outer quotes removed, doubled quotes halved.
pub(crate) fn unquote(field: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = field.strip_prefix(b"\"") else {
        return Cow::Borrowed(field);
    };
    let inner = inner.strip_suffix(b"\"").unwrap_or(inner);
    if memchr::memchr(b'"', inner).is_none() {
        return Cow::Borrowed(inner);
    }
    let mut text = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(quote) = memchr::memchr(b'"', rest) {
        text.extend_from_slice(&rest[..=quote]);
        let next = quote + 1;
        rest = &rest[next + usize::from(rest.get(next) == Some(&b'"'))..];
    }
    text.extend_from_slice(rest);
    Cow::Owned(text)
}

fn without_line_end(record: &[u8]) -> &[u8] {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    record.strip_suffix(b"\r").unwrap_or(record)
}

/// The spans of all records, header included, blank lines left out; and whether the last one ends inside quotes.
pub(crate) fn record_spans(bytes: &[u8]) -> (Vec<Range<usize>>, bool) {
    let mut spans = Vec::with_capacity(bytes.len() / 64);
    let mut start = 0;
    let mut from = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let mut field_start = from;
    while let Some(found) = memchr::memchr2(b'"', b'\n', &bytes[from..]).map(|place| from + place) {
        if bytes[found] == b'\n' {
            if !without_line_end(&bytes[start..=found]).is_empty() {
                spans.push(start..found + 1);
            }
            start = found + 1;
            field_start = start;
            from = start;
        } else if found == field_start || bytes[found - 1] == b',' {
            let Some(quote) = closing_quote(bytes, found + 1) else {
                spans.push(start..bytes.len());
                return (spans, true);
            };
            from = quote + 1;
        } else {
            from = found + 1; // a quote in the middle of a bare field is text
        }
    }
    if start < bytes.len() && !without_line_end(&bytes[start..]).is_empty() {
        spans.push(start..bytes.len());
    }
    (spans, false)
}

fn line_of(bytes: &[u8], offset: usize) -> usize {
    memchr::memchr_iter(b'\n', &bytes[..offset]).count() + 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(record: &[u8]) -> Vec<String> {
        let mut fields = Vec::new();
        split_fields(record, &mut fields);
        fields.iter().map(|field| String::from_utf8_lossy(&unquote(field)).into_owned()).collect()
    }

    #[test]
    fn a_line_break_inside_quotes_does_not_end_a_record() {
        let bytes = b"\xef\xbb\xbf\"a\",b\r\n\r\n1,\"x\r\n\"\"y\"\", z\"\r\n2,it\"s";
        let (spans, unclosed) = record_spans(bytes);
        assert!(!unclosed);
        assert_eq!(spans.len(), 3);
        assert_eq!(texts(&bytes[spans[1].clone()]), ["1", "x\r\n\"y\", z"]);
        assert_eq!(texts(&bytes[spans[2].clone()]), ["2", "it\"s"]);
        assert_eq!(line_of(bytes, spans[2].start), 5);
    }

    #[test]
    fn an_open_quote_at_the_end_is_a_truncated_file() {
        let file = Bytes::from_static(b"product_category_name,product_category_name_english\na,b\nc,\"d");
        let error = RawTable::parse(SourceTable::Translation, file).unwrap_err().to_string();
        assert!(error.contains("product_category_name_translation.csv, line 3"), "{error}");
    }

    proptest! {
        /// Whatever the csv crate writes, raw records read back.
        #[test]
        fn fields_survive(rows in prop::collection::vec(prop::collection::vec("[ab,\"\r\n é]{0,6}", 3), 1..8)) {
            let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Necessary).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).unwrap();
            }
            let bytes = writer.into_inner().unwrap();
            let (spans, unclosed) = record_spans(&bytes);
            prop_assert!(!unclosed);
            let read: Vec<Vec<String>> = spans.iter().map(|span| texts(&bytes[span.clone()])).collect();
            prop_assert_eq!(read, rows);
        }
    }
}
