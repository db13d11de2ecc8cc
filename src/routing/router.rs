//! Which handler a request belongs to: `matchit` for the paths, a short list of methods under each.

use super::layers::{Layer, Next};
use crate::message::{
    into_response::IntoResponse, request::Request, response::Response, route::Route,
};
use http::{HeaderValue, Method, StatusCode, header};
use percent_encoding::percent_decode_str;
use std::sync::Arc;

pub(crate) type Handler = Box<dyn Fn(&Request) -> Response + Send + Sync>;

/// A route with the handlers of its methods.
struct Entry {
    route: Arc<Route>,
    methods: Vec<(Method, Handler)>,
    allow: HeaderValue,
}

/// Every route, and the layers around all of them.
#[derive(Default)]
pub(crate) struct Router {
    paths: matchit::Router<usize>,
    /// Each at its route's index.
    entries: Vec<Entry>,
    pub(crate) layers: Vec<Layer>,
}

impl Router {
    /// Adds a handler.
    ///
    /// # Panics
    /// Where the template is malformed, conflicts with another, or has that method already: mistakes in the program.
    #[track_caller]
    pub(crate) fn add(&mut self, method: Method, template: &str, handler: Handler) {
        let known = |entry: &Entry| entry.route.template == template;
        let index = match self.entries.iter().position(known) {
            Some(index) => index,
            None => self.add_path(template),
        };
        let entry = &mut self.entries[index];
        assert!(
            entry.methods.iter().all(|(known, _)| *known != method),
            "{method} {template} has a handler already"
        );
        entry.methods.push((method, handler));
        entry.allow = allowed(&entry.methods);
    }

    #[track_caller]
    fn add_path(&mut self, template: &str) -> usize {
        let index = self.entries.len();
        if let Err(error) = self.paths.insert(template, index) {
            panic!("the route {template:?} cannot be added: {error}");
        }
        self.entries.push(Entry {
            route: Arc::new(Route::new(index, template)),
            methods: Vec::new(),
            allow: HeaderValue::from_static(""),
        });
        index
    }

    /// Finds the request's route and notes it, with the decoded parameters, in the request. False where a parameter
    /// does not decode to UTF-8.
    pub(crate) fn find(&self, request: &mut Request) -> bool {
        let Ok(found) = self.paths.at(request.path()) else {
            return true;
        };
        let route = Arc::clone(&self.entries[*found.value].route);
        let decoded: Result<Vec<String>, _> = found
            .params
            .iter()
            .map(|(_, value)| percent_decode_str(value).decode_utf8().map(String::from))
            .collect();
        request.route = Some(route);
        decoded.map(|params| request.params = params).is_ok()
    }

    /// The template of a route by its index.
    pub(crate) fn template(&self, index: usize) -> String {
        self.entries
            .get(index)
            .map(|entry| entry.route.template.clone())
            .unwrap_or_default()
    }

    /// Runs the layers and the handler of a request that has been through [`find`](Router::find).
    pub(crate) fn run(&self, request: &Request) -> Response {
        Next::new(&self.layers, &|request| self.answer(request)).run(request)
    }

    fn answer(&self, request: &Request) -> Response {
        let Some(route) = &request.route else {
            // `OPTIONS *` asks about the server as a whole (RFC 9110 section 9.3.7), and there is nothing to say.
            return match request.path() {
                "*" => StatusCode::NO_CONTENT.into_response(),
                _ => (StatusCode::NOT_FOUND, "not found").into_response(),
            };
        };
        let entry = &self.entries[route.index];
        match entry.handler(request.method()) {
            Some(handler) => handler(request),
            None => (StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
                .into_response()
                .with_header(header::ALLOW, entry.allow.clone()),
        }
    }
}

impl Entry {
    /// The handler of a method; GET's serves HEAD where that has none of its own.
    fn handler(&self, asked: &Method) -> Option<&Handler> {
        let of = |method: &Method| self.methods.iter().find(|(known, _)| known == method);
        let found = of(asked).or_else(|| of(&Method::GET).filter(|_| asked == Method::HEAD));
        found.map(|(_, handler)| handler)
    }
}

fn allowed(methods: &[(Method, Handler)]) -> HeaderValue {
    let mut names: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
    if names.contains(&"GET") && !names.contains(&"HEAD") {
        names.push("HEAD");
    }
    HeaderValue::from_str(&names.join(", ")).expect("methods are tokens")
}

#[cfg(test)]
mod tests;
