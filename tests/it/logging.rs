//! The log as those read it who operate the service, and what happens when nobody does.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Client, Engine, Server, Setup, Stdout, Times, eventually, free_port, note};

both_engines! {
    every_record_has_the_keys_that_log_pipelines_look_for,
    a_client_cannot_write_lines_of_its_own_into_the_log,
    an_ipv4_client_of_a_listener_for_both_families_is_named_by_its_own_address,
    a_response_that_is_cut_is_in_the_log,
    a_quiet_level_is_quiet,
    text_is_for_people_and_has_the_same_facts,
    a_log_whose_reader_is_gone_changes_nothing_for_clients,
    a_log_on_a_full_disk_changes_nothing_for_clients,
    a_process_without_a_stdout_serves_all_the_same,
    a_log_that_nobody_reads_holds_up_no_client_and_says_what_is_missing: long,
    a_log_that_nobody_reads_does_not_hold_up_the_end,
}

fn every_record_has_the_keys_that_log_pipelines_look_for(engine: Engine) {
    let server = Setup::new(engine)
        .set("ACCESS_LOG", "all")
        .set("LOG_LEVEL", "debug")
        .start()
        .ready();
    for path in ["/", "/nowhere", "/panic", "/status/503", "/healthz"] {
        server.get(path);
    }
    let exit = server.stop().expect_clean();
    for record in &exit.records {
        let text = |key: &str| {
            record[key]
                .as_str()
                .unwrap_or_else(|| panic!("no {key} in {record}"))
                .to_owned()
        };
        expect_rfc3339_ms(&text("time"));
        assert!(
            ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&text("level").as_str()),
            "{record}"
        );
        assert!(
            !text("msg").is_empty() && !text("phase").is_empty(),
            "{record}"
        );
    }
    let phases: Vec<&str> = exit
        .records
        .iter()
        .filter_map(|record| record["phase"].as_str())
        .collect();
    assert!(
        phases.first() != phases.last(),
        "a pod's life has phases: {phases:?}"
    );
    let times: Vec<&str> = exit
        .records
        .iter()
        .filter_map(|record| record["time"].as_str())
        .collect();
    assert!(times.first() <= times.last(), "{times:?}");
}

fn a_client_cannot_write_lines_of_its_own_into_the_log(engine: Engine) {
    let server = Setup::new(engine).set("ACCESS_LOG", "all").start().ready();
    let forged = "%0a%7b%22msg%22:%22forged%22%7d\"quoted\"";
    server.get(&format!("/{forged}"));
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nHost: test\r\nUser-Agent: \"}{\"msg\":\"forged\"\r\n\r\n");
    client.response();
    // Lines that are no records have failed the test already.
    let exit = server.stop().expect_clean();
    assert!(
        exit.records.iter().all(|record| record["msg"] != "forged"),
        "{exit:#?}"
    );
}

