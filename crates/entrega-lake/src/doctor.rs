//! Whether a place can be a lake: rights, conditional puts, the clock, how fast it answers.
//!
//! Each examination does for real, with an object of its own, what a run will do, and leaves nothing behind.

use std::time::Duration;

use chrono::{DateTime, Utc};
use object_store::{
    Error as StoreError, ObjectStore as _, ObjectStoreExt as _, PutMode, PutPayload, UpdateVersion, path::Path,
};
use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use crate::Lake;

/// Answers are slow from here on: a run asks some hundred times.
const SLOW: Duration = Duration::from_millis(400);

/// Clocks that differ by more make signed requests fail and freshness wrong.
const MOST_SKEW: chrono::TimeDelta = chrono::TimeDelta::seconds(120);

/// Requests of which the latency is the median.
const REQUESTS: usize = 5;

/// How an examination went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Good.
    Well,
    /// A lake works here, but something will hurt.
    Poor,
    /// No lake can work here.
    Ill,
}

/// The result of one examination.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub about: &'static str,
    /// How it is.
    pub health: Health,
    /// What was seen.
    pub seen: String,
    /// What to do; nothing where all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<&'static str>,
}

fn well(about: &'static str, seen: impl Into<String>) -> Finding {
    Finding { about, health: Health::Well, seen: seen.into(), hint: None }
}

fn bad(about: &'static str, health: Health, seen: impl Into<String>, hint: &'static str) -> Finding {
    Finding { about, health, seen: seen.into(), hint: Some(hint) }
}

/// An error with all its causes in one line.
fn causes(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = next.source();
    }
    text
}

impl Lake {
    /// Examines the place; `now` is this machine's time. What cannot be tried, because something before it failed, is
    /// left out.
    pub async fn examine(&self, now: impl Fn() -> DateTime<Utc>) -> Vec<Finding> {
        let path = self.path(&format!("_doctor-{}", Uuid::new_v4()));
        let mut findings = Vec::new();
        if let Err(error) = self.store().list_with_delimiter(Some(self.prefix())).await {
            let hint = "check bucket name, region, endpoint and keys; the role needs s3:ListBucket on the bucket";
            findings.push(bad("listing", Health::Ill, causes(&error), hint));
            return findings;
        }
        findings.push(well("listing", format!("{} can be listed", self.url())));
        let first = self.store().put_opts(&path, PutPayload::from_static(b"one"), PutMode::Create.into()).await;
        let first = match first {
            Ok(put) => put,
            Err(error) => {
                let hint = "the role needs s3:PutObject under the prefix (see `entrega lake init --print policy`)";
                findings.push(bad("writing", Health::Ill, causes(&error), hint));
                return findings;
            }
        };
        let written = now();
        findings.push(well("writing", "objects can be made"));
        findings.push(self.examine_reading(&path).await);
        findings.push(self.examine_creation(&path).await);
        if self.url().scheme() != "file" {
            let version = UpdateVersion { e_tag: first.e_tag, version: first.version };
            findings.push(self.examine_replacement(&path, version).await);
        }
        if let Ok(about) = self.store().head(&path).await {
            findings.push(clock(about.last_modified - written));
        }
        findings.push(self.examine_latency(&path).await);
        findings.push(match self.store().delete(&path).await {
            Ok(()) => well("deleting", "objects can be deleted"),
            Err(error) => bad("deleting", Health::Poor, causes(&error), "vacuum and leases need s3:DeleteObject"),
        });
        findings
    }

    async fn examine_reading(&self, path: &Path) -> Finding {
        let read = async { self.store().get(path).await?.bytes().await };
        match read.await {
            Ok(bytes) if bytes.as_ref() == b"one" => well("reading", "what was written is read"),
            Ok(_) => bad("reading", Health::Ill, "other bytes came back than were written", "use another object store"),
            Err(error) => bad("reading", Health::Ill, causes(&error), "the role needs s3:GetObject under the prefix"),
        }
    }

    /// Delta's commits: of two puts that only create, one must lose.
    async fn examine_creation(&self, path: &Path) -> Finding {
        let about = "conditional put";
        let hint = "Delta's commits need If-None-Match: use a store that has it (AWS S3, SeaweedFS, MinIO, R2)";
        match self.store().put_opts(path, PutPayload::from_static(b"two"), PutMode::Create.into()).await {
            Err(StoreError::AlreadyExists { .. }) => well(about, "a second create is refused"),
            Ok(_) => bad(about, Health::Ill, "a second create overwrote the first", hint),
            Err(error) => bad(about, Health::Ill, causes(&error), hint),
        }
    }

    /// The lease: a put that replaces one version must work once.
    async fn examine_replacement(&self, path: &Path, first: UpdateVersion) -> Finding {
        let about = "conditional replace";
        let hint = "leases need If-Match: without it two runs at once fail at their commits instead of at their start";
        let put = |bytes: &'static [u8]| {
            let mode = PutMode::Update(first.clone());
            self.store().put_opts(path, PutPayload::from_static(bytes), mode.into())
        };
        match (put(b"three").await, put(b"four").await) {
            (Ok(_), Err(StoreError::Precondition { .. })) => well(about, "a replace of an old version is refused"),
            (Ok(_), Ok(_)) => bad(about, Health::Poor, "a replace of an old version was taken", hint),
            (Err(error), _) | (_, Err(error)) => bad(about, Health::Poor, causes(&error), hint),
        }
    }

    async fn examine_latency(&self, path: &Path) -> Finding {
        let mut took = Vec::new();
        for _ in 0..REQUESTS {
            let begun = Instant::now();
            if self.store().head(path).await.is_ok() {
                took.push(begun.elapsed());
            }
        }
        took.sort_unstable();
        let Some(median) = took.get(took.len() / 2).copied() else {
            return bad("latency", Health::Poor, "no request was answered", "the network fails now and then");
        };
        let seen = format!("a request takes {:.1} ms", median.as_secs_f64() * 1000.);
        if median < SLOW {
            well("latency", seen)
        } else {
            bad("latency", Health::Poor, seen, "run where the bucket is: in its region, or through a VPC endpoint")
        }
    }
}

fn clock(ahead: chrono::TimeDelta) -> Finding {
    let seconds = ahead.num_seconds();
    let seen = match seconds {
        -1..=1 => "this machine and the store agree".to_owned(),
        _ => format!("the store's clock is {} s {}", seconds.abs(), if seconds > 0 { "ahead" } else { "behind" }),
    };
    if ahead.abs() <= MOST_SKEW {
        well("clock", seen)
    } else {
        bad("clock", Health::Poor, seen, "set this machine's clock (NTP): signed requests are refused when it is wrong")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_is_well_and_nothing_is_left_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let lake = Lake::open_or_create(folder.path().join("lake").to_str().unwrap()).await.unwrap();
        let findings = lake.examine(Utc::now).await;
        let about: Vec<&str> = findings.iter().map(|finding| finding.about).collect();
        assert_eq!(about, ["listing", "writing", "reading", "conditional put", "clock", "latency", "deleting"]);
        assert!(findings.iter().all(|finding| finding.health == Health::Well), "{findings:?}");
        let left: Vec<String> = lake.objects("").await.unwrap().into_iter().map(|object| object.path).collect();
        assert_eq!(left, ["_entrega.json"]);
    }

    #[test]
    fn a_wrong_clock_is_told() {
        assert_eq!(clock(chrono::TimeDelta::zero()).health, Health::Well);
        let wrong = clock(chrono::TimeDelta::seconds(-900));
        assert_eq!((wrong.health, wrong.seen.as_str()), (Health::Poor, "the store's clock is 900 s behind"));
    }
}
