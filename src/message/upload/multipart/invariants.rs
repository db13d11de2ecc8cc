//! What must hold for any bytes whatsoever that are sent as a form: asserted over generated forms by the property tests,
//! and over mutated ones by the fuzz target.

use super::{
    boundary,
    parser::{MOST_HEAD_BYTES, Parser, Parts},
    part_head::PartHead,
};
use crate::message::error::Error;

/// Few, so that short inputs have more.
pub(super) const MOST_PARTS: usize = 3;

/// The parts that came, whole ones and one that is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) parts: Vec<(PartHead, Vec<u8>)>,
    pub(super) whole: usize,
}

impl Parts for Came {
    fn begin(&mut self, head: PartHead) -> Result<(), Error> {
        assert_eq!(self.whole, self.parts.len(), "the one before it has ended");
        self.parts.push((head, Vec::new()));
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), Error> {
        assert!(!bytes.is_empty());
        self.parts.last_mut().expect("it has begun").1.extend(bytes);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        self.whole += 1;
        assert_eq!(self.whole, self.parts.len(), "it has begun");
        Ok(())
    }
}

/// Reads what `input` has behind its first line as a form whose boundary is that line, whole and in pieces whose size is
/// its first byte, and checks all that can be said of the outcome.
pub(crate) fn form(input: &[u8]) {
    let Some((&size, input)) = input.split_first() else {
        return;
    };
    let line = input.iter().position(|byte| *byte == b'\n');
    let (parameter, form) = input.split_at(line.unwrap_or(input.len()));
    let content_type = format!(
        "multipart/form-data; boundary={}",
        String::from_utf8_lossy(parameter)
    );
    if let Some(boundary) = boundary::of(&content_type) {
        let form = form.get(1..).unwrap_or_default();
        check(&boundary, form, &[usize::from(size).max(1)]);
    }
}

/// It is read the same in one piece, byte by byte and in pieces of these sizes in turns; and as somebody would read it
/// who has all of it and splits it at its delimiters.
pub(super) fn check(boundary: &str, form: &[u8], sizes: &[usize]) {
    let (came, outcome) = parse(boundary, form, &[]);
    for sizes in [&[1][..], sizes] {
        let in_pieces = parse(boundary, form, sizes);
        assert_eq!(
            in_pieces,
            (came.clone(), outcome.clone()),
            "in pieces of {sizes:?}"
        );
    }
    assert_eq!(outcome.ok().map(|()| came.parts), split(boundary, form));
}

/// What comes of a form that is sent in pieces of these sizes, in turns, or in one; and how it ends.
pub(super) fn parse(boundary: &str, form: &[u8], sizes: &[usize]) -> (Came, Result<(), String>) {
    let mut parser = Parser::new(boundary, MOST_PARTS);
    let mut came = Came::default();
    let (mut rest, mut sizes) = (form, sizes.iter().cycle());
    let mut outcome = Ok(());
    while outcome.is_ok() && !rest.is_empty() {
        let size = sizes.next().copied().unwrap_or(rest.len());
        let (piece, behind) = rest.split_at(size.min(rest.len()));
        outcome = parser.take(piece, &mut came);
        let most = match came.parts.len() > came.whole {
            true => boundary.len() + 4,
            false => MOST_HEAD_BYTES,
        };
        assert!(parser.held() < most, "{} bytes are held", parser.held());
        rest = behind;
    }
    let outcome = outcome.and_then(|()| parser.finish());
    if outcome.is_ok() {
        assert_eq!(came.whole, came.parts.len());
    }
    let refused = |error: Error| format!("{} {}", error.status().as_u16(), error.message());
    (came, outcome.map_err(refused))
}

/// The parts of a form, where it is one.
fn split(boundary: &str, form: &[u8]) -> Option<Vec<(PartHead, Vec<u8>)>> {
    let delimiter = ["\r\n--", boundary].concat();
    let form = [b"\r\n", form].concat();
    let mut pieces = Vec::new();
    let mut rest = &form[..];
    while let Some(at) = position(rest, delimiter.as_bytes()) {
        pieces.push(&rest[..at]);
        rest = &rest[at + delimiter.len()..];
    }
    let (preamble, parts) = pieces.split_first()?;
    let is_framed = preamble.is_empty() && matches!(rest, b"--" | b"--\r\n");
    if !is_framed || parts.len() > MOST_PARTS {
        return None;
    }
    let parts = parts.iter().map(|part| {
        let end = position(part, b"\r\n\r\n").filter(|end| end + 4 <= MOST_HEAD_BYTES)?;
        let head = part[..end].strip_prefix(b"\r\n")?;
        Some((PartHead::read(head).ok()?, part[end + 4..].to_vec()))
    });
    parts.collect()
}

fn position(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let mut windows = bytes.windows(needle.len());
    windows.position(|window| window == needle)
}
