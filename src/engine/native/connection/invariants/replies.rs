//! Responses as a client reads them.

/// One response, and the interim ones before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// How many times `100 Continue` came first.
    pub(crate) continues: usize,
    pub(crate) status: u16,
    /// Says that the connection ends with it.
    pub(crate) closes: bool,
    pub(crate) body: Vec<u8>,
    /// Nothing is missing, as far as a client can tell.
    pub(crate) is_whole: bool,
    /// It has neither length nor last chunk, and ends where the connection does.
    pub(crate) ends_by_close: bool,
    /// Where the next one begins.
    pub(crate) len: usize,
}

impl Reply {
    /// One to what is no request, or none that can be served.
    pub(crate) fn expect_refusal(&self, cut: bool) {
        assert!(matches!(
            self.status,
            400 | 408 | 413 | 414 | 417 | 431 | 501 | 503 | 505
        ));
        assert!(self.closes && self.continues <= 1);
        assert!(self.is_whole || cut, "half a refusal");
    }
}

/// Reads the first response in `bytes`; none where its head is not whole.
pub(crate) fn read_reply(bytes: &[u8], to_head: bool) -> Option<Reply> {
    let mut start = 0;
    let mut continues = 0;
    loop {
        let mut slots = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut slots);
        let parsed = response.parse(&bytes[start..]).expect("well formed");
        let httparse::Status::Complete(head_len) = parsed else {
            return None;
        };
        start += head_len;
        let status = response.code.expect("parsed");
        if status == 100 {
            assert!(response.headers.is_empty());
            continues += 1;
            continue;
        }
        let field = |name: &str| {
            let mut fields = response.headers.iter();
            let field = fields.find(|field| field.name.eq_ignore_ascii_case(name));
            field.map(|field| std::str::from_utf8(field.value).expect("text"))
        };
        assert!(field("date").is_some(), "without a date");
        let rest = &bytes[start..];
        let has_body = !to_head && !matches!(status, 204 | 304);
        let length = field("content-length").map(|length| length.parse().expect("a number"));
        let (body, used, is_whole) = if !has_body {
            (Vec::new(), 0, true)
        } else if field("transfer-encoding").is_some() {
            assert_eq!(field("transfer-encoding"), Some("chunked"));
            read_chunks(rest)
        } else {
            let used = rest.len().min(length.unwrap_or(usize::MAX));
            (
                rest[..used].to_vec(),
                used,
                length.is_none_or(|length| length == used),
            )
        };
        return Some(Reply {
            continues,
            status,
            closes: field("connection") == Some("close"),
            body,
            is_whole,
            ends_by_close: has_body && length.is_none() && field("transfer-encoding").is_none(),
            len: start + used,
        });
    }
}

/// Data, length and wholeness of a chunked body.
fn read_chunks(bytes: &[u8]) -> (Vec<u8>, usize, bool) {
    let mut body = Vec::new();
    let mut at = 0;
    while let Some(line) = bytes[at..].windows(2).position(|end| end == b"\r\n") {
        let digits = std::str::from_utf8(&bytes[at..at + line]).expect("digits");
        let size = usize::from_str_radix(digits, 16).expect("a size");
        let data = at + line + 2;
        let Some(chunk) = bytes.get(data..data + size + 2) else {
            body.extend_from_slice(&bytes[data..bytes.len().min(data + size)]);
            break;
        };
        let (chunk, end) = chunk.split_at(size);
        assert_eq!(end, b"\r\n");
        body.extend_from_slice(chunk);
        at = data + size + 2;
        if size == 0 {
            return (body, at, true);
        }
    }
    (body, bytes.len(), false)
}

/// All responses in `bytes`. `methods` are those of the requests in order, `GET` where there are no more.
#[cfg(test)]
pub(crate) fn read_replies(mut bytes: &[u8], methods: &[&str]) -> Vec<Reply> {
    let mut methods = methods.iter();
    let mut replies = Vec::new();
    while !bytes.is_empty() {
        let to_head = methods.next() == Some(&"HEAD");
        let reply = read_reply(bytes, to_head).expect("a whole head");
        bytes = &bytes[reply.len..];
        replies.push(reply);
    }
    replies
}
