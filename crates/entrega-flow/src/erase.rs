//! Erase: a person asks to be forgotten, and is, everywhere in the lake.
//!
//! ```text
//!  customer_unique_id ─▶ customer records ─▶ orders          found in landing/ and in clean/
//!       1. landing/     their records are cut out of every file, manifests made true again
//!       2. one batch    their rows leave clean/, quarantine/ and the books; digests of their keys stay in
//!                       ops.tombstones, so that no late or repeated drop brings them back
//!       3. summary      details go, sums are made again; features, of everybody whose history she was part of
//!       4. sweep        files that only older versions use are deleted: no batch before can be read any more
//! ```
//!
//! The steps are in that order because each can be repeated: a killed erasure finds the person again until all tables
//! are published, and knows by the digest that it was half done after that.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use arrow::array::Array as _;
use entrega_lake::Definition;
use entrega_model::{
    contract::Contract,
    drops::{FileEntry, LANDING, MANIFEST_FILE, Manifest},
    tables::{Layer, TableName},
};
use entrega_operators::{
    keys::{Id, id, ids, text},
    quarantine::QuarantineRow,
};
use memchr::memmem;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{
    Context, FlowError, Result, discover, features,
    ingest::{self, Batch, IngestPlan},
    ledger::Ledger,
    ops, summarise,
    tables::{self, DropRow},
    tombstones::{Cause, Tombstone, digest},
};

/// The column that names a person.
const PERSON: &str = "customer_unique_id";

/// What of the lake belongs to a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erasure {
    /// The digest of the person.
    person: String,
    /// Her customer records.
    customers: BTreeSet<String>,
    /// Her orders.
    orders: BTreeSet<String>,
    /// Drops whose files were rewritten: digest and time of change of the new manifest.
    rewritten: BTreeMap<String, (String, i64)>,
}

/// The receipt of an erasure; it names nobody.
#[derive(Debug, Clone, Serialize)]
pub struct Receipt {
    /// When, UTC.
    pub erased_at: String,
    /// SHA-256 of the person, as `ops.tombstones` keeps it.
    pub person_digest: String,
    /// Her orders.
    pub orders: usize,
    /// Records cut out of files of the landing zone, by drop.
    pub landing_records: BTreeMap<String, u64>,
    /// Rows that left tables, by table.
    pub rows: BTreeMap<String, u64>,
    /// Files of older versions that were deleted.
    pub files_swept: u64,
    /// The batches that published it.
    pub batches: Vec<String>,
    /// Places where one of her ids was still found afterwards: none, or the erasure would have failed.
    pub left: u64,
}

/// Erases a person.
///
/// # Errors
/// [`FlowError::Request`] when this is no person of the lake, else from the lake; doing it again goes on.
pub async fn erase(context: &Context, person: &str) -> Result<Receipt> {
    if id(person).is_none() {
        return Err(FlowError::Request {
            problem: format!("'{person}' is no {PERSON}"),
            hint: "it is 32 lower-case hex digits, as in clean.customers".to_owned(),
        });
    }
    let person_digest = digest(PERSON, person);
    let ledger = Ledger::open(&context.lake, None).await?;
    let known = ledger.state(&context.lake, &tables::tombstones()).await?;
    let known: Vec<Tombstone> = ops::read(&context.lake, &known).await?;
    let half_done = known.iter().any(|row| row.key == person_digest);
    let mut erasure = find(context, &ledger, person).await?;
    if erasure.customers.is_empty() && !half_done {
        return Err(FlowError::Request {
            problem: "there is no such person in the lake".to_owned(),
            hint: format!(
                "the {PERSON} stands in clean.customers; of a person who was erased nothing is left but a digest"
            ),
        });
    }
    erasure.person.clone_from(&person_digest);
    let mut receipt = Receipt {
        erased_at: context.now().format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        person_digest,
        orders: erasure.orders.len(),
        landing_records: BTreeMap::new(),
        rows: BTreeMap::new(),
        files_swept: 0,
        batches: Vec::new(),
        left: 0,
    };
    let wanted = erasure.texts(person);
    cut_from_landing(context, &wanted, &mut erasure, &mut receipt).await?;
    let before = counts(context, &ledger).await?;
    if !ledger.rows.is_empty() {
        let stays = ingest::plan(context, &ledger, &ingest::Selection::Folders(Vec::new())).await?;
        let plan = IngestPlan { drops: Vec::new(), erase: Some(erasure), ..stays };
        receipt.batches.extend(ingest::ingest(context, ledger, plan).await?.map(|(row, _)| row.batch_id));
        let ledger = Ledger::open(&context.lake, None).await?;
        let plan = summarise::plan(context, &ledger)?;
        receipt.batches.extend(summarise::summarise(context, ledger, plan).await?.map(|(row, _)| row.batch_id));
        let ledger = Ledger::open(&context.lake, None).await?;
        if ledger.last_of("features")?.is_some() {
            let plan = features::plan(context, &ledger).await?;
            receipt.batches.extend(features::compute(context, ledger, plan).await?.map(|(row, _)| row.batch_id));
        }
    }
    let ledger = Ledger::open(&context.lake, None).await?;
    let after = counts(context, &ledger).await?;
    receipt.rows = before
        .into_iter()
        .filter_map(|(table, rows)| Some((table.clone(), rows.checked_sub(*after.get(&table)?)?)))
        .filter(|(_, rows)| *rows > 0)
        .collect();
    for definition in tables::all(&context.project) {
        if ledger.versions.contains_key(&definition.table) {
            let state = ledger.state(&context.lake, &definition).await?;
            receipt.files_swept += context.lake.sweep(&state).await?.files;
        }
    }
    receipt.left = left(context, &ledger, &wanted).await?;
    if receipt.left > 0 {
        return Err(FlowError::Request {
            problem: format!("{} places still name the person", receipt.left),
            hint: "run it again; if that stays, please report it".to_owned(),
        });
    }
    Ok(receipt)
}

