//! Text of any origin as a bounded part of one line: no byte of it can end the line, close a quote or move a
//! terminal's cursor.

use std::fmt::{self, Write as _};

/// No line is longer. Kubernetes' runtimes split lines at 16 KiB, and a split line is no JSON any more.
pub(super) const MAX_LINE: usize = 16 * 1024;

/// No message, key or value is longer, escapes included: none leaves a record without room for the others.
pub(super) const MAX_TEXT: usize = 6 * 1024;

/// Kept free behind the key-values, for what ends a line.
const RESERVE: usize = 64;

/// Ends a text that was longer.
pub(super) const CUT: &str = "…[cut]";

/// Where a text goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Between double quotes, as in JSON.
    Quoted,
    /// Where a quote or a backslash is an ordinary character.
    Bare,
}

/// Appends `text`, escaped for its place, cut where it is too long.
pub(super) fn append_str(text: &str, place: Place, line: &mut Vec<u8>) {
    append_with(place, line, |escaping| escaping.write_str(text));
}

/// The same for what is yet to be formatted, of which no more is formatted than there is room for.
pub(super) fn append(text: fmt::Arguments<'_>, place: Place, line: &mut Vec<u8>) {
    append_with(place, line, |escaping| escaping.write_fmt(text));
}

fn append_with(
    place: Place,
    line: &mut Vec<u8>,
    write: impl FnOnce(&mut Escaping<'_>) -> fmt::Result,
) {
    let end = line.len() + MAX_TEXT - CUT.len();
    let mut escaping = Escaping {
        line,
        place,
        end,
        cut: false,
    };
    // A `Display` may fail by itself, and may go on where it should have failed: either way something is missing.
    let failed = write(&mut escaping).is_err();
    if failed || escaping.cut {
        line.extend_from_slice(CUT.as_bytes());
    }
}

/// Appends what `part` appends, or nothing where that would leave no room; false then.
pub(super) fn append_if_it_fits(line: &mut Vec<u8>, part: impl FnOnce(&mut Vec<u8>)) -> bool {
    let before = line.len();
    part(line);
    let fits = line.len() <= MAX_LINE - RESERVE;
    if !fits {
        line.truncate(before);
    }
    fits
}

/// Appends to the line up to `end`, then fails.
struct Escaping<'l> {
    line: &'l mut Vec<u8>,
    place: Place,
    end: usize,
    cut: bool,
}

impl Escaping<'_> {
    /// Appends as many whole characters as there is room for.
    fn plain(&mut self, text: &str) -> fmt::Result {
        let mut room = self.end.saturating_sub(self.line.len());
        if text.len() <= room {
            self.line.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        while !text.is_char_boundary(room) {
            room -= 1;
        }
        self.line.extend_from_slice(&text.as_bytes()[..room]);
        self.stop()
    }

    fn escaped(&mut self, special: char) -> fmt::Result {
        match special {
            '"' => self.whole("\\\""),
            '\\' => self.whole("\\\\"),
            '\n' => self.whole("\\n"),
            '\r' => self.whole("\\r"),
            '\t' => self.whole("\\t"),
            // All that is special has four digits.
            _ => self.whole(&format!("\\u{:04x}", u32::from(special))),
        }
    }

    /// Appends an escape: half of one would be worse than none.
    fn whole(&mut self, escape: &str) -> fmt::Result {
        if self.line.len() + escape.len() > self.end {
            return self.stop();
        }
        self.line.extend_from_slice(escape.as_bytes());
        Ok(())
    }

    /// No more from now on, not even what is shorter than what did not fit.
    fn stop(&mut self) -> fmt::Result {
        self.end = 0;
        self.cut = true;
        Err(fmt::Error)
    }
}

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, special)) = first_special(rest, self.place) {
            self.plain(&rest[..at])?;
            self.escaped(special)?;
            rest = &rest[at + special.len_utf8()..];
        }
        self.plain(rest)
    }
}

/// The first character that may not stand in `place` as it is, and where.
fn first_special(text: &str, place: Place) -> Option<(usize, char)> {
    let mut from = 0;
    // Nearly all text is nothing but ordinary ASCII, which this passes over at a byte a step.
    while let Some(at) = text.as_bytes()[from..]
        .iter()
        .position(|byte| !is_ordinary(*byte, place))
    {
        let found = text[from + at..].chars().next()?;
        if is_special(found, place) {
            return Some((from + at, found));
        }
        from += at + found.len_utf8();
    }
    None
}

/// ASCII that may stand anywhere in `place`.
fn is_ordinary(byte: u8, place: Place) -> bool {
    matches!(byte, b' '..=b'~') && (place == Place::Bare || !matches!(byte, b'"' | b'\\'))
}

fn is_special(c: char, place: Place) -> bool {
    match c {
        '"' | '\\' => place == Place::Quoted,
        // Line ends to JavaScript, and to some terminals and log viewers.
        '\u{2028}' | '\u{2029}' => true,
        // What turns the direction of text around would show a record as what it is not (Unicode Standard Annex 9).
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            true
        }
        _ => c.is_control(),
    }
}
