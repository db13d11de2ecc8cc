//! The parts of a form, out of bytes however they are split.

use super::part_head::PartHead;
use crate::message::error::Error;
use http::StatusCode;
use std::{borrow::Cow, mem};

/// A head over so many bytes is nobody's who means well.
pub(super) const MOST_HEAD_BYTES: usize = 8 * 1024;

/// What takes the parts.
pub(in crate::message::upload) trait Parts {
    /// A part begins.
    fn begin(&mut self, head: PartHead) -> Result<(), Error>;
    /// The next bytes of it.
    fn data(&mut self, bytes: &[u8]) -> Result<(), Error>;
    /// It is whole.
    fn end(&mut self) -> Result<(), Error>;
}

/// It is strict: nothing may stand before the first delimiter or behind the last one, and nothing that begins like a
/// delimiter may be anything else, so that no two readers see different parts.
pub(in crate::message::upload) struct Parser {
    /// CRLF, two dashes, and the boundary.
    delimiter: Vec<u8>,
    state: State,
    /// What is not taken yet: less than a delimiter and a head.
    held: Vec<u8>,
    parts_left: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first delimiter.
    Start,
    /// Behind a delimiter: a part follows, or the end.
    Delimiter,
    /// Before the line end of a delimiter that a part follows.
    Head,
    /// Before the line end of the empty line that ends a head.
    EmptyLine,
    Data,
    /// Behind the last delimiter, where a line end may stand.
    End,
}

impl Parser {
    /// A parser of a form with this boundary and at most so many parts.
    pub(in crate::message::upload) fn new(boundary: &str, most_parts: usize) -> Parser {
        Parser {
            delimiter: [b"\r\n--", boundary.as_bytes()].concat(),
            state: State::Start,
            // As if a line had ended before it: the first delimiter is as all are.
            held: b"\r\n".to_vec(),
            parts_left: most_parts,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// 400 where they are no form, 413 where a limit is passed, and those of `parts`.
    pub(in crate::message::upload) fn take(
        &mut self,
        bytes: &[u8],
        parts: &mut dyn Parts,
    ) -> Result<(), Error> {
        let held = mem::take(&mut self.held);
        let all = match held.is_empty() {
            true => Cow::Borrowed(bytes),
            false => Cow::Owned([&held, bytes].concat()),
        };
        let mut rest = &all[..];
        while let Some(used) = self.step(rest, parts)? {
            rest = &rest[used..];
        }
        // No more memory than that: a slow client may send a form for hours.
        self.held = rest.to_vec();
        Ok(())
    }

    /// Whether all of it has come.
    ///
    /// # Errors
    /// 400 where it has not.
    pub(in crate::message::upload) fn finish(&self) -> Result<(), Error> {
        match (self.state, &self.held[..]) {
            (State::End, b"" | b"\r\n") => Ok(()),
            (State::End, _) => Err(malformed("something behind the last delimiter")),
            _ => Err(malformed("no last delimiter")),
        }
    }

    /// Takes one step, and says how many bytes that used; none where it needs more of them.
    fn step(&mut self, rest: &[u8], parts: &mut dyn Parts) -> Result<Option<usize>, Error> {
        match self.state {
            State::Start if rest.len() < self.delimiter.len() => {
                match self.delimiter.starts_with(rest) {
                    true => Ok(None),
                    false => Err(malformed("something before the first delimiter")),
                }
            }
            State::Start if rest.starts_with(&self.delimiter) => {
                Ok(self.go_on(State::Delimiter, self.delimiter.len()))
            }
            State::Start => Err(malformed("something before the first delimiter")),
            State::Delimiter => match rest {
                [] | [_] => Ok(None),
                [b'\r', b'\n', ..] => self.begin_part(),
                [b'-', b'-', ..] => Ok(self.go_on(State::End, 2)),
                _ => Err(malformed("a delimiter with something behind it")),
            },
            State::Head => self.read_head(rest, parts),
            // Without a line end of its own the delimiter would be a line of the head to one reader, and to another the
            // end of a part that has no data.
            State::EmptyLine if rest.starts_with(&self.delimiter) => {
                Err(malformed("a part without an empty line"))
            }
            State::EmptyLine if self.delimiter.starts_with(rest) => Ok(None),
            State::EmptyLine => Ok(self.go_on(State::Data, 2)),
            State::Data => self.pass_data(rest, parts),
            State::End if b"\r\n".starts_with(rest) => Ok(None),
            State::End => Err(malformed("something behind the last delimiter")),
        }
    }

    fn go_on(&mut self, state: State, used: usize) -> Option<usize> {
        self.state = state;
        Some(used)
    }

    fn begin_part(&mut self) -> Result<Option<usize>, Error> {
        match self.parts_left.checked_sub(1) {
            Some(left) => self.parts_left = left,
            None => return Err(too_large("the form has too many parts")),
        }
        Ok(self.go_on(State::Head, 0))
    }

    fn read_head(&mut self, rest: &[u8], parts: &mut dyn Parts) -> Result<Option<usize>, Error> {
        let searched = &rest[..rest.len().min(MOST_HEAD_BYTES)];
        let Some(end) = find(searched, b"\r\n\r\n") else {
            return match searched.len() < MOST_HEAD_BYTES {
                true => Ok(None),
                false => Err(too_large("a part's head is too long")),
            };
        };
        let head = &rest[..end];
        if find(head, &self.delimiter).is_some() {
            return Err(malformed("a delimiter in a part's head"));
        }
        let lines = head.get(2..).unwrap_or_default();
        parts.begin(PartHead::read(lines).map_err(malformed)?)?;
        Ok(self.go_on(State::EmptyLine, end + 2))
    }

    fn pass_data(&mut self, rest: &[u8], parts: &mut dyn Parts) -> Result<Option<usize>, Error> {
        if let Some(end) = find(rest, &self.delimiter) {
            if end > 0 {
                parts.data(&rest[..end])?;
            }
            parts.end()?;
            return Ok(self.go_on(State::Delimiter, end + self.delimiter.len()));
        }
        // The last bytes may be the beginning of a delimiter.
        let may_begin = |at: &usize| self.delimiter.starts_with(&rest[*at..]);
        let from = rest.len().saturating_sub(self.delimiter.len() - 1);
        let kept = (from..rest.len()).find(may_begin).unwrap_or(rest.len());
        if kept == 0 {
            return Ok(None);
        }
        parts.data(&rest[..kept])?;
        Ok(Some(kept))
    }
}

/// Where `needle`, which begins with CR, first stands.
fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == b'\r') {
        if bytes[from + at..].starts_with(needle) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(any(test, fuzzing))]
impl Parser {
    /// How much memory it takes for what it holds back until more comes.
    pub(super) fn held(&self) -> usize {
        self.held.capacity()
    }
}

fn malformed(why: &'static str) -> Error {
    Error::bad_request(format!("the form is malformed: {why}"))
}

pub(in crate::message::upload) fn too_large(why: &'static str) -> Error {
    Error::new(StatusCode::PAYLOAD_TOO_LARGE, why)
}
