//! Commands, environment and exit codes: what someone sees who deploys it wrongly.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use crate::support::{Client, Command, Engine, Output, Setup, free_port};

both_engines! {
    without_a_host_every_address_of_the_machine_is_served,
    a_port_in_use_is_named_and_ends_with_one,
    a_setting_from_a_mounted_file_works,
}

fn without_a_host_every_address_of_the_machine_is_served(engine: Engine) {
    let server = Setup::new(engine).unset("HOST").start().ready();
    let port = server.address.port();
    let listening = &server.records()[0]["addr"];
    if TcpListener::bind("[::1]:0").is_ok() {
        assert_eq!(*listening, format!("[::]:{port}"));
        Client::connect(format!("[::1]:{port}").parse().unwrap())
            .get("/")
            .expect(200);
    } else {
        assert_eq!(*listening, format!("0.0.0.0:{port}"));
    }
    Client::connect(format!("127.0.0.1:{port}").parse().unwrap())
        .get("/")
        .expect(200);
}

fn a_port_in_use_is_named_and_ends_with_one(engine: Engine) {
    let taken = TcpListener::bind(("127.0.0.1", free_port())).expect("the port is free");
    let address = taken.local_addr().unwrap();
    for name in ["PORT", "ADMIN_PORT"] {
        let exit = Setup::new(engine).set(name, address.port()).launch().exit();
        assert_eq!(
            (exit.code, exit.signal),
            (Some(1), None),
            "{name}: {exit:#?}"
        );
        assert!(
            exit.output().contains(&address.to_string()),
            "{name}: the address is missing: {exit:#?}"
        );
    }
}

fn a_setting_from_a_mounted_file_works(engine: Engine) {
    let files = Files::new();
    let port = free_port();
    let server = Setup::new(engine)
        .unset("PORT")
        .set("PORT_FILE", files.with("port", &format!("{port}\n")))
        .start()
        .ready();
    assert_eq!(server.address.port(), port);
    server.stop().expect_clean();
}

#[test]
fn every_bad_setting_is_reported_by_name_before_anything_is_bound() {
    let output = serve()
        .set("PORT", "http")
        .set("LOG_LEVEL", "loud")
        .set("MAX_BODY_BYTES", "-1")
        .run()
        .expect(78);
    for (name, value) in [
        ("PORT", "http"),
        ("LOG_LEVEL", "loud"),
        ("MAX_BODY_BYTES", "-1"),
    ] {
        let line = line_with(&output, name);
        assert!(
            line.contains(value),
            "what is wrong with {name} is missing: {line}"
        );
    }
    assert!(!output.all().contains("listening"), "{output:#?}");

    // The other settings are wrong enough without a port: that one must stay free.
    let port = free_port();
    serve()
        .set("PORT", port)
        .set("LOG_LEVEL", "loud")
        .run()
        .expect(78);
    TcpListener::bind(("127.0.0.1", port)).expect("nothing was bound");
}

