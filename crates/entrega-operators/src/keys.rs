//! Keys: ids as 16 bytes, and any key columns as comparable bytes.

use std::{collections::HashMap, hash::BuildHasher as _, sync::Arc};

use arrow::{
    array::{Array as _, ArrayRef, AsArray as _, BinaryBuilder, RecordBatch, StringArray},
    error::ArrowError,
    row::{RowConverter, Rows, SortField},
};

/// An id of the order system: 32 hex digits as 16 bytes.
pub type Id = [u8; 16];

/// The 16 bytes of 32 lower-case hex digits, or `None` for other text.
///
/// ```
/// use entrega_operators::keys::id;
/// assert_eq!(id("000102030405060708090a0b0c0d0e0f").unwrap()[15], 15);
/// assert!(id("not an id").is_none());
/// ```
#[must_use]
pub fn id(text: &str) -> Option<Id> {
    let digits: &[u8; 32] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 16];
    let mut bad = 0;
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let (high, low) = (DIGIT[pair[0] as usize], DIGIT[pair[1] as usize]);
        bad |= (high | low) & 0xf0;
        *byte = (high << 4) | (low & 0x0f);
    }
    (bad == 0).then_some(bytes)
}

/// The value of a hex digit, 0xf0 for anything else.
const DIGIT: [u8; 256] = {
    let mut table = [0xf0; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    table
};

/// The 32 lower-case hex digits of an id.
///
/// ```
/// use entrega_operators::keys::{hex, id};
/// let text = "000102030405060708090a0b0c0d0e0f";
/// assert_eq!(hex(&id(text).unwrap()), text);
/// ```
#[must_use]
pub fn hex(id: &Id) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    id.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The ids of a column of text; rows that hold no id give `None`.
pub fn ids(column: &StringArray) -> impl Iterator<Item = Option<Id>> {
    column.iter().map(|text| text.and_then(id))
}

/// A text column by name.
///
/// # Errors
/// When there is no such column or it is not text.
pub fn text<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray, ArrowError> {
    let column = batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("no column {name}")))?;
    column.as_string_opt::<i32>().ok_or_else(|| ArrowError::SchemaError(format!("{name} is {}", column.data_type())))
}

/// The key columns of rows as bytes that are equal when the keys are; ids are halved first, which halves the work.
///
/// # Errors
/// When a key column is missing.
pub fn key_rows(batch: &RecordBatch, key: &[String]) -> Result<Rows, ArrowError> {
    let columns = key.iter().map(|name| {
        let column = batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("no column {name}")))?;
        Ok(compact(column))
    });
    let columns: Vec<ArrayRef> = columns.collect::<Result<_, ArrowError>>()?;
    let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
    RowConverter::new(fields)?.convert_columns(&columns)
}

/// Where each key is, without a copy of any key.
pub struct KeyIndex {
    keys: Rows,
    places: hashbrown::HashTable<u32>,
    hasher: hashbrown::DefaultHashBuilder,
}

impl KeyIndex {
    /// Indexes the rows of a batch by their key; of rows that share one, the first.
    ///
    /// # Errors
    /// When a key column is missing.
    pub fn new(batch: &RecordBatch, key: &[String]) -> Result<Self, ArrowError> {
        let keys = key_rows(batch, key)?;
        let hasher = hashbrown::DefaultHashBuilder::default();
        let mut places = hashbrown::HashTable::with_capacity(keys.num_rows());
        for row in 0..keys.num_rows() {
            let data = keys.row(row).data();
            let same = |place: &u32| keys.row(*place as usize).data() == data;
            let hash = |place: &u32| hasher.hash_one(keys.row(*place as usize).data());
            places.entry(hasher.hash_one(data), same, hash).or_insert(u32::try_from(row).unwrap_or(u32::MAX));
        }
        Ok(Self { keys, places, hasher })
    }

    /// How many different keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The row with a key, as [`key_rows`] gives it.
    #[must_use]
    pub fn find(&self, key: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        self.places.find(hash, |place| self.keys.row(*place as usize).data() == key).copied()
    }
}

fn compact(column: &ArrayRef) -> ArrayRef {
    let Some(text) = column.as_string_opt::<i32>() else { return Arc::clone(column) };
    let mut builder = BinaryBuilder::with_capacity(text.len(), text.len() * 16);
    let mut buffer = Vec::new();
    for value in text {
        match value.map(|value| (id(value), value)) {
            None => builder.append_null(),
            Some((Some(id), _)) => builder.append_value(id),
            Some((None, value)) => {
                // Other text gets a mark in front and at least 17 bytes, so that it never equals an id.
                buffer.clear();
                buffer.extend_from_slice(b"text:");
                buffer.extend_from_slice(value.as_bytes());
                buffer.resize(buffer.len().max(17), 0);
                builder.append_value(&buffer);
            }
        }
    }
    Arc::new(builder.finish())
}

/// Rows per value of a dictionary column (`_drop`), as counts by value.
#[must_use]
pub fn counts_by_value(column: &ArrayRef) -> HashMap<String, u64> {
    let mut counts = HashMap::new();
    if let Some(dictionary) = column.as_dictionary_opt::<arrow::datatypes::Int32Type>() {
        let values = dictionary.values().as_string::<i32>();
        let mut by_key = vec![0u64; values.len()];
        for key in dictionary.keys().iter().flatten() {
            by_key[usize::try_from(key).unwrap_or_default()] += 1;
        }
        for (index, count) in by_key.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            *counts.entry(values.value(index).to_owned()).or_default() += count;
        }
    }
    counts
}

/// The value of a dictionary column at a row.
#[must_use]
pub fn dictionary_value(column: &ArrayRef, row: usize) -> &str {
    let Some(dictionary) = column.as_dictionary_opt::<arrow::datatypes::Int32Type>() else { return "" };
    let values = dictionary.values().as_string::<i32>();
    dictionary.key(row).map_or("", |key| values.value(key))
}

/// A constant `_drop` column.
#[must_use]
pub fn drop_column(drop: &str, rows: usize) -> ArrayRef {
    let keys = arrow::array::Int32Array::from_value(0, rows);
    let values: ArrayRef = Arc::new(StringArray::from(vec![drop]));
    match arrow::array::DictionaryArray::try_new(keys, values) {
        Ok(column) => Arc::new(column),
        Err(_) => arrow::array::new_null_array(&entrega_lake::schema::drop_type(), rows),
    }
}
