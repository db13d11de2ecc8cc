//! Later answers that nobody wants: somebody else has answered, or the client has gone.

use std::sync::mpsc;

use seaworthy::{Body, Next, Request, Response, SendError, Service};

use super::{ask, deferring, next};
use crate::library::end;
use crate::metrics::value;
use crate::service::serve_with;
use crate::support::{Engine, eventually, get};

both_engines! {
    a_handler_that_panics_has_answered_and_nobody_wants_a_later_answer,
    a_layer_that_answers_by_itself_has_answered,
    a_deferred_answer_is_no_answer_to_another,
    a_client_that_does_not_wait_for_its_answer_counts_as_gone_and_not_as_a_failure,
}

fn a_handler_that_panics_has_answered_and_nobody_wants_a_later_answer(engine: Engine) {
    let (give, responders) = mpsc::channel();
    let service = Service::new("test").get("/later", move |_: &Request| -> Response {
        let (responder, _response) = Response::deferred("20s");
        give.send(responder).expect("the test wants it");
        panic!("on purpose");
    });
    let running = serve_with(service, engine, &[]);
    let mut client = ask(&running);
    let responder = next(&responders);
    client.response().expect(500);
    eventually("it is told", || responder.is_closed());
    assert_eq!(responder.respond("too late"), Err(SendError::Closed));
    end(running);
}

fn a_layer_that_answers_by_itself_has_answered(engine: Engine) {
    fn sleepy(request: &mut Request, next: Next<'_>) -> Response {
        next.run(request).map_body(|_| Body::Static(b"asleep"))
    }
    let (service, responders) = deferring("20s");
    let running = serve_with(service.layer(sleepy), engine, &[]);
    let mut client = ask(&running);
    let responder = next(&responders);
    assert_eq!(client.response().expect(200).text(), "asleep");
    eventually("it is told", || responder.is_closed());
    end(running);
}

fn a_deferred_answer_is_no_answer_to_another(engine: Engine) {
    let (service, responders) = deferring("20s");
    let running = serve_with(service, engine, &[]);
    let mut client = ask(&running);
    let (inner, answer) = Response::deferred("20s");
    next(&responders).respond(answer).unwrap();
    client.response().expect(500);
    assert!(inner.is_closed());
    end(running);
}

fn a_client_that_does_not_wait_for_its_answer_counts_as_gone_and_not_as_a_failure(engine: Engine) {
    let (service, responders) = deferring("10m");
    let running = serve_with(service, engine, &[]);
    let closed = |reason: &str| {
        let text = get(running.addr(), "/metrics")
            .expect(200)
            .text()
            .to_owned();
        let name = format!("seaworthy_connections_closed_total{{reason=\"{reason}\"}}");
        value(&text, &name)
    };
    let (gone, failed) = (closed("client"), closed("failed"));
    let client = ask(&running);
    let responder = next(&responders);
    drop(client);
    match engine {
        Engine::Native => eventually("it is told", || responder.is_closed()),
        // Nobody looks before there is an answer.
        Engine::TinyHttp => drop(responder.respond("nobody")),
    }
    eventually("it is counted", || closed("client") > gone);
    assert_eq!(closed("failed"), failed);
    end(running);
}
