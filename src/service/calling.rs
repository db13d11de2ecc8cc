//! A service that is asked without a socket.

use super::Service;
use crate::{
    engine::{
        http1::{self, Framing},
        underway::{PIECE, Underway},
    },
    health,
    message::{
        body::{Body, Deferred},
        head::Version,
        log_context::Scope,
        refusal::Refusal,
        request::Request,
        response::Response,
        route::Route,
    },
    phase::Phase,
    pool::dispatcher,
    routing::application::Application,
};
use http::{HeaderValue, Method, header};
use std::{mem, sync::Arc, time::Instant};

impl<S: Send + Sync + 'static> Service<S> {
    /// Answers one request on this thread, without a socket, as a client of the running service would be answered: probes
    /// and `/version` as if it had started, layers, handlers, the panic boundary, errors in the service's own form, the
    /// limits of a [`Routes`](crate::Routes) group on bodies and time; and of the answer what a client would see, so that
    /// the answer to HEAD has the headers of GET, `Content-Type` and `Content-Length` among them, and no body. For tests.
    ///
    /// A [deferred](Response::deferred) answer is waited for. A streamed body is there to be read, see
    /// [`Response::into_body`]; where the handler returns an [`Upload`](crate::Upload), the request's body goes through its
    /// sink in pieces of 64 KiB. What comes with the socket is missing: the limits
    /// and timeouts that the environment sets, and `Date`, `Connection` and `Transfer-Encoding`.
    ///
    /// ```
    /// use seaworthy::{Request, Routes, Service, http::header};
    ///
    /// let notes = Routes::new().post("/notes", |request: &Request| request.body().to_vec()).body_limit("4KiB");
    /// let service = Service::new("notes").get("/", |_: &Request| "hello").merge(notes);
    /// let answer = service.call(Request::get("/"));
    /// assert_eq!((answer.status().as_u16(), answer.body()), (200, Some(&b"hello"[..])));
    /// assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    /// assert_eq!(service.call(Request::post("/notes", vec![0; 5000])).status(), 413);
    /// ```
    #[must_use]
    pub fn call(&self, mut request: Request) -> Response {
        let method = request.method().clone();
        as_seen(self.answer(&mut request), &method)
    }

    fn answer(&self, request: &mut Request) -> Response {
        let health = &self.health;
        let probe = dispatcher::probe(health, Phase::Running, self.name, self.version, request);
        if let Some(answer) = probe {
            return answer;
        }
        self.application.find(request);
        match self.refusal(request) {
            Some(refusal) => refusal.rendered(self.application.render.as_ref()),
            None => {
                request.received.get_or_insert_with(Instant::now);
                let _scope = Scope::enter("");
                let response = self.handle(request);
                self.awaited(response, request)
            }
        }
    }

    /// Runs layers and handler, and where the handler takes the body as it comes, has it come.
    fn handle(&self, request: &mut Request) -> Response {
        let flows = |route: &Arc<Route>| route.takes_flowing_body;
        let body = match request.route.as_ref().is_some_and(flows) {
            true => request.take_body(),
            false => Vec::new(),
        };
        let response = self.application.run(request);
        let began = Instant::now();
        match Underway::begun(response, began, Box::new(())) {
            Ok(mut underway) => {
                let written = body.chunks(PIECE).find_map(|piece| underway.write(piece));
                underway.answer(request, written, &self.application)
            }
            Err(response) => response,
        }
    }

    /// A deferred answer, once it is given.
    fn awaited(&self, mut response: Response, request: &Request) -> Response {
        match mem::take(&mut response.body) {
            Body::Deferred(Deferred(deferral)) => {
                let mut answer = None;
                deferral.wait(&mut answer);
                match answer {
                    Some(answer) => {
                        let answer = self.application.render(answer, request);
                        answer.in_place_of(response)
                    }
                    None => response,
                }
            }
            body => Response { body, ..response },
        }
    }

    /// What no layer gets to see.
    fn refusal(&self, request: &Request) -> Option<Refusal> {
        let Some(route) = &request.route else {
            return health::is_reserved(request.path()).then_some(Refusal::ONLY_READS);
        };
        let is_over = |limit: u64| request.body().len() as u64 > limit;
        route
            .body_limit
            .is_some_and(is_over)
            .then_some(Refusal::BODY_TOO_LONG)
    }
}

/// What of a response its client sees.
fn as_seen(mut response: Response, method: &Method) -> Response {
    let headers = &mut response.headers;
    let ours: Vec<_> = headers
        .keys()
        .filter(|name| http1::is_ours(name))
        .cloned()
        .collect();
    for name in ours {
        headers.remove(name);
    }
    if let Some(kind) = response.default_type
        && !headers.contains_key(header::CONTENT_TYPE)
    {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    let length = response.body.len();
    let (framing, has_body) = http1::framing(
        *method == Method::HEAD,
        Version::Http11,
        response.status,
        length,
    );
    if let Framing::Length(length) = framing {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    if !has_body {
        response.body = Body::default();
    }
    response
}
