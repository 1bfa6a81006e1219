//! Reads a landing folder back without any help of the crate under test: csv crate, own digest, own upsert.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path as FilePath, PathBuf},
    sync::Arc,
};

use chrono::NaiveDateTime;
use entrega_model::drops::{Content, MANIFEST_FILE, Manifest};
use entrega_source::{DeliverySummary, OneDropOptions, OrderSystem, ReplayOptions, SourceTable, one_drop, replay};
use futures::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, memory::InMemory, path::Path};
use sha2::{Digest as _, Sha256};

/// The rows of a table by key; for snapshots their digest.
pub type State = BTreeMap<&'static str, BTreeMap<Vec<String>, Vec<String>>>;

/// One drop as it lies in the store.
pub struct Landed {
    pub folder: String,
    pub manifest: Manifest,
    pub files: BTreeMap<&'static str, Vec<Vec<String>>>,
}

pub fn shop() -> PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/shop")
}

pub fn shop_system() -> OrderSystem {
    OrderSystem::open(&shop()).unwrap()
}

pub fn moment(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap()
}

pub async fn replayed(system: &OrderSystem, options: ReplayOptions) -> (Arc<InMemory>, DeliverySummary) {
    let store = Arc::new(InMemory::new());
    let summary = replay(system, store.clone(), Path::from("lake"), options, |_| ()).await.unwrap();
    (store, summary)
}

pub async fn cut(system: &OrderSystem, to: Option<NaiveDateTime>) -> Vec<Landed> {
    let store = Arc::new(InMemory::new());
    let options = OneDropOptions { to, ..OneDropOptions::default() };
    one_drop(system, store.clone(), Path::from("lake"), options).await.unwrap();
    landed(store.as_ref()).await
}

/// All drops, in their order of precedence; each file checked against its manifest.
pub async fn landed(store: &dyn ObjectStore) -> Vec<Landed> {
    let objects: Vec<_> = store.list(None).map_ok(|object| object.location).try_collect().await.unwrap();
    let mut present: BTreeMap<String, usize> = BTreeMap::new();
    for path in &objects {
        let folder = path.to_string().rsplit_once('/').unwrap().0.to_owned();
        *present.entry(folder).or_default() += 1;
    }
    let mut drops = Vec::new();
    for path in objects.iter().filter(|path| path.filename() == Some(MANIFEST_FILE)) {
        let text = store.get(path).await.unwrap().bytes().await.unwrap();
        let manifest: Manifest = serde_json::from_slice(&text).unwrap();
        let folder = path.to_string().strip_suffix("/_manifest.json").unwrap().to_owned();
        let mut files = BTreeMap::new();
        for (name, entry) in &manifest.files {
            let bytes = store.get(&Path::from(format!("{folder}/{name}"))).await.unwrap().bytes().await.unwrap();
            let table = SourceTable::ALL.into_iter().find(|table| table.file() == name).unwrap();
            let (rows, count) = rows_of(table, &bytes);
            assert_eq!(entry.bytes, bytes.len() as u64, "{folder}/{name}");
            assert_eq!(entry.sha256, digest(&bytes), "{folder}/{name}");
            assert_eq!(entry.rows, count as u64, "{folder}/{name}");
            files.insert(table.file(), rows);
        }
        assert_eq!(present[&folder], files.len() + 1, "{folder} holds what its manifest names");
        drops.push(Landed { folder, manifest, files });
    }
    drops.sort_by_key(|drop| drop.manifest.precedence());
    drops
}

/// The last row of every key over the drops, in their order.
pub fn last_state<'a>(drops: impl IntoIterator<Item = &'a Landed>) -> State {
    let mut state = State::new();
    for drop in drops {
        for (name, rows) in &drop.files {
            let table = SourceTable::ALL.into_iter().find(|table| table.file() == *name).unwrap();
            assert_eq!(drop.manifest.files[*name].content, table.content());
            let known = state.entry(*name).or_default();
            upsert(known, table, rows, &drop.folder);
        }
    }
    state.retain(|_, rows| !rows.is_empty());
    state
}

/// The state of the source itself.
pub fn source_state(system: &OrderSystem) -> State {
    let mut state = State::new();
    for table in SourceTable::ALL {
        upsert(state.entry(table.file()).or_default(), table, &rows_of(table, system.table(table).bytes()).0, "source");
    }
    state
}

fn upsert(known: &mut BTreeMap<Vec<String>, Vec<String>>, table: SourceTable, rows: &[Vec<String>], place: &str) {
    if table.content() == Content::Snapshot {
        known.clear();
        known.extend(rows.iter().map(|row| (Vec::new(), row.clone())));
        return;
    }
    let key_fields: &[usize] = match table {
        SourceTable::Items | SourceTable::Payments | SourceTable::Reviews => &[0, 1],
        _ => &[0],
    };
    let mut seen = BTreeSet::new();
    for row in rows {
        let key: Vec<String> = key_fields.iter().map(|field| row[*field].clone()).collect();
        assert!(seen.insert(key.clone()), "{place}: {table} has {key:?} twice");
        known.insert(key, row.clone());
    }
}

/// The rows of a file, and their number. A snapshot is compared as a whole, so its only row is its digest.
fn rows_of(table: SourceTable, bytes: &[u8]) -> (Vec<Vec<String>>, usize) {
    let mut reader = csv::Reader::from_reader(bytes);
    if table.content() == Content::Snapshot {
        return (vec![vec![digest(bytes)]], reader.byte_records().count());
    }
    let rows: Vec<Vec<String>> =
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
    let count = rows.len();
    (rows, count)
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
