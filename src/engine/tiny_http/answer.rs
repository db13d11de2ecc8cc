//! Responses as tiny_http's bare writer gets them: seaworthy's own bytes.

use crate::{
    engine::{
        date::with_date,
        http1::{self, Framing, LAST_CHUNK},
    },
    message::{
        head::Version,
        response::{Body, Response},
    },
};
use http::Method;
use std::io::{self, ErrorKind, Read, Write};

/// What is written at once. Larger than the buffer inside tiny_http, so that it is written as it is.
const PIECE: usize = 64 * 1024;

/// What a streamed body is read in.
const STREAM_PIECE: usize = 32 * 1024;

/// What the request says about its response.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) version: Version,
}

/// A response whose body is in memory, as one message; a streamed body is left out. `close` is said in it.
pub(super) fn message(asked: &Asked, response: &Response, close: bool) -> Vec<u8> {
    let (mut out, _, body_is_sent) = head(asked, response, close);
    if body_is_sent {
        out.extend_from_slice(in_memory(&response.body));
    }
    out
}

/// Writes a response, and says whether the connection has to be closed for its end to be seen.
///
/// `before_each` is called before every write that may take long.
///
/// # Errors
/// Where the client is gone or takes too long, and where the reader of a streamed body fails or ends early: then the
/// connection has to be cut, so that nobody takes a part for the whole.
pub(super) fn write(
    out: &mut dyn Write,
    asked: &Asked,
    response: Response,
    close: bool,
    mut before_each: impl FnMut(),
) -> io::Result<bool> {
    let (mut bytes, framing, body_is_sent) = head(asked, &response, close);
    let mut send = |out: &mut dyn Write, bytes: &[u8]| {
        if bytes.len() >= STREAM_PIECE {
            before_each();
        }
        out.write_all(bytes)?;
        out.flush()
    };
    match response.body {
        _ if !body_is_sent => send(out, &bytes)?,
        Body::Stream(mut reader, _) => {
            send(out, &bytes)?;
            stream(&mut *reader, framing, |piece| send(out, piece))?;
        }
        body => {
            // The head and what fits beside it in one write; the rest without copying it.
            let body = in_memory(&body);
            let (first, rest) = body.split_at(body.len().min(PIECE));
            bytes.extend_from_slice(first);
            send(out, &bytes)?;
            rest.chunks(PIECE).try_for_each(|piece| send(out, piece))?;
        }
    }
    Ok(framing == Framing::UntilClose)
}

fn head(asked: &Asked, response: &Response, close: bool) -> (Vec<u8>, Framing, bool) {
    let (framing, body_is_sent) = http1::framing(
        &asked.method,
        asked.version,
        response.status,
        response.body.len(),
    );
    let mut out = Vec::with_capacity(512 + in_memory(&response.body).len().min(PIECE));
    let content_type = response.default_content_type();
    with_date(|date| {
        let headers = &response.headers;
        http1::write_head(
            &mut out,
            response.status,
            headers,
            content_type,
            &framing,
            close,
            asked.version,
            date,
        );
    });
    (out, framing, body_is_sent)
}

fn in_memory(body: &Body) -> &[u8] {
    match body {
        Body::Static(bytes, _) => bytes,
        Body::Bytes(bytes, _) => bytes,
        Body::Empty | Body::Stream(..) => &[],
    }
}

/// Sends what `reader` gives, framed as the head has said.
fn stream(
    reader: &mut dyn Read,
    framing: Framing,
    mut send: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut piece = vec![0; STREAM_PIECE];
    let mut chunk = Vec::new();
    let mut left = if let Framing::Length(length) = framing {
        length
    } else {
        u64::MAX
    };
    while left > 0 {
        let most = usize::try_from(left)
            .unwrap_or(STREAM_PIECE)
            .min(STREAM_PIECE);
        let count = match reader.read(&mut piece[..most]) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                log::error!(reason:% = error; "a streamed response failed and was cut");
                return Err(error);
            }
        };
        left -= count as u64;
        if framing == Framing::Chunked {
            chunk.clear();
            http1::write_chunk(&mut chunk, &piece[..count]);
            send(&chunk)?;
        } else {
            send(&piece[..count])?;
        }
    }
    match framing {
        Framing::Chunked => send(LAST_CHUNK),
        Framing::Length(_) if left > 0 => {
            log::error!(missing = left; "a streamed response was shorter than announced and was cut");
            Err(ErrorKind::UnexpectedEof.into())
        }
        _ => Ok(()),
    }
}
