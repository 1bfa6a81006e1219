//! Faults of files: odd forms that any reader should take, and columns that come and go.

use std::collections::BTreeSet;

use super::{
    Expected,
    sheet::{Done, Sheet, joined},
};
use crate::simulate::chance::Chance;

/// Does something to a file, if it can be done.
pub(super) type FileFault = fn(&mut Sheet<'_>, &mut Chance) -> Option<Done>;

/// Columns that a shop may add one day, and values for them.
const NEW_COLUMNS: [(&str, [&str; 3]); 3] = [
    ("sales_channel", ["app", "site", "marketplace"]),
    ("source_system", ["erp-1", "erp-2", "legacy"]),
    ("export_batch", ["1041", "1042", "1043"]),
];

/// The mark that spreadsheets put before UTF-8.
pub(super) fn byte_order_mark(sheet: &mut Sheet<'_>, _: &mut Chance) -> Option<Done> {
    sheet.byte_order_mark = true;
    done("the file begins with EF BB BF")
}

/// As exports from Windows end their lines. Line breaks inside quotes stay what they are.
pub(super) fn crlf(sheet: &mut Sheet<'_>, _: &mut Chance) -> Option<Done> {
    sheet.line_end = "\r\n";
    done("its lines end in CR LF")
}

/// A blank line after the last row.
pub(super) fn blank_line(sheet: &mut Sheet<'_>, _: &mut Chance) -> Option<Done> {
    sheet.blank_line = true;
    done("it ends in a blank line")
}

/// The same columns, dealt out anew. Rows with too many or too few fields keep theirs: they are wrong as they are.
pub(super) fn reordered_columns(sheet: &mut Sheet<'_>, chance: &mut Chance) -> Option<Done> {
    let mut order: Vec<usize> = (0..sheet.columns.len()).collect();
    chance.shuffle(&mut order);
    if order.is_sorted() {
        order.swap(0, 1);
    }
    sheet.rewrite(|fields, fits| {
        if fits { joined(&order.iter().map(|place| fields[*place]).collect::<Vec<_>>()) } else { joined(&fields) }
    });
    sheet.columns = order.iter().map(|place| sheet.columns[*place].clone()).collect();
    done(&format!("its columns are {}", sheet.columns.join(", ")))
}

/// One column more, at the end or in the middle. Rows with too many or too few fields stay so.
pub(super) fn new_column(sheet: &mut Sheet<'_>, chance: &mut Chance) -> Option<Done> {
    let (name, values) = chance.one_of(&NEW_COLUMNS);
    let width = sheet.columns.len();
    let place = if chance.happens(0.5) { width } else { 1 + chance.below(width as u64 - 1) as usize };
    let value = *chance.one_of(values);
    sheet.rewrite(|mut fields, fits| {
        let place = if fits { place } else { fields.len() };
        fields.insert(place, value.as_bytes());
        joined(&fields)
    });
    sheet.columns.insert(place, (*name).to_owned());
    Some(Done {
        column: Some((*name).to_owned()),
        detail: format!("column {} of {} is new: {name}", place + 1, width + 1),
        ..Done::default()
    })
}

/// A column that is not required goes, with its values. Not one in which a row has its fault, which would go with it.
pub(super) fn left_out_column(sheet: &mut Sheet<'_>, chance: &mut Chance) -> Option<Done> {
    let faulty = |name: &str| sheet.notes.iter().any(|(_, note)| note.done.column.as_deref() == Some(name));
    let optional: Vec<_> =
        sheet.contract_columns().filter(|(_, column)| !column.required && !faulty(&column.name)).collect();
    if optional.is_empty() {
        return None;
    }
    let (place, column) = *chance.one_of(&optional);
    // Of a row that is twice there, one is enough; a rejected one is on the list already, and hard to name.
    let rejected =
        |row: usize| sheet.notes.iter().any(|(other, note)| *other == row && note.expected == Expected::Quarantined);
    let rows = sheet.records.iter().enumerate().filter(|(row, _)| !rejected(*row));
    let destroys: BTreeSet<_> = rows.map(|(_, record)| sheet.names(record)).collect();
    sheet.rewrite(|mut fields, fits| {
        // A row with a field too few must not become right by this.
        let place = if fits { place } else { fields.len() - 1 };
        fields.remove(place);
        joined(&fields)
    });
    sheet.columns.remove(place);
    Some(Done {
        column: Some(column.name.clone()),
        detail: format!("{} is left out of the file", column.header()),
        destroys: destroys.into_iter().collect(),
        ..Done::default()
    })
}

fn done(detail: &str) -> Option<Done> {
    Some(Done { detail: detail.to_owned(), ..Done::default() })
}
