//! A program with settings and commands of its own, as a process: this file run again, with the words of a command line.
//!
//! It has no test harness, for that would read those words as its own.

#![cfg(unix)]

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::thread;

use collector::Collector;
use seaworthy::http::StatusCode;
use seaworthy::{Error, Next, Request, Service, Settings, Stop, trace};
use serde_json::Value;

#[path = "it/support/collector.rs"]
mod collector;

/// Set for the process that is to be the program.
const IS_PROGRAM: &str = "SEAWORTHY_TEST_PROGRAM";

fn main() -> ExitCode {
    if env::var_os(IS_PROGRAM).is_some() {
        return program();
    }
    let tests: [(&str, fn()); 6] = [
        (
            "help_version_and_config_know_the_program_and_open_nothing",
            help_version_and_config_know_the_program_and_open_nothing,
        ),
        (
            "a_command_of_its_own_exits_and_logs_as_serve_does",
            a_command_of_its_own_exits_and_logs_as_serve_does,
        ),
        (
            "nothing_is_run_or_opened_where_a_setting_is_bad",
            nothing_is_run_or_opened_where_a_setting_is_bad,
        ),
        (
            "what_cannot_be_opened_is_exit_code_1_with_its_cause_in_the_log",
            what_cannot_be_opened_is_exit_code_1_with_its_cause_in_the_log,
        ),
        (
            "a_cause_is_logged_once_and_what_a_client_did_wrong_is_no_error",
            a_cause_is_logged_once_and_what_a_client_did_wrong_is_no_error,
        ),
        (
            "the_parts_of_a_request_are_one_tree_whatever_thread_they_are_on",
            the_parts_of_a_request_are_one_tree_whatever_thread_they_are_on,
        ),
    ];
    for (name, test) in tests {
        test();
        println!("test program::{name} ... ok");
    }
    ExitCode::SUCCESS
}

fn program() -> ExitCode {
    Service::build("shop", |settings: &mut Settings| {
        settings.default_setting("MAX_BODY_BYTES", "300MiB");
        settings.required("QUEUE")
    })
    .version("1.2.3")
    .about("orders and their ways")
    .command("migrate", |queue: String| match queue.as_str() {
        "locked" => Err("the queue is locked".to_owned()),
        "broken" => panic!("the queue is broken"),
        _ => Ok(()),
    })
    .open(|queue: String| {
        eprintln!("opened");
        if queue == "gone" {
            return Err(Error::internal("the queue is gone"));
        }
        Ok(Service::with_state("shop", queue)
            .get("/fails", |_: &Request, _: &String| -> Result<(), Error> {
                Err(std::io::Error::other("the disk is full"))?
            })
            .get("/wrong", |_: &Request| -> Result<(), Error> {
                Err(Error::conflict("taken").because("row 7"))
            })
            .get("/refused", |_: &Request| StatusCode::FORBIDDEN)
            .get("/parts", |_: &Request| parts())
            .layer(|request: &mut Request, next: Next<'_>| {
                let status = next.run(request).status();
                (status, "a layer's own words")
            })
            .on_start("say", |_: &Stop| ()))
    })
    .run()
}

/// A handler's work in parts, the last of which panics.
fn parts() {
    let mut outer = trace::span("outer");
    outer.set("rows", 3_usize);
    outer.set("rows", 4);
    outer.set("is_cached", false);
    let context = trace::current();
    thread::spawn(move || {
        let _outside = trace::span("of no request");
        let _entered = context.as_ref().map(|context| context.enter());
        let _span = trace::span("elsewhere");
    })
    .join()
    .expect("it does not panic");
    {
        let mut call = trace::span("GET").client();
        call.set("server.address", "orders");
        call.fail("it took too long");
        log::info!(sent:? = call.traceparent(), state:? = call.tracestate(); "calling");
    }
    drop(outer);
    let _last = trace::span("last");
    panic!("on purpose");
}

fn started_with(words: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env::current_exe().expect("this file has a name"));
    command.args(words).env_clear().env(IS_PROGRAM, "1");
    let always = [
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("DRAIN_DELAY", "0"),
        ("LOG_FORMAT", "json"),
        ("LOG_LEVEL", "debug"),
    ];
    command.envs(always).envs(settings.iter().copied());
    command
}

fn run(words: &[&str], settings: &[(&str, &str)]) -> (i32, String, String) {
    let output = started_with(words, settings).output();
    told(output.expect("the program can be started"))
}

