//! The simulated shop with faults: each one is there and listed, nothing else is wrong, and what the faults do not destroy
//! is told as in the shop without them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, LazyLock},
};

use chrono::{NaiveDateTime, TimeDelta};
use entrega_model::{
    contract::{Contract, ContractColumn, ContractType, STATES},
    drops::{Cadence, Content, MANIFEST_FILE, Manifest},
    project::Project,
};
use entrega_source::{Expected, FAULTS, INJECTED_FILE, Injected, Injection, Mess, SimulateOptions, simulate};
use object_store::path::Path;
use sha2::{Digest as _, Sha256};

use crate::simulated::{contents, day, delivered};

type Lake = BTreeMap<String, Vec<u8>>;

fn month(seed: u64) -> SimulateOptions {
    SimulateOptions {
        orders: 5_000,
        from: day("2018-03-01"),
        to: day("2018-03-30"),
        mess: Mess::Heavy,
        seed,
        ..SimulateOptions::default()
    }
}

/// The drops of [`month`] 1, which most tests look at.
static MONTH: LazyLock<Lake> = LazyLock::new(|| contents(&delivered(month(1))));

fn injected(lake: &Lake) -> Injected {
    serde_json::from_slice(&lake[INJECTED_FILE]).unwrap()
}

fn contracts() -> HashMap<String, Contract> {
    let project = Project::embedded().unwrap();
    project.contracts().iter().map(|contract| (contract.file.clone(), contract.clone())).collect()
}

/// A row of a file: its first line, and its fields by the header's names.
struct Row {
    line: u64,
    fields: Vec<Vec<u8>>,
}

