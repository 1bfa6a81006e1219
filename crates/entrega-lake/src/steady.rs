//! A store that lost answers do not disturb.
//!
//! ```text
//!  put if absent ──▶ server writes ──✗ answer lost      look ──▶ there: these bytes ──▶ written
//!                                                            └─▶ not there          ──▶ ask again
//! ```
//!
//! `object_store` asks again when a request fails, but not when a put that only creates gets no answer, and not when the
//! body of a listing is cut. When the answer to such a put is lost, a commit that succeeded would be told as a conflict or a
//! failure. Every such object of a lake names its writer (Delta's commits, the lease), so the same bytes are the same write.

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};
use tokio::time::Instant;

/// How often a request is asked again here, and until when: one that took longer was asked again below.
const TIMES: usize = 6;
const UNTIL: Duration = Duration::from_secs(30);
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// See the module.
#[derive(Debug)]
pub(crate) struct Steady(pub Arc<dyn ObjectStore>);

impl fmt::Display for Steady {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(to)
    }
}

/// Asks, and asks again as long as the failure is of a kind that passes.
async fn persistently<T, Asked: Future<Output = Result<T>>>(ask: impl FnMut() -> Asked) -> Result<T> {
    let begun = Instant::now();
    let waits = ExponentialBuilder::default().with_min_delay(FIRST_WAIT).with_max_times(TIMES).with_jitter();
    let passes = |error: &Error| matches!(error, Error::Generic { .. }) && begun.elapsed() < UNTIL;
    ask.retry(waits).when(passes).await
}

/// A listing that is whole: if one of its pages is cut, it is asked for again.
fn whole(
    list: impl Fn() -> BoxStream<'static, Result<ObjectMeta>> + Send + Sync + 'static,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let listed = async move { persistently(|| list().try_collect::<Vec<_>>()).await };
    stream::once(listed).map_ok(|found| stream::iter(found.into_iter().map(Ok))).try_flatten().boxed()
}

impl Steady {
    /// Makes an object that must not be there.
    async fn create(&self, location: &Path, payload: &PutPayload, options: &PutOptions) -> Result<PutResult> {
        match self.0.put_opts(location, payload.clone(), options.clone()).await {
            Err(error) => self.holding(location, payload).await.ok_or(error),
            done => done,
        }
    }

    /// The version of an object that holds exactly these bytes.
    async fn holding(&self, location: &Path, payload: &PutPayload) -> Option<PutResult> {
        let found = self.0.get(location).await.ok()?;
        let meta = found.meta.clone();
        if usize::try_from(meta.size).ok() != Some(payload.content_length()) {
            return None;
        }
        let same = found.bytes().await.ok()?.iter().eq(payload.iter().flatten());
        same.then_some(PutResult { e_tag: meta.e_tag, version: meta.version })
    }
}

#[async_trait]
impl ObjectStore for Steady {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if options.mode == PutMode::Create {
            return persistently(|| self.create(location, &payload, &options)).await;
        }
        self.0.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.0.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix) = (Arc::clone(&self.0), prefix.cloned());
        whole(move || store.list(prefix.as_ref()))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix, offset) = (Arc::clone(&self.0), prefix.cloned(), offset.clone());
        whole(move || store.list_with_offset(prefix.as_ref(), &offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        persistently(|| self.0.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}
