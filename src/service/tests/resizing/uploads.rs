//! Uploads under a quota of which there is as good as nothing.

use super::*;
use crate::{
    Routes,
    message::{
        error::Error,
        into_response::IntoResponse,
        response::Response,
        upload::sink::{BodySink, Upload},
    },
};

/// A hundred-thousandth of a CPU: the first piece of any window has spent it.
const TINY: (&str, &str) = ("1 100000\n", "104857600\n");

const BODY: usize = 50 * 64 * 1024;

struct Counting(usize);

impl BodySink for Counting {
    fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.0 += piece.len();
        Ok(())
    }

    fn finish(self: Box<Self>, _: &Request) -> Result<Response, Error> {
        Ok(self.0.to_string().into_response())
    }
}

/// How long an upload of fifty pieces takes.
fn upload(address: SocketAddr) -> Duration {
    let begun = Instant::now();
    let head = format!("PUT / HTTP/1.1\r\nHost: test\r\nContent-Length: {BODY}\r\n\r\n");
    let request = [head.as_bytes(), &vec![b'x'; BODY]].concat();
    let answer = ask(&mut connect(address), &request).unwrap();
    assert!(answer.ends_with(&BODY.to_string()), "{answer}");
    begun.elapsed()
}

#[test]
fn uploads_under_a_quota_rest_while_others_are_answered_and_are_finished_all_the_same() {
    let put = Routes::new()
        .put("/", |_: &Request| Upload::new(Counting(0)))
        .body_limit("1GiB");
    let service = Service::new("test")
        .get("/", |_: &Request| "hello")
        .merge(put);
    let mut scene = Scene::start(service, HttpEngine::Native, &[]);
    scene.resize(TINY);
    let load = Load::start(scene.address(), 1);
    let beside_others = upload(scene.address());
    assert!(load.end() > 0);
    assert!(
        beside_others > Duration::from_millis(300),
        "{beside_others:?}"
    );
    thread::sleep(Duration::from_millis(1100));
    // Other tests may have the CPU meanwhile; were it to rest, no attempt would be faster.
    let attempts = (0..5).map(|_| upload(scene.address()));
    let alone = attempts.min().unwrap();
    assert!(alone < beside_others, "{alone:?}, {beside_others:?}");
    assert_eq!(scene.stop().abandoned_total(), 0);
}
