//! How values are written: durations, sizes and whole numbers, and the words of an error about one.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The longest duration that is taken, a year: a deadline that far ahead can still be added to any clock reading.
pub(crate) const LONGEST_DURATION: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// An error repeats at most this many characters of a value, so that a whole file does not land in the log.
const LONGEST_EXCERPT: usize = 100;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// `0`, `250ms`, `5s`, `1m` or `2h`; `None` for anything else and for more than [`LONGEST_DURATION`].
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let (count, unit) = split_unit(text)?;
    let duration = match unit {
        "" if count == 0 => Duration::ZERO,
        "ms" => Duration::from_millis(count),
        "s" => Duration::from_secs(count),
        "m" => Duration::from_secs(count.checked_mul(60)?),
        "h" => Duration::from_secs(count.checked_mul(60 * 60)?),
        _ => return None,
    };
    (duration <= LONGEST_DURATION).then_some(duration)
}

/// A length of time: a [`Duration`], or text such as `250ms`, `5s`, `1m`.
pub trait IntoDuration {
    /// The duration.
    ///
    /// # Panics
    /// Where the text is none.
    #[track_caller]
    fn into_duration(self) -> Duration;
}

impl IntoDuration for Duration {
    fn into_duration(self) -> Duration {
        self
    }
}

impl IntoDuration for &str {
    #[track_caller]
    fn into_duration(self) -> Duration {
        match parse_duration(self) {
            Some(duration) => duration,
            None => panic!("{self:?} is no duration: write 250ms, 5s or 1m"),
        }
    }
}

/// `65536`, `64Ki`, `64KiB`, and so with `Mi` and `Gi`, in bytes; `None` for anything else and for too much.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let (count, unit) = split_unit(text)?;
    match unit {
        "" => Some(count),
        "Ki" | "KiB" => count.checked_mul(KIB),
        "Mi" | "MiB" => count.checked_mul(MIB),
        "Gi" | "GiB" => count.checked_mul(GIB),
        _ => None,
    }
}

/// Digits only: unlike `u64`'s own reading it takes no `+`.
fn parse_number(text: &str) -> Option<u64> {
    split_unit(text)
        .filter(|(_, unit)| unit.is_empty())
        .map(|(count, _)| count)
}

/// A duration within `range`.
pub(super) fn duration_within(text: &str, range: &RangeInclusive<Duration>) -> Option<Duration> {
    parse_duration(text).filter(|value| range.contains(value))
}

/// A size in bytes within `range`.
pub(super) fn size_within(text: &str, range: &RangeInclusive<u64>) -> Option<u64> {
    parse_size(text).filter(|value| range.contains(value))
}

/// A whole number within `range`.
pub(super) fn number_within(text: &str, range: &RangeInclusive<u64>) -> Option<u64> {
    parse_number(text).filter(|value| range.contains(value))
}

/// The elements of a list, separated by commas, but for empty ones; white space around them is left out.
pub(super) fn elements(list: &str) -> impl Iterator<Item = &str> {
    list.split(',')
        .map(str::trim)
        .filter(|element| !element.is_empty())
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    Some((count.parse().ok()?, unit))
}

/// A duration as a setting would give it, to the millisecond.
pub(crate) fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match duration.subsec_millis() {
        0 if seconds > 0 && seconds.is_multiple_of(60 * 60) => format!("{}h", seconds / (60 * 60)),
        0 if seconds > 0 && seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        0 => format!("{seconds}s"),
        _ => format!("{}ms", duration.as_millis()),
    }
}

/// A size as a setting would give it, in the largest unit that divides it.
pub(crate) fn show_size(bytes: u64) -> String {
    let whole = |(unit, _): &(u64, &str)| bytes > 0 && bytes.is_multiple_of(*unit);
    match [(GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")]
        .into_iter()
        .find(whole)
    {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

/// A value in quotes, shortened where it is long; what would break the line is escaped.
pub(super) fn excerpt(value: &str) -> String {
    match value.char_indices().nth(LONGEST_EXCERPT) {
        Some((end, _)) => format!("{:?}…", &value[..end]),
        None => format!("{value:?}"),
    }
}

pub(super) fn expected_duration(range: &RangeInclusive<Duration>) -> String {
    let (least, most) = (*range.start(), *range.end());
    match most {
        LONGEST_DURATION if least.is_zero() => {
            "expected a duration such as 250ms, 5s or 1m".to_owned()
        }
        _ => format!(
            "expected a duration such as 250ms, 5s or 1m, from {} to {}",
            show_duration(least),
            show_duration(most)
        ),
    }
}

pub(super) fn expected_size(range: &RangeInclusive<u64>) -> String {
    let (least, most) = (*range.start(), *range.end());
    match most {
        u64::MAX if least == 0 => "expected a size such as 65536, 64KiB or 1MiB".to_owned(),
        _ => format!(
            "expected a size such as 65536, 64KiB or 1MiB, from {} to {}",
            show_size(least),
            show_size(most)
        ),
    }
}

pub(super) fn expected_number(range: &RangeInclusive<u64>) -> String {
    format!(
        "expected a whole number from {} to {}",
        range.start(),
        range.end()
    )
}

pub(super) fn expected_word(words: &[&str]) -> String {
    match words.split_last() {
        Some((last, [])) => format!("expected {last}"),
        Some((last, others)) => format!("expected {} or {last}", others.join(", ")),
        None => "expected nothing".to_owned(),
    }
}