impl Erasure {
    /// Everything that names the person or something of hers.
    fn texts(&self, person: &str) -> Vec<String> {
        self.customers.iter().chain(&self.orders).cloned().chain([person.to_owned()]).collect()
    }

    /// The orders.
    pub fn orders(&self) -> impl Iterator<Item = Id> {
        self.orders.iter().filter_map(|order| id(order))
    }

    /// Adds what of a batch is needed to erase: digests of the keys, and quarantined rows to be released. The books of
    /// rewritten drops are made to know them.
    pub(crate) async fn enter(&self, context: &Context, batch: &mut Batch) -> Result<()> {
        let mut digests = vec![(PERSON, self.person.clone())];
        digests.extend(self.orders.iter().map(|order| ("orders", digest("orders", order))));
        digests.extend(self.customers.iter().map(|customer| ("customers", digest("customers", customer))));
        for (source, digest) in digests {
            batch.bury_key(source, digest, Cause::Erased, "");
        }
        let names: Vec<&String> = self.customers.iter().chain(&self.orders).collect();
        for contract in context.project.contracts() {
            let table = batch.table(&tables::quarantine_of(&contract.source).table)?.clone();
            for row in ops::read::<QuarantineRow>(&context.lake, &table).await? {
                if names.iter().any(|name| row.raw.contains(name.as_str())) {
                    batch.released.entry(contract.source.clone()).or_default().insert((row.precedence, row.line));
                }
            }
        }
        if !self.rewritten.is_empty() {
            let table = batch.table(&tables::drops().table)?.clone();
            let mut rows: Vec<DropRow> = ops::read(&context.lake, &table).await?;
            for row in &mut rows {
                if let Some((digest, modified)) = self.rewritten.get(&row.drop) {
                    row.digest.clone_from(digest);
                    row.manifest_modified = *modified;
                }
            }
            let state = ops::replace(&context.lake, table, &rows, &batch.note).await?;
            batch.commit(state);
        }
        Ok(())
    }
}

/// Finds a person's customer records and orders, in the landing zone and in the clean tables.
async fn find(context: &Context, ledger: &Ledger, person: &str) -> Result<Erasure> {
    let mut erasure = Erasure::default();
    let (customers, orders) = (context.project.contract("customers")?, context.project.contract("orders")?);
    let wanted = BTreeSet::from([person.to_owned()]);
    erasure.customers = referring(context, ledger, customers, PERSON, &wanted, "customer_id").await?;
    erasure.orders = referring(context, ledger, orders, "customer_id", &erasure.customers, "order_id").await?;
    Ok(erasure)
}

