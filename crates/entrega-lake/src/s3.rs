//! Lakes in a bucket: `s3://bucket/prefix`, on AWS or any server that speaks S3.
//!
//! Who asks and where is found the way every AWS tool finds it: environment, profile files, SSO, web identity, container
//! and instance roles; region and endpoint from the environment or the profile. No secret is ever a flag or part of a URL.
//!
//! | Variable | Meaning |
//! | --- | --- |
//! | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_PROFILE` | who asks |
//! | `AWS_REGION`, `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` | where |
//! | `AWS_VIRTUAL_HOSTED_STYLE_REQUEST` | `true`: the bucket is part of the host name, not of the path |
//! | `AWS_ALLOW_HTTP` | `true`: an endpoint without TLS beyond this machine is meant |
//! | `AWS_SERVER_SIDE_ENCRYPTION`, `AWS_SSE_KMS_KEY_ID`, `AWS_SSE_BUCKET_KEY_ENABLED` | how the bucket encrypts what is put |
//!
//! Delta's log and the lake's lease need a conditional put (`If-None-Match`): AWS has it, so have the servers that the
//! guide names; `entrega doctor` tries it.

use std::{sync::Arc, time::Duration};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use deltalake::{
    DeltaTableError,
    logstore::{LogStore, LogStoreFactory, ObjectStoreRef, StorageConfig, default_logstore, logstore_factories},
};
use object_store::{
    BackoffConfig, CredentialProvider, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential},
    path::Path,
};
use tokio::sync::OnceCell;
use url::Url;

use crate::{LakeError, Result};

/// A server that is overloaded or away is asked again, ever more slowly, for so long.
const RETRY_FOR: Duration = Duration::from_mins(2);
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const MOST_RETRIES: usize = 12;

/// The bucket and prefix of an `s3://` (or `s3a://`) URL as a store.
///
/// # Errors
/// [`LakeError::Location`] when the URL names no bucket, or the settings contradict each other.
pub(crate) async fn open(url: &Url) -> Result<(Arc<dyn ObjectStore>, Path)> {
    let wrong = |problem: String, hint: &'static str| LakeError::Location { location: url.to_string(), problem, hint };
    if !url.username().is_empty() || url.password().is_some() {
        let mut shown = url.clone();
        let _ = (shown.set_username(""), shown.set_password(None));
        return Err(LakeError::Location {
            location: shown.to_string(),
            problem: "the URL holds credentials".to_owned(),
            hint: "give keys by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile, never in a URL",
        });
    }
    let bucket = url.host_str().filter(|bucket| !bucket.is_empty());
    let bucket = bucket.ok_or_else(|| wrong("it names no bucket".to_owned(), "write s3://bucket/prefix"))?;
    let prefix = Path::parse(url.path().trim_matches('/'))
        .map_err(|error| wrong(error.to_string(), "write s3://bucket/prefix with plain names"))?;
    let found = settings().await;
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retries());
    if let Some(region) = found.region() {
        builder = builder.with_region(region.as_ref());
    }
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint).or(found.endpoint_url().map(str::to_owned));
    if let Some(endpoint) = endpoint {
        let place = Url::parse(&endpoint)
            .map_err(|error| wrong(format!("the endpoint '{endpoint}': {error}"), "AWS_ENDPOINT_URL is a URL"))?;
        let allowed = || builder.get_config_value(&AmazonS3ConfigKey::Client(object_store::ClientConfigKey::AllowHttp));
        if place.scheme() == "http" && !is_loopback(&place) && allowed().as_deref() != Some("true") {
            return Err(wrong(
                format!("the endpoint {endpoint} is not encrypted"),
                "use https, or set AWS_ALLOW_HTTP=true if the way to it is private",
            ));
        }
        builder = builder.with_allow_http(place.scheme() == "http").with_endpoint(endpoint);
    }
    if let Some(chain) = found.credentials_provider() {
        builder = builder.with_credentials(Arc::new(Chain(chain)));
    }
    let store = builder.build().map_err(|error| wrong(error.to_string(), "check the AWS_* variables"))?;
    if let Ok(scheme) = Url::parse(&format!("{}://", url.scheme())) {
        logstore_factories().entry(scheme).or_insert_with(|| Arc::new(PlainLog));
    }
    Ok((Arc::new(store), prefix))
}

/// What the environment and the profile files say; asked once.
async fn settings() -> &'static SdkConfig {
    static FOUND: OnceCell<SdkConfig> = OnceCell::const_new();
    FOUND.get_or_init(|| aws_config::load_defaults(BehaviorVersion::latest())).await
}

fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig { init_backoff: FIRST_WAIT, max_backoff: LONGEST_WAIT, base: 2. },
        max_retries: MOST_RETRIES,
        retry_timeout: RETRY_FOR,
    }
}

fn is_loopback(endpoint: &Url) -> bool {
    match endpoint.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The SDK's credential chain, which refreshes what expires.
#[derive(Debug)]
struct Chain(SharedCredentialsProvider);

#[async_trait::async_trait]
impl CredentialProvider for Chain {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let found = self.0.provide_credentials().await;
        let found = found.map_err(|source| object_store::Error::Unauthenticated {
            path: "s3".to_owned(),
            source: Box::new(source),
        })?;
        Ok(Arc::new(AwsCredential {
            key_id: found.access_key_id().to_owned(),
            secret_key: found.secret_access_key().to_owned(),
            token: found.session_token().map(str::to_owned),
        }))
    }
}

/// Delta's log by conditional puts, as on any other store.
struct PlainLog;

impl LogStoreFactory for PlainLog {
    fn with_options(
        &self,
        prefixed: ObjectStoreRef,
        root: ObjectStoreRef,
        location: &Url,
        options: &StorageConfig,
    ) -> std::result::Result<Arc<dyn LogStore>, DeltaTableError> {
        Ok(default_logstore(prefixed, root, location, options))
    }
}
