//! Where a lake lies, in the words of those who read a metastore, and what its databases are called.

use std::fmt::Write as _;

use entrega_model::tables::Layer;
use url::Url;

use crate::{CatalogError, Result};

/// For whom a database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reader {
    /// Spark, and whoever else knows Delta: `clean`.
    Spark,
    /// Presto and Trino's Hive connector, which find files through link files: `clean_links`.
    Links,
    /// Whoever wants ORC: `summary_orc`.
    Orc,
}

impl Reader {
    fn suffix(self) -> &'static str {
        match self {
            Self::Spark => "",
            Self::Links => "_links",
            Self::Orc => "_orc",
        }
    }
}

/// The databases that a lake may have in a metastore, in order.
pub(crate) const DATABASES: [(Layer, Reader); 13] = [
    (Layer::Landing, Reader::Spark),
    (Layer::Landing, Reader::Links),
    (Layer::Ops, Reader::Spark),
    (Layer::Ops, Reader::Links),
    (Layer::Quarantine, Reader::Spark),
    (Layer::Quarantine, Reader::Links),
    (Layer::Clean, Reader::Spark),
    (Layer::Clean, Reader::Links),
    (Layer::Summary, Reader::Spark),
    (Layer::Summary, Reader::Links),
    (Layer::Summary, Reader::Orc),
    (Layer::Features, Reader::Spark),
    (Layer::Features, Reader::Links),
];

/// A lake as a metastore knows it: its place, and what its databases are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lake {
    location: String,
    prefix: String,
}

impl Lake {
    /// A lake by its URL, `file:///…` or `s3://bucket/prefix`. `prefix` is put before the name of each database, so
    /// that several lakes can share a metastore; usually it is empty.
    ///
    /// Places are written as Hadoop writes them: `file:/…` with one slash and without percent signs, and `s3a://`,
    /// which Hive, Spark and Trino all understand (`s3://` only those that Amazon runs).
    ///
    /// ```
    /// use entrega_catalog::Lake;
    /// assert_eq!(Lake::new("s3://bucket/my%20lake/", "").unwrap().location(), "s3a://bucket/my lake");
    /// assert_eq!(Lake::new("file:///data/lake", "").unwrap().at("clean/orders"), "file:/data/lake/clean/orders");
    /// ```
    ///
    /// # Errors
    /// [`CatalogError::Setting`] for another URL, or a prefix that cannot begin a name.
    pub fn new(url: &str, prefix: &str) -> Result<Self> {
        let wrong = || {
            CatalogError::setting(
                format!("'{url}' is no place of a lake that a metastore can be told"),
                "it is file:///folder or s3://bucket/prefix",
            )
        };
        let parsed = Url::parse(url).map_err(|_| wrong())?;
        let path = unescaped(parsed.path()).ok_or_else(wrong)?;
        let path = path.trim_end_matches('/');
        let location = match (parsed.scheme(), parsed.host_str()) {
            ("file", None | Some("" | "localhost")) if !path.is_empty() => format!("file:{path}"),
            ("s3" | "s3a", Some(bucket)) => format!("s3a://{bucket}{path}"),
            _ => return Err(wrong()),
        };
        if !prefix.is_empty() && !is_identifier(prefix) {
            return Err(CatalogError::setting(
                format!("'{prefix}' cannot be put before the names of databases"),
                "use lower-case letters, digits and _, a letter first",
            ));
        }
        Ok(Self { location, prefix: prefix.to_owned() })
    }

    /// Where it lies, without a slash at the end. It also tells whose a table is.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The place of a path inside the lake.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.location)
    }

    /// The name of the database of a layer, for a kind of reader.
    ///
    /// ```
    /// use entrega_catalog::{Lake, Reader};
    /// use entrega_model::tables::Layer;
    /// let lake = Lake::new("file:///lake", "shop_").unwrap();
    /// assert_eq!(lake.database(Layer::Clean, Reader::Links), "shop_clean_links");
    /// ```
    #[must_use]
    pub fn database(&self, layer: Layer, reader: Reader) -> String {
        format!("{}{}{}", self.prefix, layer.name(), reader.suffix())
    }
}

/// Whether a name is safe in any SQL and any path.
pub(crate) fn is_identifier(name: &str) -> bool {
    let word = name.trim_start_matches('_');
    word.starts_with(|first: char| first.is_ascii_lowercase())
        && word.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}

/// A URL's path without percent signs: Hadoop writes paths as they are.
fn unescaped(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The value that stands for NULL in a partition's name, in Hive and in Delta.
pub const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// One part of a partition's folder and name, `column=value`, escaped as Hive does it.
pub(crate) fn partition_part(column: &str, value: &str) -> String {
    let mut part = format!("{column}=");
    for letter in value.chars() {
        if letter.is_ascii_control() || "\"#%'*/:=?\\{[]^".contains(letter) {
            let _ = write!(part, "%{:02X}", u32::from(letter));
        } else {
            part.push(letter);
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_places_are_refused() {
        for url in ["/data/lake", "file:///", "https://lake", "gs://bucket/lake", "s3:///x"] {
            let message = Lake::new(url, "").unwrap_err().to_string();
            assert!(message.ends_with("\nhint: it is file:///folder or s3://bucket/prefix"), "{message}");
        }
        assert!(Lake::new("file:///lake", "x; drop ").is_err());
    }

    #[test]
    fn a_bucket_may_be_the_lake() {
        assert_eq!(Lake::new("s3://bucket", "").unwrap().at("clean"), "s3a://bucket/clean");
    }

    #[test]
    fn values_are_escaped_as_hive_does_it() {
        assert_eq!(partition_part("month", "2018-01-01"), "month=2018-01-01");
        assert_eq!(partition_part("what", "a/b=c%"), "what=a%2Fb%3Dc%25");
    }
}