/// The values of `wanted` in rows of a source whose `column` holds one of some values.
async fn referring(
    context: &Context,
    ledger: &Ledger,
    contract: &Contract,
    column: &str,
    values: &BTreeSet<String>,
    wanted: &str,
) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    if values.is_empty() {
        return Ok(found);
    }
    let model = context.project.model(&TableName::new(Layer::Clean, &contract.source))?;
    let table = ledger.state(&context.lake, &Definition::of(model)).await?;
    for rows in context.lake.read_all(&table, Some(&[column, wanted])).await? {
        let error = || FlowError::rows(&model.table);
        let (keys, answers) = (text(&rows, column).map_err(error())?, text(&rows, wanted).map_err(error())?);
        let hits = (0..rows.num_rows()).filter(|row| keys.is_valid(*row) && values.contains(keys.value(*row)));
        found.extend(hits.filter(|row| answers.is_valid(*row)).map(|row| answers.value(row).to_owned()));
    }
    for (folder, file) in landing_files(context).await? {
        if file != contract.file {
            continue;
        }
        let Some(bytes) = context.lake.get(&format!("{folder}/{file}")).await? else { continue };
        if !names_any(&bytes, values.iter()) {
            continue;
        }
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(&bytes[..]);
        let header = reader.byte_headers().cloned().unwrap_or_default();
        let place = |name: &str| header.iter().position(|found| found.trim_ascii().ends_with(name.as_bytes()));
        let (Some(key), Some(answer)) = (place(column), place(wanted)) else { continue };
        for record in reader.byte_records().map_while(std::result::Result::ok) {
            let field = |place: usize| std::str::from_utf8(record.get(place).unwrap_or_default()).unwrap_or("").trim();
            if values.contains(field(key)) && id(field(answer)).is_some() {
                found.insert(field(answer).to_owned());
            }
        }
    }
    Ok(found)
}

/// Every CSV file of the landing zone, drop or not.
async fn landing_files(context: &Context) -> Result<Vec<(String, String)>> {
    let landing = discover::landing(&context.lake).await?;
    let folders = landing.complete.into_iter().map(|(folder, _)| folder).chain(landing.incomplete);
    let mut files = Vec::new();
    for folder in folders {
        let objects = context.lake.list(&folder).await?.objects;
        let names = objects.into_iter().map(|(name, ..)| name).filter(|name| !name.starts_with('_'));
        files.extend(names.map(|name| (folder.clone(), name)));
    }
    debug_assert!(files.iter().all(|(folder, _)| folder.starts_with(LANDING)));
    Ok(files)
}

fn names_any<'a>(bytes: &[u8], names: impl IntoIterator<Item = &'a String>) -> bool {
    names.into_iter().any(|name| memmem::find(bytes, name.as_bytes()).is_some())
}

/// Marks a folder whose files are being rewritten.
const MARK: &str = "_erasing";

/// Cuts the records that name the person out of all files of the landing zone: those that refer to orders first, then the
/// orders, the customers last, so that what is left to cut can always be found again.
async fn cut_from_landing(
    context: &Context,
    names: &[String],
    erasure: &mut Erasure,
    receipt: &mut Receipt,
) -> Result<()> {
    let last = [context.project.contract("customers")?.file.clone(), context.project.contract("orders")?.file.clone()];
    let turn = |file: &str| last.iter().position(|name| name == file).map_or(0, |place| last.len() - place);
    let mut by_turn: BTreeMap<(usize, String), Vec<String>> = BTreeMap::new();
    for (folder, file) in landing_files(context).await? {
        by_turn.entry((turn(&file), folder)).or_default().push(file);
    }
    for ((_, folder), files) in by_turn {
        cut_from_folder(context, &folder, files, names, erasure, receipt).await?;
    }
    Ok(())
}

async fn cut_from_folder(
    context: &Context,
    folder: &str,
    files: Vec<String>,
    names: &[String],
    erasure: &mut Erasure,
    receipt: &mut Receipt,
) -> Result<()> {
    let (manifest_path, mark) = (format!("{folder}/{MANIFEST_FILE}"), format!("{folder}/{MARK}"));
    let manifest = context.lake.get(&manifest_path).await?;
    let mut manifest: Option<Manifest> = manifest.and_then(|text| serde_json::from_slice(&text).ok());
    // An erasure that was killed here may have cut files without telling the manifest.
    let was_killed = context.lake.get(&mark).await?.is_some();
    let mut changed = was_killed;
    for file in files {
        let path = format!("{folder}/{file}");
        let Some(bytes) = context.lake.get(&path).await? else { continue };
        let names_her = names_any(&bytes, names);
        if !names_her && !was_killed {
            continue;
        }
        let (kept, rows, cut) = without(&bytes, names);
        if let Some(entry) = manifest.as_mut().and_then(|manifest| manifest.files.get_mut(&file)) {
            let sha256 = format!("{:x}", Sha256::digest(&kept));
            *entry = FileEntry { rows, bytes: kept.len() as u64, sha256, content: entry.content };
            if !changed {
                context.lake.put(&mark, bytes::Bytes::new()).await?;
                changed = true;
            }
        }
        if names_her {
            *receipt.landing_records.entry(folder.to_owned()).or_default() += cut;
            context.lake.put(&path, kept.into()).await?;
        }
    }
    if let Some(manifest) = manifest.filter(|_| changed) {
        let json = manifest.to_json().map_err(|error| FlowError::Request {
            problem: error.to_string(),
            hint: "this is a bug; please report it".to_owned(),
        })?;
        context.lake.put(&manifest_path, json.into()).await?;
        context.lake.delete(&mark).await?;
        let listed = context.lake.list(folder).await?.objects;
        let modified = listed.iter().find(|(name, ..)| name == MANIFEST_FILE).map_or(0, |(_, _, modified)| *modified);
        erasure.rewritten.insert(folder.to_owned(), (manifest.digest(), modified));
    }
    Ok(())
}

