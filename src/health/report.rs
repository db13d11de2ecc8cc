//! What a probe is told, as text or as JSON.

use super::state::{CheckState, HealthStatus};
use crate::{
    message::{into_response::IntoResponse, problem::push_json, response::Response},
    observe::logging::show_time,
};
use http::{HeaderValue, StatusCode, header};
use std::time::SystemTime;

/// The media type of `draft-inadarei-api-health-check-06`, "Health Check Response Format for HTTP APIs".
pub(super) const HEALTH_JSON: &str = "application/health+json";

/// One check in a report.
pub(super) struct Reported {
    pub(super) name: &'static str,
    status: HealthStatus,
    /// What its failure does not count for.
    pub(super) excluded: bool,
    /// When it was last looked at, where it is not looked at just now.
    looked_at: Option<SystemTime>,
    tags: Vec<&'static str>,
}

impl Reported {
    pub(super) fn built_in(name: &'static str, passes: bool) -> Reported {
        Reported {
            name,
            status: match passes {
                true => HealthStatus::Healthy,
                false => HealthStatus::Unhealthy,
            },
            excluded: false,
            looked_at: None,
            tags: Vec::new(),
        }
    }

    pub(super) fn of(state: CheckState) -> Reported {
        Reported {
            name: state.name,
            status: state.status,
            excluded: false,
            looked_at: state.age.and_then(|age| SystemTime::now().checked_sub(age)),
            tags: state.tags,
        }
    }

    /// As the kube-apiserver has it. It knows nothing that is degraded; what begins with a plus fails no probe.
    fn as_line(&self) -> String {
        let name = self.name;
        match self.status {
            _ if self.excluded => format!("[+]{name} excluded: ok\n"),
            HealthStatus::Healthy => format!("[+]{name} ok\n"),
            HealthStatus::Degraded => format!("[+]{name} degraded: reason withheld\n"),
            HealthStatus::Unhealthy => format!("[-]{name} failed: reason withheld\n"),
        }
    }

    /// Names and tags are such that JSON takes them as they are.
    fn as_json(&self) -> String {
        let mut json = format!("\"{}\":[{{\"status\":\"{}\"", self.name, word(self.status));
        if let Some(time) = self.looked_at {
            json += &format!(",\"time\":\"{}\"", show_time(time));
        }
        if !self.tags.is_empty() {
            json += &format!(",\"tags\":[\"{}\"]", self.tags.join("\",\""));
        }
        if self.status != HealthStatus::Healthy {
            json += ",\"output\":\"reason withheld\"";
        }
        json + "}]"
    }
}

/// The answer to a probe.
pub(super) struct Report {
    /// As its path has it, without the slash.
    pub(super) endpoint: &'static str,
    pub(super) checks: Vec<Reported>,
    /// A line for each start-up task, where they are asked for.
    pub(super) tasks: String,
    pub(super) warnings: Vec<String>,
}

impl Report {
    pub(super) fn has_failed(&self) -> bool {
        self.status() == HealthStatus::Unhealthy
    }

    /// The worst that counts.
    fn status(&self) -> HealthStatus {
        let counted = self.checks.iter().filter(|check| !check.excluded);
        counted
            .map(|check| check.status)
            .max()
            .unwrap_or(HealthStatus::Healthy)
    }

    fn status_code(&self) -> StatusCode {
        match self.has_failed() {
            true => StatusCode::SERVICE_UNAVAILABLE,
            false => StatusCode::OK,
        }
    }

    pub(super) fn as_text(&self, verbose: bool) -> Response {
        if !verbose && !self.has_failed() {
            return "ok".into_response();
        }
        let checks: String = self.checks.iter().map(Reported::as_line).collect();
        let warnings: String = self
            .warnings
            .iter()
            .map(|warning| format!("warn: {warning}\n"))
            .collect();
        let outcome = match self.has_failed() {
            true => "failed",
            false => "passed",
        };
        let text = format!(
            "{checks}{}{warnings}{} check {outcome}\n",
            self.tasks, self.endpoint
        );
        (self.status_code(), text).into_response()
    }

    /// What is excluded is left out, so that the whole is the worst of its parts.
    pub(super) fn as_json(&self) -> Response {
        let counted = self.checks.iter().filter(|check| !check.excluded);
        let checks: Vec<String> = counted.map(Reported::as_json).collect();
        let text = format!(
            "{{\"status\":\"{}\"{},\"checks\":{{{}}}}}\n",
            word(self.status()),
            self.notes(),
            checks.join(",")
        );
        (self.status_code(), text)
            .into_response()
            .with_header(header::CONTENT_TYPE, HeaderValue::from_static(HEALTH_JSON))
    }

    /// The warnings as the draft's section 3.4 has them, where there are any.
    fn notes(&self) -> String {
        let mut notes = String::new();
        for warning in &self.warnings {
            notes += if notes.is_empty() {
                ",\"notes\":["
            } else {
                ","
            };
            push_json(&mut notes, warning);
        }
        if !notes.is_empty() {
            notes.push(']');
        }
        notes
    }
}

/// What the draft calls it.
fn word(status: HealthStatus) -> &'static str {
    match status {
        HealthStatus::Healthy => "pass",
        HealthStatus::Degraded => "warn",
        HealthStatus::Unhealthy => "fail",
    }
}
