use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use super::*;

/// Nothing here takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that takes one connection, reads a head and does `answer`; joining it gives the request.
fn serve(
    listener: TcpListener,
    answer: impl FnOnce(&mut TcpStream) + Send + 'static,
) -> JoinHandle<String> {
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
            head.push(byte[0]);
        }
        answer(&mut stream);
        String::from_utf8(head).unwrap()
    })
}

fn ask_for(answer: &'static str) -> Result<(), String> {
    ask_with(
        move |stream| stream.write_all(answer.as_bytes()).unwrap(),
        PATIENCE,
    )
}

fn ask_with(
    answer: impl FnOnce(&mut TcpStream) + Send + 'static,
    timeout: Duration,
) -> Result<(), String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = serve(listener, answer);
    let result = ask(None, port, Probe::Ready, timeout);
    server.join().unwrap();
    result.map_err(|error| error.replace(&port.to_string(), "PORT"))
}

#[test]
fn the_request_is_whole_and_asks_for_the_connection_to_be_closed() {
    for (what, path) in [
        (Probe::Live, "/livez"),
        (Probe::Ready, "/readyz"),
        (Probe::Startup, "/startupz"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = serve(listener, |stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap()
        });
        assert_eq!(
            ask(Some(address.ip()), address.port(), what, PATIENCE),
            Ok(())
        );
        let expected =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        assert_eq!(server.join().unwrap(), expected);
    }
}

#[test]
fn the_statuses_that_pass_are_the_kubelets() {
    for passing in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.0 204\r\n\r\n",
        "HTTP/1.1 399 ?\r\nA: b\r\n\r\n",
    ] {
        assert_eq!(ask_for(passing), Ok(()), "{passing}");
    }
    for (failing, status) in [
        ("HTTP/1.1 199 ?\r\n\r\n", 199),
        ("HTTP/1.1 400 ?\r\n\r\n", 400),
    ] {
        assert_eq!(
            ask_for(failing),
            Err(format!("http://127.0.0.1:PORT/readyz: {status}"))
        );
    }
}

#[test]
fn a_failure_names_the_check_that_failed() {
    let answer = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 58\r\n\r\n\
                  [+]ping ok\n[-]database failed: reason withheld\nreadyz";
    let expected = "http://127.0.0.1:PORT/readyz: 503 [-]database failed: reason withheld";
    assert_eq!(ask_for(answer), Err(expected.to_owned()));
    let plain = "HTTP/1.1 503 x\r\n\r\nstarting\nup";
    assert_eq!(
        ask_for(plain),
        Err("http://127.0.0.1:PORT/readyz: 503 starting".to_owned())
    );
}

#[test]
fn an_answer_cannot_forge_lines_or_flood_the_report() {
    let error = ask_for("HTTP/1.1 500 x\r\n\r\n\u{1b}[31mred\rmore").unwrap_err();
    assert_eq!(error, "http://127.0.0.1:PORT/readyz: 500 ?[31mred?more");
    let flood = |stream: &mut TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 500 x\r\n\r\n");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    };
    assert!(ask_with(flood, Duration::from_secs(10)).unwrap_err().len() < 300);
}

#[test]
fn what_is_not_http_is_said_to_be_so() {
    for garbage in [
        "",
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 2x0\r\n\r\n",
        "HTTP/1.1 +20 x\r\n\r\n",
        "HTTP/1.1 200 OK\r\n",
    ] {
        let expected = "http://127.0.0.1:PORT/readyz: the answer is not HTTP";
        assert_eq!(ask_for(garbage), Err(expected.to_owned()), "{garbage}");
    }
}

#[test]
fn a_server_that_never_answers_is_left_at_the_deadline() {
    let started = Instant::now();
    let silent = |stream: &mut TcpStream| drop(stream.read(&mut [0]));
    let error = ask_with(silent, Duration::from_millis(50)).unwrap_err();
    assert_eq!(
        error,
        "http://127.0.0.1:PORT/readyz: no answer within 50 ms"
    );
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_server_that_trickles_is_left_at_the_deadline_too() {
    let trickle = |stream: &mut TcpStream| {
        while stream.write_all(b"H").is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
    };
    let error = ask_with(trickle, Duration::from_millis(50)).unwrap_err();
    assert_eq!(
        error,
        "http://127.0.0.1:PORT/readyz: no answer within 50 ms"
    );
}

#[test]
fn a_server_that_keeps_the_connection_open_is_believed_all_the_same() {
    let wait_for_close = |stream: &mut TcpStream, answer: &[u8]| {
        stream.write_all(answer).unwrap();
        drop(stream.read(&mut [0]));
    };
    let passed = move |stream: &mut TcpStream| wait_for_close(stream, b"HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(ask_with(passed, Duration::from_secs(60)), Ok(()));
    let measured = move |stream: &mut TcpStream| {
        wait_for_close(stream, b"HTTP/1.1 503 x\r\nContent-Length: 2\r\n\r\nno")
    };
    assert!(
        ask_with(measured, Duration::from_secs(60))
            .unwrap_err()
            .ends_with("503 no")
    );
    let unmeasured =
        move |stream: &mut TcpStream| wait_for_close(stream, b"HTTP/1.1 503 x\r\n\r\nno");
    assert!(
        ask_with(unmeasured, Duration::from_secs(1))
            .unwrap_err()
            .ends_with("503 no")
    );
}

#[test]
fn nobody_listening_is_one_clear_line() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = ask(
        Some(Ipv4Addr::UNSPECIFIED.into()),
        free,
        Probe::Live,
        PATIENCE,
    )
    .unwrap_err();
    assert!(
        error.starts_with(&format!("127.0.0.1:{free}: cannot connect: ")),
        "{error}"
    );
    let error = ask(None, free, Probe::Live, PATIENCE).unwrap_err();
    assert!(
        error.contains(&format!("; [::1]:{free}: cannot connect: ")) && !error.contains('\n'),
        "{error}"
    );
    assert!(
        ask(None, 0, Probe::Live, PATIENCE)
            .unwrap_err()
            .starts_with("PORT is 0")
    );
}

#[test]
fn a_server_on_the_other_loopback_address_is_found() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        return println!("skipped: IPv6 is off");
    };
    let port = listener.local_addr().unwrap().port();
    let server = serve(listener, |stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap()
    });
    assert_eq!(
        ask(
            Some(Ipv6Addr::UNSPECIFIED.into()),
            port,
            Probe::Live,
            PATIENCE
        ),
        Ok(())
    );
    assert!(
        server
            .join()
            .unwrap()
            .contains(&format!("Host: [::1]:{port}\r\n"))
    );
}

#[test]
fn probes_go_by_their_words() {
    assert_eq!(Probe::named("live"), Some(Probe::Live));
    assert_eq!(Probe::named("ready"), Some(Probe::Ready));
    assert_eq!(Probe::named("startup"), Some(Probe::Startup));
    assert_eq!(Probe::named("livez"), None);
}