/// A CSV file without the records that hold one of the names; how many rows are kept (the header is none) and how many
/// were cut.
fn without(bytes: &[u8], names: &[String]) -> (Vec<u8>, u64, u64) {
    let mut kept = Vec::with_capacity(bytes.len());
    let (mut records, mut cut) = (0u64, 0);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let mut record = csv::ByteRecord::new();
    let mut start = 0;
    while reader.read_byte_record(&mut record).unwrap_or(false) {
        let end = usize::try_from(reader.position().byte()).unwrap_or(bytes.len()).min(bytes.len());
        if names_any(&bytes[start..end], names) {
            cut += 1;
        } else {
            kept.extend_from_slice(&bytes[start..end]);
            records += 1;
        }
        start = end;
    }
    (kept, records.saturating_sub(1), cut)
}

/// Rows of every published table that may hold something of a person.
async fn counts(context: &Context, ledger: &Ledger) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for definition in tables::all(&context.project).into_iter().filter(personal) {
        counts.insert(definition.table.to_string(), ledger.state(&context.lake, &definition).await?.rows());
    }
    Ok(counts)
}

/// Whether a table's rows name orders or customers, or hold delivered text.
fn personal(definition: &Definition) -> bool {
    definition.columns.iter().any(|column| ["order_id", "customer_id", "raw"].contains(&column.name.as_str()))
}

/// How many rows and files still name the person.
async fn left(context: &Context, ledger: &Ledger, names: &[String]) -> Result<u64> {
    let mut left = 0;
    let wanted: HashSet<Id> = names.iter().filter_map(|name| id(name)).collect();
    for definition in tables::all(&context.project).into_iter().filter(personal) {
        let state = ledger.state(&context.lake, &definition).await?;
        for column in ["order_id", "customer_id", PERSON] {
            if definition.columns.iter().all(|known| known.name != column) {
                continue;
            }
            for rows in context.lake.read_all(&state, Some(&[column])).await? {
                let values = text(&rows, column).map_err(FlowError::rows(&definition.table))?;
                left += ids(values).flatten().filter(|id| wanted.contains(id)).count() as u64;
            }
        }
        if definition.table.layer == Layer::Quarantine {
            let rows: Vec<QuarantineRow> = ops::read(&context.lake, &state).await?;
            left += rows.iter().filter(|row| names.iter().any(|name| row.raw.contains(name.as_str()))).count() as u64;
        }
    }
    for (folder, file) in landing_files(context).await? {
        let bytes = context.lake.get(&format!("{folder}/{file}")).await?.unwrap_or_default();
        left += u64::from(names_any(&bytes, names));
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use entrega_operators::keys::hex;

    use super::*;

    #[test]
    fn a_record_is_cut_whole() {
        let text = b"id,text\na,\"two\nlines\"\nb,x\nc,a";
        let (kept, rows, cut) = without(text, &["a".to_owned()]);
        assert_eq!((kept.as_slice(), rows, cut), (&b"id,text\nb,x\n"[..], 1, 2));
        let (kept, rows, cut) = without(text, &["lines".to_owned()]);
        assert_eq!((kept.as_slice(), rows, cut), (&b"id,text\nb,x\nc,a"[..], 2, 1));
    }

    #[test]
    fn an_erasure_names_what_it_is_about() {
        let order = "0".repeat(32);
        let erasure = Erasure { orders: BTreeSet::from([order.clone()]), ..Erasure::default() };
        assert_eq!(erasure.texts("p"), [order.clone(), "p".to_owned()]);
        assert_eq!(erasure.orders().map(|order| hex(&order)).collect::<Vec<_>>(), [order]);
    }
}
