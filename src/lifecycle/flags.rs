//! Every setting as it runs, for those who ask the running service: its admin port's `/flagz`, and `config` by it.

use crate::config::settings::{Settings, source::Entry};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Settings by name, secrets redacted. Empty where a service was started with a `Config`, which has no settings.
#[derive(Default)]
pub(crate) struct Flags(Mutex<BTreeMap<&'static str, Flag>>);

/// What runs of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flag {
    /// The value that runs.
    pub(crate) shown: String,
    /// Where it came from, as `config` says it.
    pub(crate) source: String,
}

impl Flags {
    /// Every setting with the value that it was read with.
    pub(crate) fn of(settings: &Settings) -> Flags {
        let flags = Flags::default();
        flags.lock().extend(settings.entries().iter().map(named));
        flags
    }

    /// From now on this value runs, where there is such a setting.
    pub(crate) fn set(&self, name: &'static str, shown: String) {
        if let Some(flag) = self.lock().get_mut(name) {
            flag.shown = shown;
        }
    }

    /// From now on this value runs, which came from there, where there is such a setting.
    pub(crate) fn set_from(&self, name: &'static str, shown: String, source: String) {
        if let Some(flag) = self.lock().get_mut(name) {
            *flag = Flag { shown, source };
        }
    }

    /// Those that are live run as they were read just now.
    pub(crate) fn follow(&self, entries: &[Entry]) {
        let live = entries.iter().filter(|entry| entry.is_live);
        self.lock().extend(live.map(named));
    }

    /// All of them, by name.
    pub(crate) fn list(&self) -> Vec<(&'static str, Flag)> {
        let all = self.lock();
        all.iter()
            .map(|(name, flag)| (*name, flag.clone()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Flag>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn named(entry: &Entry) -> (&'static str, Flag) {
    let flag = Flag {
        shown: entry.shown.clone(),
        source: entry.to_string(),
    };
    (entry.name, flag)
}
