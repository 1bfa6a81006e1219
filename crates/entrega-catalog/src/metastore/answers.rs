//! What a metastore's answer means: a value, a refusal, or a broken connection.

use hive_metastore::{
    ThriftHiveMetastoreAddPartitionsReqException as AddPartitions,
    ThriftHiveMetastoreAlterPartitionsWithEnvironmentContextException as AlterPartitions,
    ThriftHiveMetastoreAlterTableWithEnvironmentContextException as AlterTable,
    ThriftHiveMetastoreCreateDatabaseException as CreateDatabase,
    ThriftHiveMetastoreCreateTableException as CreateTable,
    ThriftHiveMetastoreDropPartitionsReqException as DropPartitions,
    ThriftHiveMetastoreDropTableException as DropTable, ThriftHiveMetastoreGetAllDatabasesException as GetAllDatabases,
    ThriftHiveMetastoreGetAllTablesException as GetAllTables,
    ThriftHiveMetastoreGetPartitionNamesException as GetPartitionNames,
    ThriftHiveMetastoreGetPartitionsByNamesException as GetPartitions,
    ThriftHiveMetastoreGetTableObjectsByNameException as GetTables,
};
use volo_thrift::{ClientError, MaybeException};

use crate::{CatalogError, Result};

/// A refusal that says why.
pub(super) trait Refusal {
    /// What the metastore said.
    fn said(&self) -> String;
}

/// The generated exceptions have nothing in common but that each of their variants holds a message.
macro_rules! refusals {
    ($($exception:ident: $($variant:ident)+;)+) => {$(
        impl Refusal for $exception {
            fn said(&self) -> String {
                match self {
                    $(Self::$variant(refusal) => refusal.message.as_deref().unwrap_or("without a reason").to_owned(),)+
                }
            }
        }
    )+};
}

refusals! {
    AddPartitions: O1 O2 O3;
    AlterPartitions: O1 O2;
    AlterTable: O1 O2;
    CreateDatabase: O1 O2 O3;
    CreateTable: O1 O2 O3 O4;
    DropPartitions: O1 O2;
    DropTable: O1 O3;
    GetAllDatabases: O1;
    GetAllTables: O1;
    GetPartitionNames: O2;
    GetPartitions: O1 O2;
    GetTables: O1 O2 O3;
}

/// What came back for a call that is told in words.
pub(super) fn answer<T, E: Refusal>(
    call: impl FnOnce() -> String,
    answer: std::result::Result<MaybeException<T, E>, ClientError>,
) -> Result<T> {
    match answer {
        Ok(MaybeException::Ok(value)) => Ok(value),
        Ok(MaybeException::Exception(refusal)) => {
            Err(CatalogError::Refused { call: call(), answer: first_line(&refusal.said()) })
        }
        Err(error @ (ClientError::Application(_) | ClientError::Biz(_))) => {
            Err(CatalogError::Refused { call: call(), answer: first_line(&error.to_string()) })
        }
        Err(error) => Err(CatalogError::Broken { call: call(), cause: first_line(&error.to_string()) }),
    }
}

/// A metastore likes to answer with a whole Java stack.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}
