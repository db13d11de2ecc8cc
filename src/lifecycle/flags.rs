//! Every setting as it runs, for those who ask the running service: its admin port's `/flagz`, and `config` by it.

use crate::config::settings::Settings;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Settings by name, each with the value that runs, secrets redacted. Empty where a service was started with a `Config`,
/// which has no settings.
#[derive(Default)]
pub(crate) struct Flags(Mutex<BTreeMap<&'static str, String>>);

impl Flags {
    /// Every setting with the value that it was read with.
    pub(crate) fn of(settings: &Settings) -> Flags {
        let entries = settings.entries().iter();
        Flags(Mutex::new(
            entries
                .map(|entry| (entry.name, entry.shown.clone()))
                .collect(),
        ))
    }

    #[cfg(test)]
    pub(crate) fn holding(values: &[(&'static str, &str)]) -> Flags {
        let owned = values
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Flags(Mutex::new(owned.collect()))
    }

    /// From now on this value runs, where there is such a setting.
    pub(crate) fn set(&self, name: &'static str, shown: String) {
        if let Some(value) = self.lock().get_mut(name) {
            *value = shown;
        }
    }

    /// All of them, by name.
    pub(crate) fn list(&self) -> Vec<(&'static str, String)> {
        let all = self.lock();
        all.iter()
            .map(|(name, shown)| (*name, shown.clone()))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
