//! seaworthy; `HTTP_ENGINE` tells which of its engines.

use std::process::ExitCode;

use benches::{BACKLOG, DOWN, GREETING};
use seaworthy::{Broadcast, Event, Json, Request, Response, Service};

fn main() -> ExitCode {
    Service::with_state("seaworthy", Broadcast::new())
        .get("/", |_: &Request| GREETING)
        .get("/json", |_: &Request| Json(benches::pod()))
        .get("/down", |_: &Request| &DOWN[..])
        .post("/up", |request: &Request| request.body().len().to_string())
        .get("/work", |_: &Request| benches::work())
        .get("/block", |_: &Request| benches::block())
        .get("/events", events)
        .post("/say", say)
        .run()
}

fn events(_: &Request, news: &Broadcast) -> Response {
    let (sender, response) = Response::events(BACKLOG);
    news.subscribe(sender);
    response
}

fn say(request: &Request, news: &Broadcast) -> &'static str {
    news.send(Event::new(String::from_utf8_lossy(request.body())));
    "told"
}
