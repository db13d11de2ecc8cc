//! Where a setting is looked for, in turn: the environment, the mounted directory, the program's defaults.

use super::{
    Settings,
    directory::Directory,
    secret::REDACTED,
    source::{Entry, Environment, FilesRead, Source},
};
use std::{path::Path, sync::Arc};

/// The setting that names the mounted directory.
const CONFIG_DIR: &str = "CONFIG_DIR";

impl Settings {
    pub(super) fn from(environment: Environment) -> Settings {
        let mut settings = Settings::empty(Arc::new(environment));
        if let Some(path) = settings.optional(CONFIG_DIR) {
            match Directory::read(Path::new(&path)) {
                Ok(directory) => settings.directory = Some(directory),
                Err(problem) => {
                    settings.reject(CONFIG_DIR, &format!("it cannot be read: {problem}"));
                }
            }
        }
        // It takes its place in the list when it is read with the others.
        settings.entries.clear();
        settings.read_once.clear();
        settings
    }

    pub(super) fn empty(environment: Arc<Environment>) -> Settings {
        Settings {
            environment,
            files: FilesRead::default(),
            directory: None,
            entries: Vec::new(),
            errors: Vec::new(),
            defaults: Vec::new(),
            read_once: Vec::new(),
            followers: Vec::new(),
            reads_live: false,
        }
    }

    /// The text given for a setting, remembered with its source; `None` where there is none or it cannot be had.
    pub(super) fn given(&mut self, name: &'static str, secret: bool) -> Option<String> {
        // A name that is read as a secret once stays one, whoever reads it again.
        let secret = secret || self.entry(name).is_some_and(|known| known.secret);
        match self.environment.find(name, secret, &mut self.files) {
            Ok(Some((text, source))) => {
                let shown = if secret {
                    REDACTED.to_owned()
                } else {
                    text.clone()
                };
                self.remember(name, shown, source, secret);
                Some(text)
            }
            Ok(None) => match self.in_directory(name, secret) {
                Some(text) => Some(text),
                None => self.program_default(name),
            },
            Err(line) => {
                self.report(name, line);
                None
            }
        }
    }

    /// The text of the setting's file in the mounted directory, remembered like any other.
    fn in_directory(&mut self, name: &'static str, secret: bool) -> Option<String> {
        let (path, text) = self.directory.as_ref()?.find(name)?;
        match text {
            Ok(text) => {
                let shown = if secret {
                    REDACTED.to_owned()
                } else {
                    text.clone()
                };
                self.remember(name, shown, Source::Directory(path), secret);
                Some(text)
            }
            Err(problem) => {
                let line = format!("{name} in {}: {problem}", path.display());
                self.report(name, line);
                None
            }
        }
    }

    pub(super) fn remember(
        &mut self,
        name: &'static str,
        shown: String,
        source: Source,
        secret: bool,
    ) {
        let in_directory = self.directory.as_ref().filter(|_| name != CONFIG_DIR);
        let read = Entry {
            name,
            shown,
            overruled: source
                .overrules_directory()
                .then(|| in_directory?.find(name))
                .flatten()
                .map(|(path, _)| path),
            is_watched: in_directory.is_some_and(Directory::is_watched),
            is_live: self.reads_live,
            source,
            note: None,
            secret,
        };
        match self.entry(name) {
            Some(known) if known.secret && !secret => {}
            Some(known) => {
                let is_live = known.is_live || read.is_live;
                *known = Entry { is_live, ..read };
            }
            None => self.entries.push(read),
        }
    }
}
