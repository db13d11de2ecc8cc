//! The admin port: probes, pages, and what they change, on a listener and a thread of their own, up to the very end of a
//! drain.
//!
//! Each page is a file that says what it tells ([`page::Page`]); `text.rs` and `html.rs` give it its form, as `asked.rs`
//! says which. `history.rs` has the last minutes, `own.rs` what a service has added.

mod access;
mod asked;
mod chart;
mod escape;
pub(crate) mod flagz;
pub(crate) mod history;
mod html;
mod loglevel;
pub(crate) mod own;
mod page;
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
};
use asked::Form;
use http::{HeaderValue, Method, StatusCode, header};
use own::{OwnPages, Runner};
use page::Page;
use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
};
use subject::{FLAGZ, LOG_LEVEL, PAGES, STATUSZ, Subject, THREADZ, TRACEZ};

/// The running admin port. Dropped, it is closed.
pub(crate) struct Admin {
    engine: Arc<dyn Engine>,
    thread: Option<JoinHandle<()>>,
}

/// A page that is there in every service.
struct Endpoint {
    path: &'static str,
    page: fn(&Subject) -> Page,
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
        page: statusz::page,
        json: Some(Json {
            kind: statusz::KIND,
            fields: statusz::json,
        }),
    },
    Endpoint {
        path: FLAGZ,
        page: flagz::page,
        json: Some(Json {
            kind: flagz::KIND,
            fields: flagz::json,
        }),
    },
    Endpoint {
        path: THREADZ,
        page: threadz::page,
        json: None,
    },
    Endpoint {
        path: TRACEZ,
        page: tracez::page,
        json: None,
    },
];

/// Whether seaworthy itself answers there on the admin port, so that no service can.
pub(crate) fn is_reserved(path: &str) -> bool {
    path == "/"
        || path == LOG_LEVEL
        || path == "/metrics"
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
        let runner = subject.own.as_ref().map(OwnPages::start).transpose()?;
        let pulled = Arc::clone(&engine);
        let thread = thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || serve(&subject, &*pulled, runner.as_ref()))?;
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
    while engine.pull(None, &mut ready) == Pulled::Open {
        for one in ready.drain(..) {
            match (one, runner) {
                (Ready::Request(exchange), _) => take(subject, exchange, runner),
                (left, Some(runner)) => runner.go_on(left),
                (Ready::Stream(exchange), None) => {
                    exchange.stream();
                }
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
    match (answer(subject, exchange.request()), runner) {
        (Some(answer), _) => {
            exchange.respond(answer, false);
        }
        (None, Some(runner)) => runner.give(exchange),
        (None, None) => {
            exchange.respond(StatusCode::NOT_FOUND.into_response(), false);
        }
    }
}

/// The answer to what is no probe; `None` where the service itself has to give it.
fn answer(subject: &Subject, request: &mut Request) -> Option<Response> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let endpoint = ENDPOINTS
        .iter()
        .find(|endpoint| endpoint.path == request.path());
    let response = match (endpoint, request.path()) {
        (Some(endpoint), _) if is_read => endpoint.answer(subject, request),
        (Some(_), _) => not_allowed("GET, HEAD"),
        (None, LOG_LEVEL) if is_read => format!("{}\n", loglevel::shown(subject)).into_response(),
        (None, LOG_LEVEL) if *request.method() == Method::POST => {
            match access::refusal(request, subject.token.as_ref()) {
                Some(refused) => refused,
                None => loglevel::set(subject, request),
            }
        }
        (None, LOG_LEVEL) => not_allowed("GET, HEAD, POST"),
        (None, "/") if is_read && Form::of(request, None) == Some(Form::Html) => {
            Redirect::to("/statusz").into_response()
        }
        _ => return own_answer(subject, request, is_read),
    };
    Some(no_store(response))
}

/// For what the service has added: the refusal, where it changes something and may not.
fn own_answer(subject: &Subject, request: &mut Request, is_read: bool) -> Option<Response> {
    let is_there = subject.own.as_ref().is_some_and(|own| own.find(request));
    if !is_there {
        return Some(StatusCode::NOT_FOUND.into_response());
    }
    let changes = !is_read && request.matched == Matched::Endpoint;
    let refused = changes.then(|| access::refusal(request, subject.token.as_ref()));
    refused.flatten().map(no_store)
}

impl Endpoint {
    fn answer(&self, subject: &Subject, request: &Request) -> Response {
        let service = subject.pool.dispatcher().name;
        let kind = self.json.as_ref().map(|json| json.kind);
        let response = match (Form::of(request, kind), &self.json) {
            (Some(Form::Text), _) => {
                Response::of(text::render(service, &(self.page)(subject)), TEXT)
            }
            (Some(Form::Html), _) => {
                let frame = html::Frame {
                    service,
                    paths: &subject.pages(),
                    refreshes: request.query_param("refresh").as_deref() != Some("off"),
                };
                let page = html::render(&frame, &(self.page)(subject));
                html::headers().into_iter().fold(
                    Response::of(page, "text/html; charset=utf-8"),
                    |response, (name, value)| response.with_header(name, value),
                )
            }
            (Some(Form::Json(version)), Some(json)) => {
                Response::of(json.render(version, subject), "application/json")
            }
            _ => Response::of(not_acceptable(kind), TEXT).with_status(StatusCode::NOT_ACCEPTABLE),
        };
        response.with_header(header::VARY, HeaderValue::from_static("Accept"))
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
    StatusCode::METHOD_NOT_ALLOWED
        .into_response()
        .with_header(header::ALLOW, HeaderValue::from_static(methods))
}

fn no_store(response: Response) -> Response {
    response
        .with_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .with_header(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        )
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.engine.stop_accepting();
        self.engine.cut();
        self.engine.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
