//! One record a request, as `ACCESS_LOG` says, and what else is logged of requests that fail.

use std::time::Instant;

use serde_json::Value;

use crate::support::{Engine, Setup};

both_engines! {
    the_access_log_has_what_was_asked_for_and_no_more,
    an_access_record_tells_how_much_was_sent,
    a_flood_of_failures_is_sampled_and_counted_and_each_is_in_the_access_log_all_the_same,
}

fn the_access_log_has_what_was_asked_for_and_no_more(engine: Engine) {
    let logged = |access: &str, level: &str| -> Vec<String> {
        let server = Setup::new(engine)
            .set("ACCESS_LOG", access)
            .set("LOG_LEVEL", level)
            .start()
            .ready();
        for path in ["/", "/nowhere?secret=hunter2", "/status/500", "/livez"] {
            server.get(path);
        }
        let exit = server.stop().expect_clean();
        assert!(
            !exit.output().contains("hunter2"),
            "a query may hold a secret: {exit:#?}"
        );
        let requests = exit
            .records
            .iter()
            .filter(|record| record["status"].is_number());
        requests
            .map(|record| record["path"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(logged("off", "info"), [""; 0]);
    assert_eq!(logged("errors", "info"), ["/status/500"]);
    assert_eq!(logged("all", "info"), ["/", "/nowhere", "/status/500"]);
    let mut all = logged("all", "debug");
    all.retain(|path| path != "/readyz");
    assert_eq!(all, ["/", "/nowhere", "/status/500", "/livez"]);
}

fn an_access_record_tells_how_much_was_sent(engine: Engine) {
    let server = Setup::new(engine).set("ACCESS_LOG", "all").start().ready();
    let mut client = server.client();
    for (request, status) in [
        ("GET /panic", 500),
        ("GET /bytes/1000", 200),
        ("HEAD /bytes/1000", 200),
    ] {
        client.send(format!("{request} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let method = request.split(' ').next().expect("a method");
        client.response_to(method).expect(status);
    }
    let exit = server.stop().expect_clean();
    let records = exit.records.iter();
    let of_path = |record: &&Value| record["msg"] == "request" && record["path"] != "/readyz";
    let told: Vec<_> = records
        .filter(of_path)
        .map(|record| record["bytes"].as_u64())
        .collect();
    let [panicked, whole, head] = told[..] else {
        panic!("{told:?}");
    };
    assert!(panicked > Some(0));
    assert_eq!((whole, head), (Some(1000), Some(0)));
}

fn a_flood_of_failures_is_sampled_and_counted_and_each_is_in_the_access_log_all_the_same(
    engine: Engine,
) {
    const FAILURES: u64 = 600;
    let server = Setup::new(engine).start().ready();
    let mut client = server.client();
    let began = Instant::now();
    for _ in 0..FAILURES {
        client.get("/panic").expect(500);
    }
    let seconds = began.elapsed().as_secs();
    let exit = server.stop().expect_clean();
    let with = |message: &str| -> Vec<&Value> {
        let records = exit.records.iter();
        records.filter(|record| record["msg"] == message).collect()
    };
    let written = with("handler panicked").len() as u64;
    // A hundred in each second that has begun, and each hundredth.
    let most = 100 * (seconds + 2) + FAILURES / 100;
    assert!((100..=most).contains(&written), "{written}, {seconds} s");
    let told = with("log records of one message were suppressed");
    assert!(
        told.iter()
            .all(|record| record["like"] == "handler panicked")
    );
    let suppressed = told
        .iter()
        .filter_map(|record| record["suppressed"].as_u64());
    assert_eq!(suppressed.sum::<u64>() + written, FAILURES);
    assert_eq!(with("request").len() as u64, FAILURES);
}
