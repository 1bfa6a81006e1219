//! Where a Spark Connect server is and how to get in: the connection string.
//!
//! ```text
//! sc://spark.example.org:15002/;token=…;use_ssl=true;user_id=ana;x-cluster=blue
//!      └──── host ─────┘ └port┘ └──────────────── parameters ────────────────┘
//! ```
//!
//! Parameters are those of [Spark's document](https://github.com/apache/spark/blob/v4.2.0/sql/connect/docs/client-connection-string.md):
//! `token`, `use_ssl`, `user_id`, `user_agent`, `session_id`; any other becomes a header of every request. A token never
//! leaves the machine in clear and is never shown: whoever holds it is the user.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use url::{Host, Url};
use uuid::Uuid;

use crate::error::{ConnectError, Result};

#[cfg(test)]
mod tests;

/// The port of a Spark Connect server, if the connection string names none.
pub const DEFAULT_PORT: u16 = 15002;
/// The environment variable that may hold the token, as for Spark's own clients.
pub const TOKEN_VARIABLE: &str = "SPARK_CONNECT_AUTHENTICATE_TOKEN";
/// Spark's clients refuse a longer one, and so may servers.
const LONGEST_USER_AGENT: usize = 2048;

const SHAPE: &str = "write it like sc://host:15002 or sc://host:15002/;token=…;use_ssl=true";
const ENCODE: &str = "write other characters of a value percent-encoded, like %3B for a semicolon";

/// A header of every request.
pub(crate) type Header = (MetadataKey<Ascii>, MetadataValue<Ascii>);

/// A Spark Connect server, and how to get in.
///
/// ```
/// use entrega_connect::Remote;
///
/// let remote: Remote = "sc://spark.example.org/;token=secret".parse()?;
/// assert_eq!(remote.to_string(), "sc://spark.example.org:15002");
/// # Ok::<(), entrega_connect::ConnectError>(())
/// ```
#[derive(Clone)]
pub struct Remote {
    host: String,
    port: u16,
    tls: bool,
    /// The token's header among them; its value is marked as sensitive.
    headers: Vec<Header>,
    user: Option<String>,
    agent: Option<String>,
    session: Option<Uuid>,
}

impl Remote {
    /// Reads a connection string; what it leaves out (token, user) may come from the environment.
    ///
    /// # Errors
    /// If the string is not a connection string, or would send a token in clear to another machine.
    pub fn parse(text: &str) -> Result<Self> {
        Self::with_environment(text, &|name| std::env::var(name).ok())
    }

    /// Like [`Remote::parse`], in an environment that is handed in.
    ///
    /// # Errors
    /// As [`Remote::parse`].
    pub fn with_environment(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let url = address(text)?;
        let mut given = Parameters::read(url.path())?;
        let host =
            url.host().filter(|host| !host.to_string().is_empty()).ok_or_else(|| wrong("it names no host", SHAPE))?;

        let variable = |name: &str| environment(name).filter(|value| !value.is_empty());
        let token = given.take("token")?.or_else(|| variable(TOKEN_VARIABLE));
        let use_ssl = given.take("use_ssl")?.map(|value| truth(&value)).transpose()?;
        let user = given.take("user_id")?.or_else(|| variable("SPARK_USER")).or_else(|| variable("USER"));
        let agent = given.take("user_agent")?.or_else(|| variable("SPARK_CONNECT_USER_AGENT"));
        if agent.as_ref().is_some_and(|agent| agent.len() > LONGEST_USER_AGENT) {
            return Err(wrong(
                format!("user_agent is longer than {LONGEST_USER_AGENT} characters"),
                "name the program only",
            ));
        }
        let session = given.take("session_id")?.map(|id| Uuid::parse_str(&id)).transpose().map_err(|_| {
            wrong("session_id is not a UUID", "leave it out, or write it like 00112233-4455-6677-8899-aabbccddeeff")
        })?;

        let mut headers = given.0.iter().map(|(name, value)| header(name, value)).collect::<Result<Vec<_>>>()?;
        if let Some(token) = &token {
            if headers.iter().any(|(name, _)| name == "authorization") {
                return Err(wrong("it has both token and authorization", "leave one out: token becomes that header"));
            }
            headers.push(header("authorization", &format!("Bearer {token}"))?);
        }
        for (_, value) in &mut headers {
            value.set_sensitive(true);
        }
        let secret = headers.iter().any(|(name, _)| name == "authorization");
        let tls = encrypted(use_ssl, secret, is_loopback(&host))?;
        Ok(Self {
            host: host.to_string(),
            port: url.port().unwrap_or(DEFAULT_PORT),
            tls,
            headers,
            user,
            agent,
            session,
        })
    }

