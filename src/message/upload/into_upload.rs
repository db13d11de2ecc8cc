//! What the handler of an upload may return.

use super::{file::FileSink, sink::Upload};
use crate::message::{into_response::IntoResponse, response::Response};

/// What the handler of an upload may return: an [`Upload`], or a `Result` of one whose error is an answer.
pub trait IntoUpload {
    /// The upload.
    ///
    /// # Errors
    /// What is answered in its place.
    fn into_upload(self) -> Result<Upload, Response>;
}

impl IntoUpload for Upload {
    fn into_upload(self) -> Result<Upload, Response> {
        Ok(self)
    }
}

impl IntoUpload for FileSink {
    fn into_upload(self) -> Result<Upload, Response> {
        Ok(self.into())
    }
}

impl<U: IntoUpload, E: IntoResponse> IntoUpload for Result<U, E> {
    fn into_upload(self) -> Result<Upload, Response> {
        self.map_err(IntoResponse::into_response)?.into_upload()
    }
}
