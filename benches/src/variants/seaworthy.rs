//! seaworthy; `HTTP_ENGINE` tells which of its engines.

use std::process::ExitCode;

use benches::{DOWN, GREETING};
use seaworthy::{Json, Request, Service};

fn main() -> ExitCode {
    Service::new("seaworthy")
        .get("/", |_: &Request| GREETING)
        .get("/json", |_: &Request| Json(benches::pod()))
        .get("/down", |_: &Request| &DOWN[..])
        .post("/up", |request: &Request| request.body().len().to_string())
        .get("/work", |_: &Request| benches::work())
        .get("/block", |_: &Request| benches::block())
        .run()
}
