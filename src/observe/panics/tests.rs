//! What a handler that panics may do to the service: nothing but fail its own request.

use std::panic::{self, panic_any};
use std::process::{Command, Output};
use std::time::Duration;
use std::{env, process, thread};

use super::{Panicked, catch, install_hook};
use crate::config::table::LogFormat;
use crate::observe::logging;

/// Set for a test that runs again as a process of its own, where it may have the hook and stdout to itself.
const ALONE: &str = "SEAWORTHY_TEST_ALONE";

/// Runs the calling test's `scenario` in a process of its own, with logger and hook, and returns what that wrote;
/// `None` in that process.
fn alone(test: &str, scenario: impl FnOnce()) -> Option<Output> {
    if env::var_os(ALONE).is_some() {
        logging::install(log::LevelFilter::Info, LogFormat::Json).unwrap();
        install_hook();
        scenario();
        assert!(logging::flush(Duration::from_secs(20)));
        return None;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    let name = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
    command.args(["--exact", &name, "--nocapture", "--test-threads=1"]);
    Some(command.env(ALONE, "1").output().unwrap())
}

/// The log records in what a process wrote, between and behind the words of the test harness.
fn records(output: &Output) -> Vec<serde_json::Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let objects = text
        .lines()
        .filter_map(|line| line.find('{').map(|at| &line[at..]));
    objects
        .map(|object| serde_json::from_str(object).unwrap())
        .collect()
}

/// The message of the panic in `f`.
fn message_of(f: impl FnOnce()) -> String {
    catch(f).unwrap_err().message
}

#[test]
fn a_panic_is_told_with_its_message() {
    let number = 7;
    assert_eq!(message_of(|| panic!("literal")), "literal");
    assert_eq!(message_of(|| panic!("formatted {number}")), "formatted 7");
    assert_eq!(message_of(|| panic_any(String::from("owned"))), "owned");
    let message = message_of(|| assert_eq!("x".parse(), Ok(7)));
    assert!(message.contains("InvalidDigit"), "{message}");
}

#[test]
fn a_panic_that_says_nothing_readable_is_still_told() {
    assert_eq!(
        message_of(|| panic_any(7)),
        "(the panic's payload is not text)"
    );
}

#[test]
fn a_panic_told_in_one_sentence_names_its_place_where_that_is_known() {
    let mut panicked = catch(|| panic_any("boom")).unwrap_err();
    panicked.location = Some("a.rs:1:2".into());
    assert_eq!(panicked.to_string(), "boom (a.rs:1:2)");
    panicked.location = None;
    assert_eq!(panicked.to_string(), "boom");
}

#[test]
fn without_a_panic_the_value_comes_back() {
    assert_eq!(catch(|| 7), Ok(7));
}

/// Panics when dropped, with another of its kind.
struct Grenade(u8);

impl Drop for Grenade {
    fn drop(&mut self) {
        if self.0 > 0 {
            panic_any(Grenade(self.0 - 1));
        }
    }
}

#[test]
fn a_payload_that_panics_when_dropped_does_not_take_the_worker_along() {
    for length in 1..4 {
        assert!(catch(|| panic_any(Grenade(length))).is_err());
    }
    assert_eq!(catch(|| 7), Ok(7));
}

#[test]
fn a_caught_panic_is_left_to_the_caller_who_knows_more() {
    let scenario = || {
        let panicked = catch(|| panic!("in a handler")).unwrap_err();
        assert_eq!(panicked.message, "in a handler");
        let location = panicked.location.unwrap();
        assert!(location.contains("tests.rs:"), "{location}");
        assert!(catch(|| panic_any(Grenade(2))).is_err());
    };
    if let Some(output) = alone(
        "a_caught_panic_is_left_to_the_caller_who_knows_more",
        scenario,
    ) {
        assert!(output.status.success(), "{output:?}");
        assert_eq!(records(&output), [] as [serde_json::Value; 0]);
        assert_eq!(output.stderr, b"");
    }
}

