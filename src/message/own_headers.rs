//! The headers that a response has of its own.

use http::HeaderMap;
use std::{
    ops::{Deref, DerefMut},
    sync::LazyLock,
};

/// A map that takes no room while nothing is in it, as in most responses: an empty `HeaderMap` is 96 bytes, which would move
/// along with its response from the handler to the socket.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct OwnHeaders(Option<Box<HeaderMap>>);

static NONE: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);

impl Deref for OwnHeaders {
    type Target = HeaderMap;

    fn deref(&self) -> &HeaderMap {
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl DerefMut for OwnHeaders {
    fn deref_mut(&mut self) -> &mut HeaderMap {
        self.0.get_or_insert_default()
    }
}

impl From<HeaderMap> for OwnHeaders {
    fn from(map: HeaderMap) -> OwnHeaders {
        OwnHeaders((!map.is_empty()).then(|| Box::new(map)))
    }
}
