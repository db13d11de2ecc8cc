//! A chunked body, decoded as it arrives (RFC 9112, section 7.1).

use http::StatusCode;

use super::bytes::{is_token_byte, is_value_byte};
use crate::message::refusal::Refusal;

/// More hex digits than these overflow 64 bits; leading zeros count, since no client writes so
/// many.
const MAX_SIZE_DIGITS: u8 = 16;

/// Chunk extensions carry nothing that anyone here reads: a bound for those of all chunks together.
const MAX_EXTENSION_BYTES: u16 = 1024;

/// Trailers are read and dropped: a bound for all of them together.
const MAX_TRAILER_BYTES: u16 = 8 * 1024;

/// The decoder of one chunked body.
#[derive(Debug)]
pub(crate) struct Chunks {
    state: State,
    /// While a size is read, what its digits say so far; then how much of the chunk is still to
    /// come.
    size: u64,
    digits: u8,
    /// How many more bytes the body may have.
    body_room: u64,
    extension_room: u16,
    trailer_room: u16,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Extension(Extension),
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

/// What the next byte belongs to behind a chunk's size (RFC 9112, section 7.1.1):
/// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    /// Whitespace, which only another extension may follow.
    BeforeSemicolon,
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    Token,
    Quoted,
    /// The second byte of a quoted pair.
    Escaped,
    /// Behind the quote that closes.
    Unquoted,
}

impl Extension {
    /// Whether the line may end here.
    fn may_end(self) -> bool {
        matches!(
            self,
            Extension::Name | Extension::Token | Extension::Unquoted
        )
    }

    /// Where one byte leads, unless it cannot stand here.
    fn next(self, byte: u8) -> Option<Extension> {
        use Extension::{
            AfterName, BeforeName, BeforeSemicolon, BeforeValue, Escaped, Name, Quoted, Token,
            Unquoted,
        };
        match (self, byte) {
            // RFC 9110, section 5.6.4.
            (Quoted, b'"') => Some(Unquoted),
            (Quoted, b'\\') => Some(Escaped),
            (Quoted | Escaped, _) => is_value_byte(byte).then_some(Quoted),
            (BeforeSemicolon | Name | AfterName | Token | Unquoted, b';') => Some(BeforeName),
            (BeforeSemicolon | Token | Unquoted, b' ' | b'\t') => Some(BeforeSemicolon),
            (Name | AfterName, b' ' | b'\t') => Some(AfterName),
            (Name | AfterName, b'=') => Some(BeforeValue),
            (BeforeName | BeforeValue, b' ' | b'\t') => Some(self),
            (BeforeValue, b'"') => Some(Quoted),
            (BeforeName | Name, _) => is_token_byte(byte).then_some(Name),
            (BeforeValue | Token, _) => is_token_byte(byte).then_some(Token),
            (BeforeSemicolon | AfterName | Unquoted, _) => None,
        }
    }
}

impl Chunks {
    /// A decoder for a body of at most so many bytes.
    pub(crate) fn new(max_body_bytes: u64) -> Self {
        Chunks {
            state: State::Size,
            size: 0,
            digits: 0,
            body_room: max_body_bytes,
            extension_room: MAX_EXTENSION_BYTES,
            trailer_room: MAX_TRAILER_BYTES,
        }
    }

    /// Decodes what `input` holds of the body, appends the data to `body`, and returns how many
    /// bytes of the input were used and whether the body, trailers included, is whole. Until it is,
    /// all of the input is used.
    ///
    /// The outcome does not depend on how the input was split into calls.
    pub(crate) fn decode(
        &mut self,
        input: &[u8],
        body: &mut Vec<u8>,
    ) -> Result<(usize, bool), Refusal> {
        let mut rest = input;
        while self.state != State::Done {
            if self.state == State::Data {
                rest = self.take_data(rest, body);
            }
            let Some((&byte, after)) = rest.split_first() else {
                break;
            };
            self.state = self.step(byte)?;
            rest = after;
        }
        Ok((input.len() - rest.len(), self.state == State::Done))
    }

