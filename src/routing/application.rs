//! A service's routes with its state: from a request to its handler's answer.

use super::{
    layer::{Inner, Next, SharedLayer},
    routes::{Endpoint, Routes},
};
use crate::{
    message::{
        body::Body,
        error::Error,
        into_response::IntoResponse,
        logged,
        render::{Render, render},
        request::{Matched, Request},
        response::Response,
        route::Route,
    },
    observe::{
        access_log,
        panics::{self, Panicked},
        trace::server,
    },
};
use http::{Method, StatusCode, header};
use std::{mem, sync::Arc};

/// What answers requests, whatever the type of the service's state.
pub(crate) trait Application: Send + Sync {
    /// Finds the request's route and notes it, with its parameters, in the request. Runs no code but ours.
    fn find(&self, request: &mut Request);

    /// Runs the layers and the handler of a request that has been through [`find`](Application::find). Never panics.
    fn run(&self, request: &mut Request) -> Response;

    /// Makes of what answers an upload what would have become of a handler's answer. Never panics.
    fn conclude(&self, request: &mut Request, answer: Result<Response, Panicked>) -> Response;
    /// Renders and logs the error that a response carries, as for any other, where it comes after its handler has returned.
    fn render(&self, response: Response, request: &Request) -> Response;

    /// A route by its index.
    fn route(&self, index: usize) -> &Route;

    /// Whether no route takes this method and no standard has it: neither RFC 9110 (section 9.1) nor RFC 5789. Such a
    /// request is answered 501 (RFC 9110 section 15.6.2).
    fn is_unheard_of(&self, method: &Method) -> bool;

    /// The route that answers this method on this path.
    fn route_at(&self, method: &Method, path: &str) -> Option<&Route>;

    /// The largest body that a route takes by a limit of its own; none where no route has one.
    fn largest_body_limit(&self) -> Option<u64>;

    /// A route that takes its body as it comes, where there is one.
    fn upload_route(&self) -> Option<&Route>;
}

/// The routes, the state that their handlers share, and what renders their errors.
pub(crate) struct Stateful<S> {
    pub(crate) routes: Routes<S>,
    pub(crate) state: Arc<S>,
    pub(crate) render: Option<Render>,
}

impl<S: Send + Sync + 'static> Application for Stateful<S> {
    fn find(&self, request: &mut Request) {
        let path = request.head.path.of(&request.bytes);
        let Some(found) = self.routes.at(request.method(), path) else {
            return;
        };
        let matched = match (found.is_allowed, &found.params) {
            (false, _) => Matched::OtherMethods,
            (true, None) => Matched::Undecodable,
            (true, Some(_)) => Matched::Endpoint,
        };
        let route = Arc::clone(&found.endpoint.route);
        request.note_route(route, matched, found.params.unwrap_or_default());
    }

    fn run(&self, request: &mut Request) -> Response {
        let endpoint = request
            .route
            .as_ref()
            .map(|route| self.routes.endpoint(route.index));
        let chain = Chain {
            application: self,
            endpoint,
            matched: request.matched,
            outer: self.routes.layers(),
            own: endpoint.map_or(&[], |endpoint| &endpoint.layers),
        };
        let mut response = chain.run(request);
        if matches!(response.body, Body::Stream(..)) {
            logged::stream(&mut response.body);
        }
        // What layers left for others ends here, on the worker, and not where sockets are driven.
        if !request.extensions().is_empty() {
            match &mut response.body {
                Body::Pending(pending) => {
                    pending.kept.extensions = mem::take(request.extensions_mut());
                }
                _ => end_extensions(request),
            }
        }
        response
    }

    fn conclude(&self, request: &mut Request, answer: Result<Response, Panicked>) -> Response {
        let mut response = match answer {
            Ok(response) if is_plain(&response) => response,
            Ok(response) => self.settle(response, request),
            Err(panicked) => self.settle(after_panic(&panicked, request), request),
        };
        logged::stream(&mut response.body);
        end_extensions(request);
        response
    }

    fn render(&self, response: Response, request: &Request) -> Response {
        match is_plain(&response) {
            true => response,
            false => self.settle(response, request),
        }
    }

    fn route(&self, index: usize) -> &Route {
        &self.routes.endpoint(index).route
    }

    fn is_unheard_of(&self, method: &Method) -> bool {
        is_unheard_of(&self.routes, method)
    }

    fn route_at(&self, method: &Method, path: &str) -> Option<&Route> {
        let found = self.routes.at(method, path.as_bytes())?;
        Some(&found.endpoint.route)
    }

    fn largest_body_limit(&self) -> Option<u64> {
        self.routes.largest_body_limit()
    }

    fn upload_route(&self) -> Option<&Route> {
        self.routes.upload_route()
    }
}

