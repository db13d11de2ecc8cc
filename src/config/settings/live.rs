//! Settings that follow the mounted directory, and what is read again when that has changed.

use super::{
    Settings, SettingsError,
    directory::Directory,
    form::{Form, ReadOnce},
};
use crate::config::live::{Live, LiveValue};
use std::{ops::RangeInclusive, sync::Arc, time::Duration};

impl Settings {
    /// Whatever `read` makes of the settings it reads, read again each time that `CONFIG_DIR` changes: several settings
    /// that belong together are then replaced together, and a rule of their own is kept by
    /// [`reject`](Settings::reject)ing what breaks it.
    ///
    /// A change is taken whole or not at all: where anything in it is bad, the log says what, and every value stays what it
    /// was. `read` runs here first, and then, for each change, on the thread `tick`: it must not block, and where it panics,
    /// the change is refused. What was read of `settings` elsewhere stays what it was until a restart. What has become of it
    /// is checked all the same, as it was when it was read, and refuses the change where it is bad; only what was
    /// [`reject`](Settings::reject)ed there by a rule of its own is found no sooner than the restart.
    ///
    /// ```
    /// # use seaworthy::{Live, Settings};
    /// # use std::{sync::Arc, time::Duration};
    /// struct Paging { limit: u64, ttl: Duration }
    ///
    /// let mut settings = Settings::from_pairs([("PAGE_LIMIT", "20")]);
    /// let paging: Live<Arc<Paging>> = settings.live(|settings| Paging {
    ///     limit: settings.number("PAGE_LIMIT", 50, 1..=500),
    ///     ttl: settings.duration("PAGE_TTL", Duration::from_secs(60)),
    /// });
    /// assert_eq!(paging.get().limit, 20);
    /// ```
    pub fn live<T: Send + Sync + 'static>(
        &mut self,
        read: impl Fn(&mut Settings) -> T + Send + 'static,
    ) -> Live<Arc<T>> {
        self.follow(move |settings| Arc::new(read(settings)))
    }

    /// A [`number`](Settings::number) that follows `CONFIG_DIR`; see [`live`](Settings::live).
    pub fn live_number(
        &mut self,
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Live<u64> {
        self.follow(move |settings| settings.number(name, default, range.clone()))
    }

    /// A [`size`](Settings::size) in bytes that follows `CONFIG_DIR`; see [`live`](Settings::live).
    pub fn live_size(&mut self, name: &'static str, default: u64) -> Live<u64> {
        self.follow(move |settings| settings.size(name, default))
    }

    /// A [`duration`](Settings::duration) that follows `CONFIG_DIR`; see [`live`](Settings::live).
    pub fn live_duration(&mut self, name: &'static str, default: Duration) -> Live<Duration> {
        self.follow(move |settings| settings.duration(name, default))
    }

    /// A [`flag`](Settings::flag) that follows `CONFIG_DIR`; see [`live`](Settings::live).
    pub fn live_flag(&mut self, name: &'static str, default: bool) -> Live<bool> {
        self.follow(move |settings| settings.flag(name, default))
    }

    /// A [`text`](Settings::text) that follows `CONFIG_DIR`; see [`live`](Settings::live).
    pub fn live_text(&mut self, name: &'static str, default: &str) -> Live<Arc<str>> {
        let default = default.to_owned();
        self.follow(move |settings| settings.text(name, &default).into())
    }

    fn follow<T: LiveValue>(
        &mut self,
        read: impl Fn(&mut Settings) -> T + Send + 'static,
    ) -> Live<T> {
        let live = Live::fixed(self.read_live(&read));
        let cell = live.clone();
        self.followers.push(Box::new(move |settings| {
            let (value, cell) = (settings.read_live(&read), cell.clone());
            Box::new(move || cell.set(value))
        }));
        live
    }

    /// What is read meanwhile counts as live.
    pub(crate) fn read_live<T>(&mut self, read: impl FnOnce(&mut Settings) -> T) -> T {
        let before = std::mem::replace(&mut self.reads_live, true);
        let value = self.read_again_later(read);
        self.reads_live = before;
        value
    }

    /// Remembers what the text must be like, for a change that brings another one before a restart reads it.
    pub(super) fn note_read_once(&mut self, name: &'static str, form: Form) {
        self.read_once.push(ReadOnce { name, form });
    }

    /// Reports to `fresh` what reading the settings that were read once would report now.
    pub(super) fn check_read_once(&self, fresh: &mut Settings) {
        for ReadOnce { name, form } in &self.read_once {
            match fresh.given(name, self.is_secret(name)) {
                Some(given) => {
                    if let Some(problem) = form.problem(&given) {
                        fresh.refuse(name, &given, &problem);
                    }
                }
                None if matches!(form, Form::Given) => fresh.report_missing(name),
                None => {}
            }
        }
    }

    fn is_secret(&self, name: &str) -> bool {
        let entry = self.entries.iter().find(|entry| entry.name == name);
        entry.is_some_and(|entry| entry.secret)
    }

    /// What is read meanwhile is read again when `CONFIG_DIR` changes, so that it is not [`ReadOnce`].
    pub(crate) fn read_again_later<T>(&mut self, read: impl FnOnce(&mut Settings) -> T) -> T {
        let before = self.read_once.len();
        let value = read(self);
        self.read_once.truncate(before);
        value
    }

    /// The mounted directory as it was when this was read.
    pub(crate) fn directory(&self) -> Option<&Directory> {
        self.directory.as_ref()
    }

    /// The files of the mounted directory that no setting has asked for.
    pub(crate) fn unknown_files(&self) -> Vec<&str> {
        let files = self.directory.iter().flat_map(Directory::names);
        files
            .filter(|file| self.entries.iter().all(|entry| entry.name != *file))
            .collect()
    }

    /// What a restart would read, were the directory this one. `read_own` reads seaworthy's own settings.
    ///
    /// # Errors
    /// Every bad setting.
    pub(crate) fn reread<T>(
        &self,
        directory: Directory,
        read_own: impl FnOnce(&mut Settings) -> T,
    ) -> Result<Reread<T>, SettingsError> {
        let mut fresh = Settings {
            directory: Some(directory),
            files: self.files.clone(),
            defaults: self.defaults.clone(),
            ..Settings::empty(Arc::clone(&self.environment))
        };
        self.check_read_once(&mut fresh);
        let replacing = self
            .followers
            .iter()
            .map(|follower| follower(&mut fresh))
            .collect();
        let own = read_own(&mut fresh);
        fresh.finish()?;
        Ok(Reread {
            own,
            replacing,
            fresh,
        })
    }

    /// Puts in place what was read again, and says what of it has come into effect.
    pub(crate) fn replace<T>(&mut self, reread: Reread<T>) -> (T, Changes) {
        let Reread {
            own,
            replacing,
            fresh,
        } = reread;
        replacing.into_iter().for_each(|replace| replace());
        let changes = self.changes(&fresh);
        for entry in fresh.entries {
            match self.entry(entry.name) {
                Some(known) if entry.is_live => *known = entry,
                Some(_) => {}
                None => self.entries.push(entry),
            }
        }
        (self.directory, self.files) = (fresh.directory, fresh.files);
        (own, changes)
    }

    fn changes(&self, fresh: &Settings) -> Changes {
        let mut changes = Changes::default();
        let differing = match (&self.directory, &fresh.directory) {
            (Some(old), Some(new)) => old.differing(new),
            _ => Vec::new(),
        };
        for name in differing {
            let of_this = |settings: &Settings| {
                let known = settings.entries.iter().find(|entry| entry.name == name);
                known.map(|entry| (entry.name, entry.is_live, entry.is_overruling()))
            };
            match of_this(fresh).or_else(|| of_this(self)) {
                Some((name, _, true)) => changes.overruled.push(name),
                Some((name, true, _)) => changes.live.push(name),
                Some((name, false, _)) => changes.at_restart.push(name),
                None => changes.unknown.push(name),
            }
        }
        changes
    }
}

/// Settings that were read again and are all good.
pub(crate) struct Reread<T> {
    own: T,
    replacing: Vec<Box<dyn FnOnce()>>,
    fresh: Settings,
}

/// The names of what has changed in the directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// In effect.
    pub(crate) live: Vec<&'static str>,
    /// In effect once the process starts again.
    pub(crate) at_restart: Vec<&'static str>,
    /// Without effect, for a variable gives another value.
    pub(crate) overruled: Vec<&'static str>,
    /// Of files that are no setting.
    pub(crate) unknown: Vec<String>,
}

#[cfg(test)]
mod tests;