    /// Moves data of the current chunk to `body`, all at once, and returns what follows it.
    fn take_data<'a>(&mut self, input: &'a [u8], body: &mut Vec<u8>) -> &'a [u8] {
        let len = usize::try_from(self.size)
            .unwrap_or(usize::MAX)
            .min(input.len());
        let (data, rest) = input.split_at(len);
        body.extend_from_slice(data);
        self.size -= len as u64;
        if self.size == 0 {
            self.state = State::DataCr;
        }
        rest
    }

    /// Where one byte that is not data leads.
    fn step(&mut self, byte: u8) -> Result<State, Refusal> {
        match (self.state, byte) {
            (State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => self.add_digit(byte),
            (State::Size, _) if self.digits == 0 => Err(Refusal::bad("chunk without a size")),
            (State::Size, b'\r') => Ok(State::SizeLf),
            (State::Size, _) => match Extension::BeforeSemicolon.next(byte) {
                Some(next) => self.spend_extension(next),
                None => Err(Refusal::bad("malformed chunk size")),
            },
            (State::Extension(at), b'\r') if at.may_end() => Ok(State::SizeLf),
            (State::Extension(at), _) => match at.next(byte) {
                Some(next) => self.spend_extension(next),
                None => Err(Refusal::bad("malformed chunk extension")),
            },
            (State::SizeLf, b'\n') => self.begin_chunk(),
            // `decode` takes the data before it comes here.
            (State::Data | State::DataCr, b'\r') => Ok(State::DataLf),
            (State::Data | State::DataCr, _) => Err(Refusal::bad("chunk longer than its size")),
            (State::DataLf, b'\n') => Ok(State::Size),
            (State::TrailerStart, b'\r') => Ok(State::EndLf),
            (State::TrailerStart | State::TrailerName, _) if is_token_byte(byte) => {
                self.spend_trailer(State::TrailerName)
            }
            (State::TrailerName, b':') => self.spend_trailer(State::TrailerValue),
            (State::TrailerValue, b'\r') => self.spend_trailer(State::TrailerLf),
            (State::TrailerValue, _) if is_value_byte(byte) => {
                self.spend_trailer(State::TrailerValue)
            }
            (State::TrailerStart | State::TrailerName | State::TrailerValue, _) => {
                Err(Refusal::bad("malformed trailer"))
            }
            (State::TrailerLf, b'\n') => self.spend_trailer(State::TrailerStart),
            (State::EndLf, b'\n') | (State::Done, _) => Ok(State::Done),
            (State::SizeLf | State::DataLf | State::TrailerLf | State::EndLf, _) => {
                Err(Refusal::bad("bare CR in a chunked body"))
            }
        }
    }

    /// Takes one more hex digit into the size.
    fn add_digit(&mut self, byte: u8) -> Result<State, Refusal> {
        if self.digits == MAX_SIZE_DIGITS {
            return Err(Refusal::bad("chunk size too long"));
        }
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            _ => (byte | 0x20) - b'a' + 10,
        };
        self.size = self.size << 4 | u64::from(value);
        self.digits += 1;
        Ok(State::Size)
    }

    /// Begins the chunk whose size line has ended: data, or the trailers where its size is 0.
    fn begin_chunk(&mut self) -> Result<State, Refusal> {
        self.digits = 0;
        if self.size == 0 {
            return Ok(State::TrailerStart);
        }
        match self.body_room.checked_sub(self.size) {
            Some(room) => self.body_room = room,
            None => {
                return Err(Refusal::CHUNKS_TOO_LONG);
            }
        }
        Ok(State::Data)
    }

    /// Goes on to `next` if the extensions may have one more byte.
    fn spend_extension(&mut self, next: Extension) -> Result<State, Refusal> {
        match self.extension_room.checked_sub(1) {
            Some(room) => self.extension_room = room,
            None => return Err(Refusal::bad("chunk extensions too long")),
        }
        Ok(State::Extension(next))
    }

    /// Goes on to `next` if the trailers may have one more byte.
    fn spend_trailer(&mut self, next: State) -> Result<State, Refusal> {
        match self.trailer_room.checked_sub(1) {
            Some(room) => self.trailer_room = room,
            None => {
                return Err(Refusal::new(
                    StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                    "trailers too long",
                ));
            }
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests;
