//! An answer, parsed strictly.

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// No body belongs to this answer: HEAD, 1xx, 204, 304.
    None,
    Length(usize),
    Chunked,
    /// By the end of the connection, as in HTTP/1.0.
    Close,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) version: String,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) framing: Framing,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The one value of a header; a repeated one is a mistake in every header that the tests ask for.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let first = values.next().map(|(_, value)| value.as_str());
        assert!(
            values.next().is_none(),
            "{name} comes twice: {:?}",
            self.headers
        );
        first
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text body")
    }

    /// Whether the server says that this is the connection's last answer.
    pub(crate) fn closes(&self) -> bool {
        let connection = self
            .header("connection")
            .unwrap_or_default()
            .to_ascii_lowercase();
        let named = |token: &str| connection.split(',').any(|part| part.trim() == token);
        named("close") || (self.version == "HTTP/1.0" && !named("keep-alive"))
    }

    /// Asserts the status, with the whole answer in the message.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Response {
        assert_eq!(
            self.status,
            status,
            "{:?} {:?}",
            self.headers,
            text(&self.body)
        );
        self
    }
}

/// Status line and headers as RFC 9112 sections 4 and 5 have them, without the leniencies.
pub(super) fn parse_head(head: &[u8], method: &str) -> Result<Response, String> {
    let head = std::str::from_utf8(head).map_err(|error| error.to_string())?;
    let mut lines = head
        .strip_suffix("\r\n\r\n")
        .expect("found by it")
        .split("\r\n");
    let status_line = lines.next().expect("split gives at least one");
    let bad = |what: &str| Err(format!("{what} in {head:?}"));

    let mut parts = status_line.splitn(3, ' ');
    let (version, code) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    if !matches!(version, "HTTP/1.0" | "HTTP/1.1") || parts.next().is_none() {
        return bad("no status line");
    }
    let status: u16 = match code.parse() {
        Ok(status @ 100..=999) if code.len() == 3 => status,
        _ => return bad("no status"),
    };

    let mut headers = Vec::new();
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            return bad("a line without a colon");
        };
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) {
            return bad("a header's name");
        }
        if value
            .bytes()
            .any(|byte| byte != b'\t' && (byte < 0x20 || byte == 0x7f))
        {
            return bad("a header's value");
        }
        headers.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
    }

    let all = |wanted: &str| -> Vec<&str> {
        headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.as_str())
            .collect()
    };
    let framing = match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        // RFC 9110 8.6 and 9112 6.1: neither header in 1xx or 204.
        ([], []) if status < 200 || status == 204 => Framing::None,
        (_, _) if status < 200 || status == 204 => return bad("a framed body where none can be"),
        ([] | [_], [] | [_]) if status == 304 || method == "HEAD" => Framing::None,
        ([], []) => Framing::Close,
        ([], ["chunked"]) if version == "HTTP/1.1" => Framing::Chunked,
        ([length], [])
            if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            Framing::Length(
                length
                    .parse()
                    .map_err(|_| format!("a length in {head:?}"))?,
            )
        }
        _ => return bad("the framing"),
    };
    Ok(Response {
        version: version.to_owned(),
        status,
        headers,
        framing,
        body: Vec::new(),
    })
}

pub(super) fn text(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(500)];
    format!("{} bytes: {}", bytes.len(), String::from_utf8_lossy(shown))
}
