//! `/statusz`, as Kubernetes' components have it (KEP-4827): what runs, since when, and how it does.

use super::{
    history::ChartLimits,
    loglevel,
    page::{Block, Page, Table, Tone},
    subject::Subject,
    units,
};
use crate::{
    config::{
        limits::{Limits, memory_use::MemoryUse, show_cpus, usage},
        settings::show_size,
    },
    health::state::{CheckKind, CheckState, HealthStatus},
    message::problem::push_json,
    observe::logging,
};
use std::{fmt::Write, path::Path};

pub(super) const KIND: &str = "Statusz";

pub(super) fn page(subject: &Subject) -> Page {
    let limits = Limits::read();
    let charts = subject.history.charts(&ChartLimits {
        workers: subject.pool.overview().slots as u64,
        cpu: limits.cpu_quota.map(|cpus| (cpus * 1000.0) as u64),
        memory: limits.memory_limit,
    });
    Page {
        name: "statusz",
        about: "What runs, since when, and how it does.",
        blocks: vec![
            Block::Facts(identity(subject)),
            Block::Facts(state(subject, &limits)),
            Block::Charts(charts),
            Block::Table(checks(subject)),
        ],
    }
}

/// What Kubernetes' components tell too, in their words.
fn identity(subject: &Subject) -> Vec<(&'static str, String)> {
    let up = subject.pool.age().as_secs();
    vec![
        ("Started", unix_date(subject)),
        (
            "Up",
            format!(
                "{} hr {:02} min {:02} sec",
                up / 3600,
                up / 60 % 60,
                up % 60
            ),
        ),
        (
            "Binary version",
            subject.pool.dispatcher().version.to_owned(),
        ),
        ("Paths", subject.paths().join(" ")),
    ]
}

fn state(subject: &Subject, limits: &Limits) -> Vec<(&'static str, String)> {
    let dispatcher = subject.pool.dispatcher();
    let pool = subject.pool.overview();
    let totals = subject.pool.totals();
    let usage = usage::read();
    let limit = |limit: Option<String>| {
        limit.map_or_else(|| "no limit".to_owned(), |limit| format!("limit {limit}"))
    };
    let quota = limit(limits.cpu_quota.map(show_cpus));
    let memory = match MemoryUse::read(Path::new("/")) {
        Some(group) => format!(
            "{} of {} used",
            units::bytes(group.used),
            show_size(group.limit)
        ),
        None => limit(limits.memory_limit.map(show_size)),
    };
    vec![
        ("Phase", dispatcher.state.phase().name().to_owned()),
        ("seaworthy", env!("CARGO_PKG_VERSION").to_owned()),
        ("Log level", loglevel::shown(subject).to_owned()),
        (
            "Workers",
            format!("{} of {} busy", pool.running, pool.slots),
        ),
        (
            "Queue",
            format!("{} of {} places taken", pool.queued, pool.queue_capacity),
        ),
        (
            "Requests",
            format!("{} handled, {} failed", totals.requests(), totals.failed),
        ),
        (
            "CPU",
            format!(
                "{} used, {} throttled, {quota}",
                units::nanos(usage.cpu),
                units::nanos(usage.throttled)
            ),
        ),
        (
            "Memory",
            format!("{} resident; {memory}", units::bytes(usage.memory)),
        ),
    ]
}

fn checks(subject: &Subject) -> Table {
    const COLUMNS: &[&str] = &["Status", "Check", "Kind", "Age", "Last error"];
    let mut table = Table::new("Checks", COLUMNS, "this service has no checks of its own");
    for check in subject.pool.dispatcher().health.states() {
        let CheckState {
            name,
            kind,
            status,
            age,
            last_error,
            ..
        } = check;
        let tone = match status {
            HealthStatus::Healthy => Tone::Good,
            HealthStatus::Degraded => Tone::Doubtful,
            HealthStatus::Unhealthy => Tone::Bad,
        };
        let kind = match kind {
            CheckKind::Liveness => "liveness",
            CheckKind::Readiness => "readiness",
        };
        let age = age.map_or_else(|| "not looked at yet".to_owned(), units::duration);
        let cells = vec![
            status.name().to_owned(),
            name.to_owned(),
            kind.to_owned(),
            age,
            last_error.unwrap_or_default(),
        ];
        table.row(tone, cells);
    }
    table
}

/// Theirs, with their fields and no other. It is no Go program, so that no version of Go is told.
pub(super) fn json(subject: &Subject, json: &mut String) {
    json.push_str(",\"startTime\":");
    push_json(json, &started(subject));
    let _ = write!(json, ",\"uptimeSeconds\":{}", subject.pool.age().as_secs());
    json.push_str(",\"goVersion\":\"\",\"binaryVersion\":");
    push_json(json, subject.pool.dispatcher().version);
    json.push_str(",\"paths\":[");
    for (position, path) in subject.paths().iter().enumerate() {
        if position > 0 {
            json.push(',');
        }
        push_json(json, path);
    }
    json.push(']');
}

/// As Kubernetes writes a time: RFC 3339 in whole seconds.
fn started(subject: &Subject) -> String {
    let mut text = logging::show_time(subject.started);
    if let Some(point) = text.rfind('.') {
        text.replace_range(point.., "Z");
    }
    text
}

/// As their text has it, which is as `date` writes it: `Wed Oct 16 21:03:43 UTC 2024`, of `Wed, 16 Oct 2024 21:03:43 GMT`.
fn unix_date(subject: &Subject) -> String {
    let date = httpdate::fmt_http_date(subject.started);
    let parts: Vec<&str> = date
        .split([',', ' '])
        .filter(|part| !part.is_empty())
        .collect();
    match parts[..] {
        [weekday, day, month, year, time, _] => {
            let day = day.trim_start_matches('0');
            format!("{weekday} {month} {day:>2} {time} UTC {year}")
        }
        _ => date,
    }
}
