//! The line of the `Date` header, formatted once a second on each thread.

use std::{
    cell::RefCell,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The last second of the year 9999: what an HTTP date can say at most.
const LATEST: u64 = 253_402_300_799;

const SECOND: Duration = Duration::from_secs(1);

/// The end of the line before it, and the header without the end of its own.
pub(crate) type DateLine = [u8; 37];

const NAME: &[u8; 8] = b"\r\nDate: ";

/// A date and the time in which it is right.
struct Dated {
    since: Instant,
    until: Instant,
    line: DateLine,
}

thread_local! {
    static CACHED: RefCell<Option<Dated>> = const { RefCell::new(None) };
}

/// Calls `f` with the line that says the date of `now`, which is this moment or lies little before it. A clock before 1970 or after 9999 is
/// taken for the nearest date there is; one that is set anew is followed within a second.
pub(crate) fn with_date<T>(now: Instant, f: impl FnOnce(&DateLine) -> T) -> T {
    CACHED.with_borrow_mut(|cached| match cached {
        Some(known) if (known.since..known.until).contains(&now) => f(&known.line),
        _ => f(&cached.insert(dated(now)).line),
    })
}

/// The wall clock is asked once for each second, and the steady one tells when that is over.
fn dated(now: Instant) -> Dated {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = since_1970.as_secs().min(LATEST);
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    let mut line = [0; 37];
    line[..NAME.len()].copy_from_slice(NAME);
    line[NAME.len()..].copy_from_slice(text.as_bytes());
    let begun = Duration::from_nanos(since_1970.subsec_nanos().into());
    Dated {
        since: now,
        until: now + (SECOND - begun),
        line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_that_of_the_clock_and_is_kept_for_the_rest_of_its_second() {
        let now = Instant::now();
        let (earliest, dated, latest) = (SystemTime::now(), dated(now), SystemTime::now());
        let date =
            httpdate::parse_http_date(str::from_utf8(&dated.line[NAME.len()..]).unwrap()).unwrap();
        assert!(date <= latest && earliest < date + SECOND);
        let ends = earliest + (dated.until - now);
        assert!(date < ends && ends <= date + SECOND);
    }
}
