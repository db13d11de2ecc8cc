//! Routes and groups of them: `matchit` for the paths, a short list of methods under each.

mod lookup;

use super::{
    handler::{BoxedHandler, Handler, boxed},
    layer::{Layer, SharedLayer, shared},
    literals::Literals,
    pattern,
    resource::Resource,
};
use crate::message::route::Route;
use http::Method;
use std::{mem, sync::Arc, time::Duration};

/// A group of routes with what they have in common: layers, a fallback, limits. It becomes part of a service, or of
/// another group, by [`nest`](Routes::nest) below a prefix or by [`merge`](Routes::merge).
///
/// ```
/// use seaworthy::{Next, Request, Response, Routes, Service};
///
/// fn require_token(request: &mut Request, next: Next<'_>) -> Response {
///     match request.header("authorization") {
///         Some("Bearer secret") => next.run(request),
///         _ => Response::new(seaworthy::http::StatusCode::UNAUTHORIZED),
///     }
/// }
///
/// let api = Routes::new()
///     .get("/orders/{id}", |request: &Request| format!("order {}", request.param("id")))
///     .layer(require_token)
///     .timeout("2s");
/// let service = Service::new("shop").nest("/api", api);
/// assert_eq!(service.call(Request::get("/api/orders/7")).status(), 401);
/// ```
///
/// `{id}` in a path is a parameter, `{*path}` takes the rest. Escapes in requests match the characters that they stand
/// for, `/caf%C3%A9` the route `/café`, but an encoded slash never matches a slash.
pub struct Routes<S = ()> {
    /// Templates to places in `resources`.
    paths: matchit::Router<usize>,
    /// Those of them that a path has to be equal to, which are looked at first: none with parameters goes before them.
    literals: Literals,
    /// Of whole groups, by their prefix, for what `paths` does not have.
    fallbacks: matchit::Router<usize>,
    resources: Vec<Resource>,
    /// Each at its route's index.
    endpoints: Vec<Endpoint<S>>,
    layers: Vec<SharedLayer<S>>,
    timeout: Option<Duration>,
    body_limit: Option<u64>,
    requirements: Vec<Requirement>,
}

/// What has to hold before the first request, and why it does not.
pub(crate) type Requirement = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// A handler with its route and the layers of the groups that it came from, the innermost first.
pub(crate) struct Endpoint<S> {
    pub(super) route: Arc<Route>,
    pub(super) handler: BoxedHandler<S>,
    pub(super) layers: Vec<SharedLayer<S>>,
}

macro_rules! methods {
    ($($name:ident $method:ident,)*) => {
        $(
            #[doc = concat!("Answers ", stringify!($method), " on `path`; see [`Routes`] and [`Handler`].")]
            ///
            /// # Panics
            /// Where the path is malformed, can never match, or has such a handler already.
            #[must_use]
            #[track_caller]
            pub fn $name<Args>(self, path: &str, handler: impl Handler<S, Args>) -> Routes<S> {
                self.route(Method::$method, path, handler)
            }
        )*
    };
}

