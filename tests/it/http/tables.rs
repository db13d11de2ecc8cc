//! Requests as bytes, and what must become of them. The rows' names may stand in the exceptions.

/// A request that is served, after which its connection serves the next.
pub(super) struct Served {
    pub(super) name: &'static str,
    pub(super) request: &'static [u8],
    pub(super) statuses: &'static [u16],
    /// The whole body, where it matters.
    pub(super) body: Option<&'static str>,
}

/// A request that is refused, after which its connection ends.
pub(super) struct Refused {
    pub(super) name: &'static str,
    pub(super) request: &'static [u8],
    pub(super) statuses: &'static [u16],
}

const fn greeting(name: &'static str, request: &'static [u8]) -> Served {
    Served {
        name,
        request,
        statuses: &[200],
        body: Some("Hello from Kubernetes!"),
    }
}

const fn echo(name: &'static str, request: &'static [u8], body: &'static str) -> Served {
    Served {
        name,
        request,
        statuses: &[200],
        body: Some(body),
    }
}

const fn status(name: &'static str, request: &'static [u8], statuses: &'static [u16]) -> Served {
    Served {
        name,
        request,
        statuses,
        body: None,
    }
}

pub(super) const SERVED: &[Served] = &[
    greeting("origin-form", b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"),
    greeting("a query", b"GET /?a=b%20c&d HTTP/1.1\r\nHost: test\r\n\r\n"),
    greeting("absolute-form", b"GET http://test/ HTTP/1.1\r\nHost: test\r\n\r\n"),
    greeting("absolute-form for another host than Host", b"GET http://other:81/?q HTTP/1.1\r\nHost: test\r\n\r\n"),
    greeting("absolute-form without a path", b"GET http://test HTTP/1.1\r\nHost: test\r\n\r\n"),
    status("asterisk-form", b"OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n", &[200, 204]),
    status("a percent-encoded path", b"GET /status/2%304 HTTP/1.1\r\nHost: test\r\n\r\n", &[204]),
    status("an unknown path", b"GET /nowhere HTTP/1.1\r\nHost: test\r\n\r\n", &[404]),
    status("an unknown method", b"FROB / HTTP/1.1\r\nHost: test\r\n\r\n", &[501]),
    status("an unknown method of a probe", b"FROB /livez HTTP/1.1\r\nHost: test\r\n\r\n", &[501]),
    greeting("a later minor version", b"GET / HTTP/1.2\r\nHost: test\r\n\r\n"),
    echo("a body in a later minor version", b"POST /echo HTTP/1.9\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello", "hello"),
    greeting("empty lines before the request", b"\r\n\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n"),
    greeting("white space around a value", b"GET / HTTP/1.1\r\nHost: \t test \t \r\n\r\n"),
    greeting("no white space before a value", b"GET / HTTP/1.1\r\nHost:test\r\n\r\n"),
    greeting("an empty value", b"GET / HTTP/1.1\r\nHost: test\r\nX-Empty:\r\n\r\n"),
    greeting("bytes above ASCII in a value", b"GET / HTTP/1.1\r\nHost: test\r\nX-Name: J\xf6rg\r\n\r\n"),
    greeting("names in any case", b"GET / HTTP/1.1\r\nhOST: test\r\n\r\n"),
    greeting("a Host with a port", b"GET / HTTP/1.1\r\nHost: test:8080\r\n\r\n"),
    greeting("a Host that is an IPv6 address", b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"),
    greeting("an offer to upgrade", b"GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
    greeting("a GET with a body", b"GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello"),
    echo("a body by length", b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello", "hello"),
    echo("a length with zeros before it", b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 005\r\n\r\nhello", "hello"),
    echo("an empty body", b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n", ""),
    echo("no body and no length", b"POST /echo HTTP/1.1\r\nHost: test\r\n\r\n", ""),
    echo(
        "a body that looks like a request",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
    ),
    echo(
        "chunks",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n",
        "hello world",
    ),
    echo(
        "no chunk but the last",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "",
    ),
    echo(
        "a coding's name in any case",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "hello",
    ),
    echo(
        "chunk sizes in any case and with zeros before them",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n00A\r\n0123456789\r\nb\r\n0123456789a\r\n00\r\n\r\n",
        "01234567890123456789a",
    ),
    echo(
        "chunk extensions",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5;a;b=c ; d = \"e; \\\"f\"\r\nhello\r\n0;last\r\n\r\n",
        "hello",
    ),
    echo(
        "trailers",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nHost: other\r\n\r\n",
        "hello",
    ),
];

const fn bad(name: &'static str, request: &'static [u8]) -> Refused {
    Refused {
        name,
        request,
        statuses: &[400],
    }
}

const fn refused(name: &'static str, request: &'static [u8], statuses: &'static [u16]) -> Refused {
    Refused {
        name,
        request,
        statuses,
    }
}

pub(super) const REFUSED: &[Refused] = &[
    // Where a body ends, on which two readers must not disagree: RFC 9112 section 6.
    bad(
        "a length and chunks",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    bad(
        "chunks and a length",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ),
    bad("two lengths", b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    bad("one length twice", b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    bad("a list of lengths", b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5, 5\r\n\r\nhello"),
    bad("a length with a plus", b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: +5\r\n\r\nhello"),
    bad("a length below zero", b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: -5\r\n\r\nhello"),
    bad("a hexadecimal length", b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 0x5\r\n\r\nhello"),
    bad("a length of two words", b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 5 5\r\n\r\nhello"),
    bad("an empty length", b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: \r\n\r\nhello"),
    bad("a length that is a word", b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: five\r\n\r\nhello"),
    refused(
        "a length over 64 bits",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 18446744073709551621\r\n\r\nhello",
        &[400, 413],
    ),
    refused(
        "an unknown coding",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: gzip\r\n\r\nhello",
        &[400, 501],
    ),
    refused(
        "another coding before chunked",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        &[400, 501],
    ),
    refused(
        "chunked that is not last",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        &[400, 501],
    ),
    refused(
        "the identity coding",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
        &[400, 501],
    ),
    bad(
        "chunked twice",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    ),
    bad(
        "two Transfer-Encoding headers",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    refused(
        "two Transfer-Encoding headers that differ",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        &[400, 501],
    ),
    refused(
        "almost chunked",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        &[400, 501],
    ),
    refused(
        "chunked with a control byte",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        &[400, 501],
    ),
    refused(
        "an empty coding",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding:\r\nContent-Length: 5\r\n\r\nhello",
        &[400, 501],
    ),
    bad(
        "chunks in HTTP/1.0",
        b"POST /echo HTTP/1.0\r\nHost: test\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    // Chunks: RFC 9112 section 7.1.
    bad("a chunk size that is none", b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n0\r\n\r\n"),
    bad("an empty chunk size", b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n"),
    bad("a chunk size with 0x", b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n"),
    bad("a chunk size with a plus", b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n"),
    bad("a chunk size below zero", b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nhello\r\n0\r\n\r\n"),
    refused(
        "a chunk size over 64 bits",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
        &[400, 413],
    ),
    bad("a chunk longer than its size", b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n"),
    bad("a chunk size line ended by LF", b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"),
    bad("a chunk ended by LF", b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\n0\r\n\r\n"),
    bad("a chunk extension without a name", b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5;\r\nhello\r\n0\r\n\r\n"),
    bad("a chunk extension with neither", b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5;=\r\nhello\r\n0\r\n\r\n"),
    bad("a chunk extension without a value", b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\r\nhello\r\n0\r\n\r\n"),
    bad("a chunk extension whose quotes do not close", b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\r\nhello\r\n0\r\n\r\n"),
    bad("a bare CR in a chunk extension", b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5;a\rb\r\nhello\r\n0\r\n\r\n"),
    bad("a bare LF in a chunk extension", b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n"),
    bad("a trailer without a colon", b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nbad trailer\r\n\r\n"),
    bad("trailers ended by LF", b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\n\r\n"),
    // Fields: RFC 9112 section 5, RFC 9110 section 5.5.
    bad("a folded value", b"GET / HTTP/1.1\r\nHost: test\r\nX-Fold: a\r\n b\r\n\r\n"),
    bad("white space before a colon", b"GET / HTTP/1.1\r\nHost : test\r\n\r\n"),
    bad("white space before the length's colon", b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length : 5\r\n\r\nhello"),
    bad("white space before the first header", b"GET / HTTP/1.1\r\n Host: test\r\n\r\n"),
    bad("a header line that begins with a space", b"GET / HTTP/1.1\r\nHost: test\r\n Transfer-Encoding: chunked\r\n\r\n"),
    bad("a header without a colon", b"GET / HTTP/1.1\r\nHost: test\r\nnonsense\r\n\r\n"),
    bad("a header without a name", b"GET / HTTP/1.1\r\nHost: test\r\n: value\r\n\r\n"),
    bad("a header's name that is no token", b"GET / HTTP/1.1\r\nHost: test\r\nX(1): value\r\n\r\n"),
    bad("bytes above ASCII in a name", b"GET / HTTP/1.1\r\nHost: test\r\nX-J\xf6rg: value\r\n\r\n"),
    bad("a bare CR in a value", b"GET / HTTP/1.1\r\nHost: test\r\nX-A: a\rb\r\n\r\n"),
    bad("a NUL in a value", b"GET / HTTP/1.1\r\nHost: test\r\nX-A: a\0b\r\n\r\n"),
    bad("a control byte in a value", b"GET / HTTP/1.1\r\nHost: test\r\nX-A: a\x01b\r\n\r\n"),
    bad("a DEL in a value", b"GET / HTTP/1.1\r\nHost: test\r\nX-A: a\x7fb\r\n\r\n"),
    bad("a header ended by LF", b"GET / HTTP/1.1\r\nHost: test\r\nX-A: a\nX-B: b\r\n\r\n"),
    bad("lines ended by LF", b"GET / HTTP/1.1\nHost: test\n\n"),
    bad("a head ended by LF", b"GET / HTTP/1.1\r\nHost: test\r\n\n"),
    // Host: RFC 9112 section 3.2.
    bad("no Host", b"GET / HTTP/1.1\r\nX-A: a\r\n\r\n"),
    bad("two Hosts", b"GET / HTTP/1.1\r\nHost: test\r\nHost: other\r\n\r\n"),
    bad("one Host twice", b"GET / HTTP/1.1\r\nHost: test\r\nHost: test\r\n\r\n"),
    bad("a Host of two words", b"GET / HTTP/1.1\r\nHost: test other\r\n\r\n"),
    bad("a Host with a path", b"GET / HTTP/1.1\r\nHost: test/path\r\n\r\n"),
    bad("a Host with a user", b"GET / HTTP/1.1\r\nHost: user@test\r\n\r\n"),
    // The request line: RFC 9112 section 3.
    bad("a method that is no token", b"G@T / HTTP/1.1\r\nHost: test\r\n\r\n"),
    bad("no method", b" / HTTP/1.1\r\nHost: test\r\n\r\n"),
    bad("two spaces before the target", b"GET  / HTTP/1.1\r\nHost: test\r\n\r\n"),
    bad("two spaces before the version", b"GET /  HTTP/1.1\r\nHost: test\r\n\r\n"),
    bad("a space behind the version", b"GET / HTTP/1.1 \r\nHost: test\r\n\r\n"),
    bad("a space in the target", b"GET /a b HTTP/1.1\r\nHost: test\r\n\r\n"),
    bad("a tab for a space", b"GET\t/ HTTP/1.1\r\nHost: test\r\n\r\n"),
    bad("a target without a slash", b"GET index HTTP/1.1\r\nHost: test\r\n\r\n"),
    bad("a control byte in the target", b"GET /a\x01b HTTP/1.1\r\nHost: test\r\n\r\n"),
    bad("an asterisk with GET", b"GET * HTTP/1.1\r\nHost: test\r\n\r\n"),
    refused("a tunnel", b"CONNECT test:443 HTTP/1.1\r\nHost: test:443\r\n\r\n", &[400, 405, 501]),
    // Versions: RFC 9110 sections 2.5 and 15.6.6.
    bad("no version", b"GET /\r\nHost: test\r\n\r\n"),
    bad("a version without a minor one", b"GET / HTTP/1\r\nHost: test\r\n\r\n"),
    bad("a version that is a word", b"GET / HTTP/one\r\nHost: test\r\n\r\n"),
    bad("a version of another protocol", b"GET / HTTPS/1.1\r\nHost: test\r\n\r\n"),
    bad("a version in lower case", b"GET / http/1.1\r\nHost: test\r\n\r\n"),
    bad("a version with two digits", b"GET / HTTP/11.1\r\nHost: test\r\n\r\n"),
    bad("a minor version with two digits", b"GET / HTTP/1.20\r\nHost: test\r\n\r\n"),
    refused("HTTP/0.9 with a version", b"GET / HTTP/0.9\r\nHost: test\r\n\r\n", &[505]),
    refused("HTTP/2 in a request line", b"GET / HTTP/2.0\r\nHost: test\r\n\r\n", &[505]),
    refused("HTTP/3 in a request line", b"GET / HTTP/3.0\r\nHost: test\r\n\r\n", &[505]),
    refused("an HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", &[505]),
    // RFC 9110 section 10.1.1.
    refused(
        "an unknown expectation",
        b"POST /echo HTTP/1.1\r\nHost: test\r\nExpect: a miracle\r\nContent-Length: 5\r\n\r\nhello",
        &[417],
    ),
];
