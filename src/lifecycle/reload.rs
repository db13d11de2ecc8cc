//! Following the mounted configuration: what changes in `CONFIG_DIR` under the running service.

use super::{
    flags::Flags,
    reaction::{React, Reactions},
};
use crate::{
    config::{
        limits::Limits,
        settings::{
            Settings,
            directory::Directory,
            live::{Changes, Reread},
        },
        table::{Config, live::LiveConfig},
    },
    observe::{logging, metrics::events::Events, panics},
};
use std::{io, sync::Arc};

/// What is looked at on each tick where there is a `CONFIG_DIR`.
pub(crate) struct Reload {
    settings: Settings,
    /// The directory as it was when it was last looked at; the settings have the last good one.
    seen: Directory,
    is_unreadable: bool,
    live: Arc<LiveConfig>,
    flags: Arc<Flags>,
    reactions: Reactions,
    events: Arc<Events>,
}

impl Reload {
    /// Says what of the directory has no effect. None where there is nothing to follow.
    ///
    /// # Errors
    /// Where there is no thread to be had for what reacts to changes.
    pub(crate) fn new(
        settings: Settings,
        live: Arc<LiveConfig>,
        flags: Arc<Flags>,
        reactions: Vec<React>,
        events: Arc<Events>,
    ) -> io::Result<Option<Reload>> {
        let Some(seen) = settings.directory().cloned() else {
            return Ok(None);
        };
        let entries = settings.entries().iter();
        let overruled = entries.filter(|entry| entry.overruled.is_some());
        warn_of_overruled(&overruled.map(|entry| entry.name).collect::<Vec<_>>());
        let unknown = settings.unknown_files();
        if !unknown.is_empty() {
            log::warn!(files = unknown.join(",").as_str(); "files of CONFIG_DIR are no settings");
        }
        if !seen.is_watched() {
            log::info!(dir:% = seen.path().display(); "CONFIG_DIR has no ..data link, so that no change of it is followed: it is no mounted volume");
            return Ok(None);
        }
        Ok(Some(Reload {
            settings,
            seen,
            is_unreadable: false,
            live,
            flags,
            reactions: Reactions::start(reactions)?,
            events,
        }))
    }

    /// Asks where `..data` leads, and where that is elsewhere by now, takes over all that has changed, or nothing.
    pub(crate) fn look(&mut self) {
        if !self.seen.has_changed() {
            return;
        }
        match Directory::read_mounted(self.seen.path()) {
            Ok(directory) => {
                self.is_unreadable = false;
                self.seen = directory.clone();
                self.take_over(directory);
            }
            // The next look may find it whole.
            Err(problem) if !self.is_unreadable => {
                self.is_unreadable = true;
                self.refuse(&format!("CONFIG_DIR cannot be read: {problem}"));
            }
            Err(_) => {}
        }
    }

    fn take_over(&mut self, directory: Directory) {
        let read_own = |settings: &mut Settings| Config::from_settings(settings, &Limits::read());
        // A service's own reading may panic at a value that it did not expect. That is a bad value like any other.
        match panics::catch(|| self.settings.reread(directory, read_own)) {
            Ok(Ok(reread)) => self.replace(reread),
            Ok(Err(errors)) => self.refuse(&errors.to_string()),
            Err(panicked) => self.refuse(&format!("what reads it panicked: {panicked}")),
        }
    }

    fn replace(&mut self, reread: Reread<Config>) {
        let (config, changes) = self.settings.replace(reread);
        let config = config.bounded();
        self.live.follow(&config);
        logging::set_level(config.log_level);
        self.flags.follow(self.settings.entries());
        self.events.note_reload();
        tell(&changes);
        if !changes.live.is_empty() {
            self.reactions.tell(changes.live);
        }
    }

    fn refuse(&mut self, reason: &str) {
        let in_all = self.events.note_refused_reload();
        log::error!(reason = reason, refused_total = in_all; "a changed configuration was refused: everything stays as it was");
    }
}

/// Names, never values: one of them may be a secret. What has come into effect is told last, when all is done.
fn tell(changes: &Changes) {
    let Changes {
        live,
        at_restart,
        overruled,
        unknown,
    } = changes;
    if !at_restart.is_empty() {
        log::warn!(settings = at_restart.join(",").as_str(); "settings have changed that take effect with a restart");
    }
    if !unknown.is_empty() {
        log::warn!(files = unknown.join(",").as_str(); "files of CONFIG_DIR have changed that are no settings");
    }
    warn_of_overruled(overruled);
    if !live.is_empty() {
        log::info!(settings = live.join(",").as_str(); "the configuration has changed");
    }
}

fn warn_of_overruled(names: &[&str]) {
    if !names.is_empty() {
        log::warn!(settings = names.join(",").as_str(); "variables overrule files of CONFIG_DIR: a change of these does nothing");
    }
}

#[cfg(test)]
mod tests;
