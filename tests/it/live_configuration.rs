//! `CONFIG_DIR`: what changes in a mounted ConfigMap is followed by the process that runs, or refused by it, and told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::{
    Client, Command, Engine, Mounted, Server, Setup, drivers, free_port, get, number,
};

both_engines! {
    a_changed_config_map_is_followed_from_the_next_answer_on,
    a_change_with_one_bad_value_changes_nothing_and_is_told,
    a_volume_whose_link_is_gone_for_a_moment_is_followed_again,
    a_file_that_is_no_setting_is_named_at_the_start_and_when_it_changes,
    a_change_that_needs_a_restart_is_told_and_config_in_the_pod_shows_what_runs,
    a_file_that_a_variable_overrules_is_warned_about,
    a_drain_delay_that_was_changed_is_the_one_that_is_kept,
    connections_that_are_open_end_with_their_next_answer_once_an_age_is_set,
    swaps_under_load_cost_no_request_and_are_never_read_by_halves: long,
}

const CHANGED: &str = "the configuration has changed";
const REFUSED: &str = "a changed configuration was refused: everything stays as it was";

fn setup(engine: Engine, mounted: &Mounted) -> Setup {
    Setup::new(engine).set("CONFIG_DIR", mounted.path())
}

fn told(server: &Server, message: &str) -> Value {
    server.wait_for(message, |record| record["msg"] == message)
}

