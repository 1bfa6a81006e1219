//! Read-only SQL over a lake's tables at given versions.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    catalog::{
        CatalogProvider as _, CatalogProviderList as _, MemTable, MemoryCatalogProvider, MemoryCatalogProviderList,
        MemorySchemaProvider,
    },
    execution::context::SQLOptions,
    prelude::SessionContext,
};
use entrega_lake::Lake;
use entrega_model::tables::{Layer, TableName};

use crate::{
    EngineError, Result,
    embedded::{CATALOG, builder, config},
};

/// SQL over published tables; nothing can be written through it.
pub struct Reader {
    context: SessionContext,
}

impl Reader {
    /// A reader of these tables at these versions.
    ///
    /// # Errors
    /// [`EngineError::Lake`] when a table cannot be opened.
    pub async fn open(lake: &Lake, versions: &BTreeMap<TableName, u64>) -> Result<Self> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let catalog = MemoryCatalogProvider::new();
        for layer in Layer::ALL {
            let provider = Arc::new(MemorySchemaProvider::new());
            catalog.register_schema(layer.name(), provider).map_err(EngineError::query)?;
        }
        let opened = versions.iter().map(|(table, version)| {
            let (lake, table, version) = (lake.clone(), table.clone(), *version);
            tokio::spawn(async move {
                let delta = lake.delta_table(&table, Some(version)).await?;
                Ok::<_, EngineError>((table, delta))
            })
        });
        let mut stores = None;
        for task in opened.collect::<Vec<_>>() {
            let joined = task
                .await
                .map_err(|error| EngineError::query(datafusion::error::DataFusionError::External(Box::new(error))))?;
            let (table, Some(delta)) = joined? else { continue };
            let provider = delta
                .table_provider()
                .await
                .map_err(|error| EngineError::query(datafusion::error::DataFusionError::External(Box::new(error))))?;
            if let Some(schema) = catalog.schema(table.layer.name()) {
                schema.register_table(table.name.clone(), provider).map_err(EngineError::query)?;
            }
            stores = Some(delta);
        }
        let catalogs = MemoryCatalogProviderList::new();
        catalogs.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        let state = builder(config(threads, "clean").with_information_schema(true))
            .with_catalog_list(Arc::new(catalogs))
            .build();
        if let Some(delta) = stores {
            delta
                .update_datafusion_session(&state)
                .map_err(|error| EngineError::query(datafusion::error::DataFusionError::External(Box::new(error))))?;
        }
        Ok(Self { context: SessionContext::new_with_state(state) })
    }

    /// Adds rows as a table, for example `ops.as_of`.
    ///
    /// # Errors
    /// [`EngineError::Query`] when the name is taken.
    pub fn add(&self, table: &TableName, schema: SchemaRef, rows: Vec<RecordBatch>) -> Result<()> {
        let provider = MemTable::try_new(schema, vec![rows]).map_err(EngineError::query)?;
        let name = datafusion::common::TableReference::partial(table.layer.name(), table.name.as_str());
        self.context.register_table(name, Arc::new(provider)).map_err(EngineError::query)?;
        Ok(())
    }

    /// Runs one query; anything that would write or define is refused.
    ///
    /// # Errors
    /// [`EngineError::Query`].
    pub async fn query(&self, sql: &str) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let frame = self.context.sql_with_options(sql, options).await.map_err(EngineError::query)?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let rows = frame.collect().await.map_err(EngineError::query)?;
        Ok((schema, rows))
    }
}
