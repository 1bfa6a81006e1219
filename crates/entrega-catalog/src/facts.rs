//! What is stored, as plain values: the caller finds it out, this room writes and reads no files.

use entrega_model::{model::ModelColumn, tables::TableName};

/// How much there is of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Rows, if they are known.
    pub rows: Option<u64>,
    /// Bytes of the files.
    pub bytes: u64,
    /// Files.
    pub files: u64,
}

impl std::iter::Sum for Statistics {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        let none = Self { rows: Some(0), bytes: 0, files: 0 };
        parts.fold(none, |sum, part| Self {
            rows: sum.rows.zip(part.rows).map(|(one, other)| one.saturating_add(other)),
            bytes: sum.bytes.saturating_add(part.bytes),
            files: sum.files.saturating_add(part.files),
        })
    }
}

/// One file of a stored table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Its path relative to the table's folder, as it is in storage, not as a URL.
    pub path: String,
    /// The value of the partition column as text; none for NULL, and for tables without partitions.
    pub partition: Option<String>,
    /// Rows, if they are known.
    pub rows: Option<u64>,
    /// Bytes.
    pub bytes: u64,
}

/// One stored Delta table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTable {
    /// Its name.
    pub table: TableName,
    /// What a row is.
    pub description: String,
    /// All its columns in order, the partition column and `_drop` too.
    pub columns: Vec<ModelColumn>,
    /// The partition column.
    pub partition: Option<String>,
    /// The files of the published version.
    pub files: Vec<StoredFile>,
}

impl StoredTable {
    pub(crate) fn statistics(&self) -> Statistics {
        self.files.iter().map(StoredFile::statistics).sum()
    }
}

impl StoredFile {
    pub(crate) fn statistics(&self) -> Statistics {
        Statistics { rows: self.rows, bytes: self.bytes, files: 1 }
    }
}

/// One file of a drop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropFile {
    /// Its name, which says by which contract it is read.
    pub name: String,
    /// Rows, if they are known (the manifest's number).
    pub rows: Option<u64>,
    /// Bytes.
    pub bytes: u64,
}

/// One drop of the landing zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDrop {
    /// Its folder relative to the lake, `landing/dt=2018-03-01/hr=07`.
    pub folder: String,
    /// The files that its manifest names.
    pub files: Vec<DropFile>,
}

/// What a lake holds, and which tables beside those of Delta are wanted of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The stored tables, in the order in which they are to be listed.
    pub tables: Vec<StoredTable>,
    /// The drops.
    pub drops: Vec<StoredDrop>,
    /// Whether readers that know no Delta get tables too, by link files: `landing_links`, `clean_links`, …
    pub links: bool,
    /// Whether the summary tables are offered as ORC too: `summary_orc`.
    pub orc: bool,
}
