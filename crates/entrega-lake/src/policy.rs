//! What a bucket's owner grants and sets for a lake: least-privilege policies and lifecycle rules, as AWS reads them.
//!
//! | Who | May |
//! | --- | --- |
//! | [`Role::Runner`] | list, read, write and delete under the lake's prefix: what `entrega run` does |
//! | [`Role::Reader`] | list and read: reports, SQL, other engines |
//! | [`Role::Deliverer`] | put new drops under `landing/`, nothing else: the order system |

use entrega_model::{drops::LANDING, tables::STAGING};
use serde_json::{Value, json};

use crate::{Lake, LakeError, Result};

/// Days after which S3 forgets uploads that were begun and never ended.
const FORGET_UPLOADS_DAYS: u32 = 7;

/// Days for which a versioned bucket keeps what was deleted or replaced.
const KEEP_REPLACED_DAYS: u32 = 30;

/// Days for which a bucket keeps what a batch of Spark computed on its way.
const KEEP_STAGED_DAYS: u32 = 7;

/// Who is to work with a lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Runs jobs.
    Runner,
    /// Looks at tables.
    Reader,
    /// Delivers drops.
    Deliverer,
}

impl Lake {
    fn bucket(&self) -> Result<String> {
        let url = self.url();
        let bucket = url.host_str().filter(|_| url.scheme().starts_with("s3"));
        bucket.map(str::to_owned).ok_or_else(|| LakeError::Location {
            location: url.to_string(),
            problem: "it is no bucket, and only buckets have policies".to_owned(),
            hint: "give a lake like s3://bucket/prefix",
        })
    }

    /// The least that a role must be granted, as an IAM policy.
    ///
    /// # Errors
    /// [`LakeError::Location`] when the lake is no bucket.
    pub fn policy(&self, role: Role) -> Result<Value> {
        let bucket = self.bucket()?;
        let below = |folder: &str| {
            let path = self.path(folder);
            if path.as_ref().is_empty() { "*".to_owned() } else { format!("{path}/*") }
        };
        let objects = |folder: &str| format!("arn:aws:s3:::{bucket}/{}", below(folder));
        let list = json!({
            "Sid": "ListTheLake", "Effect": "Allow", "Action": "s3:ListBucket",
            "Resource": format!("arn:aws:s3:::{bucket}"),
            "Condition": { "StringLike": { "s3:prefix": [self.prefix().as_ref(), below("")] } },
        });
        let statements = match role {
            Role::Runner => vec![
                list,
                json!({
                    "Sid": "ReadAndWriteTheLake", "Effect": "Allow",
                    "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
                    "Resource": objects(""),
                }),
            ],
            Role::Reader => vec![
                list,
                json!({ "Sid": "ReadTheLake", "Effect": "Allow", "Action": "s3:GetObject", "Resource": objects("") }),
            ],
            Role::Deliverer => vec![json!({
                "Sid": "DeliverDrops", "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:AbortMultipartUpload"], "Resource": objects(LANDING),
            })],
        };
        Ok(json!({ "Version": "2012-10-17", "Statement": statements }))
    }

    /// Lifecycle rules: unfinished uploads are forgotten, a versioned bucket lets go of what was replaced, and what a
    /// compiled batch of Spark left in `_staging/` goes after a week. No rule ever removes a current object elsewhere:
    /// only `vacuum` knows which of them no published version needs.
    ///
    /// # Errors
    /// [`LakeError::Location`] when the lake is no bucket.
    pub fn lifecycle(&self) -> Result<Value> {
        self.bucket()?;
        let prefix = self.prefix().as_ref();
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(json!({ "Rules": [{
            "ID": "entrega-lake", "Status": "Enabled", "Filter": { "Prefix": prefix },
            "AbortIncompleteMultipartUpload": { "DaysAfterInitiation": FORGET_UPLOADS_DAYS },
            "NoncurrentVersionExpiration": { "NoncurrentDays": KEEP_REPLACED_DAYS },
        }, {
            "ID": "entrega-staging", "Status": "Enabled", "Filter": { "Prefix": format!("{prefix}{STAGING}/") },
            "Expiration": { "Days": KEEP_STAGED_DAYS },
        }] }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn roles_reach_no_further_than_their_part_of_the_prefix() {
        let lake = Lake::at("s3://shop-data/lakes/main").await.unwrap();
        let resources = |role| {
            let policy = lake.policy(role).unwrap();
            let statements = policy["Statement"].as_array().unwrap().clone();
            statements.iter().map(|one| one["Resource"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let objects = "arn:aws:s3:::shop-data/lakes/main/*";
        assert_eq!(resources(Role::Runner), ["arn:aws:s3:::shop-data", objects]);
        assert_eq!(resources(Role::Reader), ["arn:aws:s3:::shop-data", objects]);
        assert_eq!(resources(Role::Deliverer), ["arn:aws:s3:::shop-data/lakes/main/landing/*"]);
        let listed = &lake.policy(Role::Reader).unwrap()["Statement"][0]["Condition"]["StringLike"]["s3:prefix"];
        assert_eq!(*listed, serde_json::json!(["lakes/main", "lakes/main/*"]));
        assert_eq!(lake.lifecycle().unwrap()["Rules"][0]["Filter"]["Prefix"], "lakes/main/");
    }

    #[tokio::test]
    async fn a_folder_has_no_policy() {
        let lake = Lake::at("memory:///lake").await.unwrap();
        assert!(lake.policy(Role::Runner).is_err() && lake.lifecycle().is_err());
    }
}
