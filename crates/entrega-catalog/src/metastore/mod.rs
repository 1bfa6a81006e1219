//! The metastore: connecting to it, and bringing it in step.
//!
//! ```text
//!  addresses ─▶ connect ─▶ Metastore ─▶ step: survey, refuse what is not ours, create, alter, drop
//!                                         │ calls ─▶ answers (what a "no" means)
//!                                         └ wire (our words to Thrift's and back) ─▶ difference
//! ```

mod addresses;
mod answers;
mod calls;
mod difference;
mod step;
mod wire;

use std::{net::SocketAddr, time::Duration};

use hive_metastore::{ThriftHiveMetastoreClient, ThriftHiveMetastoreClientBuilder};
use volo_thrift::codec::default::DefaultMakeCodec;

use crate::{CatalogError, Contents, Result, change::Change};

/// How long a host may take to accept a connection.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long an answer may take. Registering some hundred partitions makes a metastore look for as many folders in an
/// object store, and that takes a metastore with one connection to it half a minute.
const ANSWER_TIME: Duration = Duration::from_mins(5);

/// A Hive Metastore that answered.
pub struct Metastore {
    client: ThriftHiveMetastoreClient,
    address: String,
}

impl std::fmt::Debug for Metastore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Metastore").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Metastore {
    /// Connects to the first of the metastores that answers: `thrift://host:port[,thrift://host2:port]`.
    ///
    /// # Errors
    /// [`CatalogError::Setting`] for another text, [`CatalogError::Unreachable`] if none of them answers.
    pub async fn connect(uris: &str) -> Result<Self> {
        let mut tried = Vec::new();
        for (host, port) in addresses::parse(uris)? {
            let address = format!("{host}:{port}");
            match tokio::net::lookup_host((host.as_str(), port)).await {
                Err(error) => tried.push(format!("{address} ({error})")),
                Ok(found) => {
                    for socket in found {
                        let metastore = Self { client: client(socket), address: address.clone() };
                        match metastore.all_databases().await {
                            Ok(_) => return Ok(metastore),
                            Err(CatalogError::Broken { cause, .. }) => tried.push(format!("{address} ({cause})")),
                            Err(refused) => return Err(refused),
                        }
                    }
                }
            }
        }
        Err(CatalogError::Unreachable { tried })
    }

    /// The address that answered.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Makes the metastore hold what it should of a lake: creates, alters and drops until all is as it should be, and
    /// says for each table what it did. What is right already is left alone, so a second call changes nothing.
    ///
    /// Only tables are touched whose property `entrega.lake` names this lake. Files never are.
    ///
    /// # Errors
    /// [`CatalogError::Foreign`] if a name is taken by a table that is not the lake's; then nothing was changed.
    /// [`CatalogError::Refused`] and [`CatalogError::Broken`] if the metastore will not or cannot go on.
    pub async fn keep_in_step(&self, contents: &Contents) -> Result<Vec<Change>> {
        step::keep_in_step(self, contents).await
    }
}

fn client(socket: SocketAddr) -> ThriftHiveMetastoreClient {
    ThriftHiveMetastoreClientBuilder::new("metastore")
        .address(socket)
        // Volo's own default wraps messages into frames, which a plain metastore does not understand.
        .make_codec(DefaultMakeCodec::buffered())
        .connect_timeout(Some(CONNECT_TIME))
        .read_write_timeout(Some(ANSWER_TIME))
        .rpc_timeout(Some(ANSWER_TIME))
        .build()
}
