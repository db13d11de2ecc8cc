//! Text that somebody else wrote, made harmless for where it stands.

use std::fmt::{self, Write};

/// Takes what is text in HTML, be it in an element or in a quoted attribute.
pub(super) struct Escaped<'a>(pub(super) &'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let escaped = match character {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '"' => "&quot;",
                '\'' => "&#39;",
                '\n' | '\t' => " ",
                control if control.is_control() => "\u{fffd}",
                other => {
                    self.0.push(other);
                    continue;
                }
            };
            self.0.push_str(escaped);
        }
        Ok(())
    }
}

/// Takes what stands in a line of a terminal, where control bytes could do anything.
pub(super) struct Printable<'a>(pub(super) &'a mut String);

impl Write for Printable<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            self.0.push(match character.is_control() {
                true => '\u{fffd}',
                false => character,
            });
        }
        Ok(())
    }
}
