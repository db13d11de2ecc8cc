//! The head of a part.

use http::HeaderName;

/// What the head of a part says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::message::upload) struct PartHead {
    pub(in crate::message::upload) name: String,
    /// What the client calls the file; none where the part is no file.
    pub(in crate::message::upload) filename: Option<String>,
    pub(in crate::message::upload) content_type: Option<String>,
}

impl PartHead {
    /// How many bytes it keeps in memory.
    pub(in crate::message::upload) fn length(&self) -> usize {
        let optional = [&self.filename, &self.content_type];
        let optional = optional.map(|text| text.as_ref().map_or(0, String::len));
        self.name.len() + optional.iter().sum::<usize>()
    }

    /// Reads the lines of a head, which end in CRLF each but the last.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(head: &[u8]) -> Result<PartHead, &'static str> {
        let text = std::str::from_utf8(head).map_err(|_| "a part's head is not UTF-8")?;
        let mut disposition = None;
        let mut content_type = None;
        for line in text.split_terminator("\r\n") {
            let (name, value) = line.split_once(':').ok_or("a line without a colon")?;
            let name =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a malformed field name")?;
            let value = value.trim_matches([' ', '\t']);
            let is_text = |character: char| character == '\t' || !character.is_control();
            if !value.chars().all(is_text) {
                return Err("a control character in a part's head");
            }
            let place = match name.as_str() {
                "content-disposition" => &mut disposition,
                "content-type" => &mut content_type,
                // RFC 7578 section 4.7 deprecates it, and what it could ask for nobody sends.
                "content-transfer-encoding" => match value.to_ascii_lowercase().as_str() {
                    "7bit" | "8bit" | "binary" => continue,
                    _ => return Err("a Content-Transfer-Encoding"),
                },
                // Section 4.8: others are ignored.
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err("a field that stands twice in a part's head");
            }
        }
        let disposition = disposition.ok_or("a part without Content-Disposition")?;
        let mut head = PartHead::of_disposition(disposition)?;
        head.content_type = content_type.map(str::to_owned);
        Ok(head)
    }

    /// RFC 7578 section 4.2.
    fn of_disposition(value: &str) -> Result<PartHead, &'static str> {
        let (kind, rest) = value.split_once(';').ok_or("a part without a name")?;
        if !kind.trim().eq_ignore_ascii_case("form-data") {
            return Err("a Content-Disposition other than form-data");
        }
        let mut name = None;
        let mut filename = None;
        for (parameter, value) in parameters(rest).ok_or("a malformed Content-Disposition")? {
            let place = match parameter.as_str() {
                "name" => &mut name,
                "filename" => &mut filename,
                "filename*" => return Err("filename*, which RFC 7578 forbids"),
                _ => continue,
            };
            if place.replace(unescaped(&value)).is_some() {
                return Err("a parameter that stands twice");
            }
        }
        Ok(PartHead {
            name: name.ok_or("a part without a name")?,
            filename,
            content_type: None,
        })
    }
}

/// The parameters behind a field's first word, names in lower case: tokens and quoted strings. None where they are
/// malformed.
pub(super) fn parameters(mut rest: &str) -> Option<Vec<(String, String)>> {
    let mut all = Vec::new();
    loop {
        let (name, behind) = rest.split_once('=')?;
        let name = name.trim_matches([' ', '\t']);
        if name.is_empty() || name.contains([' ', '\t', '"', ';', ',']) {
            return None;
        }
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => quoted_string(quoted)?,
            None => {
                let end = behind.find(';').unwrap_or(behind.len());
                let token = behind[..end].trim_matches([' ', '\t']);
                if token.is_empty() || token.contains([' ', '\t', '"', '\\']) {
                    return None;
                }
                (token.to_owned(), &behind[end..])
            }
        };
        all.push((name.to_ascii_lowercase(), value));
        match behind.trim_start_matches([' ', '\t']) {
            "" => return Some(all),
            behind => rest = behind.strip_prefix(';')?,
        }
    }
}

/// What stands before the closing quote, and behind it. A backslash stands for itself unless a quote or another
/// follows, as clients have it that send paths.
fn quoted_string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' if text[at + 1..].starts_with(['"', '\\']) => {
                value.extend(characters.next().map(|(_, escaped)| escaped));
            }
            character => value.push(character),
        }
    }
    None
}

/// What browsers escape in names
/// (<https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data>).
fn unescaped(value: &str) -> String {
    value
        .replace("%22", "\"")
        .replace("%0D", "\r")
        .replace("%0A", "\n")
}
