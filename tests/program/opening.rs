//! What happens while a program opens what it needs, for as long as that takes.

use crate::{record, started_with};
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

pub(crate) fn while_it_opens_its_records_are_written_and_a_signal_ends_it() {
    let mut command = started_with(&[], &[("QUEUE", "slow")]);
    let mut process = command
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let stdout = BufReader::new(process.stdout.take().expect("a pipe"));
    let mut messages = stdout.lines().map(|line| {
        let record = record(&line.expect("it can be read"));
        record["msg"].as_str().expect("text").to_owned()
    });
    assert!(messages.any(|message| message == "the queue is slow"));
    let pid = process.id().to_string();
    let killed = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(killed.expect("there is kill").success());
    assert!(messages.any(|message| message == "stopped before there was a service"));
    assert_eq!(process.wait().expect("it ends").code(), Some(0));
}