/// The layers that are still to run, those of the service around those of the route's groups, and the handler.
struct Chain<'a, S> {
    application: &'a Stateful<S>,
    endpoint: Option<&'a Endpoint<S>>,
    matched: Matched,
    outer: &'a [SharedLayer<S>],
    own: &'a [SharedLayer<S>],
}

impl<S: Send + Sync + 'static> Inner for Chain<'_, S> {
    fn run(&self, request: &mut Request) -> Response {
        let state = &*self.application.state;
        let caught = match (self.outer.split_last(), self.own.split_last()) {
            (Some((layer, outer)), _) => {
                let inner = Chain { outer, ..*self };
                panics::catch(|| layer(request, Next::new(&inner), state))
            }
            (None, Some((layer, own))) => {
                let inner = Chain { own, ..*self };
                panics::catch(|| layer(request, Next::new(&inner), state))
            }
            (None, None) => panics::catch(|| self.answer(request)),
        };
        match caught {
            Ok(response) if is_plain(&response) => response,
            Ok(response) => self.application.settle(response, request),
            Err(panicked) => self
                .application
                .settle(after_panic(&panicked, request), request),
        }
    }
}

impl<S: 'static> Chain<'_, S> {
    fn answer(&self, request: &Request) -> Response {
        let application = self.application;
        match (self.matched, self.endpoint) {
            (Matched::Endpoint, Some(endpoint)) => {
                return (endpoint.handler.call)(request, &application.state);
            }
            // `OPTIONS *` asks about the server as a whole (RFC 9110 section 9.3.7), and there is nothing to say.
            (_, None) if request.path() == "*" => return StatusCode::NO_CONTENT.into_response(),
            (Matched::Undecodable, _) => Error::bad_request("a parameter in the path is not UTF-8"),
            _ if is_unheard_of(&application.routes, request.method()) => {
                Error::new(StatusCode::NOT_IMPLEMENTED, "no such method")
            }
            (_, None) => Error::not_found(),
            (_, Some(endpoint)) => {
                let allow = application.routes.allowed(endpoint.route.index);
                let error = Error::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
                match allow {
                    Some(allow) => error.with_header(header::ALLOW, allow),
                    None => error,
                }
            }
        }
        .into_response()
    }
}

fn is_unheard_of<S: 'static>(routes: &Routes<S>, method: &Method) -> bool {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::CONNECT,
        Method::OPTIONS,
        Method::TRACE,
        Method::PATCH,
    ];
    !KNOWN.contains(method) && !routes.knows(method)
}

/// Whether nothing is to be done to a response on its way out.
fn is_plain(response: &Response) -> bool {
    response.error.is_none() && !response.status.is_informational()
}

fn end_extensions(request: &mut Request) {
    if panics::catch(|| request.extensions_mut().clear()).is_err() {
        log::error!(route = request.route(); "the destructor of a request's extension panicked");
    }
}

#[cold]
fn after_panic(panicked: &Panicked, request: &Request) -> Response {
    server::note_failure(format_args!("panicked: {panicked}"));
    log::error!(
        panic = panicked.message.as_str(),
        location = panicked.location.as_deref().unwrap_or("unknown"),
        method = request.method().as_str(),
        route = request.route();
        "handler panicked"
    );
    Error::new(StatusCode::INTERNAL_SERVER_ERROR, "internal server error").into_response()
}

impl<S: 'static> Stateful<S> {
    /// Renders and logs the error that a response carries, before a layer sees it.
    #[cold]
    fn settle(&self, response: Response, request: &Request) -> Response {
        // An interim response is no answer: its client would wait for the final one (RFC 9110 section 15.2).
        let response = match response.status.is_informational() {
            true => Error::internal("the handler returned an interim status").into_response(),
            false => response,
        };
        let caught = panics::catch(|| render(response, self.render.as_ref(), Some(request)));
        match caught {
            Ok((response, error)) => {
                if let Some(error) = error {
                    access_log::failure(request, &error);
                }
                response
            }
            Err(panicked) => {
                log::error!(panic:% = panicked; "rendering an error panicked");
                Response::text(StatusCode::INTERNAL_SERVER_ERROR, "internal server error")
            }
        }
    }
}

#[cfg(test)]
mod tests;
