//! Committing a rewrite of a table: one Delta commit, built on the published version.

use std::collections::HashSet;

use deltalake::{
    DeltaTableError,
    kernel::{
        Action, Add, Remove,
        transaction::{CommitBuilder, CommitProperties, TransactionError},
    },
    operations::create::CreateBuilder,
    protocol::{DeltaOperation, SaveMode},
};
use serde_json::{Value, json};

use crate::{DataFile, Lake, LakeError, Result, TableState, schema::delta_fields, table::data_files};

/// What a commit says of itself in the Delta log, so that any version can be traced.
#[derive(Debug, Clone)]
pub struct CommitNote {
    /// The batch that writes.
    pub batch: String,
    /// The operator that writes, for example `upsert`.
    pub operator: &'static str,
    /// Anything else worth keeping: row counts, input versions.
    pub facts: Value,
}

/// How often Delta checkpoints a table's log: opening reads at most so many commits after the last checkpoint.
const CHECKPOINT_INTERVAL: &str = "20";

/// The change of a table's file set.
#[derive(Debug, Clone, Default)]
pub struct Rewrite {
    /// Paths of files that go.
    pub removed: HashSet<String>,
    /// Files that come.
    pub added: Vec<DataFile>,
    /// Whether the files that come hold the very rows of those that go: who follows the table's changes sees none.
    pub same_rows: bool,
}

impl Rewrite {
    /// A change of files alone, empty yet.
    #[must_use]
    pub fn of_same_rows() -> Self {
        Self { same_rows: true, ..Self::default() }
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }

    /// Marks a file as going.
    pub fn remove(&mut self, file: &DataFile) {
        self.removed.insert(file.add.path.clone());
    }

    /// Joins another change of the same table.
    pub fn merge(&mut self, other: Self) {
        self.removed.extend(other.removed);
        self.added.extend(other.added);
        self.same_rows &= other.same_rows;
    }
}

impl Lake {
    /// Commits a rewrite of `base` and gives the table's new state. What commits after `base` held (of a run that was
    /// killed before it published) is undone by the same commit. Without any change nothing is written, but a table that
    /// does not exist yet is made, so that it can be queried.
    ///
    /// # Errors
    /// [`LakeError::Busy`] when another run committed at the same moment; [`LakeError::Table`] otherwise.
    pub async fn commit(&self, base: TableState, rewrite: Rewrite, note: &CommitNote) -> Result<TableState> {
        let table = base.name().clone();
        let mut desired = base.files;
        desired.retain(|file| !rewrite.removed.contains(&file.add.path));
        desired.extend(rewrite.added);

        let latest = self.delta_table(&table, None).await?;
        let fields = delta_fields(&base.definition.columns)?;
        let (version, committed) = match latest {
            None => (
                Some(self.create(&base.definition, fields, adds(&desired), SaveMode::ErrorIfExists, note).await?),
                true,
            ),
            Some(delta) => {
                let state = delta.snapshot().map_err(|error| LakeError::table(&table, "reading its state", error))?;
                let same_schema =
                    state.schema().fields().map(|field| (field.name(), field.data_type())).collect::<Vec<_>>()
                        == fields.iter().map(|field| (field.name(), field.data_type())).collect::<Vec<_>>();
                if same_schema {
                    let current = data_files(&delta, &table)?;
                    // What a killed run left goes with the same commit: then its rows change.
                    let same_rows = rewrite.same_rows && delta.version() == base.version;
                    let actions = difference(&current, &desired, !same_rows);
                    if actions.is_empty() {
                        (delta.version(), false)
                    } else {
                        let operation = if same_rows {
                            DeltaOperation::Optimize { predicate: None, target_size: 0 }
                        } else {
                            DeltaOperation::Write {
                                mode: SaveMode::Overwrite,
                                partition_by: base.definition.partition.clone().map(|column| vec![column]),
                                predicate: None,
                            }
                        };
                        let commit = CommitBuilder::from(properties(note))
                            .with_actions(actions)
                            .build(Some(state), delta.log_store(), operation)
                            .await
                            .map_err(|error| commit_error(&table, error))?;
                        (Some(commit.version()), true)
                    }
                } else {
                    (
                        Some(self.create(&base.definition, fields, adds(&desired), SaveMode::Overwrite, note).await?),
                        true,
                    )
                }
            }
        };
        tracing::debug!(%table, ?version, committed, files = desired.len(), "commit");
        Ok(TableState { definition: base.definition, version, files: desired })
    }

