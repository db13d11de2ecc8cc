//! Every setting as it runs, for those who ask the running service: its admin port's `/flagz`, and `config` by it.

use crate::config::settings::{Settings, source::Entry};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Settings in the order of their names, secrets redacted. Empty where a service was started with a `Config`, which has no settings.
#[derive(Default)]
pub(crate) struct Flags(Mutex<Vec<(&'static str, Flag)>>);

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
        let mut flags: Vec<(&'static str, Flag)> = Vec::new();
        for entry in settings.entries() {
            let place = flags.partition_point(|(known, _)| *known < entry.name);
            flags.insert(place, named(entry));
        }
        Flags(Mutex::new(flags))
    }

    /// From now on this value runs, where there is such a setting.
    pub(crate) fn set(&self, name: &'static str, shown: String) {
        self.change(name, |flag| flag.shown = shown);
    }

    /// From now on this value runs, which came from there, where there is such a setting.
    pub(crate) fn set_from(&self, name: &'static str, shown: String, source: String) {
        self.change(name, |flag| *flag = Flag { shown, source });
    }

    /// Those that are live run as they were read just now.
    pub(crate) fn follow(&self, entries: &[Entry]) {
        for entry in entries.iter().filter(|entry| entry.is_live) {
            let (name, read) = named(entry);
            self.change(name, |flag| *flag = read);
        }
    }

    /// All of them, by name.
    pub(crate) fn list(&self) -> Vec<(&'static str, Flag)> {
        self.lock().clone()
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Flag)) {
        let mut flags = self.lock();
        if let Some((_, flag)) = flags.iter_mut().find(|(known, _)| *known == name) {
            change(flag);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(&'static str, Flag)>> {
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
