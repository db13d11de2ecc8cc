//! The time of a record, as RFC 3339 in UTC with milliseconds: `2026-11-22T13:28:00.042Z`.
//!
//! By arithmetic rather than by the `time` crate, which costs more code and refuses some years; whatever the clock
//! says, this has an answer.

use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: i64 = 86_400;

/// Appends the time that the clock shows.
pub(super) fn append_now(line: &mut Vec<u8>) {
    append(SystemTime::now(), line);
}

/// Appends `time`.
pub(super) fn append(time: SystemTime, line: &mut Vec<u8>) {
    let millis = millis_since_1970(time);
    let seconds = millis.div_euclid(1000);
    let (year, month, day) = civil_date(seconds.div_euclid(SECONDS_PER_DAY));
    let second = seconds.rem_euclid(SECONDS_PER_DAY);
    // RFC 3339 has four digits for the year. A clock beyond them is wrong anyway; the line stays well formed.
    append_digits(year.clamp(0, 9999), 4, line);
    for (separator, value, width) in [
        (b'-', month, 2),
        (b'-', day, 2),
        (b'T', second / 3600, 2),
        (b':', second / 60 % 60, 2),
        (b':', second % 60, 2),
        (b'.', millis.rem_euclid(1000), 3),
    ] {
        line.push(separator);
        append_digits(value, width, line);
    }
    line.push(b'Z');
}

/// Negative before 1970, where a pod's clock may well be before it is set.
fn millis_since_1970(time: SystemTime) -> i64 {
    let saturated = |millis: u128| i64::try_from(millis).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => saturated(after.as_millis()),
        Err(before) => -saturated(before.duration().as_millis()),
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

fn append_digits(value: i64, width: u32, line: &mut Vec<u8>) {
    for power in (0..width).rev() {
        // A digit is below ten.
        line.push(b'0' + (value / 10_i64.pow(power) % 10) as u8);
    }
}
