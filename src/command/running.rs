//! What the running service says of its own configuration, beside what a restart would give.

use super::probe;
use crate::{
    admin::flagz,
    config::{
        settings::{Settings, source::Source},
        table::Config,
    },
};
use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

/// How long to wait for it: long beside what it takes, short beside a person's patience.
const TIMEOUT: Duration = Duration::from_secs(1);

/// More is no answer of ours.
const LONGEST_ANSWER: u64 = 4 << 20;

/// A setting as it runs, by its name.
pub(super) type Flag = (String, String);

/// Asks the service that runs beside this command, in the same pod; none where none answers.
pub(super) fn ask(config: &Config) -> Option<(SocketAddr, Vec<Flag>)> {
    let port = config.admin_port.filter(|port| *port != 0)?;
    let (address, stream) = probe::connect(config.host, port, Instant::now() + TIMEOUT).ok()?;
    let answer = exchange(stream, address).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let flags = head.starts_with("HTTP/1.1 200 ").then(|| flags(body))?;
    flags.map(|flags| (address, flags))
}

fn exchange(mut stream: std::net::TcpStream, address: SocketAddr) -> io::Result<String> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!(
        "GET /flagz HTTP/1.1\r\nHost: {address}\r\nAccept: {}\r\nConnection: close\r\n\r\n",
        flagz::json_type()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}

/// The settings in the JSON of `/flagz`; none where it is something else.
fn flags(json: &str) -> Option<Vec<Flag>> {
    let (_, rest) = json.split_once(r#""flags":{"#)?;
    let mut rest = rest;
    let mut flags = Vec::new();
    while !rest.starts_with('}') {
        let (name, after) = string(rest)?;
        let (value, after) = string(after.strip_prefix(':')?)?;
        flags.push((name, value));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    Some(flags)
}

/// The JSON string (RFC 8259 section 7) that `text` begins with, and what follows it. Of the escapes those that
/// `/flagz` writes.
fn string(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('"')?;
    let mut read = String::new();
    loop {
        let next = rest.chars().next()?;
        rest = &rest[next.len_utf8()..];
        match next {
            '"' => return Some((read, rest)),
            '\\' => {
                let (character, length) = match rest.chars().next()? {
                    'u' => (
                        char::from_u32(u32::from_str_radix(rest.get(1..5)?, 16).ok()?)?,
                        5,
                    ),
                    plain => (plain, plain.len_utf8()),
                };
                read.push(character);
                rest = &rest[length..];
            }
            plain => read.push(plain),
        }
    }
}

/// Says behind the configuration where what runs is something else.
///
/// # Errors
/// What `out` reports.
pub(super) fn print(
    settings: &Settings,
    address: SocketAddr,
    running: &[Flag],
    out: &mut dyn Write,
) -> io::Result<()> {
    let differing: Vec<&Flag> = running
        .iter()
        .filter(|flag| differs(settings, flag))
        .collect();
    if differing.is_empty() {
        return writeln!(out, "\n# The service at {address} runs with these values.");
    }
    let restart = match settings.finish() {
        Ok(()) => "a restart would give those above",
        Err(_) => "a restart would refuse what is bad above",
    };
    writeln!(
        out,
        "\n# The service at {address} runs with other values; {restart}:"
    )?;
    for (name, value) in differing {
        writeln!(out, "# {name}={}", value.escape_debug())?;
    }
    Ok(())
}

/// A secret cannot be compared, for neither side shows it; nor can what depends on stdout, for this command has another.
fn differs(settings: &Settings, (name, value): &Flag) -> bool {
    let mut entries = settings.entries().iter();
    let Some(entry) = entries.find(|entry| entry.name == name) else {
        return false;
    };
    let is_of_stdout = name == "LOG_FORMAT" && matches!(entry.source, Source::Default);
    !is_of_stdout && entry.shown != *value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_flagz_writes_is_read_back() {
        let json =
            "{\"kind\":\"Flagz\",\"flags\":{\"A\":\"a \\\"b\\\" \\\\ \\u000ac\",\"B\":\"\"}}\n";
        let flag = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            flags(json),
            Some(vec![flag("A", "a \"b\" \\ \nc"), flag("B", "")])
        );
        assert_eq!(flags(r#"{"flags":{}}"#), Some(Vec::new()));
    }

    #[test]
    fn what_another_program_answers_is_no_configuration() {
        for json in [
            "",
            "ok",
            r#"{"flags":{"A":1}}"#,
            r#"{"flags":{"A":"a""#,
            r#"{"flags":{"#,
        ] {
            assert_eq!(flags(json), None, "{json}");
        }
    }
}
