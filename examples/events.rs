//! News that are pushed to every browser, none of which misses any when it reconnects: `cargo run --example events`,
//! then open <http://localhost:8080/> in two windows; or `curl -N localhost:8080/events` and
//! `curl localhost:8080/say -d hello`.
//!
//! The news are in memory here. Where several pods serve them they come from what the pods share, such as a table with
//! a growing key: each pod tells its own clients, and a client that comes back, to whichever pod, says what it has seen.

use seaworthy::{Broadcast, Error, Event, Html, Request, Response, Service, http::StatusCode};
use std::{
    process::ExitCode,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// So many events wait for a client that is slow; with one more it is cut off, and catches up when it comes back.
const BEHIND: usize = 64;

#[derive(Default)]
struct App {
    news: Mutex<Vec<String>>,
    clients: Broadcast,
}

impl App {
    fn news(&self) -> MutexGuard<'_, Vec<String>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn event(number: usize, text: &str) -> Event {
    Event::new(text).id(number.to_string())
}

fn events(request: &Request, app: &App) -> Result<Response, Error> {
    let seen: usize = match request.last_event_id() {
        Some(id) => id
            .parse()
            .map_err(|_| Error::bad_request("Last-Event-ID is no number"))?,
        None => 0,
    };
    // Until this is done nothing new is told, so that nothing comes between what was missed and what comes.
    let news = app.news();
    let missed = news.iter().enumerate().skip(seen);
    let (sender, response) = Response::events(missed.len() + BEHIND);
    for (before, text) in missed {
        sender.send(event(before + 1, text))?;
    }
    app.clients.subscribe(sender);
    Ok(response)
}

fn say(request: &Request, app: &App) -> Result<StatusCode, Error> {
    let text = str::from_utf8(request.body());
    let text = text.map_err(|_| Error::bad_request("the news are no UTF-8"))?;
    let mut news = app.news();
    news.push(text.to_owned());
    app.clients.send(event(news.len(), text));
    Ok(StatusCode::NO_CONTENT)
}

const PAGE: &str = r#"<!doctype html>
<meta charset="utf-8">
<title>News</title>
<form><input name="text" autofocus> <button>Say</button></form>
<p></p>
<ol></ol>
<script>
    const state = document.querySelector("p")
    const events = new EventSource("events")
    events.onopen = () => state.textContent = "connected"
    events.onerror = () => state.textContent = "connecting again"
    events.onmessage = event => {
        const item = document.createElement("li")
        item.textContent = event.data
        document.querySelector("ol").append(item)
    }
    document.querySelector("form").onsubmit = event => {
        event.preventDefault()
        fetch("say", { method: "POST", body: event.target.text.value })
        event.target.reset()
    }
</script>
"#;

fn main() -> ExitCode {
    Service::with_state("events", App::default())
        .get("/", |_: &Request| Html(PAGE))
        .get("/events", events)
        .post("/say", say)
        .run()
}
