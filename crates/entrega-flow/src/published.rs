//! The published lake: what readers see, all tables at the versions of one batch.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use entrega_engine::reader::Reader;
use entrega_model::{drops::Interval, tables::TableName};
use entrega_operators::quarantine::{QuarantineRow, QuarantineState};

use crate::{
    Context, FlowError, Result,
    ledger::{self, Ledger},
    ops,
    status::gaps,
    tables::{self, CheckRow, DropRow},
};

/// A reader of one batch's versions.
pub struct Published {
    /// Answers SQL.
    pub reader: Reader,
    /// The batch.
    pub batch: String,
    /// The version of each table.
    pub versions: BTreeMap<TableName, u64>,
    /// The end of the newest interval known.
    pub as_of: NaiveDateTime,
    ledger: Ledger,
}

/// What the books say of the data's quality.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// Checks of severity fail that found something in the newest batches.
    pub checks_failed: u64,
    /// Checks of severity warn that found something in the newest batches.
    pub checks_warned: u64,
    /// Rejected rows by source.
    pub quarantined: BTreeMap<String, u64>,
    /// Waiting rows by source.
    pub waiting: BTreeMap<String, u64>,
    /// Whether every row of every file is accounted for.
    pub reconciled: bool,
    /// Intervals that no drop covers.
    pub gaps: u64,
}

impl Published {
    /// Opens the lake as the last batch, or the given one, published it.
    ///
    /// # Errors
    /// [`FlowError::Request`] when nothing was published yet, or there is no such batch.
    pub async fn open(context: &Context, batch: Option<&str>) -> Result<Self> {
        let ledger = Ledger::open(&context.lake, batch).await?;
        let Some((last, as_of)) = ledger.rows.last().and_then(|last| Some((last.batch_id.clone(), last.as_of?))) else {
            return Err(FlowError::Request {
                problem: format!("nothing was published in {} yet", context.lake.url()),
                hint: "`entrega run all` takes the drops that wait; `entrega status` shows them".to_owned(),
            });
        };
        let mut versions = ledger.versions.clone();
        // The ledger itself and the log of runs are read as they are now: no batch can name its own row.
        for definition in [ledger::batches(), tables::runs()] {
            if let Some(version) =
                context.lake.delta_table(&definition.table, None).await?.and_then(|delta| delta.version())
            {
                versions.insert(definition.table, version);
            }
        }
        let reader = Reader::open(&context.lake, &versions).await?;
        Ok(Self { reader, batch: last, versions, as_of, ledger })
    }

    /// What the books say of the data's quality.
    ///
    /// # Errors
    /// When a book cannot be read.
    pub async fn quality(&self, context: &Context) -> Result<Books> {
        let mut books = Books::default();
        let drops = self.ledger.state(&context.lake, &tables::drops()).await?;
        let drops: Vec<DropRow> = ops::read(&context.lake, &drops).await?;
        books.reconciled = drops.iter().all(|row| row.rows_in == row.accounted());
        let intervals = drops
            .iter()
            .filter(|row| !row.retried)
            .map(|row| Interval { start: row.interval_start, end: row.interval_end });
        books.gaps = gaps(intervals.collect()).len() as u64;
        let checks = self.ledger.state(&context.lake, &tables::checks()).await?;
        let checks: Vec<CheckRow> = ops::read(&context.lake, &checks).await?;
        // What matters is what the newest batch said of each check.
        let mut newest: BTreeMap<(String, String), &CheckRow> = BTreeMap::new();
        for row in &checks {
            let entry = newest.entry((row.table.clone(), row.check.clone())).or_insert(row);
            if entry.batch_id <= row.batch_id {
                *entry = row;
            }
        }
        for row in newest.values().filter(|row| row.failures > 0) {
            *(if row.severity == "fail" { &mut books.checks_failed } else { &mut books.checks_warned }) += 1;
        }
        for contract in context.project.contracts() {
            let table = self.ledger.state(&context.lake, &tables::quarantine_of(&contract.source)).await?;
            let rows: Vec<QuarantineRow> = ops::read(&context.lake, &table).await?;
            for row in rows {
                let counts = match row.state {
                    QuarantineState::Rejected => &mut books.quarantined,
                    QuarantineState::Waiting => &mut books.waiting,
                };
                *counts.entry(contract.source.clone()).or_default() += 1;
            }
        }
        Ok(books)
    }
}
