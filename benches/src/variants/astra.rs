//! astra, whose workers each keep a connection for as long as it lives.

use std::io::Read;

use astra::{Body, Request, Response, ResponseBuilder, Server};
use benches::{BODY, DOWN, GREETING};

/// Its default of 15 a CPU would leave every connection beyond them without an answer. A thread
/// is only made for a connection that finds none at rest, so a high bound costs nothing by itself.
const CONNECTIONS: usize = 2048;

fn main() -> std::io::Result<()> {
    Server::bind(benches::address()).max_workers(CONNECTIONS).http1_only().serve(|request, _| answer(request))
}

fn answer(mut request: Request) -> Response {
    match (request.method().as_str(), request.uri().path()) {
        ("GET", "/") => text(GREETING),
        ("GET", "/json") => match serde_json::to_vec(&benches::pod()) {
            Ok(json) => respond(200, "application/json", Body::new(json)),
            Err(_) => respond(500, TEXT, Body::empty()),
        },
        ("GET", "/down") => respond(200, "application/octet-stream", Body::new(&DOWN[..])),
        ("POST", "/up") => {
            let mut body = Vec::with_capacity(BODY);
            match request.body_mut().reader().read_to_end(&mut body) {
                Ok(length) => text(length.to_string()),
                Err(_) => respond(400, TEXT, Body::empty()),
            }
        }
        ("GET", "/work") => text(benches::work()),
        ("GET", "/block") => text(benches::block()),
        ("GET", "/healthz" | "/readyz") => text("ok"),
        _ => respond(404, TEXT, Body::empty()),
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

fn text(body: impl Into<Body>) -> Response {
    respond(200, TEXT, body.into())
}

fn respond(status: u16, content_type: &str, body: Body) -> Response {
    ResponseBuilder::new()
        .status(status)
        .header("Content-Type", content_type)
        .body(body)
        .expect("a status and a media type that there are")
}
