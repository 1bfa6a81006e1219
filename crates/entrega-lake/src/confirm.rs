//! A store that recognises its own writes.
//!
//! ```text
//!  put if absent ──▶ server writes ──✗ answer lost          ask again ──▶ "it exists already" ──▶ read: ours ──▶ written
//! ```
//!
//! When the answer to a put that only creates is lost, it is asked again, or not answered at all. If the first try had
//! worked, a commit that succeeded would be told as a conflict or a failure. Every such object of a lake names its writer
//! (Delta's commits, the lease), so the same bytes are the same write.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _,
    PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};

/// See the module.
#[derive(Debug)]
pub(crate) struct Confirming(pub Arc<dyn ObjectStore>);

impl fmt::Display for Confirming {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(to)
    }
}

impl Confirming {
    /// Whether an object holds exactly these bytes; gives its version then.
    async fn holds(&self, location: &Path, payload: &PutPayload) -> Option<PutResult> {
        let found = self.0.get(location).await.ok()?;
        let meta = found.meta.clone();
        let same_length = usize::try_from(meta.size).ok() == Some(payload.content_length());
        let bytes = if same_length { found.bytes().await.ok()? } else { return None };
        let same = bytes.iter().eq(payload.iter().flatten());
        same.then_some(PutResult { e_tag: meta.e_tag, version: meta.version })
    }
}

#[async_trait]
impl ObjectStore for Confirming {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let create = options.mode == PutMode::Create;
        match self.0.put_opts(location, payload.clone(), options).await {
            // "Exists already", or no answer at all: what is there tells who wrote it.
            Err(error) if create => self.holds(location, &payload).await.ok_or(error),
            done => done,
        }
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

    async fn get_ranges(&self, location: &Path, ranges: &[std::ops::Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.0.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}
