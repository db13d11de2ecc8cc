//! What `crate::parts` measures of the engine.

use super::{
    http1::{Head, Limits, Progress, Version, read_head},
    outgoing::Outgoing,
};
use crate::response::Response;
use http::Method;

const LIMITS: Limits = Limits {
    max_head_bytes: 32 * 1024,
    max_body_bytes: 1024 * 1024,
};

pub(crate) fn parse(bytes: &[u8], head: &mut Head) -> Option<usize> {
    match read_head(bytes, 0, &LIMITS, head) {
        Ok(Progress::Complete { len }) => Some(len),
        Ok(Progress::Partial { .. }) | Err(_) => None,
    }
}

pub(crate) fn write(response: Response, client: &mut Vec<u8>) {
    let sent = Outgoing::new(&Method::GET, Version::Http11, response, false).send(client);
    debug_assert!(sent.is_ok(), "memory takes everything");
}
