//! A program with settings and commands of its own, as a process: this file run again, with the words of a command line.
//!
//! It has no test harness, for that would read those words as its own.

#![cfg(unix)]

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Output};
use std::thread;
use std::time::Duration;

use seaworthy::http::StatusCode;
use seaworthy::{Error, IntoResponse, Next, Request, Routes, Service, Settings, Stop, Upload};
use serde_json::Value;

mod broadcasts;
#[path = "../it/support/cgroup.rs"]
mod cgroup;
mod changes;
#[path = "../it/support/collector.rs"]
mod collector;
mod crowd;
mod descriptors;
mod latencies;
mod later;
#[path = "../it/support/mounted.rs"]
#[expect(dead_code, reason = "the other tests need more of it")]
mod mounted;
mod opening;
mod overflow;
mod serving;
mod traces;
mod uploads;

use changes::a_setting_of_its_own_that_turns_bad_refuses_the_change_as_a_start_would;
use later::{later, the_log_and_the_span_of_a_request_tell_of_the_answer_that_was_given_later};
use opening::while_it_opens_its_records_are_written_and_a_signal_ends_it;
use overflow::{a_stack_overflow_ends_the_process_and_nobody_takes_it_for_an_answer, descend};
use serving::Serving;
use traces::{parts, the_parts_of_a_request_are_one_tree_whatever_thread_they_are_on};

/// Set for the process that is to be the program.
const IS_PROGRAM: &str = "SEAWORTHY_TEST_PROGRAM";

fn main() -> ExitCode {
    if env::var_os(IS_PROGRAM).is_some() {
        return program();
    }
    let mut words = env::args().skip_while(|word| word != "--ignored");
    if words.next().is_some() {
        return run_long_ones(&words.next().unwrap_or_default());
    }
    let tests: [(&str, fn()); 15] = [
        (
            "of_an_upload_whose_process_is_killed_nothing_is_at_its_place",
            uploads::of_an_upload_whose_process_is_killed_nothing_is_at_its_place,
        ),
        (
            "uploads_take_two_places_so_that_descriptors_are_left_for_probes_and_the_service",
            descriptors::uploads_take_two_places_so_that_descriptors_are_left_for_probes_and_the_service,
        ),
        (
            "uploads_on_open_connections_are_told_503_where_the_last_descriptors_are_left",
            descriptors::uploads_on_open_connections_are_told_503_where_the_last_descriptors_are_left,
        ),
        (
            "the_span_and_the_record_of_an_upload_end_with_its_answer",
            uploads::the_span_and_the_record_of_an_upload_end_with_its_answer,
        ),
        (
            "uploads_that_cannot_be_are_a_bad_configuration",
            uploads::uploads_that_cannot_be_are_a_bad_configuration,
        ),
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
            "a_setting_of_its_own_that_turns_bad_refuses_the_change_as_a_start_would",
            a_setting_of_its_own_that_turns_bad_refuses_the_change_as_a_start_would,
        ),
        (
            "the_parts_of_a_request_are_one_tree_whatever_thread_they_are_on",
            the_parts_of_a_request_are_one_tree_whatever_thread_they_are_on,
        ),
        (
            "while_it_opens_its_records_are_written_and_a_signal_ends_it",
            while_it_opens_its_records_are_written_and_a_signal_ends_it,
        ),
        (
            "a_stack_overflow_ends_the_process_and_nobody_takes_it_for_an_answer",
            a_stack_overflow_ends_the_process_and_nobody_takes_it_for_an_answer,
        ),
        (
            "the_log_and_the_span_of_a_request_tell_of_the_answer_that_was_given_later",
            the_log_and_the_span_of_a_request_tell_of_the_answer_that_was_given_later,
        ),
    ];
    // Side by side: they wait for the looks at a configuration. Where one panics, so does this.
    thread::scope(|threads| {
        for (name, test) in tests {
            threads.spawn(move || {
                test();
                println!("test program::{name} ... ok");
            });
        }
    });
    ExitCode::SUCCESS
}