/// Header and rows of a file, by the csv crate alone.
fn rows(bytes: &[u8]) -> (Vec<String>, Vec<Row>) {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let (mut all, mut line, mut seen) = (Vec::new(), 1, 0);
    for record in reader.byte_records() {
        let record = record.unwrap();
        let start = usize::try_from(record.position().unwrap().byte()).unwrap();
        // After a CR the reader stands on the LF of the line before.
        let start = start + bytes[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        line += bytes[seen..start].split(|byte| *byte == b'\n').count() as u64 - 1;
        seen = start;
        all.push(Row { line, fields: record.iter().map(<[u8]>::to_vec).collect() });
    }
    let header = all.remove(0).fields.into_iter().map(|name| String::from_utf8(name).unwrap()).collect();
    (header, all)
}

/// The rule that a row breaks, and the column.
fn broken(contract: &Contract, header: &[String], row: &Row) -> Option<(&'static str, Option<String>)> {
    if row.fields.len() != header.len() {
        return Some(("columns", None));
    }
    if let Some(place) = row.fields.iter().position(|field| std::str::from_utf8(field).is_err()) {
        return Some(("encoding", Some(header[place].clone())));
    }
    contract.columns.iter().find_map(|column| {
        let place = header.iter().position(|name| name == column.header())?;
        let value = std::str::from_utf8(&row.fields[place]).unwrap();
        value_breaks(column, value).map(|rule| (rule, Some(column.name.clone())))
    })
}

fn value_breaks(column: &ContractColumn, value: &str) -> Option<&'static str> {
    if value.is_empty() {
        return column.required.then_some("required");
    }
    if !column.accepted.is_empty() && column.accepted.iter().all(|accepted| accepted != value) {
        return Some("accepted");
    }
    let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let number = match column.kind {
        ContractType::Id => return (value.len() != 32 || !value.bytes().all(hex)).then_some("type"),
        ContractType::State => return (!STATES.contains(&value)).then_some("accepted"),
        ContractType::Timestamp => {
            return NaiveDateTime::parse_from_str(value, "%Y-%m-%d %H:%M:%S").is_err().then_some("type");
        }
        ContractType::Zip => {
            return (value.len() != 5 || !value.bytes().all(|byte| byte.is_ascii_digit())).then_some("type");
        }
        ContractType::Text => return None,
        ContractType::Integer => value.parse::<i32>().map(f64::from).ok(),
        ContractType::Money | ContractType::Number => value.parse::<f64>().ok(),
    };
    let Some(number) = number else { return Some("type") };
    let low = column.min.or((column.kind == ContractType::Money).then_some(0.0));
    let inside = low.is_none_or(|low| number >= low) && column.max.is_none_or(|high| number <= high);
    (!inside && column.drop_rule.is_none()).then_some("range")
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn manifest(lake: &Lake, folder: &str) -> Option<Manifest> {
    serde_json::from_slice(lake.get(&format!("{folder}/{MANIFEST_FILE}"))?).ok()
}

/// The drops that can be taken, in their order: those with a manifest that are not held.
fn usable(lake: &Lake, list: &Injected) -> Vec<(String, Manifest)> {
    let held: BTreeSet<&str> =
        list.faults.iter().filter(|fault| fault.expected == Expected::Held).map(|fault| fault.drop.as_str()).collect();
    let folders = lake.keys().filter_map(|path| path.strip_suffix(&format!("/{MANIFEST_FILE}")));
    let mut drops: Vec<_> = folders
        .filter(|folder| !held.contains(folder))
        .map(|folder| (folder.to_owned(), manifest(lake, folder).unwrap()))
        .collect();
    drops.sort_by_key(|(_, manifest)| manifest.precedence());
    drops
}

/// The last good row of each key of the change sets, with the contract's columns only.
fn last_state(lake: &Lake, drops: &[(String, Manifest)]) -> BTreeMap<(String, Vec<String>), BTreeMap<String, String>> {
    let contracts = contracts();
    let mut state = BTreeMap::new();
    for (folder, manifest) in drops {
        for (name, _) in manifest.files.iter().filter(|(_, entry)| entry.content == Content::Changes) {
            let contract = &contracts[name];
            let (header, rows) = rows(&lake[&format!("{folder}/{name}")]);
            for row in rows.iter().filter(|row| broken(contract, &header, row).is_none()) {
                let value = |column: &ContractColumn| {
                    let place = header.iter().position(|name| name == column.header())?;
                    Some((column.name.clone(), String::from_utf8(row.fields[place].clone()).unwrap()))
                };
                let values: BTreeMap<String, String> = contract.columns.iter().filter_map(value).collect();
                let key = contract.key.iter().map(|column| values[column].clone()).collect();
                state.insert((contract.source.clone(), key), values);
            }
        }
    }
    state
}

#[test]
fn workers_change_nothing() {
    let one = contents(&delivered(SimulateOptions { jobs: 1, ..month(1) }));
    let five = contents(&delivered(SimulateOptions { jobs: 5, ..month(1) }));
    assert!(one == five, "some file differs");
    assert!(one.contains_key(INJECTED_FILE));
}

#[test]
fn seeds_have_faults_of_their_own() {
    let [one, two] = [&MONTH, &contents(&delivered(month(2)))].map(|lake| injected(lake).faults);
    assert!(one.iter().all(|fault| !two.contains(fault)));
}

#[test]
fn a_month_has_every_kind() {
    for seed in 1..3 {
        let list = if seed == 1 { injected(&MONTH) } else { injected(&contents(&delivered(month(seed)))) };
        assert_eq!((list.version, list.seed, list.intervals), (1, seed, 30));
        for kind in &FAULTS {
            let found: Vec<_> = list.faults.iter().filter(|fault| fault.fault == kind.name).collect();
            assert!(!found.is_empty(), "seed {seed} has no {}", kind.name);
            assert!(found.iter().all(|fault| fault.expected == kind.expected));
        }
    }
}

#[test]
fn the_rows_that_are_wrong_are_those_that_are_listed() {
    let hourly = contents(&delivered(SimulateOptions { cadence: Cadence::Hourly, ..month(2) }));
    for lake in [&*MONTH, &hourly] {
        let (list, contracts) = (injected(lake), contracts());
        let mut found = BTreeSet::new();
        let mut read = 0;
        for (folder, manifest) in usable(lake, &list) {
            for (name, entry) in &manifest.files {
                let bytes = &lake[&format!("{folder}/{name}")];
                assert_eq!((entry.bytes, &entry.sha256), (bytes.len() as u64, &digest(bytes)), "{folder}/{name}");
                if entry.content == Content::Snapshot {
                    continue;
                }
                let (header, rows) = rows(bytes);
                assert_eq!(entry.rows, rows.len() as u64, "{folder}/{name}");
                read += rows.len();
                for row in rows {
                    if let Some((rule, column)) = broken(&contracts[name], &header, &row) {
                        found.insert((folder.clone(), name.clone(), row.line, rule.to_owned(), column));
                    }
                }
            }
        }
        let quarantined = list.faults.iter().filter(|fault| fault.expected == Expected::Quarantined);
        let listed: BTreeSet<_> = quarantined
            .map(|fault| {
                let (file, line, rule) = (fault.file.clone(), fault.line, fault.rule.clone());
                (fault.drop.clone(), file.unwrap(), line.unwrap(), rule.unwrap(), fault.column.clone())
            })
            .collect();
        assert_eq!(found, listed);
        assert!((read / 400..read / 100).contains(&listed.len()), "{} of {read} rows", listed.len());
    }
}

#[test]
fn what_is_not_destroyed_is_told_as_without_faults() {
    for cadence in [Cadence::Daily, Cadence::Hourly] {
        let options = SimulateOptions { cadence, ..month(1) };
        let real = contents(&delivered(SimulateOptions { mess: Mess::Real, ..options.clone() }));
        let heavy = contents(&delivered(options));
        let list = injected(&heavy);
        let destroyed: BTreeSet<_> = list
            .faults
            .iter()
            .flat_map(|fault| &fault.destroys)
            .map(|row| (row.source.clone(), row.key.clone()))
            .collect();
        let mut wanted = last_state(&real, &usable(&real, &Injected { faults: Vec::new(), ..list.clone() }));
        let mut told = last_state(&heavy, &usable(&heavy, &list));
        assert!(destroyed.len() > 100 && destroyed.iter().all(|key| wanted.contains_key(key)));
        assert!(told.len() > 25_000 && told.keys().all(|key| wanted.contains_key(key)));
        wanted.retain(|key, _| !destroyed.contains(key));
        told.retain(|key, _| !destroyed.contains(key));
        assert!(wanted == told, "{cadence}");
    }
}

#[test]
fn files_and_drops_are_as_the_list_says() {
    let (lake, list, contracts) = (&*MONTH, injected(&MONTH), contracts());
    for fault in list.faults.iter().filter(|fault| fault.line.is_none()) {
        assert!(as_listed(lake, &contracts, fault), "{fault:?}");
        if fault.expected == Expected::Held {
            let [broken, again] = ["", "/again=1"].map(|place| manifest(lake, &format!("{}{place}", fault.drop)));
            let again = again.expect("the good drop");
            assert!(broken.is_none_or(|broken| broken.produced_at < again.produced_at), "{fault:?}");
        }
    }
}

/// Whether a fault of a file or a drop is there.
fn as_listed(lake: &Lake, contracts: &HashMap<String, Contract>, fault: &Injection) -> bool {
    let manifest = manifest(lake, &fault.drop);
    let bytes = fault.file.as_ref().map(|name| lake[&format!("{}/{name}", fault.drop)].as_slice()).unwrap_or_default();
    let entry = manifest.as_ref().and_then(|manifest| manifest.files.get(fault.file.as_ref()?));
    let contract = fault.file.as_ref().map(|name| &contracts[name]);
    let wanted = || contract.unwrap().columns.iter().map(|column| column.header().to_owned()).collect::<Vec<_>>();
    let column = || contract.unwrap().column(fault.column.as_ref().unwrap()).unwrap();
    let usual = |manifest: &Manifest| (manifest.interval.end + TimeDelta::minutes(5)).and_utc();
    match fault.fault.as_str() {
        "file/byte_order_mark" => bytes.starts_with(b"\xef\xbb\xbf\""),
        "file/crlf" => bytes.ends_with(b"\r\n"),
        "file/blank_line" => bytes.ends_with(b"\n\n"),
        "file/reordered_columns" => {
            let (mut header, mut all) = (rows(bytes).0, wanted());
            header != all && {
                header.sort();
                all.sort();
                header == all
            }
        }
        "file/new_column" => {
            let (header, _) = rows(bytes);
            header.iter().filter(|name| !wanted().contains(name)).eq([fault.column.as_ref().unwrap()])
        }
        "file/left_out_column" => {
            let (header, rows) = rows(bytes);
            // Less than all rows: one that is there twice counts once, one that is rejected has an entry of its own.
            let lost = (rows.len() * 9 / 10..=rows.len()).contains(&fault.destroys.len());
            !column().required && !header.contains(&column().header().to_owned()) && lost
        }
        "drop/late" => {
            let manifest = manifest.unwrap();
            let days = (manifest.produced_at - usual(&manifest)).num_days();
            (1..=5).contains(&days)
        }
        "drop/repeated" => {
            let first = self::manifest(lake, fault.drop.strip_suffix("/again=1").unwrap()).unwrap();
            manifest.is_some_and(|again| again.digest() == first.digest() && again.produced_at > first.produced_at)
        }
        "drop/overlapping" => {
            let first = self::manifest(lake, fault.drop.strip_suffix("/overlap=1").unwrap()).unwrap();
            manifest.is_some_and(|both| {
                both.interval.end == first.interval.end
                    && both.interval.start == first.interval.start - TimeDelta::days(1)
                    && both
                        .files
                        .iter()
                        .all(|(name, entry)| first.files.get(name).is_none_or(|own| own.rows < entry.rows))
            })
        }
        "drop/cut_off" => entry.unwrap().bytes > bytes.len() as u64,
        "drop/changed_byte" => {
            let entry = entry.unwrap();
            entry.bytes == bytes.len() as u64 && entry.sha256 != digest(bytes)
        }
        "drop/torn_manifest" => {
            manifest.is_none() && lake[&format!("{}/{MANIFEST_FILE}", fault.drop)].starts_with(b"{\n  \"version\": 1")
        }
        "drop/renamed_column" => {
            column().required
                && !rows(bytes).0.contains(&column().header().to_owned())
                && entry.unwrap().sha256 == digest(bytes)
        }
        "drop/retyped_column" => {
            let (header, rows) = rows(bytes);
            let place = header.iter().position(|name| name == column().header()).unwrap();
            let fitting: Vec<&Row> = rows.iter().filter(|row| row.fields.len() == header.len()).collect();
            let broken = |row: &&&Row| {
                let value = String::from_utf8_lossy(&row.fields[place]);
                value_breaks(column(), &value).is_some_and(|rule| rule == "type" || value.is_empty())
            };
            let count = fitting.iter().filter(broken).count();
            count >= 20 && count == fitting.len() && entry.unwrap().sha256 == digest(bytes)
        }
        "drop/torn_upload" => {
            let main = fault.drop.strip_suffix("/upload=1").unwrap();
            let inside = |path: &&String| path.starts_with(&format!("{}/", fault.drop));
            let part = |path: &String| {
                let whole = &lake[&path.replace("/upload=1", "")];
                whole.starts_with(&lake[path])
            };
            let shorter = |path: &String| lake[path].len() < lake[&path.replace("/upload=1", "")].len();
            let files: Vec<&String> = lake.keys().filter(inside).collect();
            manifest.is_none()
                && self::manifest(lake, main).is_some()
                && files.iter().all(|path| part(path))
                && files.iter().any(|path| shorter(path))
        }
        other => panic!("{other} is not checked"),
    }
}

#[test]
fn rows_are_repeated_contradicted_and_told_late_as_the_list_says() {
    let (lake, list, contracts) = (&*MONTH, injected(&MONTH), contracts());
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    for fault in list.faults.iter().filter(|fault| fault.fault.starts_with("row/")) {
        let (name, line) = (fault.file.as_ref().unwrap(), fault.line.unwrap());
        let contract = &contracts[name];
        let (header, rows) = rows(&lake[&format!("{}/{name}", fault.drop)]);
        let at = rows.iter().position(|row| row.line == line).unwrap();
        let key = |row: &Row| {
            let place = |name: &String| {
                let header_name = contract.column(name).unwrap().header();
                header.iter().position(|name| name == header_name).unwrap()
            };
            contract.key.iter().map(|name| row.fields[place(name)].clone()).collect::<Vec<_>>()
        };
        match fault.fault.as_str() {
            "row/duplicate" => assert_eq!(rows[at].fields, rows[at - 1].fields),
            "row/older_version" => {
                assert_eq!(key(&rows[at]), key(&rows[at + 1]));
                assert_ne!(rows[at].fields, rows[at + 1].fields);
            }
            _ => {
                let id = rows[at].fields[header.iter().position(|name| name == "order_id").unwrap()].clone();
                let id = String::from_utf8(id).unwrap();
                let before: NaiveDateTime = manifest(lake, &fault.drop).unwrap().interval.start;
                let before = format!("landing/dt={}/", before.date().pred_opt().unwrap());
                let tells = |name: &str| {
                    let files = lake.iter().filter(|(path, _)| path.starts_with(&before) && path.ends_with(name));
                    // In a drop of two intervals, the late row has come.
                    let mut files = files.filter(|(path, _)| !path.contains("/overlap=1/"));
                    files.any(|(_, bytes)| String::from_utf8_lossy(bytes).contains(&id))
                };
                assert!(!tells("olist_orders_dataset.csv") && tells("olist_order_payments_dataset.csv"), "{fault:?}");
            }
        }
        *met.entry(&fault.fault).or_default() += 1;
    }
    assert!(met.len() == 3 && met.values().all(|count| *count > 5), "{met:?}");
}

#[test]
fn doing_it_again_changes_nothing() {
    let store = delivered(month(1));
    let before = contents(&store);
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let again = runtime.block_on(simulate(Arc::clone(&store) as _, Path::default(), month(1), |_| ())).unwrap();
    assert_eq!((again.written, again.unchanged), (0, again.drops));
    assert!(again.drops > 30, "drops that were delivered again count");
    assert!(before == contents(&store));
}

#[test]
fn another_shop_is_refused() {
    let store = delivered(month(1));
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let other = SimulateOptions { mess: Mess::Real, ..month(1) };
    let error = runtime.block_on(simulate(store as _, Path::default(), other, |_| ())).unwrap_err().to_string();
    assert!(error.contains("--mess heavy") && error.contains("--mess real") && error.contains("hint:"), "{error}");
}
