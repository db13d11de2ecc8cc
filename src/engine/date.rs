//! The `Date` header's value, formatted once a second on each thread.

use std::{
    cell::RefCell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The last second of the year 9999: what an HTTP date can say at most.
const LATEST: u64 = 253_402_300_799;

thread_local! {
    static CACHED: RefCell<(u64, [u8; 29])> = const { RefCell::new((u64::MAX, [0; 29])) };
}

/// Calls `f` with the date of now. A clock before 1970 or after 9999 is taken for the nearest date there is.
pub(crate) fn with_date<T>(f: impl FnOnce(&[u8; 29]) -> T) -> T {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
        .min(LATEST);
    CACHED.with_borrow_mut(|(cached, date)| {
        if *cached != seconds {
            let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
            date.copy_from_slice(text.as_bytes());
            *cached = seconds;
        }
        f(date)
    })
}
