//! What a service adds to the admin port.

use super::Service;
use crate::{admin, routing::handler::Handler};
use http::Method;

impl<S: Send + Sync + 'static> Service<S> {
    /// Adds a page to the admin port: for what people who operate the service want to see. It answers GET, and HEAD with
    /// the same headers. Without `ADMIN_PORT` it is nowhere, and never on `PORT`.
    ///
    /// Everybody who reaches the admin port may read it. It runs on a thread of its own, `admin-pages`, beside no other page
    /// of the service's, and takes no worker; no layer is around it. Where its answer says nothing else, it is not to be
    /// stored, and a browser loads nothing for it (`Content-Security-Policy: default-src 'none'`).
    ///
    /// ```
    /// use seaworthy::{Request, Service};
    ///
    /// let service = Service::new("shop")
    ///     .admin_get("/cachez", |_: &Request| "17 entries")
    ///     .admin_post("/cachez/clear", |_: &Request| "cleared");
    /// ```
    ///
    /// # Panics
    /// Where the path is malformed, can never match, is one of seaworthy's own, or has such a handler already.
    #[must_use]
    #[track_caller]
    pub fn admin_get<Args>(self, path: &str, handler: impl Handler<S, Args>) -> Service<S> {
        self.admin_route(Method::GET, path, handler)
    }

    /// Adds an action to the admin port, which answers POST: for what changes something. Only who sends `ADMIN_TOKEN` as a
    /// bearer token gets to it, and no page of another site; without that setting nobody does. Else as
    /// [`admin_get`](Service::admin_get).
    ///
    /// # Panics
    /// As [`admin_get`](Service::admin_get).
    #[must_use]
    #[track_caller]
    pub fn admin_post<Args>(self, path: &str, handler: impl Handler<S, Args>) -> Service<S> {
        self.admin_route(Method::POST, path, handler)
    }

    #[track_caller]
    fn admin_route<Args>(
        mut self,
        method: Method,
        path: &str,
        handler: impl Handler<S, Args>,
    ) -> Service<S> {
        assert!(
            !admin::is_reserved(path),
            "the route {path:?} can never match: seaworthy itself answers there on the admin port"
        );
        assert!(
            !handler.takes_flowing_body(),
            "the route {path:?} of the admin port takes an upload, which is for the service's own port"
        );
        let routes = self.admin.map(|routes| *routes).unwrap_or_default();
        self.admin = Some(Box::new(routes.route(method, path, handler)));
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
    #[should_panic(expected = "the route \"/statusz\" can never match")]
    fn a_page_where_seaworthy_has_its_own_is_a_mistake_that_is_named() {
        let _ = Service::new("test").admin_get("/statusz", answer);
    }

    #[test]
    #[should_panic(expected = "the route \"/loglevel\" can never match")]
    fn so_is_an_action() {
        let _ = Service::new("test").admin_post("/loglevel", answer);
    }

    #[test]
    fn what_a_service_has_for_its_clients_may_have_a_name_of_the_admin_ports() {
        let _ = Service::new("test")
            .get("/statusz", answer)
            .admin_get("/cachez", answer)
            .admin_post("/cachez", answer);
    }
}