    /// The host, as in a URL.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether requests are encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.tls
    }

    pub(crate) fn uri(&self) -> String {
        format!("{}://{}:{}", if self.tls { "https" } else { "http" }, self.host, self.port)
    }

    pub(crate) fn headers(&self) -> &[Header] {
        &self.headers
    }

    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(crate) fn session(&self) -> Option<Uuid> {
        self.session
    }

    /// What the server's log shall say of this client.
    pub(crate) fn agent(&self) -> String {
        let name = self.agent.as_deref().unwrap_or("entrega");
        format!("{name} entrega/{} os/{}", env!("CARGO_PKG_VERSION"), std::env::consts::OS)
    }
}

impl FromStr for Remote {
    type Err = ConnectError;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sc://{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        formatter
            .debug_struct("Remote")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls)
            .field("headers", &names)
            .field("user", &self.user)
            .field("agent", &self.agent)
            .field("session", &self.session)
            .finish()
    }
}

/// The parameters, decoded, in the order given.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `/;name=value;name=value`. Errors count the parameters and never repeat them: any may be a secret.
    fn read(path: &str) -> Result<Self> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let Some(list) = path.strip_prefix(';') else {
            return if path.is_empty() {
                Ok(Self(Vec::new()))
            } else {
                Err(wrong("it has a path", "parameters begin with '/;', and nothing else may follow the port"))
            };
        };
        let mut found: Vec<(String, String)> = Vec::new();
        for (place, pair) in (1..).zip(list.split(';')).filter(|(_, pair)| !pair.is_empty()) {
            let (name, value) = pair
                .split_once('=')
                .filter(|(name, _)| !name.is_empty())
                .ok_or_else(|| wrong(format!("parameter {place} is not a name=value pair"), ENCODE))?;
            let value = percent_decode_str(value)
                .decode_utf8()
                .map_err(|_| wrong(format!("the value of parameter {name} is not UTF-8"), ENCODE))?;
            if found.iter().any(|(known, _)| known == name) {
                return Err(wrong(format!("parameter {name} is given twice"), "leave one out"));
            }
            found.push((name.to_owned(), value.into_owned()));
        }
        Ok(Self(found))
    }

    /// Takes a parameter out.
    fn take(&mut self, name: &str) -> Result<Option<String>> {
        let Some(place) = self.0.iter().position(|(known, _)| known == name) else { return Ok(None) };
        let (_, value) = self.0.remove(place);
        if value.is_empty() {
            Err(wrong(format!("parameter {name} is empty"), "give it a value, or leave it out"))
        } else {
            Ok(Some(value))
        }
    }
}

/// The string as a URL.
fn address(text: &str) -> Result<Url> {
    let text = text.trim();
    if !text.starts_with("sc://") {
        return Err(wrong("it does not begin with sc://", SHAPE));
    }
    let url = Url::parse(text).map_err(|error| wrong(error.to_string(), SHAPE))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "it has a user before the host",
            "name the user with ;user_id=… and the secret with ;token=…",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it has a '?' or a '#'", ENCODE));
    }
    Ok(url)
}

/// Spark's rule: a token means TLS, except on this machine. Only that it cannot be talked out of it.
fn encrypted(use_ssl: Option<bool>, secret: bool, loopback: bool) -> Result<bool> {
    match use_ssl {
        Some(false) if secret && !loopback => Err(wrong(
            "with use_ssl=false the token would go over the network in clear",
            "leave use_ssl=false out, or reach the server by a tunnel that ends at localhost",
        )),
        Some(asked) => Ok(asked),
        None => Ok(secret && !loopback),
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        // The scheme is none that the URL standard knows, so addresses of version 4 are names to it.
        Host::Domain(name) => {
            name.eq_ignore_ascii_case("localhost")
                || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        }
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

fn truth(value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(wrong("use_ssl is neither true nor false", "write ;use_ssl=true or leave it out")),
    }
}

fn header(name: &str, value: &str) -> Result<Header> {
    let key = MetadataKey::from_bytes(name.as_bytes()).map_err(|_| {
        wrong(format!("parameter {name} cannot be the name of a header"), "letters, digits and hyphens only")
    })?;
    let value = MetadataValue::try_from(value)
        .map_err(|_| wrong(format!("the value of {name} cannot be a header"), "printable ASCII characters only"))?;
    Ok((key, value))
}

fn wrong(problem: impl Into<String>, hint: &'static str) -> ConnectError {
    ConnectError::Address { problem: problem.into(), hint }
}
