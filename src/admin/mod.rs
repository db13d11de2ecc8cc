//! The admin port: probes, pages, and what they change, on a listener and a thread of their own, up to the very end of a
//! drain.
//!
//! Each page is a file that tells a [`Document`] what there is to be said; `text.rs` and `html.rs` give it its form, as
//! `asked.rs` says which. `history.rs` has the last minutes, `own.rs` what a service has added.

mod access;
mod asked;
mod chart;
mod document;
mod escape;
pub(crate) mod flagz;
pub(crate) mod history;
mod html;
mod loglevel;
pub(crate) mod own;
mod statusz;
pub(crate) mod subject;
mod text;
mod threadz;
mod tracez;
mod units;

use crate::{
    engine::{Engine, Exchange, Pulled, Ready},
    message::{
        into_response::IntoResponse,
        problem::push_json,
        redirect::Redirect,
        refusal::Refusal,
        request::{Matched, Request},
        response::{Response, TEXT},
    },
    observe::metrics,
    spawn,
};
use asked::Form;
use document::Document;
use html::{Frame, Html};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use own::Runner;
use std::{io, net::SocketAddr, sync::Arc, thread::JoinHandle};
use subject::{FLAGZ, LOG_LEVEL, PAGES, STATUSZ, Subject, THREADZ, TRACEZ};
use text::Text;

/// The running admin port. Dropped, it is closed.
pub(crate) struct Admin {
    engine: Arc<dyn Engine>,
    thread: Option<JoinHandle<()>>,
}

/// A page that is there in every service.
struct Endpoint {
    path: &'static str,
    /// What it is about, in a line.
    about: &'static str,
    tell: fn(&Subject, &mut dyn Document),
    json: Option<Json>,
}

/// The form that Kubernetes' components have of it too.
struct Json {
    kind: &'static str,
    /// Appends what stands behind the metadata.
    fields: fn(&Subject, &mut String),
}

const ENDPOINTS: [Endpoint; PAGES.len()] = [
    Endpoint {
        path: STATUSZ,
        about: "What runs, since when, and how it does.",
        tell: statusz::tell,
        json: Some(Json {
            kind: statusz::KIND,
            fields: statusz::json,
        }),
    },
    Endpoint {
        path: FLAGZ,
        about: "Every setting that runs, and where it came from.",
        tell: flagz::tell,
        json: Some(Json {
            kind: flagz::KIND,
            fields: flagz::json,
        }),
    },
    Endpoint {
        path: THREADZ,
        about: "What every worker does now, the oldest request first. One thread more than may be busy waits or reads sockets.",
        tell: threadz::tell,
        json: None,
    },
    Endpoint {
        path: TRACEZ,
        about: "Requests of the last five minutes by what their handlers took: those that failed, and the slowest of each magnitude.",
        tell: tracez::tell,
        json: None,
    },
];

/// Whether seaworthy itself answers there on the admin port, so that no service can.
pub(crate) fn is_reserved(path: &str) -> bool {
    path == "/"
        || path == LOG_LEVEL
        || path == metrics::PATH
        || crate::health::is_reserved(path)
        || ENDPOINTS.iter().any(|endpoint| endpoint.path == path)
}

impl Admin {
    /// Starts the thread, and another for what the service has added.
    ///
    /// # Errors
    /// Where one cannot be started.
    pub(crate) fn start(subject: Subject, engine: Box<dyn Engine>) -> io::Result<Admin> {
        let engine: Arc<dyn Engine> = Arc::from(engine);
        let mut runner = None;
        if let Some(own) = &subject.own {
            let jobs = Arc::default();
            runner = Some(Runner(Arc::clone(&jobs)));
            let own = Arc::clone(own);
            spawn::named("admin-pages", move || own.run(&jobs))?;
        }
        let pulled = Arc::clone(&engine);
        let work = move || serve(&subject, &*pulled, runner.as_ref());
        let thread = spawn::named("admin", work)?;
        Ok(Admin {
            engine,
            thread: Some(thread),
        })
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.engine.local_addr()
    }
}

fn serve(subject: &Subject, engine: &dyn Engine, runner: Option<&Runner>) {
    let mut ready = Vec::new();
    while engine.pull(0, None, &mut ready) == Pulled::Open {
        for one in ready.drain(..) {
            match (one, runner) {
                (Ready::Request(exchange), _) => take(subject, exchange, runner),
                (left, Some(runner)) => runner.go_on(left),
                (Ready::Stream(exchange), None) => {
                    exchange.stream();
                }
                (Ready::Piece(exchange), None) => drop(exchange),
                (Ready::Discarded(what), None) => drop(what),
            }
        }
    }
}

