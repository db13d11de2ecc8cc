//! Values that a changed configuration replaces while everything reads them.

use super::table::choices::AccessLog;
use log::LevelFilter;
use std::{
    fmt,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// A setting's value as it is at the moment: see [`Settings::live`](crate::Settings::live) and its neighbours.
///
/// Clones speak of the same value. It stays what it was at the start unless the setting may come from `CONFIG_DIR` and
/// [`Service::run`](crate::Service::run) (or [`Runnable::run`](crate::Runnable::run)) serves.
pub struct Live<T: LiveValue>(Arc<Cell<T>>);

impl<T: LiveValue> Live<T> {
    /// A value that nothing ever changes, such as a test's.
    pub fn fixed(value: T) -> Live<T> {
        Live(Arc::new(Cell::new(value)))
    }

    /// The value now. For numbers, sizes, durations and flags an atomic load; for text and for what
    /// [`Settings::live`](crate::Settings::live) reads, an [`Arc`] of the whole of it, taken under a lock that is held for
    /// no longer than that.
    #[must_use]
    pub fn get(&self) -> T {
        self.0.get()
    }

    pub(super) fn set(&self, value: T) {
        self.0.set(value);
    }
}

impl<T: LiveValue> Clone for Live<T> {
    fn clone(&self) -> Live<T> {
        Live(Arc::clone(&self.0))
    }
}

impl<T: LiveValue + fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(out)
    }
}

/// Where a value of seaworthy's own stands that changes.
pub(crate) struct Cell<T: LiveValue>(T::Place);

impl<T: LiveValue> Cell<T> {
    pub(crate) fn new(value: T) -> Cell<T> {
        Cell(value.place())
    }

    #[inline]
    pub(crate) fn get(&self) -> T {
        T::load(&self.0)
    }

    pub(crate) fn set(&self, value: T) {
        value.store(&self.0);
    }
}

/// What a [`Live`] may hold: `u64`, `bool`, [`Duration`], and an [`Arc`] of anything else.
pub trait LiveValue: Sized + Send + Sync + 'static {
    #[doc(hidden)]
    type Place: Send + Sync;
    #[doc(hidden)]
    fn place(self) -> Self::Place;
    #[doc(hidden)]
    fn load(place: &Self::Place) -> Self;
    #[doc(hidden)]
    fn store(self, place: &Self::Place);
}

impl<T: ?Sized + Send + Sync + 'static> LiveValue for Arc<T> {
    type Place = RwLock<Arc<T>>;

    fn place(self) -> RwLock<Arc<T>> {
        RwLock::new(self)
    }

    fn load(place: &RwLock<Arc<T>>) -> Arc<T> {
        Arc::clone(&place.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn store(self, place: &RwLock<Arc<T>>) {
        let old = {
            let mut value = place.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *value, self)
        };
        // The last reader's, perhaps: what it takes to drop it is nobody's wait.
        drop(old);
    }
}

/// A value that is a word of memory: loaded and stored at once. Nothing is ordered by it, so that a load costs no more
/// than one of a field.
macro_rules! words {
    ($($type:ty: $to:expr, $from:expr;)*) => {$(
        impl LiveValue for $type {
            type Place = AtomicU64;

            fn place(self) -> AtomicU64 {
                AtomicU64::new($to(self))
            }

            #[inline]
            fn load(place: &AtomicU64) -> $type {
                $from(place.load(Relaxed))
            }

            fn store(self, place: &AtomicU64) {
                place.store($to(self), Relaxed);
            }
        }
    )*};
}

words! {
    u64: |value| value, |word| word;
    bool: u64::from, |word| word != 0;
    Duration: duration_to_word, duration_from_word;
    Option<Duration>: |value: Option<Duration>| value.map_or(NONE, duration_to_word), optional_duration;
    LevelFilter: |level| level as u64, level_from_word;
    AccessLog: |which| which as u64, access_log_from_word;
}

/// Longer than any that has a word of its own, and no duration: both have more than a billion nanoseconds.
const FOR_EVER: u64 = u64::MAX;
const NONE: u64 = u64::MAX - 1;

/// Seconds above, nanoseconds below, so that no division is needed on the way back. What is over 136 years is for ever.
fn duration_to_word(duration: Duration) -> u64 {
    match u32::try_from(duration.as_secs()) {
        Ok(seconds) => u64::from(seconds) << 32 | u64::from(duration.subsec_nanos()),
        Err(_) => FOR_EVER,
    }
}

#[inline]
fn duration_from_word(word: u64) -> Duration {
    match word as u32 {
        nanos @ 0..1_000_000_000 => Duration::new(word >> 32, nanos),
        _ => Duration::MAX,
    }
}

#[inline]
fn optional_duration(word: u64) -> Option<Duration> {
    (word != NONE).then(|| duration_from_word(word))
}

fn level_from_word(word: u64) -> LevelFilter {
    LevelFilter::iter()
        .find(|level| *level as u64 == word)
        .unwrap_or(LevelFilter::Trace)
}

#[inline]
fn access_log_from_word(word: u64) -> AccessLog {
    match word {
        0 => AccessLog::Off,
        1 => AccessLog::Errors,
        _ => AccessLog::All,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back<T: LiveValue>(value: T) -> T {
        Live::fixed(value).get()
    }

    #[test]
    fn a_value_comes_back_as_it_was_set() {
        for millis in [0, 1, 999, 1000, 75_500, 365 * 24 * 3_600_000] {
            let duration = Duration::from_millis(millis) + Duration::from_nanos(7);
            assert_eq!(back(duration), duration);
            assert_eq!(back(Some(duration)), Some(duration));
        }
        assert_eq!(back(None::<Duration>), None);
        assert_eq!(back(Duration::MAX), Duration::MAX);
        assert_eq!(back(Some(Duration::MAX)), Some(Duration::MAX));
        assert!(back(true) && !back(false));
        LevelFilter::iter().for_each(|level| assert_eq!(back(level), level));
        for which in [AccessLog::Off, AccessLog::Errors, AccessLog::All] {
            assert_eq!(back(which), which);
        }
        assert_eq!(back(u64::MAX), u64::MAX);
    }

    #[test]
    fn clones_speak_of_the_same_value() {
        let text = Live::<Arc<str>>::fixed("old".into());
        let clone = text.clone();
        text.set("new".into());
        assert_eq!(&*clone.get(), "new");
    }
}