/// One after the other, those that have this in their names.
fn run_long_ones(part: &str) -> ExitCode {
    let tests: [(&str, fn()); 2] = [
        (
            "four_uploads_of_a_gibibyte_take_less_than_16_mib_and_others_are_answered_meanwhile",
            uploads::four_uploads_of_a_gibibyte_take_less_than_16_mib_and_others_are_answered_meanwhile,
        ),
        (
            "ten_thousand_clients_get_every_broadcast_in_64_mib_and_are_sent_away_one_after_the_other",
            broadcasts::ten_thousand_clients_get_every_broadcast_in_64_mib_and_are_sent_away_one_after_the_other,
        ),
    ];
    for (name, test) in tests.iter().filter(|(name, _)| name.contains(part)) {
        test();
        println!("test program::{name} ... ok");
    }
    ExitCode::SUCCESS
}

struct Conf {
    queue: String,
    shards: u64,
    data: Option<PathBuf>,
}

fn program() -> ExitCode {
    Service::build("shop", |settings: &mut Settings| {
        settings.default_setting("MAX_BODY_BYTES", "300MiB");
        let has_data = settings.optional("DATA_DIR").is_some();
        Conf {
            queue: settings.required("QUEUE"),
            shards: settings.number("SHARDS", 4, 1..=64),
            data: has_data.then(|| settings.writable_directory("DATA_DIR", "/data")),
        }
    })
    .version("1.2.3")
    .about("orders and their ways")
    .command("migrate", |conf: Conf| match conf.queue.as_str() {
        "locked" => Err("the queue is locked".to_owned()),
        "broken" => panic!("the queue is broken"),
        _ => Ok(()),
    })
    .open(|conf: Conf| {
        eprintln!("opened");
        if conf.queue == "gone" {
            return Err(Error::internal("the queue is gone"));
        }
        if conf.queue == "slow" {
            log::info!("the queue is slow");
            thread::sleep(Duration::from_secs(120));
        }
        let mut files = Routes::new();
        if conf.data.is_some() {
            files = files.put("/files/{name}", store).body_limit("10GiB");
        }
        Ok(Service::with_state("shop", conf)
            .merge(files)
            .merge(broadcasts::routes())
            .get("/shards", |_: &Request, conf: &Conf| {
                conf.shards.to_string()
            })
            .get("/fails", |_: &Request| -> Result<(), Error> {
                Err(std::io::Error::other("the disk is full"))?
            })
            .get("/wrong", |_: &Request| -> Result<(), Error> {
                Err(Error::conflict("taken").because("row 7"))
            })
            .get("/refused", |_: &Request| StatusCode::FORBIDDEN)
            .get("/later/{how}", |request: &Request| {
                later(request.param("how"))
            })
            .get("/parts", |_: &Request| parts())
            .get("/overflow", |_: &Request| descend(0).to_string())
            .layer(|request: &mut Request, next: Next<'_>| {
                let answer = next.run(request);
                if answer.status().is_success() {
                    return answer;
                }
                (answer.status(), "a layer's own words").into_response()
            })
            .on_start("say", |_: &Stop| ()))
    })
    .run()
}

fn store(request: &Request, conf: &Conf) -> Result<Upload, Error> {
    let data = conf.data.as_ref().ok_or_else(Error::not_found)?;
    let file = Upload::to_file_in(data, request.param("name"))?;
    Ok(file.then(|_, stored| {
        let _span = seaworthy::trace::span("stored");
        format!("{} bytes", stored.length)
    }))
}

/// What a test has to say though it passes.
fn note(text: &str) {
    eprintln!("note: {text}");
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
    let service = Serving::start(&[("QUEUE", "queue")]);
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

fn records(log: &str) -> Vec<Value> {
    log.lines().map(record).collect()
}

fn record(line: &str) -> Value {
    serde_json::from_str(line).expect("JSON")
}
