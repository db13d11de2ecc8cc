//! Responses that are read from a handler's reader.

use super::*;
use std::{
    cell::Cell,
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

/// Wants the connection to go on, which a stream to it cannot.
const GET_10: &str = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";

/// A reader made of a function.
struct Reads<F>(F);

impl<F: FnMut(&mut [u8]) -> io::Result<usize>> Read for Reads<F> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        (self.0)(into)
    }
}

/// So many bytes, 100 at a time; and how many of them have been read.
fn counted(len: usize) -> (impl Read + Send + 'static, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let mut left = len;
    let reader = Reads(move |into: &mut [u8]| {
        let some = left.min(100).min(into.len());
        into[..some].fill(b'x');
        left -= some;
        counter.fetch_add(some, Relaxed);
        Ok(some)
    });
    (reader, count)
}

/// A reader that gives `before` and then does this.
fn then(
    before: &'static [u8],
    mut end: impl FnMut(&mut [u8]) -> io::Result<usize> + Send + 'static,
) -> impl Read + Send + 'static {
    let mut before = before;
    Reads(move |into: &mut [u8]| match before.read(into) {
        Ok(0) => end(into),
        some => some,
    })
}

#[test]
fn a_stream_reaches_the_client_whole() {
    for (sized, request) in [(false, GET), (true, GET), (false, GET_10.as_bytes())] {
        let mut rig = rig();
        rig.send(request);
        let (reader, _) = counted(100_000);
        let response = match sized {
            true => Response::stream_sized(reader, 100_000),
            false => Response::stream(reader),
        };
        rig.respond(response, false);
        let reply = only_reply(&mut rig);
        assert!(reply.is_whole && reply.body == vec![b'x'; 100_000]);
        assert_eq!(reply.closes, request == GET_10.as_bytes());
        assert!(!rig.wire().aborts());
        if reply.closes {
            assert_ended(&rig);
        } else {
            assert_eq!(rig.send(GET), Next::Request);
        }
    }
}

#[test]
fn a_stream_to_a_client_that_reads_nothing_waits_and_resumes_where_it_stopped() {
    for step in [10, 99, 100, 1000, 5000] {
        let mut rig = blocked_rig();
        rig.send(GET);
        let (reader, count) = counted(20_000);
        assert_eq!(rig.respond(Response::stream(reader), false), Next::Wait);
        assert_eq!(count.load(Relaxed), 0, "the head comes first");
        while rig.owner == Owner::Reactor && !rig.connection.is_idle() {
            let taken = rig.wire().sent.len();
            assert!(count.load(Relaxed) <= taken + 100, "reads ahead");
            if rig.take(step) == Next::Stream {
                rig.pump();
            }
        }
        let reply = only_reply(&mut rig);
        assert!(
            reply.is_whole && reply.body == vec![b'x'; 20_000],
            "{step} bytes at a time"
        );
    }
}

#[test]
fn a_stream_holds_a_chunk_and_not_the_whole() {
    let mut rig = blocked_rig();
    rig.send(GET);
    rig.respond(Response::stream(io::repeat(b'x')), false);
    rig.take(1 << 20);
    rig.pump();
    assert!(
        rig.connection.charged_response < 64 * 1024,
        "{}",
        rig.connection.charged_response
    );
    assert_eq!(rig.leave(End::Reset), Next::Close);
    assert_ended(&rig);
}

