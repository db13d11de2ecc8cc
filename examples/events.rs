//! News that are pushed to every browser, each of them once, whichever pod a browser is connected to:
//! `cargo run --example events`, then open <http://localhost:8080/> in two windows; or `curl -N localhost:8080/events`
//! and `curl localhost:8080/say -d hello`.
//!
//! The news are the lines of a file that the pods share, `NEWS_FILE`, and an event's id is where in it its line ends. So
//! any pod can tell what a client has missed that another one has told before. Start a second one with another `PORT`:
//! its clients learn what is said to the first. With a database, the file is a table, and the id its growing key.

use seaworthy::{Broadcast, Error, Event, Html, Request, Response, Service, http::StatusCode};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::PathBuf,
    process::ExitCode,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// So many news are read at a time. A client that has missed more is sent so many, and comes back for the next ones.
const AT_ONCE: usize = 1000;

/// So many events wait for a client that is slow; with one more it is cut off, and catches up when it comes back.
const BEHIND: usize = 64;

struct App {
    file: PathBuf,
    /// The id of the last event that this pod's clients were told.
    told: Mutex<u64>,
    clients: Broadcast,
}

impl App {
    fn open(file: PathBuf) -> io::Result<App> {
        File::options().create(true).append(true).open(&file)?;
        Ok(App {
            file,
            told: Mutex::default(),
            clients: Broadcast::new(),
        })
    }

    /// Tells this pod's clients what is new, whichever pod has written it. Nothing more is told until what it returns is
    /// dropped.
    fn tell_news(&self) -> io::Result<MutexGuard<'_, u64>> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let news = self.news(*told, u64::MAX)?;
            if news.is_empty() {
                return Ok(told);
            }
            for (id, event) in news {
                self.clients.send(event);
                *told = id;
            }
        }
    }

    /// The first of the events behind the one with the id `seen`, up to that with the id `last`.
    fn news(&self, seen: u64, last: u64) -> io::Result<Vec<(u64, Event)>> {
        let mut file = File::open(&self.file)?;
        file.seek(SeekFrom::Start(seen))?;
        let mut lines = BufReader::new(file.take(last.saturating_sub(seen)));
        let (mut id, mut news) = (seen, Vec::new());
        while news.len() < AT_ONCE {
            let mut line = Vec::new();
            id += lines.read_until(b'\n', &mut line)? as u64;
            // What does not end yet is still being written.
            let Some(text) = line.strip_suffix(b"\n") else {
                break;
            };
            let event = Event::new(String::from_utf8_lossy(text)).id(id.to_string());
            news.push((id, event));
        }
        Ok(news)
    }
}

fn events(request: &Request, app: &App) -> Result<Response, Error> {
    let seen = match request.last_event_id() {
        Some(id) => id
            .parse()
            .ok()
            .filter(|seen| i64::try_from(*seen).is_ok())
            .ok_or_else(|| Error::bad_request("Last-Event-ID is no place in a file"))?,
        None => 0,
    };
    // What this pod has told is not behind what the client has seen elsewhere, and stays as it is until the client is
    // among those that are told: so nothing is lost between what was missed and what comes, and nothing is doubled.
    let told = app.tell_news()?;
    let missed = app.news(seen, *told)?;
    let (sender, response) = Response::events(missed.len() + BEHIND);
    let is_all = missed.len() < AT_ONCE;
    for (_, event) in missed {
        sender.send(event)?;
    }
    match is_all {
        true => app.clients.subscribe(sender),
        false => sender.finish(),
    }
    Ok(response)
}

/// Each line is one of the news.
fn say(request: &Request, app: &App) -> Result<StatusCode, Error> {
    let lines = format!("{}\n", request.text()?.trim_end());
    // In one piece, which those of other pods do not come between.
    let mut file = File::options().append(true).open(&app.file)?;
    file.write_all(lines.as_bytes())?;
    drop(app.tell_news()?);
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
    let default = std::env::temp_dir().join("news");
    Service::build("events", |settings| {
        PathBuf::from(settings.text("NEWS_FILE", &default.to_string_lossy()))
    })
    .open(|file: PathBuf| {
        Ok(Service::with_state("events", App::open(file)?)
            .get("/", |_: &Request| Html(PAGE))
            .get("/events", events)
            .post("/say", say)
            .every("tell", "250ms", |app: &App| app.tell_news().map(drop)))
    })
    .run()
}
