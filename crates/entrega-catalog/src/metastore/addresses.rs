//! `thrift://host:port[,thrift://host2:port]`, as Hive's `hive.metastore.uris` has it.

use url::Url;

use crate::{CatalogError, Result};

/// The port that a metastore usually has.
const USUAL_PORT: u16 = 9083;

/// Hosts and ports, in order.
pub(super) fn parse(uris: &str) -> Result<Vec<(String, u16)>> {
    let hosts: Result<Vec<_>> = uris.split(',').map(str::trim).filter(|uri| !uri.is_empty()).map(one).collect();
    match hosts? {
        none if none.is_empty() => Err(wrong(uris)),
        hosts => Ok(hosts),
    }
}

fn one(uri: &str) -> Result<(String, u16)> {
    let parsed = Url::parse(uri).map_err(|_| wrong(uri))?;
    let host = parsed.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong(uri))?;
    if parsed.scheme() != "thrift" || !matches!(parsed.path(), "" | "/") {
        return Err(wrong(uri));
    }
    // An IPv6 address stands in brackets in a URL, and without them where hosts are looked up.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((host.to_owned(), parsed.port().unwrap_or(USUAL_PORT)))
}

fn wrong(uri: &str) -> CatalogError {
    CatalogError::setting(
        format!("'{uri}' is no address of a Hive Metastore"),
        "write thrift://host:9083; several are tried in order, with commas between",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_are_kept_in_order() {
        let hosts = parse("thrift://one:1234, thrift://two,thrift://[::1]:9").unwrap();
        assert_eq!(hosts, [("one".to_owned(), 1234), ("two".to_owned(), 9083), ("::1".to_owned(), 9)]);
    }

    #[test]
    fn other_addresses_are_refused() {
        for text in
            ["", ",", "host:9083", "http://host:9083", "thrift://", "thrift://host:9083/database", "thrift://a:b"]
        {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains("is no address of a Hive Metastore\nhint: write thrift://"), "{message}");
        }
    }
}
