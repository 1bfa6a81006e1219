//! Faults of rows.
//!
//! About one row in a hundred is damaged, repeated or contradicted. What can be done to a column is decided by its
//! contract. A row is damaged once at most, so that each fault can be told by what becomes of it.

use std::borrow::Cow;

use entrega_model::contract::{Contract, ContractColumn, ContractType, STATES};

use super::{
    FAULTS, FaultKind, How,
    registry::{FieldFault, TOLD_LATE},
    sheet::{Done, Sheet, fields, joined, shown},
};
use crate::{
    SourceTable,
    simulate::chance::{Chance, Kind},
};

/// The part of the rows that has a fault.
const RATE: f64 = 0.01;

/// How often a row is looked for that a fault can be done to. Some rows have had theirs, some have nothing to damage.
const ATTEMPTS: u32 = 8;

/// A row that is damaged.
pub(super) struct Damage {
    pub record: Vec<u8>,
    pub place: Place,
    pub done: Done,
}

/// Where the damaged row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Before,
    Instead,
    After,
}

/// Damages an interval's rows. The orders that come late are noted, and otherwise left alone.
pub(super) fn damage(sheets: &mut [Sheet<'_>], seed: u64, number: u32, late_orders: &[u64]) {
    let mut chance = Chance::of(seed, Kind::RowFault, u64::from(number));
    let mut damages: Vec<Vec<(usize, &'static FaultKind, Option<Damage>)>> =
        sheets.iter().map(|_| Vec::new()).collect();
    if let Some(place) = sheets.iter().position(|sheet| sheet.table == SourceTable::Orders) {
        damages[place].extend(late_orders.iter().map(|row| (*row as usize, &FAULTS[TOLD_LATE], None)));
    }
    let rows: usize = sheets.iter().map(|sheet| sheet.records.len()).sum();
    let wanted = (rows as f64 * RATE + chance.share()) as usize;
    let kinds: Vec<&FaultKind> =
        FAULTS.iter().filter(|kind| matches!(kind.how, How::Field(_) | How::Record(_))).collect();
    let first = chance.below(kinds.len() as u64) as usize;
    for place in 0..wanted {
        let kind = kinds[(first + place) % kinds.len()];
        let found = (0..ATTEMPTS).find_map(|_| {
            let (sheet, row) = candidate(sheets, kind, &mut chance)?;
            let taken = damages[sheet].iter().any(|(other, ..)| *other == row);
            let damage = if taken { None } else { attempt(&sheets[sheet], row, kind, &mut chance) };
            damage.map(|damage| (sheet, row, damage))
        });
        if let Some((sheet, row, damage)) = found {
            damages[sheet].push((row, kind, Some(damage)));
        }
    }
    for (sheet, damages) in sheets.iter_mut().zip(damages) {
        apply(sheet, damages);
    }
}

/// Any row of any file that has what the fault needs.
fn candidate(sheets: &[Sheet<'_>], kind: &FaultKind, chance: &mut Chance) -> Option<(usize, usize)> {
    let rows = |sheet: &Sheet<'_>| match &kind.how {
        How::Field(fault) if !sheet.contract.columns.iter().any(fault.columns) => 0,
        _ => sheet.records.len(),
    };
    let all: usize = sheets.iter().map(rows).sum();
    let mut row = chance.below(all as u64) as usize;
    for (place, sheet) in sheets.iter().enumerate() {
        if row < rows(sheet) {
            return Some((place, row));
        }
        row -= rows(sheet);
    }
    None
}

fn attempt(sheet: &Sheet<'_>, row: usize, kind: &FaultKind, chance: &mut Chance) -> Option<Damage> {
    let record = &sheet.records[row];
    let mut damage = match &kind.how {
        How::Field(fault) => field(sheet, record, fault, chance),
        How::Record(act) => act(sheet.contract, record, chance),
        _ => None,
    }?;
    if damage.place == Place::Instead {
        damage.done.destroys.push(sheet.names(record));
    }
    Some(damage)
}

fn field(sheet: &Sheet<'_>, record: &[u8], fault: &FieldFault, chance: &mut Chance) -> Option<Damage> {
    let columns: Vec<(usize, &ContractColumn)> =
        sheet.contract_columns().filter(|(_, column)| (fault.columns)(column)).collect();
    let (place, column) = *chance.one_of(&columns);
    let mut fields = fields(record);
    let old = *fields.get(place)?;
    let new = (fault.becomes)(column, old, chance);
    fields[place] = &new;
    let done = Done {
        rule: Some(fault.rule),
        column: Some(column.name.clone()),
        detail: format!("{} {} became {}", column.name, shown(old), shown(&new)),
        destroys: Vec::new(),
    };
    Some(Damage { record: joined(&fields), place: Place::Instead, done })
}

/// Puts the damaged rows where they belong, in one pass.
fn apply(sheet: &mut Sheet<'_>, mut damages: Vec<(usize, &'static FaultKind, Option<Damage>)>) {
    if damages.is_empty() {
        return;
    }
    damages.sort_by_key(|(row, ..)| *row);
    let mut damages = damages.into_iter().peekable();
    let mut records = Vec::with_capacity(sheet.records.len() + damages.len());
    for (row, record) in std::mem::take(&mut sheet.records).into_iter().enumerate() {
        let Some((_, kind, damage)) = damages.next_if(|(wanted, ..)| *wanted == row) else {
            records.push(record);
            continue;
        };
        let Some(Damage { record: damaged, place, done }) = damage else {
            sheet.notes.push((records.len(), kind.note(late(sheet.contract, &record))));
            records.push(record);
            continue;
        };
        let damaged = Cow::Owned(damaged);
        sheet.notes.push((records.len() + usize::from(place == Place::After), kind.note(done)));
        match place {
            Place::Before => records.extend([damaged, record]),
            Place::Instead => records.push(damaged),
            Place::After => records.extend([record, damaged]),
        }
    }
    sheet.records = records;
}

fn late(contract: &Contract, record: &[u8]) -> Done {
    let id = fields(record).first().copied().map(shown).unwrap_or_default();
    let detail = format!("the row of {} {id} belongs into the drop before, with its children", contract.source);
    Done { detail, ..Done::default() }
}

/// Values that are no timestamp.
pub(super) fn unreadable_timestamp(_: &ContractColumn, _: &[u8], chance: &mut Chance) -> Vec<u8> {
    chance.one_of(&["31/02/2018", "2018.03.01 07h15", "ontem", "1519888500"]).as_bytes().to_vec()
}

/// Well written, but no day of the calendar; the year stays if there was one.
pub(super) fn impossible_date(_: &ContractColumn, old: &[u8], chance: &mut Chance) -> Vec<u8> {
    let year = std::str::from_utf8(old).ok().and_then(|old| old.get(..4)).unwrap_or("2018");
    let day = chance.one_of(&["02-30", "04-31", "13-01", "00-10"]);
    format!("{year}-{day} 12:00:00").into_bytes()
}

/// Nothing.
pub(super) fn nothing(_: &ContractColumn, _: &[u8], _: &mut Chance) -> Vec<u8> {
    Vec::new()
}

/// An id that is too short, or holds what is no hex digit.
pub(super) fn bad_id(_: &ContractColumn, old: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut id = old.to_vec();
    match id.first_mut() {
        Some(first) if chance.happens(0.5) => *first = b'X',
        _ => id.truncate(31.min(id.len().saturating_sub(1))),
    }
    id
}

/// A word that the contract does not know.
pub(super) fn unknown_word(column: &ContractColumn, _: &[u8], chance: &mut Chance) -> Vec<u8> {
    let words = ["entregue", "returned", "SHIPPED", "em transito"];
    let unknown: Vec<&str> =
        words.into_iter().filter(|word| !column.accepted.iter().any(|known| known == word)).collect();
    chance.one_of(&unknown).as_bytes().to_vec()
}

/// No number at all.
pub(super) fn not_a_number(_: &ContractColumn, _: &[u8], chance: &mut Chance) -> Vec<u8> {
    chance.one_of(&["N/A", "doze", "12.90.1", "#REF!"]).as_bytes().to_vec()
}

/// The amount with its sign turned; nothing becomes a loss too.
pub(super) fn negative(_: &ContractColumn, old: &[u8], _: &mut Chance) -> Vec<u8> {
    let nothing = old.iter().all(|byte| !matches!(byte, b'1'..=b'9'));
    [b"-".as_slice(), if nothing { b"1.00" } else { old }].concat()
}

/// One more than the largest number, or one less than the smallest.
pub(super) fn out_of_range(column: &ContractColumn, _: &[u8], chance: &mut Chance) -> Vec<u8> {
    let high = column.max.map(|max| max + 1.0);
    let low = column.min.map(|min| min - 1.0);
    let bounds: Vec<f64> = high.into_iter().chain(low).collect();
    format!("{:.0}", chance.one_of(&bounds)).into_bytes()
}

/// No state of Brazil.
pub(super) fn unknown_state(_: &ContractColumn, _: &[u8], chance: &mut Chance) -> Vec<u8> {
    chance.one_of(&["XX", "ZZ", "UF", "sp"]).as_bytes().to_vec()
}

/// A city as Latin-1 writes it.
pub(super) fn latin_1(_: &ContractColumn, _: &[u8], chance: &mut Chance) -> Vec<u8> {
    chance.one_of(&[b"s\xe3o paulo".as_slice(), b"bras\xedlia", b"goi\xe2nia", b"ribeir\xe3o preto"]).to_vec()
}

/// One field more.
pub(super) fn too_many_fields(_: &Contract, record: &[u8], _: &mut Chance) -> Option<Damage> {
    let done = Done { rule: Some("columns"), detail: "one field too many".to_owned(), ..Done::default() };
    Some(Damage { record: [record, b",0"].concat(), place: Place::Instead, done })
}

/// The last field is missing, with its comma.
pub(super) fn too_few_fields(_: &Contract, record: &[u8], _: &mut Chance) -> Option<Damage> {
    let mut fields = fields(record);
    let lost = fields.pop()?;
    let detail = format!("the last field, {}, is missing", shown(lost));
    let done = Done { rule: Some("columns"), detail, ..Done::default() };
    Some(Damage { record: joined(&fields), place: Place::Instead, done })
}

/// The same row once more.
pub(super) fn duplicate(_: &Contract, record: &[u8], _: &mut Chance) -> Option<Damage> {
    let done = Done { detail: "the same row as the one before it".to_owned(), ..Done::default() };
    Some(Damage { record: record.to_vec(), place: Place::After, done })
}

/// The row as it might have been before: another status, amount, number or state.
pub(super) fn older_version(contract: &Contract, record: &[u8], chance: &mut Chance) -> Option<Damage> {
    let mut fields = fields(record);
    let mut others = Vec::new();
    for (place, column) in
        contract.columns.iter().enumerate().filter(|(_, column)| !contract.key.contains(&column.name))
    {
        let old = std::str::from_utf8(fields.get(place)?).ok()?;
        others.extend(another(column, old).map(|new| (place, column, new)));
    }
    if others.is_empty() {
        return None;
    }
    let (place, column, new) = chance.one_of(&others);
    let detail =
        format!("{} {} stands before the row that says {}", column.name, shown(new.as_bytes()), shown(fields[*place]));
    fields[*place] = new.as_bytes();
    let done = Done { column: Some(column.name.clone()), detail, ..Done::default() };
    Some(Damage { record: joined(&fields), place: Place::Before, done })
}

/// Another good value of a column, where that is simple.
fn another(column: &ContractColumn, old: &str) -> Option<String> {
    if !column.accepted.is_empty() {
        return column.accepted.iter().find(|value| *value != old).cloned();
    }
    match column.kind {
        ContractType::State => STATES.into_iter().find(|state| *state != old).map(str::to_owned),
        ContractType::Integer => {
            let number: i64 = old.parse().ok()?;
            let more = number + 1;
            Some(if column.max.is_some_and(|max| more as f64 > max) { number - 1 } else { more }.to_string())
        }
        ContractType::Money => {
            let (reais, cents) = old.split_once('.')?;
            Some(format!("{}.{cents}", reais.parse::<u64>().ok()? + 1))
        }
        _ => None,
    }
}