    async fn create(
        &self,
        definition: &crate::Definition,
        fields: Vec<deltalake::kernel::StructField>,
        actions: Vec<Action>,
        mode: SaveMode,
        note: &CommitNote,
    ) -> Result<u64> {
        let table = &definition.table;
        let store = self.delta(table)?.build_storage().map_err(|error| LakeError::table(table, "opening it", error))?;
        let created = CreateBuilder::new()
            .with_log_store(store)
            .with_table_name(table.to_string())
            .with_comment(definition.description.clone())
            .with_columns(fields)
            .with_partition_columns(definition.partition.iter())
            .with_configuration([("delta.checkpointInterval", Some(CHECKPOINT_INTERVAL))])
            .with_save_mode(mode)
            .with_actions(actions)
            .with_commit_properties(properties(note))
            .await
            .map_err(|error| commit_error(table, error))?;
        created.version().ok_or_else(|| LakeError::table(table, "creating it", DeltaTableError::NotInitialized))
    }
}

/// No retries: the desired file set was worked out against the version that was read, so a commit in between is a
/// conflict. Log entries are never cleaned up here, because published versions must stay readable.
fn properties(note: &CommitNote) -> CommitProperties {
    let facts = [
        ("entrega.batch".to_owned(), json!(note.batch)),
        ("entrega.operator".to_owned(), json!(note.operator)),
        ("entrega.facts".to_owned(), note.facts.clone()),
    ];
    CommitProperties::default().with_metadata(facts).with_max_retries(0).with_cleanup_expired_logs(Some(false))
}

fn adds(files: &[DataFile]) -> Vec<Action> {
    files.iter().map(|file| Action::Add(file.add.clone())).collect()
}

/// The actions that turn one file set into another.
fn difference(current: &[DataFile], desired: &[DataFile], data_change: bool) -> Vec<Action> {
    let paths = |files: &[DataFile]| files.iter().map(|file| file.add.path.clone()).collect::<HashSet<_>>();
    let (now, then) = (paths(current), paths(desired));
    let removes = current
        .iter()
        .filter(|file| !then.contains(&file.add.path))
        .map(|file| Action::Remove(remove(&file.add, data_change)));
    let adds = desired
        .iter()
        .filter(|file| !now.contains(&file.add.path))
        .map(|file| Action::Add(Add { data_change, ..file.add.clone() }));
    removes.chain(adds).collect()
}

fn remove(add: &Add, data_change: bool) -> Remove {
    Remove {
        path: add.path.clone(),
        data_change,
        deletion_timestamp: Some(chrono::Utc::now().timestamp_millis()),
        extended_file_metadata: Some(true),
        partition_values: Some(add.partition_values.clone()),
        size: Some(add.size),
        tags: add.tags.clone(),
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
    }
}

fn commit_error(table: &entrega_model::tables::TableName, error: DeltaTableError) -> LakeError {
    let busy = matches!(
        &error,
        DeltaTableError::Transaction {
            source: TransactionError::VersionAlreadyExists(_)
                | TransactionError::MaxCommitAttempts(_)
                | TransactionError::CommitConflict(_)
        } | DeltaTableError::VersionAlreadyExists(_)
    );
    if busy {
        LakeError::Busy { what: format!("table {table}"), problem: error.to_string() }
    } else {
        LakeError::table(table, "committing", error)
    }
}
