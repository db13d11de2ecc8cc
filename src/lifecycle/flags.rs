//! Every setting as it runs, for those who ask the running service: its admin port's `/flagz`, and `config` by it.

use crate::config::settings::{Settings, source::Entry};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Settings in the order of their names, secrets redacted. Empty where nobody can
/// ask, and where a service was started with a `Config`, which has no settings.
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
        let flags = Flags::default();
        settings.entries().iter().for_each(|entry| flags.set(entry));
        flags
    }

    /// From now on the setting runs as it was read just now.
    fn set(&self, entry: &Entry) {
        let flag = Flag {
            shown: entry.shown.clone(),
            source: entry.to_string(),
        };
        let mut flags = self.lock();
        match flags.binary_search_by_key(&entry.name, |(name, _)| name) {
            Ok(place) => flags[place].1 = flag,
            Err(place) => flags.insert(place, (entry.name, flag)),
        }
    }

    /// Those that are live run as they were read just now.
    pub(crate) fn follow(&self, entries: &[Entry]) {
        let live = entries.iter().filter(|entry| entry.is_live);
        live.for_each(|entry| self.set(entry));
    }

    /// From now on this value runs, where there is such a setting; it comes from where it came from before.
    pub(crate) fn replace(&self, name: &str, shown: String) {
        self.change(name, |flag| flag.shown = shown);
    }

    /// From now on this value runs, which came from there, where there is such a setting.
    pub(crate) fn replace_from(&self, name: &str, shown: String, source: String) {
        self.change(name, |flag| *flag = Flag { shown, source });
    }

    /// The value that runs; empty where there is no such setting.
    pub(crate) fn get(&self, name: &str) -> String {
        let flags = self.lock();
        let found = flags.iter().find(|(known, _)| *known == name);
        found.map_or_else(String::new, |(_, flag)| flag.shown.clone())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_not_shown_among_the_settings_of_a_service_that_has_none() {
        let flags = Flags::default();
        flags.replace("WORKERS", "8".to_owned());
        assert!(flags.list().is_empty());
        assert_eq!(flags.get("WORKERS"), "");
    }
}