fn told(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let code = output.status.code().expect("it exits by itself");
    (code, text(output.stdout), text(output.stderr))
}

fn help_version_and_config_know_the_program_and_open_nothing() {
    let (code, help, stderr) = run(&["--help"], &[]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(
        help.starts_with("shop 1.2.3: orders and their ways\n"),
        "{help}"
    );
    assert!(help.lines().any(|line| line == "  shop migrate"), "{help}");
    let (code, version, _) = run(&["--version"], &[]);
    assert_eq!((code, version.as_str()), (0, "shop 1.2.3\n"));
    let (code, config, stderr) = run(&["config"], &[("QUEUE", "queue:5672")]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let line = |name: &str| {
        let line = config.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no {name}: {config}"))
    };
    assert!(line("QUEUE=").contains("queue:5672"), "{config}");
    let limit = line("MAX_BODY_BYTES=");
    assert!(limit.contains("the program's default"), "{config}");
    let (code, _, stderr) = run(&["migrat"], &[]);
    assert_eq!(code, 64);
    assert!(stderr.contains("\"migrat\" is not known"), "{stderr}");
}

fn a_command_of_its_own_exits_and_logs_as_serve_does() {
    let (code, log, stderr) = run(&["migrate"], &[("QUEUE", "queue")]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let last = records(&log).pop().expect("a record");
    assert_eq!(
        (&last["msg"], &last["command"]),
        (&"done".into(), &"migrate".into())
    );
    for (queue, reason) in [
        ("locked", "the queue is locked"),
        ("broken", "the queue is broken"),
    ] {
        let (code, log, _) = run(&["migrate"], &[("QUEUE", queue)]);
        assert_eq!(code, 1, "{log}");
        let last = records(&log).pop().expect("a record");
        assert_eq!(
            (&last["level"], &last["msg"]),
            (&"ERROR".into(), &"failed".into())
        );
        let told = last["reason"].as_str().expect("a reason");
        assert!(told.contains(reason), "{log}");
    }
}

fn nothing_is_run_or_opened_where_a_setting_is_bad() {
    for words in [&["migrate"][..], &["serve"], &[]] {
        let (code, stdout, stderr) = run(words, &[("WORKERS", "many")]);
        assert_eq!((code, stdout.as_str()), (78, ""), "{words:?}");
        assert!(stderr.contains("WORKERS"), "{stderr}");
        assert!(
            stderr.contains("QUEUE: required, but not given"),
            "{stderr}"
        );
        assert!(!stderr.contains("opened"), "{stderr}");
    }
}

fn what_cannot_be_opened_is_exit_code_1_with_its_cause_in_the_log() {
    let (code, log, stderr) = run(&["serve"], &[("QUEUE", "gone")]);
    assert_eq!(code, 1, "{log}");
    assert!(stderr.starts_with("opened\n"), "{stderr}");
    let records = records(&log);
    let failed = records
        .iter()
        .find(|record| record["msg"] == "start-up failed");
    let reason = failed.expect("a record")["reason"]
        .as_str()
        .expect("a reason");
    assert!(reason.contains("the queue is gone"), "{log}");
    assert!(
        records.iter().all(|record| record["msg"] != "listening"),
        "{log}"
    );
}

fn a_cause_is_logged_once_and_what_a_client_did_wrong_is_no_error() {
    let service = Serving::start(&[]);
    for (path, status) in [
        ("/fails", 500),
        ("/wrong", 409),
        ("/refused", 403),
        ("/nowhere", 404),
    ] {
        let answer = service.get(path, "");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {answer}"
        );
        assert!(answer.ends_with("a layer's own words"), "{path}: {answer}");
    }
    let log = service.end();
    let with_cause = |cause: &str| -> Vec<&Value> {
        log.iter()
            .filter(|record| record["cause"] == cause)
            .collect()
    };
    let [failed] = with_cause("the disk is full")[..] else {
        panic!("one record: {log:?}");
    };
    assert_eq!(
        (&failed["level"], &failed["route"]),
        (&"ERROR".into(), &"/fails".into())
    );
    let [wrong] = with_cause("row 7")[..] else {
        panic!("one record: {log:?}");
    };
    assert_eq!(wrong["level"], "DEBUG");
    let complains = |record: &&Value| {
        ["ERROR", "WARN"]
            .iter()
            .any(|level| record["level"] == *level)
    };
    let of_others = |record: &&Value| record["route"] != "/fails";
    let complaints: Vec<_> = log.iter().filter(complains).filter(of_others).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

fn the_parts_of_a_request_are_one_tree_whatever_thread_they_are_on() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let sent = |flags: &str| {
        format!("traceparent: 00-{TRACE}-00f067aa0ba902b7-{flags}\r\ntracestate: a=1\r\n")
    };
    let collector = Collector::start();
    let endpoint = collector.endpoint();
    let service = Serving::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]);
    for flags in ["00", "01"] {
        let answer = service.get("/parts", &sent(flags));
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    }
    let log = service.end();
    let [elsewhere, call, outer, last, server] = [(); 5].map(|()| collector.next());
    assert_eq!(collector.rest().len(), 0, "one trace is not sampled");
    for (span, name, parent, kind) in [
        (&elsewhere, "elsewhere", &outer, 1),
        (&call, "GET", &outer, 3),
        (&outer, "outer", &server, 1),
        (&last, "last", &server, 1),
    ] {
        assert_eq!((&*span.name, span.kind), (name, kind));
        assert_eq!(span.parent, parent.span_id, "{span:?}");
        assert_eq!((&*span.trace_id, &*span.state), (TRACE, "a=1"));
        assert!(span.start <= span.end, "{span:?}");
    }
    assert_eq!((&*server.name, server.kind), ("GET /parts", 2));
    assert_eq!(outer.attributes["rows"], "4");
    assert_eq!(outer.attributes["is_cached"], "0");
    assert_eq!(outer.error, None);
    assert_eq!(call.attributes["server.address"], "orders");
    assert_eq!(call.error.as_deref(), Some("it took too long"));
    assert_eq!(last.error.as_deref(), Some("panicked"));
    let why = server.error.as_deref().expect("it has failed");
    assert!(
        why.starts_with("panicked: on purpose (tests/program.rs:"),
        "{why}"
    );

    let of = |message: &str| -> Vec<&Value> {
        log.iter()
            .filter(|record| record["msg"] == message)
            .collect()
    };
    let [unsampled, sampled] = of("calling")[..] else {
        panic!("{log:?}");
    };
    let told = format!("Some(\"00-{TRACE}-{}-01\")", call.span_id);
    assert_eq!(
        (&sampled["sent"], &sampled["state"]),
        (&told.into(), &"Some(\"a=1\")".into())
    );
    assert_eq!(sampled["span_id"], *call.span_id);
    let told = format!(
        "Some(\"00-{TRACE}-{}-00\")",
        unsampled["span_id"].as_str().unwrap()
    );
    assert_eq!(unsampled["sent"], told, "the next service decides alike");
    let panicked = of("handler panicked")[1];
    assert_eq!(
        panicked["span_id"], *server.span_id,
        "what has panicked has ended"
    );
}

