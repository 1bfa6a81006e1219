//! Faults of drops: late, twice, overlapping, broken and delivered again, or given up.
//!
//! A drop that cannot be used lies in the interval's own folder, and the good one in a folder inside it, produced later.

use std::ops::Range;

use chrono::TimeDelta;
use entrega_model::{
    contract::ContractType,
    drops::{Cadence, Interval},
};

use super::{
    FAULTS, FaultKind, Filled, Injection,
    registry::TOLD_LATE,
    sheet::{Done, Note, Sheet, fields, joined},
};
use crate::{
    render::{DropFile, FilledDrop, ManifestState},
    simulate::chance::Chance,
};

/// Delivers an interval otherwise, if that can be done.
pub(super) type DropFault = fn(&Good<'_>, &mut Chance) -> Option<Turned>;

/// Where a drop lies that is delivered once more.
const AGAIN: &str = "again=1";

/// How many rows must say it before a column counts as written otherwise, and not some rows as wrong.
const LEAST_RETYPED: usize = 20;

/// An interval's drop as it should be: its rows may have faults, the drop has none.
pub(super) struct Good<'a> {
    interval: Interval,
    cadence: Cadence,
    sheets: Vec<Sheet<'a>>,
    files: Vec<DropFile>,
    /// Faults in its files, with file and line.
    notes: Vec<Found>,
    /// What the interval before told.
    previous: Vec<Sheet<'a>>,
}

/// A fault in a file of a drop.
struct Found {
    note: Note,
    file: &'static str,
    line: Option<u64>,
}

impl Found {
    fn injection(&self, folder: String) -> Injection {
        self.note.injection(folder, Some(self.file), self.line)
    }
}

/// What was delivered instead.
pub(super) struct Turned {
    drops: Vec<FilledDrop>,
    /// Where the faults of the good drop's files can be found.
    good: Vec<&'static str>,
    /// Faults in files that are not the good drop's.
    more: Vec<(Found, &'static str)>,
    /// Where the fault is: folder and file.
    place: &'static str,
    file: Option<&'static str>,
    done: Done,
}

impl<'a> Good<'a> {
    pub fn new(
        interval: Interval,
        cadence: Cadence,
        sheets: Vec<Sheet<'a>>,
        snapshots: Vec<DropFile>,
        previous: Vec<Sheet<'a>>,
    ) -> Self {
        let (mut files, mut notes) = (Vec::new(), Vec::new());
        for sheet in &sheets {
            let (file, found) = written(sheet);
            files.push(file);
            notes.extend(found);
        }
        files.extend(snapshots);
        Self { interval, cadence, sheets, files, notes, previous }
    }

    /// The drop, and nothing else.
    pub fn plain(&self) -> Filled {
        let drop = self.drop("", TimeDelta::zero());
        let folder = drop.folder();
        let injections = self.notes.iter().map(|found| found.injection(folder.clone()));
        Filled { injections: injections.collect(), drops: vec![drop] }
    }

    fn drop(&self, place: &'static str, delay: TimeDelta) -> FilledDrop {
        FilledDrop { place, delay, ..FilledDrop::new(self.interval, self.cadence, self.files.clone()) }
    }

    /// A broken drop in the interval's folder, and the good one after some hours.
    fn held(&self, broken: FilledDrop, file: Option<&'static str>, done: Done, chance: &mut Chance) -> Turned {
        let drops = vec![broken, self.drop(AGAIN, hours(chance))];
        Turned { drops, good: vec![AGAIN], more: Vec::new(), place: "", file, done }
    }

