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

    /// From now on this value runs.
    pub(crate) fn set(&self, name: &'static str, shown: String) {
        self.lock().insert(name, shown);
    }

    /// The same, where there is such a setting.
    pub(crate) fn replace(&self, name: &'static str, shown: String) {
        if let Some(value) = self.lock().get_mut(name) {
            *value = shown;
        }
    }

    /// The value that runs; empty where there is no such setting.
    pub(crate) fn get(&self, name: &str) -> String {
        self.lock().get(name).cloned().unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_is_first_read_after_a_change_is_shown_and_a_size_without_settings_is_not() {
        let flags = Flags::holding(&[("PORT", "8080")]);
        flags.set("PAGE_LIMIT", "20".to_owned());
        flags.replace("WORKERS", "8".to_owned());
        flags.replace("PORT", "80".to_owned());
        let expected = [("PAGE_LIMIT", "20"), ("PORT", "80")];
        assert_eq!(
            flags.list(),
            expected.map(|(name, shown)| (name, shown.to_owned()))
        );
        assert_eq!(flags.get("WORKERS"), "");
    }
}