impl<S: 'static> Routes<S> {
    /// A group without routes.
    #[must_use]
    pub fn new() -> Routes<S> {
        Routes {
            paths: matchit::Router::new(),
            literals: Literals::default(),
            fallbacks: matchit::Router::new(),
            resources: Vec::new(),
            endpoints: Vec::new(),
            layers: Vec::new(),
            timeout: None,
            body_limit: None,
            requirements: Vec::new(),
        }
    }

    methods! {
        get GET,
        post POST,
        put PUT,
        patch PATCH,
        delete DELETE,
        head HEAD,
        options OPTIONS,
    }

    /// Answers requests of one `method` on `path`, for the methods that have no function of their own. GET's handler
    /// answers HEAD too, where that has none of its own: the body is left out.
    ///
    /// # Panics
    /// As [`get`](Routes::get).
    #[must_use]
    #[track_caller]
    pub fn route<Args>(
        mut self,
        method: Method,
        path: &str,
        handler: impl Handler<S, Args>,
    ) -> Routes<S> {
        self.add(
            Some(method),
            &pattern::normal_template(path),
            boxed(handler),
        );
        self
    }

    /// Answers every method on `path` that has no handler of its own.
    ///
    /// # Panics
    /// As [`get`](Routes::get).
    #[must_use]
    #[track_caller]
    pub fn any<Args>(mut self, path: &str, handler: impl Handler<S, Args>) -> Routes<S> {
        self.add(None, &pattern::normal_template(path), boxed(handler));
        self
    }

    /// Answers what no route of the group matches, with any method: below the prefix that it is nested at. A path that
    /// a route has, with another method, stays a 405.
    ///
    /// # Panics
    /// Where there is one already.
    #[must_use]
    #[track_caller]
    pub fn fallback<Args>(mut self, handler: impl Handler<S, Args>) -> Routes<S> {
        let resource = self.insert_fallback("/");
        self.attach(resource, None, boxed(handler));
        self
    }

    /// As [`fallback`](Routes::fallback), for GET and HEAD alone: with another method whatever lies there is a 405.
    pub(super) fn get_fallback<Args>(mut self, handler: impl Handler<S, Args>) -> Routes<S> {
        let resource = self.insert_fallback("/");
        self.attach(resource, Some(Method::GET), boxed(handler));
        self
    }

    /// Has `requirement` asked, after the start-up tasks and before the service counts as started.
    pub(super) fn require(
        mut self,
        requirement: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Routes<S> {
        self.requirements.push(Box::new(requirement));
        self
    }

    pub(crate) fn take_requirements(&mut self) -> Vec<Requirement> {
        mem::take(&mut self.requirements)
    }

    /// Wraps the group's routes, its fallback, and its 405s in a layer; the last one added runs first, as in axum.
    #[must_use]
    pub fn layer<Args>(mut self, layer: impl Layer<S, Args>) -> Routes<S> {
        self.layers.push(shared(layer));
        self
    }

    /// Adds another group's routes below `prefix`: `nest("/api", …)` makes its `/orders` `/api/orders`, and its `/`
    /// `/api`. Its layers, fallback and limits stay its own. A [`ServeDir`](crate::ServeDir) is such a group too.
    ///
    /// # Panics
    /// Where the prefix is not like `/api`, or a route conflicts with one that is there.
    #[must_use]
    #[track_caller]
    pub fn nest(mut self, prefix: &str, group: impl Into<Routes<S>>) -> Routes<S> {
        let is_prefix = prefix.starts_with('/') && prefix.len() > 1 && !prefix.ends_with('/');
        assert!(
            is_prefix,
            "{prefix:?} is no prefix to nest at: write it as \"/api\", or merge the group"
        );
        self.adopt(prefix, group.into());
        self
    }

    /// Adds another group's routes as they are. Its layers and limits stay its own; its fallback becomes this group's.
    ///
    /// # Panics
    /// Where a route conflicts with one that is there, or both have a fallback.
    #[must_use]
    #[track_caller]
    pub fn merge(mut self, group: impl Into<Routes<S>>) -> Routes<S> {
        self.adopt("", group.into());
        self
    }

    #[track_caller]
    fn adopt(&mut self, prefix: &str, group: Routes<S>) {
        self.requirements.extend(group.requirements);
        let mut theirs: Vec<Option<Endpoint<S>>> = group.endpoints.into_iter().map(Some).collect();
        for resource in group.resources {
            let template = match resource.template.as_str() {
                "/" if !prefix.is_empty() => prefix.to_owned(),
                template => format!("{prefix}{template}"),
            };
            let here = match resource.is_fallback {
                true => self.insert_fallback(&template),
                false => self.resource(&template),
            };
            let methods = resource
                .methods
                .into_iter()
                .map(|(method, index)| (Some(method), index));
            for (method, index) in methods.chain(resource.any.map(|index| (None, index))) {
                let Some(their) = theirs[index].take() else {
                    continue;
                };
                let index = self.attach(here, method, their.handler);
                let endpoint = &mut self.endpoints[index];
                endpoint.layers = their.layers;
                endpoint.layers.extend(group.layers.iter().cloned());
                let route = Arc::get_mut(&mut endpoint.route).expect(UNSHARED);
                route.timeout = their.route.timeout.or(group.timeout);
                route.body_limit = their.route.body_limit.or(group.body_limit);
            }
        }
    }

    #[track_caller]
    fn add(&mut self, method: Option<Method>, template: &str, handler: BoxedHandler<S>) {
        let resource = self.resource(template);
        self.attach(resource, method, handler);
    }

    /// The resource of this template, made where there is none yet.
    #[track_caller]
    fn resource(&mut self, template: &str) -> usize {
        let known = |resource: &Resource| !resource.is_fallback && resource.template == template;
        if let Some(place) = self.resources.iter().position(known) {
            return place;
        }
        let place = self.resources.len();
        if let Err(error) = self.paths.insert(template, place) {
            panic!("the route {template:?} cannot be added: {error}");
        }
        self.literals.insert(template, place);
        self.resources.push(Resource::new(template, false));
        place
    }

    /// A fallback is there for its prefix, with and without a slash behind it, and for all that is below.
    #[track_caller]
    fn insert_fallback(&mut self, prefix: &str) -> usize {
        let place = self.resources.len();
        let bare = prefix.trim_end_matches('/');
        let (slash, below) = (format!("{bare}/"), format!("{bare}/{{*rest}}"));
        // `/` is its own prefix.
        let exact = (!bare.is_empty()).then_some(bare);
        for template in exact.into_iter().chain([&*slash, &*below]) {
            if self.fallbacks.insert(template, place).is_err() {
                panic!("there is a fallback for {prefix} already");
            }
        }
        self.resources.push(Resource::new(prefix, true));
        place
    }

    /// Adds an endpoint to a resource, and returns its index.
    #[track_caller]
    fn attach(
        &mut self,
        resource: usize,
        method: Option<Method>,
        handler: BoxedHandler<S>,
    ) -> usize {
        let index = self.endpoints.len();
        let resource = &mut self.resources[resource];
        let template = &resource.template;
        let is_taken = match &method {
            Some(method) => resource.methods.iter().any(|(known, _)| known == method),
            None => resource.any.is_some(),
        };
        let name = method.as_ref().map_or("any method on", Method::as_str);
        assert!(!is_taken, "{name} {template} has a handler already");
        let mut route = Route::new(index, template);
        route.takes_flowing_body = handler.takes_flowing_body;
        self.endpoints.push(Endpoint {
            route: Arc::new(route),
            handler,
            layers: Vec::new(),
        });
        match method {
            Some(method) => resource.methods.push((method, index)),
            None => resource.any = Some(index),
        }
        index
    }

    /// Gives every route what it has of the service, before the first request.
    pub(crate) fn finish(&mut self, finish: impl Fn(&mut Route)) {
        for endpoint in &mut self.endpoints {
            finish(Arc::get_mut(&mut endpoint.route).expect(UNSHARED));
        }
    }
}

/// A route is shared with requests, which come later.
const UNSHARED: &str = "no request holds a route before the service starts";

impl<S: 'static> Default for Routes<S> {
    fn default() -> Routes<S> {
        Routes::new()
    }
}

mod limits;
#[cfg(test)]
mod tests;
