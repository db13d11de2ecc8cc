//! Bodies that are produced by writing.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use seaworthy::http::{StatusCode, header};
use seaworthy::{Error, Request, Response, Service};

use crate::service::{end, serve, start};
use crate::support::{Broken, Client, Engine, Framing, PATIENCE, Times, eventually, get};

both_engines! {
    what_is_written_arrives_whole_as_it_is_written,
    a_writer_that_fails_or_panics_is_cut_visibly,
    a_writer_waits_for_its_slow_client_and_is_told_when_it_has_gone,
    slow_readers_of_what_is_written_hold_no_worker: long,
    only_so_many_write_at_once_and_the_next_is_told_to_come_again,
    an_answer_without_a_body_is_not_written_at_all,
}

fn what_is_written_arrives_whole_as_it_is_written(engine: Engine) {
    let (go_on, goes_on) = mpsc::channel::<()>();
    let goes_on = Mutex::new(Some(goes_on));
    let csv = [(header::CONTENT_TYPE, "text/csv")];
    let service = Service::new("test")
        .get("/lines", move |_: &Request| {
            let lines = Response::write_with(|out| {
                for line in 0..20_000 {
                    writeln!(out, "line {line}")?;
                }
                Ok(())
            });
            (StatusCode::ACCEPTED, csv.clone(), lines)
        })
        .get("/empty", |_: &Request| Response::write_with(|_| Ok(())))
        .get("/flushed", move |_: &Request| {
            let goes_on = goes_on.lock().unwrap().take();
            Response::write_with(move |out| {
                out.write_all(b"first")?;
                out.flush()?;
                let _ = goes_on.map(|goes_on| goes_on.recv());
                Ok(out.write_all(b"second")?)
            })
        });
    let running = serve(service, engine);
    let answer = get(running.addr(), "/lines").expect(202);
    assert_eq!(answer.framing, Framing::Chunked);
    assert_eq!(answer.header("content-type"), Some("text/csv"));
    let expected: String = (0..20_000).map(|line| format!("line {line}\n")).collect();
    assert!(answer.text() == expected, "{} bytes", answer.body.len());
    assert_eq!(get(running.addr(), "/empty").expect(200).text(), "");
    let mut client = Client::connect(running.addr());
    client.send("GET /flushed HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut begun = Vec::new();
    while !begun.ends_with(b"5\r\nfirst\r\n") {
        begun.extend(
            client
                .exactly(1)
                .expect("what was flushed does not wait for the rest"),
        );
    }
    drop(go_on);
    client.put_back(&begun);
    assert_eq!(client.response().expect(200).text(), "firstsecond");
    end(running);
}

fn a_writer_that_fails_or_panics_is_cut_visibly(engine: Engine) {
    let writes = |end: fn() -> Result<(), Error>| {
        move |_: &Request| {
            Response::write_with(move |out| {
                out.write_all(&[b'x'; 50_000])?;
                end()
            })
        }
    };
    let service = Service::new("test")
        .get("/ends", writes(|| Ok(())))
        .get(
            "/fails",
            writes(|| Err(Error::internal("the disk is gone"))),
        )
        .get("/panics", writes(|| panic!("on purpose")));
    let running = serve(service, engine);
    assert_eq!(get(running.addr(), "/ends").expect(200).body.len(), 50_000);
    for path in ["/fails", "/panics"] {
        let mut client = Client::connect(running.addr());
        client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let answer = client.try_response();
        assert!(matches!(answer, Err(Broken::Cut(_))), "{path}: {answer:?}");
    }
    get(running.addr(), "/ends").expect(200);
    running.stop();
    let _ = running.wait();
}

/// Writes without end, counts how much, and says how it ended.
fn endless(told: &mpsc::Sender<io::Result<()>>, written: &Arc<AtomicUsize>) -> Response {
    let (told, written) = (told.clone(), Arc::clone(written));
    Response::write_with(move |out| {
        let mut write = || -> io::Result<()> {
            loop {
                out.write_all(&[b'x'; 1024])?;
                written.fetch_add(1024, Ordering::SeqCst);
            }
        };
        told.send(write()).unwrap();
        Ok(())
    })
}

fn a_writer_waits_for_its_slow_client_and_is_told_when_it_has_gone(engine: Engine) {
    let (told, ended) = mpsc::channel();
    let written = Arc::new(AtomicUsize::new(0));
    let (told, counted) = (Mutex::new(told), Arc::clone(&written));
    let endless = move |_: &Request| endless(&told.lock().unwrap(), &counted);
    let running = serve(Service::new("test").get("/", endless), engine);
    let mut client = Client::connect_narrow(running.addr());
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    client.exactly(1).expect("an answer begins");
    // The kernel takes in a few megabytes, and then nothing moves.
    let mut last = (usize::MAX, Instant::now());
    eventually("nothing is written any more", || {
        let now = written.load(Ordering::SeqCst);
        if now != last.0 {
            last = (now, Instant::now());
        }
        last.1.elapsed() > Duration::from_millis(300)
    });
    assert!(
        last.0 < 16 << 20,
        "{} bytes ahead of a client that reads nothing",
        last.0
    );
    client.reset();
    let how = ended
        .recv_timeout(PATIENCE)
        .expect("it does not wait for ever");
    assert!(how.is_err());
    running.stop();
    let _ = running.wait();
}

fn slow_readers_of_what_is_written_hold_no_worker(engine: Engine) {
    const SIZE: usize = 4 << 20;
    let service = Service::new("test")
        .get("/", |_: &Request| "quick")
        .get("/written", |_: &Request| {
            Response::write_with(|out| Ok(out.write_all(&vec![b'x'; SIZE])?))
        });
    let running = start(service, engine, &[("WORKERS", "2")]);
    running.wait_ready(PATIENCE).expect("it becomes ready");
    let mut slow: Vec<Client> = (0..6)
        .map(|_| {
            let mut client = Client::connect_narrow(running.addr());
            client.send("GET /written HTTP/1.1\r\nHost: test\r\n\r\n");
            client.exactly(9).expect("an answer begins");
            client
        })
        .collect();
    let times = Times::of_gets(running.addr(), "/", 100);
    assert!(times.median() < Duration::from_millis(10), "{times:?}");
    for client in &mut slow {
        client.put_back(b"HTTP/1.1 ");
        assert_eq!(client.response().expect(200).body.len(), SIZE);
    }
    end(running);
}

fn only_so_many_write_at_once_and_the_next_is_told_to_come_again(engine: Engine) {
    const MOST: usize = 64;
    let (go_on, goes_on) = mpsc::channel::<()>();
    let goes_on = Arc::new(Mutex::new(goes_on));
    let service = Service::new("test").get("/", move |_: &Request| {
        let goes_on = Arc::clone(&goes_on);
        let body = Response::write_with(move |out| {
            out.write_all(b"first")?;
            out.flush()?;
            let _ = goes_on.lock().unwrap().recv();
            Ok(out.write_all(b"second")?)
        });
        (StatusCode::OK, [("content-type", "text/plain")], body)
    });
    // A worker waits for what is not written yet.
    let running = start(service, engine, &[("WORKERS", "80")]);
    running.wait_ready(PATIENCE).expect("it becomes ready");
    let mut clients: Vec<Client> = (0..MOST)
        .map(|_| {
            let mut client = Client::connect(running.addr());
            client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
            let begun = client.exactly(9).expect("an answer begins");
            client.put_back(&begun);
            client
        })
        .collect();
    let refused = get(running.addr(), "/").expect(503);
    assert_eq!(refused.header("retry-after"), Some("1"));
    drop(go_on);
    for client in &mut clients {
        assert_eq!(client.response().expect(200).text(), "firstsecond");
    }
    eventually("there is room again", || {
        get(running.addr(), "/").status == 200
    });
    end(running);
}

fn an_answer_without_a_body_is_not_written_at_all(engine: Engine) {
    let never = || Response::write_with(|_| panic!("nobody asked for it"));
    let service = Service::new("test")
        .get("/", move |_: &Request| never())
        .get("/none", move |_: &Request| {
            (StatusCode::NO_CONTENT, never())
        });
    let running = serve(service, engine);
    let mut client = Client::connect(running.addr());
    // More often than there are places: each is free again.
    for _ in 0..70 {
        client.send("HEAD / HTTP/1.1\r\nHost: test\r\n\r\n");
        client.response_to("HEAD").expect(200);
    }
    client.get("/none").expect(204);
    end(running);
}
