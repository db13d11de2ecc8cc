//! A service's routes: each function hands on to [`Routes`] of the same name.

use super::Service;
use crate::{
    health,
    routing::{handler::Handler, layer::Layer, routes::Routes},
};
use http::Method;

macro_rules! methods {
    ($($name:ident $method:ident $what:literal,)*) => {
        $(
            #[doc = concat!("Answers ", $what, " on `path`. See [`Routes`] for what a path may hold, and [`Handler`] for the handler.")]
            ///
            /// # Panics
            /// Where the path is malformed, can never match, is reserved for a probe, or has such a handler already.
            #[must_use]
            #[track_caller]
            pub fn $name<Args>(self, path: &str, handler: impl Handler<S, Args>) -> Service<S> {
                self.route(Method::$method, path, handler)
            }
        )*
    };
}

impl<S: Send + Sync + 'static> Service<S> {
    methods! {
        get GET "GET, and HEAD with the same headers,",
        post POST "POST",
        put PUT "PUT",
        patch PATCH "PATCH",
        delete DELETE "DELETE",
        head HEAD "HEAD",
        options OPTIONS "OPTIONS",
    }

    /// Answers every method on `path` that has no handler of its own; see [`get`](Service::get).
    ///
    /// # Panics
    /// As [`get`](Service::get).
    #[must_use]
    #[track_caller]
    pub fn any<Args>(self, path: &str, handler: impl Handler<S, Args>) -> Service<S> {
        self.with_routes(|routes| routes.any(path, handler))
    }

    /// Answers requests of one `method` on `path`, for the methods that have no function of their own; see
    /// [`get`](Service::get).
    ///
    /// # Panics
    /// As [`get`](Service::get).
    #[must_use]
    #[track_caller]
    pub fn route<Args>(
        self,
        method: Method,
        path: &str,
        handler: impl Handler<S, Args>,
    ) -> Service<S> {
        self.with_routes(|routes| routes.route(method, path, handler))
    }

    /// Answers what no route matches, with any method, in place of the 404. A path that a route has, with another
    /// method, stays a 405.
    ///
    /// # Panics
    /// Where there is one already.
    #[must_use]
    #[track_caller]
    pub fn fallback<Args>(self, handler: impl Handler<S, Args>) -> Service<S> {
        self.with_routes(|routes| routes.fallback(handler))
    }

    /// Adds a group's routes below `prefix`; see [`Routes::nest`].
    ///
    /// # Panics
    /// As [`Routes::nest`], and where a route is reserved for a probe.
    #[must_use]
    #[track_caller]
    pub fn nest(self, prefix: &str, group: impl Into<Routes<S>>) -> Service<S> {
        self.with_routes(|routes| routes.nest(prefix, group))
    }

    /// Adds a group's routes as they are; see [`Routes::merge`].
    ///
    /// # Panics
    /// As [`Routes::merge`], and where a route is reserved for a probe.
    #[must_use]
    #[track_caller]
    pub fn merge(self, group: impl Into<Routes<S>>) -> Service<S> {
        self.with_routes(|routes| routes.merge(group))
    }

    /// Wraps every route, and the answers 404 and 405, in a layer; the last one added runs first, as in axum. Probes
    /// are answered outside of all layers.
    #[must_use]
    pub fn layer<Args>(self, layer: impl Layer<S, Args>) -> Service<S> {
        self.with_routes(|routes| routes.layer(layer))
    }

    #[track_caller]
    fn with_routes(mut self, change: impl FnOnce(Routes<S>) -> Routes<S>) -> Service<S> {
        let routes = change(std::mem::take(&mut self.application.routes));
        // It would never reach its route, whichever group that came from.
        let reserved = routes
            .reads()
            .find(|template| health::is_reserved(template));
        assert!(
            reserved.is_none(),
            "the route {:?} can never match: seaworthy itself answers there",
            reserved.unwrap_or_default()
        );
        self.application.routes = routes;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::request::Request;

    fn answer(_: &Request) -> &'static str {
        ""
    }

    #[test]
    #[should_panic(expected = "the route \"/readyz\" can never match")]
    fn a_route_where_a_probe_is_answered_is_a_mistake_that_is_named() {
        let _ = Service::new("test").get("/readyz", answer);
    }

    #[test]
    #[should_panic(expected = "the route \"/version\" can never match")]
    fn so_is_one_that_comes_in_a_group() {
        let _ = Service::new("test").merge(Routes::new().get("/version", answer));
    }

    #[test]
    #[should_panic(expected = "the route \"/livez/{check}\" can never match")]
    fn so_is_one_that_comes_to_lie_there_by_its_groups_prefix() {
        let _ = Service::new("test").nest("/livez", Routes::new().get("/{check}", answer));
    }

    #[test]
    fn what_can_match_may_be_added_beside_the_probes() {
        let _ = Service::new("test")
            .post("/readyz/enable", answer)
            .any("/{page}", answer)
            .get("/versions", answer)
            .fallback(answer);
    }
}