#[test]
fn a_stream_that_breaks_off_is_cut_so_that_the_client_can_tell() {
    let fails = || -> Box<dyn Read + Send> {
        Box::new(then(b"half", |_| Err(io::Error::other("the disk is gone"))))
    };
    let panics = || -> Box<dyn Read + Send> { Box::new(then(b"half", |_| panic!("a mistake"))) };
    let lies = || -> Box<dyn Read + Send> { Box::new(then(b"half", |into| Ok(into.len() + 1))) };
    let ends = || -> Box<dyn Read + Send> { Box::new(&b"half"[..]) };
    type Make<'a> = &'a dyn Fn() -> Box<dyn Read + Send>;
    #[rustfmt::skip]
    let rows: [(&str, Make<'_>, Option<u64>, &[u8]); 10] = [
        ("fails, chunked", &fails, None, GET),
        ("fails, sized", &fails, Some(8), GET),
        ("fails, HTTP/1.0", &fails, None, GET_10.as_bytes()),
        ("panics, chunked", &panics, None, GET),
        ("panics, sized", &panics, Some(8), GET),
        ("panics, HTTP/1.0", &panics, None, GET_10.as_bytes()),
        ("lies, chunked", &lies, None, GET),
        ("lies, sized", &lies, Some(8), GET),
        ("lies, HTTP/1.0", &lies, None, GET_10.as_bytes()),
        ("ends early", &ends, Some(8), GET),
    ];
    for (what, reader, length, request) in rows {
        let mut rig = rig();
        rig.send(request);
        let response = match length {
            Some(length) => Response::stream_sized(reader(), length),
            None => Response::stream(reader()),
        };
        assert_eq!(rig.respond(response, false), Next::Close, "{what}");
        let reply = only_reply(&mut rig);
        assert_eq!(reply.body, b"half", "{what}");
        assert!(!reply.is_whole || request == GET_10.as_bytes(), "{what}");
        assert!(rig.wire().aborts(), "{what}");
        assert_ended(&rig);
    }
}

#[test]
fn a_stream_without_an_end_of_its_own_looks_cut_until_it_is_done() {
    let mut rig = blocked_rig();
    rig.send(GET_10);
    rig.respond(Response::stream(&b"body"[..]), false);
    assert!(
        rig.wire().aborts(),
        "a process that is killed now leaves no whole response"
    );
    rig.take(10);
    assert!(rig.wire().aborts());
    rig.take(usize::MAX);
    rig.pump();
    assert!(!rig.wire().aborts(), "done");
    assert_ended(&rig);
    assert_eq!(only_reply(&mut rig).body, b"body");
}

#[test]
fn no_more_than_the_length_is_read_and_sent() {
    let mut rig = rig();
    rig.send([GET, GET, GET].concat());
    let (reader, count) = counted(1000);
    rig.respond(Response::stream_sized(reader, 250), false);
    assert_eq!(count.load(Relaxed), 250);
    rig.respond(
        Response::stream_sized(Reads(|_: &mut [u8]| panic!("is read")), 0),
        false,
    );
    rig.respond(Response::stream(io::empty()), false);
    let lens: Vec<_> = replies(&mut rig)
        .iter()
        .map(|reply| reply.body.len())
        .collect();
    assert_eq!(lens, [250, 0, 0]);
    assert!(rig.connection.is_idle());
}

#[test]
fn a_reader_that_is_interrupted_is_asked_again() {
    let mut rig = rig();
    rig.send(GET);
    let calls = Cell::new(0);
    let reader = Reads(move |into: &mut [u8]| {
        calls.set(calls.get() + 1);
        match calls.get() {
            1 => Err(io::ErrorKind::Interrupted.into()),
            2 => (&b"body"[..]).read(into),
            _ => Ok(0),
        }
    });
    rig.respond(Response::stream(reader), false);
    assert_eq!(only_reply(&mut rig).body, b"body");
}

#[test]
fn a_response_without_a_body_reads_nothing_of_its_stream() {
    let mut rig = rig();
    rig.send("HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    rig.respond(
        Response::stream(Reads(|_: &mut [u8]| panic!("is read"))),
        false,
    );
    assert!(rig.connection.is_idle());
    assert!(!rig.wire().aborts());
}

#[test]
fn a_reader_whose_destructor_panics_harms_nobody() {
    struct Bomb;
    impl Read for Bomb {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a mistake");
        }
    }
    let mut rig = rig();
    let head = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
    for request in [GET, head.as_bytes(), GET] {
        rig.send(request);
        rig.respond(Response::stream(Bomb), false);
        assert!(rig.connection.is_idle());
    }
    rig.send(GET);
    rig.wire().room = 0;
    rig.respond(Response::stream(Bomb), false);
    assert_eq!(rig.leave(End::Reset), Next::Close);
    assert_ended(&rig);
    drop(rig);
}

#[test]
fn the_time_that_a_reader_takes_is_not_held_against_the_client() {
    const READ: Duration = Duration::from_millis(15);
    let rules = rules();
    rules.live.write_timeout.set(READ);
    let mut rig = Rig::new(&rules, SCRATCH);
    rig.wire().room = 500;
    rig.send(GET);
    let mut left = 10;
    let reader = Reads(move |into: &mut [u8]| {
        thread::sleep(READ);
        left -= 1;
        into[..100].fill(b'x');
        Ok(if left > 0 { 100 } else { 0 })
    });
    rig.respond(Response::stream(reader), false);
    assert!(
        rig.connection.wants_to_send(),
        "the client is a little behind"
    );
    assert_eq!(rig.pass(3 * READ), Next::Wait, "that long it was read");
    // Nor is the time that the stream waited for a worker.
    rig.take(200);
    assert_eq!(rig.owner, Owner::Streamer);
    rig.pass(100 * READ);
    assert_eq!(rig.pump(), Next::Wait);
    assert_eq!(rig.pass(Duration::ZERO), Next::Wait);
    rig.take(usize::MAX);
    rig.pump();
    assert_eq!(only_reply(&mut rig).body.len(), 900);
}
