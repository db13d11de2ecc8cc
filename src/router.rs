//! Which handler a request belongs to: `matchit` for the paths, a short list of methods under each.

use crate::{
    into_response::IntoResponse,
    middleware::{Layer, Next},
    percent,
    request::Request,
    response::Response,
};
use http::{HeaderValue, Method, StatusCode, header};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

pub(crate) type Handler = Box<dyn Fn(&Request) -> Response + Send + Sync>;

/// One template of a path with the handlers of its methods.
pub(crate) struct Route {
    /// Its place among the routes.
    pub(crate) index: usize,
    pub(crate) template: String,
    /// The template's parameters in order, without braces or star.
    pub(crate) params: Vec<String>,
    methods: Vec<(Method, Handler)>,
    allow: HeaderValue,
    pub(crate) cost: Cost,
}

/// How long a route's handlers take, as the pool has seen: an average over about the last eight runs.
pub(crate) struct Cost(AtomicU32);

impl Cost {
    /// The most that is ever expected; it is more than any handover costs, and more need not be known.
    const LONGEST: Duration = Duration::from_millis(1);
    const UNKNOWN: u32 = u32::MAX;

    /// The expected run time; a route that never ran may take any time.
    pub(crate) fn expected(&self) -> Duration {
        match self.0.load(Relaxed) {
            Cost::UNKNOWN => Cost::LONGEST,
            nanos => Duration::from_nanos(nanos.into()),
        }
    }

    /// Takes a run into the average. A run far above it counts as four times it: one pause of the whole process (a
    /// throttled quota, a busy neighbour) must not mark a short route as a long one, and a route that has turned slow
    /// is known for it after a few runs all the same.
    pub(crate) fn record(&self, took: Duration) {
        let sample = took.min(Cost::LONGEST).as_nanos() as u32;
        let average = match self.0.load(Relaxed) {
            Cost::UNKNOWN => sample,
            average => average - average / 8 + sample.min(4 * average + Cost::LEAST_STEP) / 8,
        };
        self.0.store(average, Relaxed);
    }

    /// Lets an average of next to nothing grow at all; in nanoseconds.
    const LEAST_STEP: u32 = 8_000;
}

impl Default for Cost {
    fn default() -> Cost {
        Cost(AtomicU32::new(Cost::UNKNOWN))
    }
}

/// Every route, and the layers around all of them.
#[derive(Default)]
pub(crate) struct Router {
    paths: matchit::Router<usize>,
    routes: Vec<Arc<Route>>,
    pub(crate) layers: Vec<Layer>,
}

impl Router {
    /// Adds a handler.
    ///
    /// # Panics
    /// Where the template is malformed, conflicts with another, or has that method already: mistakes in the program.
    #[track_caller]
    pub(crate) fn add(&mut self, method: Method, template: &str, handler: Handler) {
        let index = match self
            .routes
            .iter()
            .position(|route| route.template == template)
        {
            Some(index) => index,
            None => self.add_path(template),
        };
        let route = Arc::get_mut(&mut self.routes[index])
            .expect("no request holds a route before the service starts");
        assert!(
            route.methods.iter().all(|(known, _)| *known != method),
            "{method} {template} has a handler already"
        );
        route.methods.push((method, handler));
        route.allow = allowed(&route.methods);
    }

    #[track_caller]
    fn add_path(&mut self, template: &str) -> usize {
        let index = self.routes.len();
        if let Err(error) = self.paths.insert(template, index) {
            panic!("the route {template:?} cannot be added: {error}");
        }
        self.routes.push(Arc::new(Route {
            index,
            template: template.to_owned(),
            params: parameters(template),
            methods: Vec::new(),
            allow: HeaderValue::from_static(""),
            cost: Cost::default(),
        }));
        index
    }

    /// Finds the request's route and notes it, with the decoded parameters, in the request. False where a parameter
    /// does not decode to UTF-8.
    pub(crate) fn find(&self, request: &mut Request) -> bool {
        let Ok(found) = self.paths.at(request.path()) else {
            return true;
        };
        let route = Arc::clone(&self.routes[*found.value]);
        let decoded: Option<Vec<String>> = match found.params.is_empty() {
            true => Some(Vec::new()),
            false => found
                .params
                .iter()
                .map(|(_, value)| percent::decode(value).map(String::from))
                .collect(),
        };
        request.route = Some(route);
        decoded.map(|params| request.params = params).is_some()
    }

    /// The template of a route by its index.
    pub(crate) fn template(&self, index: usize) -> String {
        self.routes
            .get(index)
            .map(|route| route.template.clone())
            .unwrap_or_default()
    }

    /// Runs the layers and the handler of a request that has been through [`find`](Router::find).
    pub(crate) fn run(&self, request: &Request) -> Response {
        Next::new(&self.layers, &|request| answer(request)).run(request)
    }
}

fn answer(request: &Request) -> Response {
    let Some(route) = &request.route else {
        // `OPTIONS *` asks about the server as a whole (RFC 9110 section 9.3.7), and there is nothing to say.
        return match request.path() {
            "*" => StatusCode::NO_CONTENT.into_response(),
            _ => (StatusCode::NOT_FOUND, "not found").into_response(),
        };
    };
    let asked = request.method();
    let handler = |method: &Method| route.methods.iter().find(|(known, _)| known == method);
    match handler(asked).or_else(|| {
        if asked == Method::HEAD {
            handler(&Method::GET)
        } else {
            None
        }
    }) {
        Some((_, handler)) => handler(request),
        None => (StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
            .into_response()
            .with_header(header::ALLOW, route.allow.clone()),
    }
}

fn allowed(methods: &[(Method, Handler)]) -> HeaderValue {
    let mut names: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
    if names.contains(&"GET") && !names.contains(&"HEAD") {
        names.push("HEAD");
    }
    HeaderValue::from_str(&names.join(", ")).expect("methods are tokens")
}

/// The names in a template's braces: `id` and `rest` of `/users/{id}/{*rest}`. Doubled braces are literal ones.
fn parameters(template: &str) -> Vec<String> {
    let literal = template.replace("{{", "").replace("}}", "");
    let names = literal
        .split('{')
        .skip(1)
        .filter_map(|part| part.split_once('}'));
    names
        .map(|(name, _)| name.trim_start_matches('*').to_owned())
        .collect()
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
