//! What is not done by the end of `SHUTDOWN_TIMEOUT`.

use std::time::{Duration, Instant};

use crate::life::in_flight;
use crate::support::{Client, Engine, Setup, number};

both_engines! {
    a_request_past_the_deadline_is_cut_visibly_and_named_in_the_report,
    what_still_waits_at_the_deadline_is_cut_and_counted_too,
    what_is_half_received_at_the_deadline_is_cut_and_counted_too,
    a_download_past_the_deadline_is_cut_visibly,
}

fn a_request_past_the_deadline_is_cut_visibly_and_named_in_the_report(engine: Engine) {
    let server = Setup::new(engine)
        .set("SHUTDOWN_TIMEOUT", "500ms")
        .start()
        .ready();
    let mut lost = in_flight(&server, "/delay/30");
    let signalled = Instant::now();
    server.signal("TERM");
    lost.expect_close();
    let exit = server.exit();
    let took = signalled.elapsed();
    assert_eq!((exit.code, exit.signal), (Some(75), None), "{exit:#?}");
    assert!(
        took >= Duration::from_millis(500),
        "the deadline came early: {took:?}"
    );
    assert!(
        took < Duration::from_secs(3),
        "the deadline came late: {took:?}"
    );
    let report = exit.report();
    assert_eq!(number(report, "abandoned"), 1.0, "{report}");
    assert!(
        report.to_string().contains("/delay/{seconds}"),
        "the route is named: {report}"
    );
}

fn what_still_waits_at_the_deadline_is_cut_and_counted_too(engine: Engine) {
    let server = Setup::new(engine)
        .set("WORKERS", "2")
        .set("QUEUE_CAPACITY", "2")
        .set("SHUTDOWN_TIMEOUT", "500ms")
        .start()
        .ready();
    let (mut waiting, _) = server.fill("/delay/30");
    assert_eq!(waiting.len(), 4, "two run and two wait");
    let exit = server.stop();
    assert_eq!((exit.code, exit.signal), (Some(75), None), "{exit:#?}");
    let report = exit.report();
    assert_eq!(number(report, "abandoned"), 4.0, "{report}");
    assert!(
        report.to_string().contains("/delay/{seconds}: 4"),
        "{report}"
    );
    waiting.iter_mut().for_each(Client::expect_close);
}

fn what_is_half_received_at_the_deadline_is_cut_and_counted_too(engine: Engine) {
    let server = Setup::new(engine)
        .set("SHUTDOWN_TIMEOUT", "500ms")
        .start()
        .ready();
    let mut half = server.client();
    half.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\n\r\nhalf");
    // Read by now, since a later connection has been served.
    server.get("/").expect(200);
    let exit = server.stop();
    half.expect_close();
    assert_eq!((exit.code, exit.signal), (Some(75), None), "{exit:#?}");
    assert_eq!(number(exit.report(), "abandoned"), 1.0, "{exit:#?}");
}

fn a_download_past_the_deadline_is_cut_visibly(engine: Engine) {
    const SIZE: usize = 8 << 20;
    let server = Setup::new(engine)
        .set("SHUTDOWN_TIMEOUT", "500ms")
        .start()
        .ready();
    let mut slow = Client::connect_narrow(server.address);
    slow.send(format!("GET /bytes/{SIZE} HTTP/1.1\r\nHost: test\r\n\r\n"));
    assert_eq!(slow.exactly(9).expect("it begins"), b"HTTP/1.1 ");
    let exit = server.stop();
    assert_eq!(exit.code, Some(75), "{exit:#?}");
    let rest = slow.count_to_end();
    assert!(rest < SIZE, "half an answer must not look like a whole one");
}
