//! What the text of a setting must be like, kept for a setting that is read once and yet may get another text.

use super::values::{
    duration_within, elements, expected_duration, expected_number, expected_size, expected_word,
    number_within, size_within,
};
use std::{ops::RangeInclusive, str::FromStr, time::Duration};

/// What is asked of a setting's text, as data: a closure for each place that reads would be code for each.
pub(super) enum Form {
    Any,
    /// Any, but there has to be one.
    Given,
    Duration(RangeInclusive<Duration>),
    Size(RangeInclusive<u64>),
    Number(RangeInclusive<u64>),
    /// One of these, in upper or lower case.
    Word(Vec<&'static str>),
    /// What a type reads itself from.
    Parsed(Parsed),
    /// A comma-separated list of that.
    ListOf(Parsed),
}

/// Whether a type reads itself from a text, and what completes "expected" where it does not.
pub(super) struct Parsed {
    accepts: fn(&str) -> bool,
    expected: String,
}

impl Parsed {
    pub(super) fn by<T: FromStr>(expected: &str) -> Parsed {
        Parsed {
            accepts: |text| text.parse::<T>().is_ok(),
            expected: format!("expected {expected}"),
        }
    }

    /// What is wrong with this element of a list.
    pub(super) fn problem_of(&self, element: &str) -> String {
        format!("{element:?}: {}", self.expected)
    }
}

impl Form {
    /// What is wrong with this text, as an error has it behind the setting and its value.
    pub(super) fn problem(&self, text: &str) -> Option<String> {
        let is_good = match self {
            Form::Any | Form::Given => true,
            Form::Duration(range) => duration_within(text, range).is_some(),
            Form::Size(range) => size_within(text, range).is_some(),
            Form::Number(range) => number_within(text, range).is_some(),
            Form::Word(words) => words.iter().any(|word| word.eq_ignore_ascii_case(text)),
            Form::Parsed(parsed) => (parsed.accepts)(text),
            Form::ListOf(parsed) => {
                let bad = elements(text).find(|element| !(parsed.accepts)(element))?;
                return Some(parsed.problem_of(bad));
            }
        };
        (!is_good).then(|| self.expected())
    }

    /// What an error says would be right.
    pub(super) fn expected(&self) -> String {
        match self {
            Form::Any | Form::Given => String::new(),
            Form::Duration(range) => expected_duration(range),
            Form::Size(range) => expected_size(range),
            Form::Number(range) => expected_number(range),
            Form::Word(words) => expected_word(words),
            Form::Parsed(parsed) | Form::ListOf(parsed) => parsed.expected.clone(),
        }
    }
}

/// A setting that a change of the directory does not have read again, though a restart would.
pub(super) struct ReadOnce {
    pub(super) name: &'static str,
    pub(super) form: Form,
}
