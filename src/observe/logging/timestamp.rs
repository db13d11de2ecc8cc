//! The time of a record, as RFC 3339 in UTC with milliseconds: `2026-11-22T13:28:00.042Z`.
//!
//! By arithmetic rather than by the `time` crate, which costs more code and refuses some years; whatever the clock
//! says, this has an answer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: i64 = 86_400;

/// Some ten thousand years: no clock is right beyond them, and no arithmetic on them overflows.
const MAX_SECONDS: u64 = 1 << 38;

/// Appends the time that the clock shows.
pub(super) fn append_now(line: &mut Vec<u8>) {
    append(SystemTime::now(), line);
}

/// Appends `time`.
pub(super) fn append(time: SystemTime, line: &mut Vec<u8>) {
    let (seconds, millis) = since_1970(time);
    let (year, month, day) = civil_date(seconds.div_euclid(SECONDS_PER_DAY));
    let second = seconds.rem_euclid(SECONDS_PER_DAY);
    // RFC 3339 has four digits for the year. A clock beyond them is wrong anyway; the line stays well formed.
    let mut text = *b"0000-00-00T00:00:00.000Z";
    for (at, width, value) in [
        (0, 4, year.clamp(0, 9999)),
        (5, 2, month),
        (8, 2, day),
        (11, 2, second / 3600),
        (14, 2, second / 60 % 60),
        (17, 2, second % 60),
        (20, 3, millis),
    ] {
        fill_in(&mut text[at..at + width], value);
    }
    line.extend_from_slice(&text);
}

/// Whole seconds, negative before 1970, where a pod's clock may well be until it is set; and milliseconds after that.
fn since_1970(time: SystemTime) -> (i64, i64) {
    let seconds = |duration: Duration| duration.as_secs().min(MAX_SECONDS) as i64;
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (seconds(after), i64::from(after.subsec_millis())),
        Err(error) => match (
            seconds(error.duration()),
            i64::from(error.duration().subsec_millis()),
        ) {
            (before, 0) => (-before, 0),
            (before, millis) => (-before - 1, 1000 - millis),
        },
    }
}

/// Year, month and day of the Gregorian calendar: Howard Hinnant's `civil_from_days`, with its names. Its years begin
/// in March, so that the leap day is the last; its eras are the 400 years after which the calendar repeats.
fn civil_date(days_since_1970: i64) -> (i64, i64, i64) {
    let days = days_since_1970 + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Writes the last digits of `value`, as many as there is room for.
fn fill_in(digits: &mut [u8], value: i64) {
    // As 32 bits, which are enough and divide faster.
    let mut rest = value as u32;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}
