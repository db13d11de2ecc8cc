//! What a request makes its answer depend on: preconditions (RFC 9110 section 13) and a range (section 14).

use crate::message::{
    entity_tag::{Comparison, names},
    request::Request,
};
use http::Method;
use httpdate::parse_http_date;
use std::{ops::Range, time::SystemTime};

/// What tells versions of a file apart.
pub(super) struct Validators {
    /// Strong, in quotes.
    pub(super) etag: String,
    /// In whole seconds; none where the file's time says nothing.
    pub(super) modified: Option<SystemTime>,
}

/// What the preconditions say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Proceed,
    NotModified,
    Failed,
}

/// What of the file is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Only(Range<u64>),
    Unsatisfiable,
}

/// Weighs the preconditions of a GET or HEAD in the order of RFC 9110 section 13.2.2. A date that is none, and any date
/// where the file has no time, is as if it were not there.
pub(super) fn verdict(request: &Request, validators: &Validators) -> Verdict {
    let since = |header| validators.modified.zip(date(request, header));
    let is_right = match names(request, "if-match", &validators.etag, Comparison::Strong) {
        Some(matches) => matches,
        None => since("if-unmodified-since").is_none_or(|(modified, date)| modified <= date),
    };
    if !is_right {
        return Verdict::Failed;
    }
    let is_known = match names(request, "if-none-match", &validators.etag, Comparison::Weak) {
        Some(matches) => matches,
        None => since("if-modified-since").is_some_and(|(modified, date)| modified <= date),
    };
    match is_known {
        true => Verdict::NotModified,
        false => Verdict::Proceed,
    }
}

/// The part of a file of `len` bytes that a request asks for.
///
/// A server may ignore what it does not serve (RFC 9110 section 14.2): here other units than bytes, what is no range,
/// and several at once. An empty file has no part, and is sent as it is to whoever asks for one.
pub(super) fn part(request: &Request, validators: &Validators, len: u64) -> Part {
    let mut lines = request.header_values("range");
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Part::Whole;
    };
    // Defined for GET alone (section 14.2).
    if *request.method() != Method::GET || len == 0 || !is_same_version(request, validators) {
        return Part::Whole;
    }
    match only_range(line) {
        None => Part::Whole,
        Some((Some(first), _)) if first >= len => Part::Unsatisfiable,
        Some((Some(first), last)) => {
            Part::Only(first..last.map_or(len, |last| last.saturating_add(1).min(len)))
        }
        Some((None, Some(0) | None)) => Part::Unsatisfiable,
        Some((None, Some(suffix))) => Part::Only(len.saturating_sub(suffix)..len),
    }
}

/// What `If-Range` demands of the version (section 13.1.5): exactly the date that it had, or the tag.
fn is_same_version(request: &Request, validators: &Validators) -> bool {
    let Some(line) = request.header("if-range") else {
        return true;
    };
    match line.contains('"') {
        true => line == validators.etag,
        false => parse_http_date(line)
            .ok()
            .is_some_and(|date| validators.modified == Some(date)),
    }
}

/// First and last position of the one range in `bytes=2-5`, `bytes=2-`, or its length in `bytes=-5` in the last's place.
/// Numbers beyond what 64 bits hold are as good as the largest.
fn only_range(line: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, set) = line.split_once('=')?;
    let mut ranges = set
        .split(',')
        .map(str::trim)
        .filter(|range| !range.is_empty());
    let (Some(range), None) = (ranges.next(), ranges.next()) else {
        return None;
    };
    let (first, last) = range.split_once('-')?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !unit.trim().eq_ignore_ascii_case("bytes") || !is_number(first) || !is_number(last) {
        return None;
    }
    let number = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX));
    match (number(first), number(last)) {
        (None, None) => None,
        (Some(first), Some(last)) if last < first => None,
        positions => Some(positions),
    }
}

fn date(request: &Request, header: &str) -> Option<SystemTime> {
    parse_http_date(request.header(header)?).ok()
}

#[cfg(test)]
mod tests;