fn an_ipv4_client_of_a_listener_for_both_families_is_named_by_its_own_address(engine: Engine) {
    if TcpListener::bind("[::]:0").is_err() {
        note("no IPv6 here: what a listener for both families says of its clients was not tested");
        return;
    }
    let server = Setup::new(engine)
        .set("HOST", "::")
        .set("ACCESS_LOG", "all")
        .set("LOG_LEVEL", "debug")
        .start()
        .ready();
    let port = server.address.port();
    for host in ["127.0.0.1", "[::1]"] {
        let server_address = format!("{host}:{port}").parse().expect("an address");
        let mut client = Client::connect(server_address);
        let own = client.stream().local_addr().expect("it is connected");
        let records_of = |msg: &str| {
            server.wait_for(&format!("{msg} by {own}"), |record| {
                record["msg"] == msg && record["peer"] == own.to_string()
            })
        };
        client.get("/").expect(200);
        records_of("request");
        // What is refused before it is a request names its sender, too.
        client.send("GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
        client.response().expect(400);
        records_of("request refused");
    }
    let exit = server.stop().expect_clean();
    assert!(!exit.output().contains("::ffff:"), "{exit:#?}");
}

fn a_response_that_is_cut_is_in_the_log(engine: Engine) {
    let server = Setup::new(engine)
        .set("ACCESS_LOG", "all")
        .set("WRITE_TIMEOUT", "300ms")
        .start()
        .ready();
    let mut slow = Client::connect_narrow(server.address);
    slow.send("GET /bytes/50000000 HTTP/1.1\r\nHost: test\r\n\r\n");
    let cut = server.wait_for("the cut", |record| record["msg"] == "response cut");
    assert_eq!(cut["route"], "/bytes/{n}", "{cut}");
    let peer = slow.stream().local_addr().expect("an address").to_string();
    assert_eq!(cut["peer"], peer.as_str(), "{cut}");
    assert!(slow.count_to_end() < 50_000_000);
}

fn a_quiet_level_is_quiet(engine: Engine) {
    let said = |level: &str| -> Vec<Value> {
        let port = free_port();
        let server = Setup::new(engine)
            .set("LOG_LEVEL", level)
            .set("PORT", port)
            .launch();
        let address = (std::net::Ipv4Addr::LOCALHOST, port).into();
        eventually("the server listens", || {
            Client::try_connect(address).is_ok()
        });
        eventually("the server has started", || {
            Client::connect(address).get("/").status == 200
        });
        Client::connect(address).get("/panic").expect(500);
        let exit = server.stop();
        assert_eq!(
            (exit.code, exit.stderr.as_str()),
            (Some(0), ""),
            "{exit:#?}"
        );
        exit.records
    };
    assert!(said("off").is_empty());
    let errors = said("error");
    assert!(
        !errors.is_empty() && errors.iter().all(|record| record["level"] == "ERROR"),
        "{errors:#?}"
    );
}

fn text_is_for_people_and_has_the_same_facts(engine: Engine) {
    let port = free_port();
    let server = Setup::new(engine)
        .set("LOG_FORMAT", "text")
        .set("PORT", port)
        .set("ACCESS_LOG", "all")
        .stdout(Stdout::Text)
        .start()
        .ready();
    server.get("/panic");
    let exit = server.stop();
    assert_eq!(exit.code, Some(0), "{exit:#?}");
    let line = |word: &str| {
        let mut lines = exit.text.iter().filter(|line| line.contains(word));
        lines
            .next()
            .unwrap_or_else(|| panic!("nothing about {word}: {:#?}", exit.text))
    };
    assert!(
        line("listening").contains(&format!("127.0.0.1:{port}")),
        "{:#?}",
        exit.text
    );
    line("/panic");
    line("drained");
    assert!(
        exit.text.iter().all(|line| !line.starts_with('{')),
        "{:#?}",
        exit.text
    );
}

fn a_log_whose_reader_is_gone_changes_nothing_for_clients(engine: Engine) {
    expect_service_without_a_log(Setup::new(engine).stdout(Stdout::Broken));
}

fn a_log_on_a_full_disk_changes_nothing_for_clients(engine: Engine) {
    expect_service_without_a_log(
        Setup::new(engine)
            .stdout(Stdout::Full)
            .set("PORT", free_port()),
    );
}

fn a_process_without_a_stdout_serves_all_the_same(engine: Engine) {
    expect_service_without_a_log(
        Setup::new(engine)
            .stdout(Stdout::Closed)
            .set("PORT", free_port()),
    );
}

#[track_caller]
fn expect_service_without_a_log(setup: Setup) {
    let server = setup.set("ACCESS_LOG", "all").start().ready();
    serve_many(&server, THOUSANDS / 10);
    server.get("/panic").expect(500);
    server.get("/healthz").expect(200);
    let exit = server.stop();
    assert_eq!(
        (exit.code, exit.signal, exit.stderr.as_str()),
        (Some(0), None, ""),
        "{exit:#?}"
    );
}

fn a_log_that_nobody_reads_holds_up_no_client_and_says_what_is_missing(engine: Engine) {
    let server = Setup::new(engine)
        .set("ACCESS_LOG", "all")
        .stdout(Stdout::Unread)
        .start()
        .ready();
    let times = serve_many(&server, THOUSANDS);
    // A writer that waited for the reader would wait for ever; one that waited a little would show here.
    assert!(
        times.percentile(99) < Duration::from_millis(50),
        "{:?}",
        times.percentile(99)
    );
    server.get("/healthz").expect(200);

    server.read_log_again();
    let dropped = server.wait_for("what is missing", |record| record.get("dropped").is_some());
    assert!(
        dropped["dropped"].as_u64().is_some_and(|count| count > 0),
        "{dropped}"
    );
    // And from then on the log is whole again.
    server.get("/headers").expect(200);
    server.wait_for("a record of the last request", |record| {
        record["path"] == "/headers"
    });
    let exit = server.stop().expect_clean();
    let requests = exit
        .records
        .iter()
        .filter(|record| record["path"] == "/")
        .count() as u64;
    let missing: u64 = exit
        .records
        .iter()
        .filter_map(|record| record["dropped"].as_u64())
        .sum();
    // Other records may be among the missing, none of the requests may be unaccounted for.
    assert!(requests < THOUSANDS as u64, "nothing was missing");
    assert!(
        (THOUSANDS as u64..THOUSANDS as u64 + 100).contains(&(requests + missing)),
        "{requests} and {missing} missing"
    );
}

fn a_log_that_nobody_reads_does_not_hold_up_the_end(engine: Engine) {
    let server = Setup::new(engine)
        .set("ACCESS_LOG", "all")
        .stdout(Stdout::Unread)
        .start()
        .ready();
    serve_many(&server, THOUSANDS);
    let signalled = Instant::now();
    let exit = server.stop();
    assert_eq!((exit.code, exit.signal), (Some(0), None));
    assert!(
        signalled.elapsed() < Duration::from_secs(5),
        "{:?}",
        signalled.elapsed()
    );
}

/// Enough records, of some 200 bytes each, to fill a pipe (64 KiB) and any reasonable channel before it.
const THOUSANDS: usize = 10_000;

fn serve_many(server: &Server, count: usize) -> Times {
    let mut client = server.client();
    let mut done = 0;
    // Ten at a time: it is their number that matters.
    let times = Times::of(count / 10, || {
        client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n".repeat(10));
        for _ in 0..10 {
            client.response().expect(200);
            done += 1;
        }
    });
    assert_eq!(done, count);
    times
}

/// `2006-01-02T15:04:05.000Z`, or with an offset.
#[track_caller]
fn expect_rfc3339_ms(time: &str) {
    let shape: String = time
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    let zoned = [
        "0000-00-00T00:00:00.000Z",
        "0000-00-00T00:00:00.000+00:00",
        "0000-00-00T00:00:00.000-00:00",
    ];
    assert!(
        zoned.contains(&shape.as_str()),
        "{time} is not RFC 3339 with milliseconds"
    );
}
