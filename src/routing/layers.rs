//! Layers around handlers.

use crate::message::{into_response::IntoResponse, request::Request, response::Response};

/// A layer as it is kept.
pub(crate) type Layer = Box<dyn Fn(&Request, Next<'_>) -> Response + Send + Sync>;

/// What lies inside a layer: the layers added before it, and at the centre the route's handler.
pub struct Next<'a> {
    layers: &'a [Layer],
    handler: &'a dyn Fn(&Request) -> Response,
}

impl<'a> Next<'a> {
    pub(crate) fn new(layers: &'a [Layer], handler: &'a dyn Fn(&Request) -> Response) -> Next<'a> {
        Next { layers, handler }
    }

    /// Goes on inwards, on this thread, and returns what came of it. A layer that does not call it answers in the
    /// handler's place.
    pub fn run(self, request: &Request) -> Response {
        match self.layers.split_last() {
            Some((outermost, inner)) => outermost(
                request,
                Next {
                    layers: inner,
                    ..self
                },
            ),
            None => (self.handler)(request),
        }
    }
}

/// Boxes what [`Service::layer`](crate::Service::layer) was given.
pub(crate) fn boxed<F, R>(layer: F) -> Layer
where
    F: Fn(&Request, Next<'_>) -> R + Send + Sync + 'static,
    R: IntoResponse,
{
    Box::new(move |request, next| layer(request, next).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layer_added_last_runs_first_and_may_answer_alone() {
        let outer = boxed(|request: &Request, next: Next<'_>| match request.query() {
            Some("refuse") => "refused".to_owned(),
            _ => format!("outer({})", text(&next.run(request))),
        });
        let inner = boxed(|request: &Request, next: Next<'_>| {
            format!("inner({})", text(&next.run(request)))
        });
        let layers = [inner, outer];
        let run = |target| {
            text(&Next::new(&layers, &|_| "handler".into_response()).run(&Request::get(target)))
        };
        assert_eq!(run("/"), "outer(inner(handler))");
        assert_eq!(run("/?refuse"), "refused");
    }

    fn text(response: &Response) -> String {
        String::from_utf8_lossy(response.body().unwrap_or_default()).into_owned()
    }
}
