//! A published lake as pages ask it: SQL in, rows out, and how sound they are.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use entrega_flow::{Context, published::Published};
use entrega_serve::{LakeFacts, Quality, QueryError, QuerySource};

/// What one batch published, with what people call its lake.
pub struct Answers {
    published: Published,
    facts: LakeFacts,
    quality: Quality,
}

impl Answers {
    /// Opens a lake as its last batch published it.
    pub async fn open(context: &Context, label: &str) -> anyhow::Result<Self> {
        let published = Published::open(context, None).await?;
        let books = published.quality(context).await?;
        let quality = Quality {
            checks_failed: books.checks_failed,
            checks_warned: books.checks_warned,
            quarantined: books.quarantined,
            waiting: books.waiting,
            reconciled: books.reconciled,
            gaps: books.gaps,
        };
        let facts = LakeFacts { label: label.to_owned(), as_of: published.as_of, batch: Some(published.batch.clone()) };
        Ok(Self { published, facts, quality })
    }
}

#[async_trait::async_trait]
impl QuerySource for Answers {
    async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, QueryError> {
        Ok(self.published.reader.query(sql).await?.1)
    }

    fn table_versions(&self) -> BTreeMap<String, u64> {
        self.published.versions.iter().map(|(table, version)| (table.to_string(), *version)).collect()
    }

    fn lake(&self) -> LakeFacts {
        self.facts.clone()
    }

    fn quality(&self) -> Quality {
        self.quality.clone()
    }
}
