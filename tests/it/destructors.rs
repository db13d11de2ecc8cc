//! Whatever a handler has left behind may be dropped when its client goes, and its destructor may take its time, or even
//! ask the service itself: it runs on a thread that holds up nobody, and under no lock.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, mpsc};

use seaworthy::{
    BodySink, Error, IntoResponse, Next, Request, Responder, Response, Running, Service, Upload,
};

use crate::library::end;
use crate::service::serve_with;
use crate::support::{Client, Engine, PATIENCE, get};

both_engines! {
    what_an_answer_has_left_may_ask_the_service_when_it_is_dropped,
    what_an_upload_has_left_may_ask_the_service_when_it_is_dropped,
}

/// What a test and its handlers know of each other.
#[derive(Clone)]
struct Scene {
    address: Arc<OnceLock<SocketAddr>>,
    dropped: mpsc::Sender<&'static str>,
    responders: mpsc::Sender<Responder>,
}

impl Scene {
    fn left_by(&self, whom: &'static str) -> Left {
        Left(self.clone(), whom)
    }
}

/// Asks the service when it is dropped, and tells the test of it.
struct Left(Scene, &'static str);

impl Drop for Left {
    fn drop(&mut self) {
        if let Some(address) = self.0.address.get() {
            get(*address, "/").expect(200);
            let _ = self.0.dropped.send(self.1);
        }
    }
}

/// Never comes to an end by itself.
struct Endless {
    _left: Left,
}

impl Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        into.fill(b'x');
        Ok(into.len())
    }
}

impl BodySink for Endless {
    fn write(&mut self, _: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn finish(self: Box<Self>, _: &Request) -> Result<Response, Error> {
        Ok("whole".into_response())
    }
}

fn written(left: Left) -> Response {
    Response::write_with(move |out| {
        let left = left;
        while out.write_all(&[b'x'; 4096]).is_ok() {}
        drop(left);
        Err(Error::internal("the client has gone"))
    })
}

fn serve(service: Service<Scene>, engine: Engine, address: &OnceLock<SocketAddr>) -> Running {
    let running = serve_with(service, engine, &[("WORKERS", "2")]);
    address.set(running.addr()).expect("it is set once");
    running
}

/// A client that sends this, waits for the beginning of the answer, and goes.
fn come_and_go(running: &Running, request: &str) {
    let mut client = Client::connect(running.addr());
    client.send(request);
    client.exactly(12).expect("it answers");
    client.reset();
}

fn leave_extension(request: &mut Request, next: Next<'_>, scene: &Scene) -> Response {
    if request.path() == "/extension" {
        let left = Arc::new(scene.left_by("/extension"));
        request.extensions_mut().insert(left);
    }
    next.run(request)
}

fn what_an_answer_has_left_may_ask_the_service_when_it_is_dropped(engine: Engine) {
    let (dropped, heard) = mpsc::channel();
    let (responders, awaited) = mpsc::channel();
    let scene = Scene {
        address: Arc::default(),
        dropped,
        responders,
    };
    let service = Service::with_state("test", scene.clone())
        .get("/", |_: &Request| "quick")
        .get("/extension", |_: &Request| "left")
        .get("/stream", |_: &Request, scene: &Scene| {
            let _left = scene.left_by("/stream");
            Response::stream(Endless { _left })
        })
        .get("/written", |_: &Request, scene: &Scene| {
            written(scene.left_by("/written"))
        })
        .get("/later", |_: &Request, scene: &Scene| {
            let (responder, response) = Response::deferred("60s");
            scene.responders.send(responder).expect("it is awaited");
            response
        })
        .layer(leave_extension);
    let running = serve(service, engine, &scene.address);
    for (request, left) in [
        ("GET /extension", "/extension"),
        ("GET /stream", "/stream"),
        ("HEAD /stream", "/stream"),
        ("GET /written", "/written"),
        ("HEAD /written", "/written"),
    ] {
        come_and_go(
            &running,
            &format!("{request} HTTP/1.1\r\nHost: test\r\n\r\n"),
        );
        assert_eq!(heard.recv_timeout(PATIENCE), Ok(left), "{request}");
    }
    let mut client = Client::connect(running.addr());
    client.send("GET /later HTTP/1.1\r\nHost: test\r\n\r\n");
    let responder = awaited.recv_timeout(PATIENCE).expect("the handler ran");
    let _left = scene.left_by("/later");
    let answer = Response::stream(Endless { _left });
    responder.respond(answer).expect("its client waits");
    client.exactly(12).expect("it answers");
    client.reset();
    assert_eq!(heard.recv_timeout(PATIENCE), Ok("/later"));
    end(running);
}

fn what_an_upload_has_left_may_ask_the_service_when_it_is_dropped(engine: Engine) {
    let (dropped, heard) = mpsc::channel();
    let scene = Scene {
        address: Arc::default(),
        dropped,
        responders: mpsc::channel().0,
    };
    let service = Service::with_state("test", scene.clone())
        .get("/", |_: &Request| "quick")
        .post("/sink", |_: &Request, scene: &Scene| {
            let _left = scene.left_by("/sink");
            Upload::new(Endless { _left })
        });
    let running = serve(service, engine, &scene.address);
    let head =
        "POST /sink HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
    come_and_go(&running, head);
    assert_eq!(heard.recv_timeout(PATIENCE), Ok("/sink"));
    end(running);
}
