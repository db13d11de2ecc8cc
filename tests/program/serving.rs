//! The program as a process that serves, and what it says.

use crate::{cgroup::Cgroup, record, started_with};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program while it serves.
pub(crate) struct Serving {
    process: Child,
    /// What it says, until it ends.
    records: Receiver<Value>,
    address: String,
    log: Vec<Value>,
}

impl Serving {
    pub(crate) fn start(settings: &[(&str, &str)]) -> Serving {
        Serving::of(started_with(&[], settings))
    }

    /// Started in control groups.
    pub(crate) fn start_in(groups: &[&Cgroup], settings: &[(&str, &str)]) -> Serving {
        let enter: Vec<String> = groups.iter().map(|group| group.enter()).collect();
        Serving::start_after(&enter.join(" && "), settings)
    }

    /// Started by a shell that has run this.
    pub(crate) fn start_after(before: &str, settings: &[(&str, &str)]) -> Serving {
        let program = started_with(&[], settings);
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("{before} && exec \"$0\"")])
            .arg(program.get_program())
            .env_clear();
        let environment = program.get_envs();
        command.envs(environment.filter_map(|(name, value)| Some((name, value?))));
        Serving::of(command)
    }

    fn of(mut command: Command) -> Serving {
        let mut process = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let stdout = BufReader::new(process.stdout.take().expect("a pipe"));
        let (sender, records) = channel();
        thread::spawn(move || {
            for line in stdout.lines() {
                let line = line.expect("it can be read");
                let _ = sender.send(record(&line));
            }
        });
        let mut serving = Serving {
            process,
            records,
            address: String::new(),
            log: Vec::new(),
        };
        let listening = serving.read_until("listening");
        serving.address = listening["addr"].as_str().expect("an address").to_owned();
        serving.read_until("started");
        serving
    }

    pub(crate) fn read_until(&mut self, message: &str) -> Value {
        loop {
            let next = self.records.recv_timeout(PATIENCE);
            let record = next.unwrap_or_else(|_| panic!("no {message:?}: {:?}", self.log));
            self.log.push(record.clone());
            if record["msg"] == message {
                return record;
            }
        }
    }

    pub(crate) fn get(&self, path: &str, fields: &str) -> String {
        ask(&self.address, "GET", path, fields)
    }

    /// How it has ended by itself.
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.process.wait().expect("it ends")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The most that it has held at a time, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// What it holds of its own, in KiB: its heap and stacks, and not the binary.
    pub(crate) fn memory(&self) -> u64 {
        self.status("RssAnon:")
    }

    fn status(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let mut words = line.expect("proc(5) has it").split_whitespace();
        words
            .next()
            .and_then(|word| word.parse().ok())
            .expect("a number")
    }

    pub(crate) fn terminate(&self) {
        let pid = self.process.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(killed.expect("there is kill").success());
    }

    pub(crate) fn end(mut self) -> Vec<Value> {
        self.terminate();
        self.log.extend(&self.records);
        assert_eq!(self.process.wait().expect("it ends").code(), Some(0));
        std::mem::take(&mut self.log)
    }
}

/// A request without a body, on a connection of its own.
pub(crate) fn ask(address: &str, method: &str, path: &str, fields: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: test\r\n{fields}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

impl Drop for Serving {
    /// Where a test has failed, it still runs.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