/// The admin port's address, where it was set to that port.
fn admin(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// The value that runs, as `/flagz` has it.
pub(crate) fn flag(port: u16, name: &str) -> String {
    let mut client = Client::connect(admin(port));
    client.send(
        "GET /flagz HTTP/1.1\r\nHost: test\r\n\
         Accept: application/json;v=v1alpha1;g=config.k8s.io;as=Flagz\r\n\r\n",
    );
    let answer = client.response().expect(200);
    let json: Value = serde_json::from_slice(&answer.body).expect("JSON");
    json["flags"][name].as_str().unwrap_or_default().to_owned()
}

fn a_changed_config_map_is_followed_from_the_next_answer_on(engine: Engine) {
    let mounted = Mounted::new(&[("ACCESS_LOG", "off"), ("KEEP_ALIVE_TIMEOUT", "1h\n")]);
    let port = free_port();
    let server = setup(engine, &mounted)
        .set("ADMIN_PORT", port)
        .start()
        .ready();
    let mut client = server.client();
    client.get("/").expect(200);
    assert_eq!(flag(port, "KEEP_ALIVE_TIMEOUT"), "1h");

    mounted.swap(&[("ACCESS_LOG", "all"), ("KEEP_ALIVE_TIMEOUT", "300ms")]);
    let changed = told(&server, CHANGED);
    assert_eq!(changed["settings"], "ACCESS_LOG,KEEP_ALIVE_TIMEOUT");
    client.get("/").expect(200);
    client.expect_close();
    told(&server, "request");
    assert_eq!(flag(port, "KEEP_ALIVE_TIMEOUT"), "300ms");
    get(admin(port), "/flagz").expect(200);
    server.stop().expect_clean();
}

fn connections_that_are_open_end_with_their_next_answer_once_an_age_is_set(engine: Engine) {
    let mounted = Mounted::new(&[]);
    let server = setup(engine, &mounted).start().ready();
    let mut old = server.client();
    assert!(!old.get("/").expect(200).closes());
    mounted.swap(&[("MAX_CONNECTION_AGE", "1s")]);
    assert_eq!(told(&server, CHANGED)["settings"], "MAX_CONNECTION_AGE");
    // Its age counts from its first answer under a bound, if not from its beginning.
    if !old.get("/").expect(200).closes() {
        thread::sleep(Duration::from_millis(1200));
        assert!(old.get("/").expect(200).closes());
    }
    mounted.swap(&[("MAX_CONNECTION_AGE", "1h")]);
    told(&server, CHANGED);
    let mut new = server.client();
    for _ in 0..3 {
        assert!(!new.get("/").expect(200).closes());
    }
    server.stop().expect_clean();
}

fn a_change_with_one_bad_value_changes_nothing_and_is_told(engine: Engine) {
    let mounted = Mounted::new(&[("LOG_LEVEL", "info"), ("DRAIN_DELAY", "0")]);
    let port = free_port();
    let server = setup(engine, &mounted)
        .set("ADMIN_PORT", port)
        .unset("DRAIN_DELAY")
        .start()
        .ready();
    mounted.swap(&[
        ("LOG_LEVEL", "error"),
        ("DRAIN_DELAY", "soon"),
        ("PORT", "x"),
    ]);
    let refused = told(&server, REFUSED);
    let reason = refused["reason"].as_str().unwrap();
    assert!(reason.contains("DRAIN_DELAY=\"soon\""), "{reason}");
    assert_eq!(refused["refused_total"], 1);
    assert_eq!(flag(port, "LOG_LEVEL"), "info");
    mounted.swap(&[("LOG_LEVEL", "debug"), ("DRAIN_DELAY", "0")]);
    assert_eq!(told(&server, CHANGED)["settings"], "LOG_LEVEL");
    assert_eq!(flag(port, "LOG_LEVEL"), "debug");
    let metrics = get(admin(port), "/metrics").expect(200);
    for result in ["applied", "refused"] {
        let line = format!("seaworthy_config_reloads_total{{result=\"{result}\"}} 1\n");
        assert!(metrics.text().contains(&line), "{}", metrics.text());
    }
    server.stop().expect_clean();
}

fn a_volume_whose_link_is_gone_for_a_moment_is_followed_again(engine: Engine) {
    let mounted = Mounted::new(&[("LOG_LEVEL", "info")]);
    let server = setup(engine, &mounted).start().ready();
    mounted.unlink();
    let refused = told(&server, REFUSED);
    let reason = refused["reason"].as_str().unwrap();
    assert!(reason.contains("..data link is gone"), "{reason}");
    mounted.swap(&[("LOG_LEVEL", "debug")]);
    assert_eq!(told(&server, CHANGED)["settings"], "LOG_LEVEL");
    server.stop().expect_clean();
}

fn a_file_that_is_no_setting_is_named_at_the_start_and_when_it_changes(engine: Engine) {
    let mounted = Mounted::new(&[("LOG_LEVLE", "debug"), ("tls.crt", "no name of one")]);
    let server = setup(engine, &mounted).start().ready();
    let record = told(&server, "files of CONFIG_DIR are no settings");
    assert_eq!(record["files"], "LOG_LEVLE");
    mounted.swap(&[("LOG_LEVLE", "trace")]);
    let record = told(
        &server,
        "files of CONFIG_DIR have changed that are no settings",
    );
    assert_eq!(record["files"], "LOG_LEVLE");
    server.stop().expect_clean();
}

fn a_change_that_needs_a_restart_is_told_and_config_in_the_pod_shows_what_runs(engine: Engine) {
    let mounted = Mounted::new(&[("MAX_HEADERS", "50")]);
    let port = free_port();
    let server = setup(engine, &mounted)
        .set("ADMIN_PORT", port)
        .set("REACTORS", drivers(engine))
        .start()
        .ready();
    let config = |exit_code| {
        let command = Command::new(&["config"])
            .set("REACTORS", drivers(engine))
            .set("HTTP_ENGINE", engine.name())
            .set("HOST", "127.0.0.1")
            .set("PORT", "0")
            .set("DEMO_ENDPOINTS", "true")
            .set("DRAIN_DELAY", "0")
            .set("SHUTDOWN_TIMEOUT", "10s")
            .set("ADMIN_PORT", port)
            .set("CONFIG_DIR", mounted.path());
        command.run().expect(exit_code).stdout
    };
    let same = config(0);
    let says = format!("# The service at 127.0.0.1:{port} runs with these values.");
    assert_eq!(same.lines().last(), Some(says.as_str()), "{same}");

    mounted.swap(&[("MAX_HEADERS", "60")]);
    let record = told(
        &server,
        "settings have changed that take effect with a restart",
    );
    assert_eq!(record["settings"], "MAX_HEADERS");
    let other = config(0);
    let mut lines = other.lines().rev();
    assert_eq!(lines.next(), Some("# MAX_HEADERS=50"), "{other}");
    let says = format!(
        "# The service at 127.0.0.1:{port} runs with other values; a restart would give those above:"
    );
    assert_eq!(lines.next(), Some(says.as_str()), "{other}");
    assert!(other.contains("\nMAX_HEADERS=60 "), "{other}");

    mounted.swap(&[("MAX_HEADERS", "many")]);
    told(&server, REFUSED);
    let bad = config(78);
    assert!(
        bad.contains("runs with other values; a restart would refuse what is bad above:\n"),
        "{bad}"
    );
    mounted.swap(&[]);
    server.stop().expect_clean();
    assert!(!config(0).contains("# The service"));
}

fn a_file_that_a_variable_overrules_is_warned_about(engine: Engine) {
    let mounted = Mounted::new(&[("LOG_LEVEL", "debug")]);
    let server = setup(engine, &mounted)
        .set("LOG_LEVEL", "info")
        .start()
        .ready();
    let message = "variables overrule files of CONFIG_DIR: a change of these does nothing";
    assert_eq!(told(&server, message)["settings"], "LOG_LEVEL");
    mounted.swap(&[("LOG_LEVEL", "trace"), ("ACCESS_LOG", "all")]);
    assert_eq!(told(&server, CHANGED)["settings"], "ACCESS_LOG");
    let exit = server.stop();
    let warnings = exit
        .records
        .iter()
        .filter(|record| record["msg"] == message);
    assert_eq!(warnings.count(), 2);
    exit.expect_clean();
}

fn a_drain_delay_that_was_changed_is_the_one_that_is_kept(engine: Engine) {
    let mounted = Mounted::new(&[("DRAIN_DELAY", "1h")]);
    let server = setup(engine, &mounted).unset("DRAIN_DELAY").start().ready();
    mounted.swap(&[("DRAIN_DELAY", "10ms")]);
    told(&server, CHANGED);
    let exit = server.stop();
    let delay = number(exit.report(), "drain_delay_ms");
    assert!((10.0..5000.0).contains(&delay), "{delay}");
    exit.expect_clean();
}

fn swaps_under_load_cost_no_request_and_are_never_read_by_halves(engine: Engine) {
    const SWAPS: usize = 1000;
    let mounted = Mounted::new(&[("HEAD_TIMEOUT", "1000s"), ("BODY_TIMEOUT", "1000s")]);
    let port = free_port();
    let server = setup(engine, &mounted)
        .set("ADMIN_PORT", port)
        .start()
        .ready();
    let swapped = AtomicBool::new(false);
    thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                let mut client = server.client();
                while !swapped.load(SeqCst) {
                    client.get("/").expect(200);
                }
            });
        }
        for swap in 1..=SWAPS {
            let value = format!("{}s", 1000 + swap);
            mounted.swap(&[("HEAD_TIMEOUT", &value), ("BODY_TIMEOUT", &value)]);
            thread::sleep(Duration::from_millis(5));
        }
        swapped.store(true, SeqCst);
    });
    let last = format!("{}s", 1000 + SWAPS);
    crate::support::eventually("the last swap is followed", || {
        flag(port, "HEAD_TIMEOUT") == last && flag(port, "BODY_TIMEOUT") == last
    });
    let exit = server.stop();
    let changes = exit
        .records
        .iter()
        .filter(|record| record["msg"] == CHANGED);
    for record in changes {
        assert_eq!(record["settings"], "BODY_TIMEOUT,HEAD_TIMEOUT");
    }
    assert!(exit.records.iter().all(|record| record["msg"] != REFUSED));
    exit.expect_clean();
}