    /// The drop with another file in the place of one.
    fn with_file(&self, place: usize, file: DropFile) -> FilledDrop {
        let mut drop = self.drop("", TimeDelta::zero());
        drop.files[place] = file;
        drop
    }
}

impl Turned {
    /// The drops, and all faults: the drop's own, then those in its files wherever they lie.
    pub fn filled(self, kind: &FaultKind, good: &Good<'_>) -> Filled {
        let folder = |place| FilledDrop { place, ..FilledDrop::new(good.interval, good.cadence, Vec::new()) }.folder();
        let mut injections: Vec<Injection> = vec![kind.note(self.done).injection(folder(self.place), self.file, None)];
        for place in self.good {
            let own = good.notes.iter().map(|found| found.injection(folder(place)));
            injections.extend(own);
        }
        let more = self.more.iter().map(|(found, place)| found.injection(folder(place)));
        injections.extend(more);
        Filled { drops: self.drops, injections }
    }
}

/// A file, and where its faults are.
fn written(sheet: &Sheet<'_>) -> (DropFile, Vec<Found>) {
    let (file, lines) = sheet.written();
    let whole = sheet.whole.iter().map(|note| Found { note: note.clone(), file: file.name, line: None });
    let rows = sheet.notes.iter().map(|(row, note)| Found {
        note: note.clone(),
        file: file.name,
        line: lines.get(*row).copied(),
    });
    let notes = whole.chain(rows).collect();
    (file, notes)
}

fn hours(chance: &mut Chance) -> TimeDelta {
    TimeDelta::hours(1 + chance.below(11) as i64)
}

/// Produced days after its interval's end.
pub(super) fn late(good: &Good<'_>, chance: &mut Chance) -> Option<Turned> {
    let days = 1 + chance.below(5) as i64;
    let done = Done { detail: format!("produced {days} days late"), ..Done::default() };
    let drops = vec![good.drop("", TimeDelta::days(days))];
    Some(Turned { drops, good: vec![""], more: Vec::new(), place: "", file: None, done })
}

/// The same content once more.
pub(super) fn repeated(good: &Good<'_>, chance: &mut Chance) -> Option<Turned> {
    let done = Done { detail: "the same as the drop of this interval, produced later".to_owned(), ..Done::default() };
    let drops = vec![good.drop("", TimeDelta::zero()), good.drop(AGAIN, hours(chance))];
    Some(Turned { drops, good: vec!["", AGAIN], more: Vec::new(), place: AGAIN, file: None, done })
}

/// A drop of two intervals beside the drop of this one. Where both tell of a row, the later telling comes last.
pub(super) fn overlapping(good: &Good<'_>, chance: &mut Chance) -> Option<Turned> {
    const PLACE: &str = "overlap=1";
    let mut sheets = good.previous.clone();
    for sheet in &good.sheets {
        if let Some(before) = sheets.iter_mut().find(|before| before.table == sheet.table) {
            let rows = before.records.len();
            before.notes.extend(sheet.notes.iter().map(|(row, note)| (rows + row, note.clone())));
            before.records.extend(sheet.records.iter().cloned());
        } else {
            sheets.push(sheet.clone());
        }
    }
    if sheets.is_empty() {
        return None;
    }
    sheets.sort_by_key(|sheet| sheet.table);
    let (mut files, mut more) = (Vec::new(), Vec::new());
    for sheet in &sheets {
        let (file, notes) = written(sheet);
        files.push(file);
        // In a drop of both intervals no order comes late.
        let notes = notes.into_iter().filter(|found| found.note.fault != FAULTS[TOLD_LATE].name);
        more.extend(notes.map(|found| (found, PLACE)));
    }
    let length = good.interval.end - good.interval.start;
    let interval = Interval { start: good.interval.start - length, end: good.interval.end };
    let done = Done { detail: format!("tells {interval}, the interval before included"), ..Done::default() };
    let both = FilledDrop { place: PLACE, delay: hours(chance), ..FilledDrop::new(interval, good.cadence, files) };
    let drops = vec![good.drop("", TimeDelta::zero()), both];
    Some(Turned { drops, good: vec![""], more, place: PLACE, file: None, done })
}

/// A file of which only the first part arrived; the manifest is that of the whole.
pub(super) fn cut_off(good: &Good<'_>, chance: &mut Chance) -> Option<Turned> {
    let (place, file) = any_file(good, chance)?;
    let kept = inner_part(file, chance);
    let broken = good.with_file(place, DropFile { bytes: file.bytes.slice(..kept), ..file.clone() });
    let done = Done { detail: format!("only {kept} of {} bytes arrived", file.bytes.len()), ..Done::default() };
    Some(good.held(broken, Some(file.name), done, chance))
}

/// A file of which one digit is another, so that only its digest tells.
pub(super) fn changed_byte(good: &Good<'_>, chance: &mut Chance) -> Option<Turned> {
    let (place, file) = any_file(good, chance)?;
    let from = inner_part(file, chance);
    let at = from + file.bytes[from..].iter().position(u8::is_ascii_digit)?;
    let mut bytes = file.bytes.to_vec();
    bytes[at] = if bytes[at] == b'9' { b'0' } else { bytes[at] + 1 };
    let broken = good.with_file(place, DropFile { bytes: bytes.into(), ..file.clone() });
    let done = Done { detail: format!("the byte at {at} is not what its manifest was made from"), ..Done::default() };
    Some(good.held(broken, Some(file.name), done, chance))
}

/// A manifest of which only the first half arrived.
pub(super) fn torn_manifest(good: &Good<'_>, chance: &mut Chance) -> Option<Turned> {
    let broken = FilledDrop { state: ManifestState::Torn, ..good.drop("", TimeDelta::zero()) };
    let done = Done { detail: "the manifest ends in the middle".to_owned(), ..Done::default() };
    Some(good.held(broken, None, done, chance))
}

/// A column that every row needs, under a name that nobody knows.
pub(super) fn renamed_column(good: &Good<'_>, chance: &mut Chance) -> Option<Turned> {
    let place = chance.below(good.sheets.len() as u64) as usize;
    let mut sheet = good.sheets.get(place)?.clone();
    let required: Vec<_> = sheet.contract_columns().filter(|(_, column)| column.required).collect();
    let (column_place, column) = *chance.one_of(&required);
    let new = column.header().replace('_', "");
    let done = Done {
        column: Some(column.name.clone()),
        detail: format!("{} is called {new}", column.header()),
        ..Done::default()
    };
    sheet.columns[column_place] = new;
    let (file, _) = sheet.written();
    let name = file.name;
    Some(good.held(good.with_file(place, file), Some(name), done, chance))
}

/// A required column whose values are all written as another system would.
pub(super) fn retyped_column(good: &Good<'_>, chance: &mut Chance) -> Option<Turned> {
    let mut places = Vec::new();
    for (place, sheet) in good.sheets.iter().enumerate().filter(|(_, sheet)| sheet.records.len() >= LEAST_RETYPED) {
        let retyped = sheet.contract_columns().filter(|(_, column)| {
            column.required && matches!(column.kind, ContractType::Timestamp | ContractType::Money)
        });
        places.extend(retyped.map(|(column_place, column)| (place, column_place, column)));
    }
    if places.is_empty() {
        return None;
    }
    let (place, column_place, column) = *chance.one_of(&places);
    let mut sheet = good.sheets[place].clone();
    let example = sheet.records.first().and_then(|record| fields(record).get(column_place).map(|old| retyped(old)));
    sheet.rewrite(|fields, fits| {
        let new = fields.get(column_place).map(|old| retyped(old));
        let mut fields: Vec<&[u8]> = fields;
        if let Some(new) = new.as_deref().filter(|_| fits) {
            fields[column_place] = new;
        }
        joined(&fields)
    });
    let example = String::from_utf8_lossy(&example.unwrap_or_default()).into_owned();
    let done = Done {
        column: Some(column.name.clone()),
        detail: format!("{} is written as in {example}", column.name),
        ..Done::default()
    };
    let (file, _) = sheet.written();
    let name = file.name;
    Some(good.held(good.with_file(place, file), Some(name), done, chance))
}

/// A timestamp as `01/03/2018 07:15`, an amount as `"12,90"`; anything else stays.
fn retyped(old: &[u8]) -> Vec<u8> {
    let part = |range: Range<usize>| old.get(range).unwrap_or_default();
    if old.len() == 19 && old[4] == b'-' {
        return [part(8..10), b"/", part(5..7), b"/", part(0..4), b" ", part(11..16)].concat();
    }
    let amount = !old.is_empty() && old.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    match old.iter().position(|byte| *byte == b'.').filter(|_| amount) {
        Some(point) => [b"\"", &old[..point], b",", &old[point + 1..], b"\""].concat(),
        None => old.to_vec(),
    }
}

/// Some of the files, the last of them cut off, in a folder beside the drop.
pub(super) fn torn_upload(good: &Good<'_>, chance: &mut Chance) -> Option<Turned> {
    const PLACE: &str = "upload=1";
    let mut upload = good.drop(PLACE, TimeDelta::zero());
    upload.files.truncate(1 + chance.below(upload.files.len() as u64) as usize);
    let last = upload.files.last_mut()?;
    let kept = inner_part(last, chance);
    last.bytes = last.bytes.slice(..kept);
    upload.state = ManifestState::Missing;
    let done = Done {
        detail: format!("{} files arrived, of the last {kept} bytes, and no manifest", upload.files.len()),
        ..Done::default()
    };
    let drops = vec![upload, good.drop("", TimeDelta::zero())];
    Some(Turned { drops, good: vec![""], more: Vec::new(), place: PLACE, file: None, done })
}

fn any_file<'g>(good: &'g Good<'_>, chance: &mut Chance) -> Option<(usize, &'g DropFile)> {
    let place = chance.below(good.files.len() as u64) as usize;
    good.files.get(place).map(|file| (place, file))
}

/// A place well inside a file.
fn inner_part(file: &DropFile, chance: &mut Chance) -> usize {
    (file.bytes.len() as f64 * (0.3 + 0.4 * chance.share())) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_in_brazil() {
        for (old, new) in [
            ("2018-03-01 07:15:59", "01/03/2018 07:15"),
            ("12.90", "\"12,90\""),
            ("", ""),
            ("31/02/2018", "31/02/2018"),
            ("-1.00", "-1.00"),
        ] {
            assert_eq!(retyped(old.as_bytes()), new.as_bytes(), "{old}");
        }
    }
}
