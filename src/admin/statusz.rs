//! `/statusz`, as Kubernetes' components have it (KEP-4827): what runs, since when, and how it does.

use super::{
    chart::{self, Charts},
    document::{Document, Tone},
    history::{CAPACITY, SECONDS},
    loglevel,
    subject::Subject,
    units::{Bytes, Cpus, Nanos},
};
use crate::{
    config::limits::{Limits, usage},
    health::state::{CheckKind, HealthStatus},
    message::problem::push_json,
    observe::logging,
};
use std::fmt::{Display, Write};

pub(super) const KIND: &str = "Statusz";

pub(super) fn tell(subject: &Subject, page: &mut dyn Document) {
    tell_identity(subject, page);
    page.next_facts();
    let limits = Limits::read();
    tell_state(subject, &limits, page);
    page.charts(&Charts {
        samples: subject.history.samples(),
        capacity: CAPACITY,
        seconds: SECONDS,
        limits: chart::Limits {
            workers: Some(subject.pool.overview().slots as u64),
            cpu: thousandths(&limits),
            memory: limits.memory_limit,
        },
    });
    tell_checks(subject, page);
}

/// What Kubernetes' components tell too, in their words.
fn tell_identity(subject: &Subject, page: &mut dyn Document) {
    page.fact("Started", format_args!("{}", started(subject)));
    let up = subject.pool.age().as_secs();
    let (hours, minutes, seconds) = (up / 3600, up / 60 % 60, up % 60);
    page.fact(
        "Up",
        format_args!("{hours} hr {minutes:02} min {seconds:02} sec"),
    );
    page.fact(
        "Binary version",
        format_args!("{}", subject.pool.dispatcher().version),
    );
    page.fact("Paths", format_args!("{}", subject.paths().join(" ")));
}

fn tell_state(subject: &Subject, limits: &Limits, page: &mut dyn Document) {
    let phase = subject.pool.dispatcher().state.phase().name();
    page.fact("Phase", format_args!("{phase}"));
    page.fact("seaworthy", format_args!(env!("CARGO_PKG_VERSION")));
    page.fact("Log level", format_args!("{}", loglevel::shown(subject)));
    let pool = subject.pool.overview();
    page.fact(
        "Workers",
        format_args!("{} of {} busy", pool.running, pool.slots),
    );
    page.fact(
        "Queue",
        format_args!("{} of {} places taken", pool.queued, pool.queue_capacity),
    );
    let occupancy = subject.pool.occupancy();
    page.fact(
        "Connections",
        format_args!(
            "{} of {} open",
            occupancy.connections.all(),
            occupancy.max_connections
        ),
    );
    let totals = subject.pool.totals();
    page.fact(
        "Requests",
        format_args!("{} handled, {} failed", totals.requests(), totals.failed),
    );
    let usage = usage::read();
    let (used, throttled) = (Nanos(usage.cpu), Nanos(usage.throttled));
    match thousandths(limits).map(Cpus) {
        Some(quota) => page.fact(
            "CPU",
            format_args!("{used} used, {throttled} throttled, quota {quota}"),
        ),
        None => page.fact("CPU", format_args!("{used} used, no quota")),
    }
    let resident = Bytes(usage.memory);
    match limits.memory_limit.map(Bytes) {
        Some(limit) => page.fact("Memory", format_args!("{resident} resident, limit {limit}")),
        None => page.fact("Memory", format_args!("{resident} resident, no limit")),
    }
}

fn thousandths(limits: &Limits) -> Option<u64> {
    limits.cpu_quota.map(|cpus| (cpus * 1000.0) as u64)
}

fn tell_checks(subject: &Subject, page: &mut dyn Document) {
    const COLUMNS: &[&str] = &["Status", "Check", "Kind", "Age", "Last error"];
    page.table(
        format_args!("Checks"),
        COLUMNS,
        "this service has no checks of its own",
    );
    for check in subject.pool.dispatcher().health.states() {
        let tone = match check.status {
            HealthStatus::Healthy => Tone::Good,
            HealthStatus::Degraded => Tone::Doubtful,
            HealthStatus::Unhealthy => Tone::Bad,
        };
        let kind = match check.kind {
            CheckKind::Liveness => "liveness",
            CheckKind::Readiness => "readiness",
        };
        let known = check.age.map(Nanos::of);
        let age: &dyn Display = match &known {
            Some(age) => age,
            None => &"not looked at yet",
        };
        let error = check.last_error.as_deref().unwrap_or_default();
        page.row(
            tone,
            &[&check.status.name(), &check.name, &kind, age, &error],
        );
    }
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