#[test]
fn a_value_that_makes_no_sense_is_refused_with_what_would() {
    let bad = [
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("ADMIN_PORT", "tcp://10.0.0.1:80"),
        ("HOST", "not an address"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, proxy"),
        ("REQUEST_TIMEOUT", "0"),
        ("LOG_LEVEL", "verbose"),
        ("LOG_FORMAT", "xml"),
        ("ACCESS_LOG", "some"),
        ("HTTP_ENGINE", "nginx"),
        ("WORKERS", "0"),
        ("WORKERS", "many"),
        ("QUEUE_CAPACITY", "-1"),
        ("QUEUE_TIMEOUT", "5"),
        ("MAX_CONNECTIONS", "lots"),
        ("BUFFER_MEMORY", "a lot"),
        ("MAX_HEAD_BYTES", "32 bananas"),
        ("MAX_HEADERS", "0"),
        ("MAX_HEADERS", "10Ki"),
        ("MAX_BODY_BYTES", "1.5MiB"),
        ("HEAD_TIMEOUT", "soon"),
        ("BODY_TIMEOUT", "-5s"),
        ("WRITE_TIMEOUT", "5 parsecs"),
        ("KEEP_ALIVE_TIMEOUT", "1m30"),
        ("DRAIN_DELAY", "five"),
        ("SHUTDOWN_TIMEOUT", "s"),
        ("TERMINATION_GRACE_PERIOD", "30"),
        ("STARTUP_DELAY", "99999999999999999999s"),
        ("DEMO_ENDPOINTS", "perhaps"),
        ("DATABASE_URL", "somewhere"),
    ];
    for (name, value) in bad {
        for command in [&["serve"][..], &["config"]] {
            let output = Command::new(command).set(name, value).run().expect(78);
            line_with(&output, name);
        }
    }
}

#[cfg(not(feature = "tiny_http"))]
#[test]
fn an_engine_that_was_not_built_in_is_a_configuration_error_that_says_so() {
    let serve = Command::new(&["serve"]);
    let output = serve.set("HTTP_ENGINE", "tiny_http").run().expect(78);
    let line = line_with(&output, "HTTP_ENGINE");
    assert!(
        line.contains("without the Cargo feature tiny_http"),
        "{line}"
    );
}

#[test]
fn durations_and_sizes_take_the_usual_forms() {
    let good = [
        ("DRAIN_DELAY", &["0", "250ms", "5s", "1m"][..]),
        ("MAX_BODY_BYTES", &["65536", "64Ki", "64KiB", "1MiB", "0"]),
        ("BUFFER_MEMORY", &["1Gi", "256MiB"]),
        ("ACCESS_LOG", &["off", "errors", "all"]),
        (
            "LOG_LEVEL",
            &["off", "error", "warn", "info", "debug", "trace"],
        ),
        ("LOG_FORMAT", &["json", "text"]),
        #[cfg(feature = "tiny_http")]
        ("HTTP_ENGINE", &["native", "tiny_http"]),
        ("DEMO_ENDPOINTS", &["true", "false"]),
    ];
    for (name, values) in good {
        for value in values {
            let output = Command::new(&["config"]).set(name, value).run().expect(0);
            line_with(&output, name);
        }
    }
}

#[test]
fn a_name_and_its_file_together_are_an_error() {
    let files = Files::new();
    let output = serve()
        .set("PORT", "0")
        .set("PORT_FILE", files.with("port", "0"))
        .run()
        .expect(78);
    assert!(line_with(&output, "PORT_FILE").contains("PORT"));

    // Empty is unset, also here.
    let file = files.with("delay", "7s\n");
    let output = Command::new(&["config"])
        .set("DRAIN_DELAY", "")
        .set("DRAIN_DELAY_FILE", file)
        .run()
        .expect(0);
    assert!(
        line_with(&output, "DRAIN_DELAY").contains("7s"),
        "{output:#?}"
    );
    let empty = files.with("empty", "\n");
    let output = Command::new(&["config"])
        .set("DRAIN_DELAY_FILE", empty)
        .run()
        .expect(0);
    assert!(
        line_with(&output, "DRAIN_DELAY").contains("5s"),
        "{output:#?}"
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let files = Files::new();
    let missing = files.path("missing");
    let output = serve().set("LOG_LEVEL_FILE", &missing).run().expect(78);
    assert!(
        line_with(&output, "LOG_LEVEL_FILE").contains(&missing),
        "{output:#?}"
    );
}

#[test]
fn a_drain_that_does_not_fit_the_grace_period_is_refused() {
    let with = |period: &str| {
        Command::new(&["config"])
            .set("TERMINATION_GRACE_PERIOD", period)
            .run()
    };
    // 5 s and 20 s by default, and 2 s of margin.
    with("30s").expect(0);
    with("27s").expect(0);
    line_with(&with("26s").expect(78), "TERMINATION_GRACE_PERIOD");
}

#[test]
fn a_password_that_is_not_percent_encoded_is_refused_with_how_to_do_it() {
    let output = serve()
        .set("DATABASE_URL", "postgres://app:hunter#2@db.example/orders")
        .run()
        .expect(78);
    let line = line_with(&output, "DATABASE_URL");
    assert!(
        line.contains("percent-encoded") && line.contains("# as %23"),
        "{line}"
    );
    Command::new(&["config"])
        .set(
            "DATABASE_URL",
            "postgres://app:hunter%232@db.example/orders",
        )
        .run()
        .expect(0);
}

#[test]
fn a_newline_at_the_end_of_a_variable_does_not_matter() {
    let output = Command::new(&["config"])
        .set("PORT", "9999\n")
        .set(
            "DATABASE_URL",
            "postgres://app:hunter2@db.example/orders\r\n",
        )
        .set("ADMIN_PORT", "\n")
        .run()
        .expect(0);
    assert!(
        line_with(&output, "PORT").contains("PORT=9999 "),
        "{output:#?}"
    );
    assert!(
        line_with(&output, "ADMIN_PORT").contains("unset"),
        "{output:#?}"
    );
}

#[test]
fn what_other_services_put_into_the_environment_does_not_matter() {
    Command::new(&["config"])
        .set("SEAWORTHY_PORT", "tcp://10.0.0.1:8080")
        .set("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        .set("PORTS", "http")
        .run()
        .expect(0);
}

pub(crate) fn serve() -> Command {
    Command::new(&["serve"]).set("HOST", "127.0.0.1")
}

/// The line, on stdout or stderr, that is about a setting: its name as a whole word.
#[track_caller]
pub(crate) fn line_with<'a>(output: &'a Output, name: &str) -> &'a str {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let names = |line: &&str| {
        line.match_indices(name).any(|(at, _)| {
            let (before, after) = (&line.as_bytes()[..at], &line.as_bytes()[at + name.len()..]);
            !before.last().copied().is_some_and(word) && !after.first().copied().is_some_and(word)
        })
    };
    let mut lines = output.stdout.lines().chain(output.stderr.lines());
    lines
        .find(names)
        .unwrap_or_else(|| panic!("no line about {name}: {output:#?}"))
}

/// A directory of small files, removed when dropped.
pub(crate) struct Files(PathBuf);

impl Files {
    pub(crate) fn new() -> Files {
        let unique = free_port();
        let directory =
            std::env::temp_dir().join(format!("seaworthy-test-{}-{unique}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory for test files can be made");
        Files(directory)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0
            .join(name)
            .to_str()
            .expect("a temporary path is text")
            .to_owned()
    }

    pub(crate) fn with(&self, name: &str, content: &str) -> String {
        fs::write(self.0.join(name), content).expect("a test file can be written");
        self.path(name)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