/// The program while it serves.
struct Serving {
    process: Child,
    stdout: BufReader<Box<dyn Read>>,
    address: String,
    log: Vec<Value>,
}

impl Serving {
    fn start(settings: &[(&str, &str)]) -> Serving {
        let settings = [&[("QUEUE", "queue")], settings].concat();
        let mut command = started_with(&[], &settings);
        let mut process = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let stdout: Box<dyn Read> = Box::new(process.stdout.take().expect("a pipe"));
        let mut serving = Serving {
            process,
            stdout: BufReader::new(stdout),
            address: String::new(),
            log: Vec::new(),
        };
        let listening = serving.read_until("listening");
        serving.address = listening["addr"].as_str().expect("an address").to_owned();
        serving.read_until("started");
        serving
    }

    fn read_until(&mut self, message: &str) -> Value {
        loop {
            let mut line = String::new();
            let length = self.stdout.read_line(&mut line).expect("it can be read");
            assert!(length > 0, "no {message:?}: {:?}", self.log);
            let record: Value = serde_json::from_str(&line).expect("JSON");
            self.log.push(record.clone());
            if record["msg"] == message {
                return record;
            }
        }
    }

    fn get(&self, path: &str, fields: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: test\r\n{fields}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    fn end(mut self) -> Vec<Value> {
        let pid = self.process.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(killed.expect("there is kill").success());
        let mut rest = String::new();
        self.stdout
            .read_to_string(&mut rest)
            .expect("it can be read");
        self.log.extend(records(&rest));
        assert_eq!(self.process.wait().expect("it ends").code(), Some(0));
        self.log
    }
}

fn records(log: &str) -> Vec<Value> {
    let record = |line: &str| serde_json::from_str(line).expect("JSON");
    log.lines().map(record).collect()
}
