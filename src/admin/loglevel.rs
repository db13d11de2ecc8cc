//! `/loglevel`: how much is logged, to be read by anybody and changed by whoever has the token.

use super::subject::Subject;
use crate::{
    config::table::choices::LOG_LEVELS,
    message::{into_response::IntoResponse, request::Request, response::Response},
    observe::logging,
};
use http::StatusCode;
use log::LevelFilter;

/// The level that runs, in a word.
pub(super) fn shown(subject: &Subject) -> &'static str {
    name(subject.pool.dispatcher().live.log_level.get())
}

/// Sets the level that the body names, until a change of the configuration or the process's end; 400 for any other word.
pub(super) fn set(subject: &Subject, request: &Request) -> Response {
    let word = String::from_utf8_lossy(request.body());
    let known = LOG_LEVELS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(word.trim()));
    let Some((word, level)) = known else {
        let words: Vec<&str> = LOG_LEVELS.iter().map(|(word, _)| *word).collect();
        let expected = format!("expected one of {} as the body\n", words.join(", "));
        return (StatusCode::BAD_REQUEST, expected).into_response();
    };
    let before = shown(subject);
    subject.pool.dispatcher().live.log_level.set(*level);
    subject
        .flags
        .replace_from("LOG_LEVEL", (*word).to_owned(), "POST /loglevel".to_owned());
    // Whatever the level was and will be, that it was changed is told.
    logging::set_level((*level).max(LevelFilter::Warn));
    log::warn!(from = before, to = *word; "the log level was changed");
    logging::set_level(*level);
    format!("{word}\n").into_response()
}

fn name(level: LevelFilter) -> &'static str {
    let mut words = LOG_LEVELS.iter();
    words
        .find(|(_, known)| *known == level)
        .map_or("", |(word, _)| word)
}