/// Answers a request, or has what may block answer it.
fn take(subject: &Subject, mut exchange: Box<dyn Exchange>, runner: Option<&Runner>) {
    let dispatcher = subject.pool.dispatcher();
    if let Some(answer) = dispatcher.answer_probe(exchange.request()) {
        let close = exchange.is_reserve();
        exchange.respond(answer, close);
        return;
    }
    if exchange.is_reserve() {
        let full = dispatcher.refusals.response(Refusal::TOO_MANY_CONNECTIONS);
        exchange.respond(full, true);
        return;
    }
    if !exchange.has_room_for_response() {
        return exchange.put_back();
    }
    if exchange.request().path() == metrics::PATH {
        return subject.pool.answer_scrape(exchange, |_, exchange, answer| {
            exchange.respond(answer, false);
        });
    }
    match (answer(subject, exchange.request()), runner) {
        (Some(answer), _) => {
            exchange.respond(answer, false);
        }
        (None, Some(runner)) => runner.give(exchange),
        (None, None) => {
            exchange.respond(Response::new(StatusCode::NOT_FOUND), false);
        }
    }
}

/// The answer to what is no probe; `None` where the service itself has to give it.
fn answer(subject: &Subject, request: &mut Request) -> Option<Response> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut pages = ENDPOINTS.iter();
    let mut response = match pages.find(|page| page.path == request.path()) {
        Some(page) if is_read => page.answer(subject, request),
        Some(_) => not_allowed("GET, HEAD"),
        None if request.path() == LOG_LEVEL => log_level(subject, request, is_read),
        None if is_read && leads_to_pages(request) => Redirect::to(STATUSZ).into_response(),
        None => own_answer(subject, request, is_read)?,
    };
    set(&mut response, header::CACHE_CONTROL, "no-store");
    set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    Some(response)
}

fn log_level(subject: &Subject, request: &Request, is_read: bool) -> Response {
    if is_read {
        return Response::of(format!("{}\n", loglevel::shown(subject)), TEXT);
    }
    if *request.method() != Method::POST {
        return not_allowed("GET, HEAD, POST");
    }
    access::refusal(request, subject.token.as_ref())
        .unwrap_or_else(|| loglevel::set(subject, request))
}

/// Whether somebody with a browser has named this port alone.
fn leads_to_pages(request: &Request) -> bool {
    request.path() == "/" && Form::of(request, None) == Some(Form::Html)
}

/// The refusal, where the service has nothing there, or what it has changes something and may not; `None` where it answers.
fn own_answer(subject: &Subject, request: &mut Request, is_read: bool) -> Option<Response> {
    let is_there = subject.own.as_ref().is_some_and(|own| own.find(request));
    if !is_there {
        return Some(Response::new(StatusCode::NOT_FOUND));
    }
    let changes = !is_read && request.matched == Matched::Endpoint;
    let refused = changes.then(|| access::refusal(request, subject.token.as_ref()));
    refused.flatten()
}

impl Endpoint {
    fn answer(&self, subject: &Subject, request: &Request) -> Response {
        let kind = self.json.as_ref().map(|json| json.kind);
        let mut response = match (Form::of(request, kind), &self.json) {
            (Some(Form::Text), _) => Response::of(self.text(subject), TEXT),
            (Some(Form::Html), _) => {
                let refreshes = request.query_param("refresh").as_deref() != Some("off");
                let html = self.html(subject, refreshes);
                let mut response = Response::of(html, "text/html; charset=utf-8");
                set(&mut response, header::CONTENT_SECURITY_POLICY, html::POLICY);
                set(&mut response, header::REFERRER_POLICY, "no-referrer");
                response
            }
            (Some(Form::Json(version)), Some(json)) => {
                Response::of(json.render(version, subject), "application/json")
            }
            _ => {
                let mut response = Response::of(not_acceptable(kind), TEXT);
                response.status = StatusCode::NOT_ACCEPTABLE;
                response
            }
        };
        set(&mut response, header::VARY, "Accept");
        response
    }

    fn text(&self, subject: &Subject) -> String {
        let service = subject.pool.dispatcher().name;
        let mut text = Text::of(service, &self.path[1..]);
        (self.tell)(subject, &mut text);
        text.finish()
    }

    fn html(&self, subject: &Subject, refreshes: bool) -> String {
        let mut html = Html::of(&Frame {
            service: subject.pool.dispatcher().name,
            path: self.path,
            about: self.about,
            paths: &subject.pages(),
            refreshes,
        });
        (self.tell)(subject, &mut html);
        html.finish()
    }
}

impl Json {
    fn render(&self, version: &str, subject: &Subject) -> String {
        let kind = self.kind;
        let mut json = format!(
            r#"{{"kind":"{kind}","apiVersion":"config.k8s.io/{version}","metadata":{{"name":"#
        );
        push_json(&mut json, subject.pool.dispatcher().name);
        json.push('}');
        (self.fields)(subject, &mut json);
        json.push_str("}\n");
        json
    }
}

fn not_acceptable(kind: Option<&str>) -> String {
    let json = kind.map(|kind| format!(" or {}", asked::media_type(kind)));
    format!(
        "not acceptable: expected text/plain, text/html{}\n",
        json.unwrap_or_default()
    )
}

fn not_allowed(methods: &'static str) -> Response {
    let mut response = Response::new(StatusCode::METHOD_NOT_ALLOWED);
    set(&mut response, header::ALLOW, methods);
    response
}

fn set(response: &mut Response, name: HeaderName, value: &'static str) {
    response
        .headers
        .insert(name, HeaderValue::from_static(value));
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.engine.stop_accepting();
        self.engine.cut();
        self.engine.wake(0);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