#[test]
fn a_panic_outside_any_request_is_one_record_and_not_lines_on_stderr() {
    let scenario = || {
        let thread = thread::Builder::new().name("refresher".into());
        let panicking = thread.spawn(|| {
            assert!(catch(|| panic!("not this one")).is_err());
            panic!("gone\nwrong")
        });
        assert!(panicking.unwrap().join().is_err());
    };
    let test = "a_panic_outside_any_request_is_one_record_and_not_lines_on_stderr";
    if let Some(output) = alone(test, scenario) {
        assert!(output.status.success(), "{output:?}");
        let [record] = &records(&output)[..] else {
            panic!("{output:?}")
        };
        assert_eq!(record["level"], "ERROR");
        assert_eq!(record["msg"], "a thread panicked");
        assert_eq!(record["panic"], "gone\nwrong");
        assert_eq!(record["thread"], "refresher");
        assert!(record["location"].as_str().unwrap().contains("tests.rs:"));
        assert_eq!(output.stderr, b"");
    }
}

#[test]
fn a_process_that_ends_by_panicking_has_told_why() {
    let scenario = || {
        for _ in 0..3 {
            assert!(thread::spawn(|| panic!("the end")).join().is_err());
        }
        process::exit(3);
    };
    if let Some(output) = alone("a_process_that_ends_by_panicking_has_told_why", scenario) {
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert_eq!(records(&output).len(), 3);
    }
}

/// Catches a panic of its own when dropped.
struct Careful;

impl Drop for Careful {
    fn drop(&mut self) {
        let inner = catch(|| panic!("inner")).unwrap_err();
        assert_eq!(inner.message, "inner");
        assert!(inner.location.is_some());
    }
}

#[test]
fn each_of_two_nested_panics_is_told_where_it_happened() {
    let scenario = || {
        let lines = |panicked: Panicked| {
            let location = panicked.location.unwrap();
            (panicked.message, location)
        };
        let (message, location) = lines(
            catch(|| {
                let _careful = Careful;
                panic!("outer")
            })
            .unwrap_err(),
        );
        let (inner_message, inner_location) = lines(catch(|| panic!("alone")).unwrap_err());
        assert_eq!((&*message, &*inner_message), ("outer", "alone"));
        assert_ne!(location, inner_location);
    };
    if let Some(output) = alone(
        "each_of_two_nested_panics_is_told_where_it_happened",
        scenario,
    ) {
        assert!(output.status.success(), "{output:?}");
        assert_eq!(records(&output), [] as [serde_json::Value; 0]);
    }
}

#[test]
fn a_panic_that_a_handler_catches_itself_is_not_mistaken_for_a_later_one() {
    let scenario = || {
        let swallow = || drop(panic::catch_unwind(|| panic!("swallowed")));
        let swallow_and_catch = || {
            swallow();
            assert!(catch(|| ()).is_ok());
        };
        assert_eq!(catch(swallow_and_catch), Ok(()));
        let resumed = catch(|| panic::resume_unwind(Box::new("resumed"))).unwrap_err();
        assert_eq!((&*resumed.message, resumed.location), ("resumed", None));
    };
    let test = "a_panic_that_a_handler_catches_itself_is_not_mistaken_for_a_later_one";
    if let Some(output) = alone(test, scenario) {
        assert!(output.status.success(), "{output:?}");
    }
}

/// Panics when dropped, during another panic's unwinding if need be.
struct Careless;

impl Drop for Careless {
    fn drop(&mut self) {
        panic!("second")
    }
}

#[test]
fn a_panic_during_a_panic_ends_the_process_with_both_in_the_log() {
    let scenario = || {
        let _ = catch(|| {
            let _careless = Careless;
            panic!("first")
        });
    };
    let test = "a_panic_during_a_panic_ends_the_process_with_both_in_the_log";
    if let Some(output) = alone(test, scenario) {
        assert!(!output.status.success(), "{output:?}");
        let records = records(&output);
        let told: Vec<_> = records.iter().map(|record| &record["panic"]).collect();
        assert!(told.len() >= 2, "{output:?}");
        assert_eq!((told[0], told[1]), (&"first".into(), &"second".into()));
    }
}
