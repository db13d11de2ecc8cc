//! The `Date` header's value, formatted once a second on each thread.

use std::{
    cell::RefCell,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The last second of the year 9999: what an HTTP date can say at most.
const LATEST: u64 = 253_402_300_799;

const SECOND: Duration = Duration::from_secs(1);

/// A date and the time in which it is right.
struct Dated {
    since: Instant,
    until: Instant,
    date: [u8; 29],
}

thread_local! {
    static CACHED: RefCell<Option<Dated>> = const { RefCell::new(None) };
}

/// Calls `f` with the date of `now`, which is this moment or lies little before it. A clock before 1970 or after 9999 is
/// taken for the nearest date there is; one that is set anew is followed within a second.
pub(crate) fn with_date<T>(now: Instant, f: impl FnOnce(&[u8; 29]) -> T) -> T {
    CACHED.with_borrow_mut(|cached| match cached {
        Some(known) if (known.since..known.until).contains(&now) => f(&known.date),
        _ => f(&cached.insert(dated(now)).date),
    })
}

/// The wall clock is asked once for each second, and the steady one tells when that is over.
fn dated(now: Instant) -> Dated {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = since_1970.as_secs().min(LATEST);
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    let mut date = [0; 29];
    date.copy_from_slice(text.as_bytes());
    let begun = Duration::from_nanos(since_1970.subsec_nanos().into());
    Dated {
        since: now,
        until: now + (SECOND - begun),
        date,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_that_of_the_clock_and_is_kept_for_the_rest_of_its_second() {
        let now = Instant::now();
        let (earliest, dated, latest) = (SystemTime::now(), dated(now), SystemTime::now());
        let date = httpdate::parse_http_date(str::from_utf8(&dated.date).unwrap()).unwrap();
        assert!(date <= latest && earliest < date + SECOND);
        let ends = earliest + (dated.until - now);
        assert!(date < ends && ends <= date + SECOND);
    }
}
