//! Where a setting's text comes from, and what may be shown of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::values::excerpt;

/// A mounted value is a few bytes or a certificate; more than this is the wrong file, such as a device.
const LARGEST_FILE: u64 = 1 << 20;

/// Where the names are looked up.
pub(super) enum Environment {
    Process,
    Injected(Vec<(String, OsString)>),
}

/// What was read of each `NAME_FILE`. A variable does not change under a running process, and neither does what it stands
/// for: of a file that did, a change elsewhere would bring the new text in without a word.
#[derive(Clone, Default)]
pub(super) struct FilesRead(BTreeMap<PathBuf, String>);

impl FilesRead {
    fn read_once(&mut self, path: &Path) -> io::Result<String> {
        if let Some(text) = self.0.get(path) {
            return Ok(text.clone());
        }
        let text = read_file(path)?;
        self.0.insert(path.to_owned(), text.clone());
        Ok(text)
    }
}

impl Environment {
    /// The text given for `name` and where it stands, or a line that says why it cannot be had.
    pub(super) fn find(
        &self,
        name: &str,
        secret: bool,
        files: &mut FilesRead,
    ) -> Result<Option<(String, Source)>, String> {
        let file_name = [name, "_FILE"].concat();
        match (self.get(name), self.get(&file_name)) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(format!(
                "{name} and {file_name} are both given: expected one of them"
            )),
            (Some(value), None) => match value.into_string() {
                Ok(text) => Ok(Some((text, Source::Environment))),
                Err(_) if secret => Err(format!("{name}: not UTF-8")),
                Err(value) => Err(format!(
                    "{name}={}: not UTF-8",
                    excerpt(&value.to_string_lossy())
                )),
            },
            (None, Some(path)) => {
                let path = PathBuf::from(path);
                let named = |problem: io::Error| {
                    format!(
                        "{file_name}={}: cannot be used: {problem}",
                        shown_path(&path, secret)
                    )
                };
                let text = files.read_once(&path).map_err(named)?;
                Ok(Some((text, Source::File(path))).filter(|(text, _)| !text.is_empty()))
            }
        }
    }

    /// A variable's value, trimmed as a file's is: a Secret that was made by `echo token | base64` ends in a newline
    /// whether it is mounted or becomes a variable.
    fn get(&self, name: &str) -> Option<OsString> {
        let value = match self {
            Environment::Process => std::env::var_os(name),
            Environment::Injected(pairs) => pairs
                .iter()
                .rev()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone()),
        };
        value.map(without_newline).filter(|value| !value.is_empty())
    }
}

/// What is not UTF-8 is left as it is: it is refused anyway.
fn without_newline(value: OsString) -> OsString {
    match value.into_string() {
        Ok(mut text) => {
            trim_newline(&mut text);
            text.into()
        }
        Err(value) => value,
    }
}

/// Takes away one newline at the end, `\n` or `\r\n`.
fn trim_newline(text: &mut String) {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
}

/// A setting as it was read, for `seaworthy config` and for errors.
pub(crate) struct Entry {
    /// The variable's name, without `_FILE`.
    pub(crate) name: &'static str,
    /// The value in effect, or its redaction; empty where there is none.
    pub(crate) shown: String,
    /// Where the value came from.
    pub(crate) source: Source,
    /// How the value came about, where the source alone does not tell.
    pub(crate) note: Option<String>,
    pub(super) secret: bool,
    /// The file in `CONFIG_DIR` that is not read, for this comes from a variable.
    pub(crate) overruled: Option<PathBuf>,
    /// Whether there is a `CONFIG_DIR` whose changes are noticed.
    pub(super) is_watched: bool,
    /// Whether a change is followed without a restart, where it comes in `CONFIG_DIR`.
    pub(crate) is_live: bool,
}

/// Where a setting's value came from.
pub(crate) enum Source {
    Default,
    /// A default that the program has set; see [`Settings::default_setting`](super::Settings::default_setting).
    Program,
    Environment,
    /// The file that `NAME_FILE` names.
    File(PathBuf),
    /// The file of its name in `CONFIG_DIR`.
    Directory(PathBuf),
}

impl Source {
    /// Whether it counts before what the directory says.
    pub(super) fn overrules_directory(&self) -> bool {
        matches!(self, Source::Environment | Source::File(_))
    }
}

impl Entry {
    /// Whether a variable keeps the directory's value from having an effect.
    pub(super) fn is_overruling(&self) -> bool {
        self.source.overrules_directory()
    }

    /// The setting and its value as an error begins, the value withheld where it is secret.
    pub(super) fn in_error(&self) -> String {
        match &self.source {
            _ if self.secret => self.name.to_owned(),
            Source::Environment => format!("{}={}", self.name, excerpt(&self.shown)),
            Source::File(path) | Source::Directory(path) => format!(
                "{}={} in {}",
                self.name,
                excerpt(&self.shown),
                path.display()
            ),
            Source::Default => format!("{}={} (default)", self.name, excerpt(&self.shown)),
            Source::Program => format!(
                "{}={} (the program's default)",
                self.name,
                excerpt(&self.shown)
            ),
        }
    }
}

impl Display for Entry {
    /// The source, how the value came about where there is more to say, and whether it is live.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Default if self.shown.is_empty() => out.write_str("unset")?,
            Source::Default => out.write_str("default")?,
            Source::Program => out.write_str("the program's default")?,
            Source::Environment => out.write_str("environment")?,
            Source::File(path) | Source::Directory(path) => {
                write!(out, "file {}", path.display())?;
            }
        }
        if let Some(note) = &self.note {
            write!(out, ": {note}")?;
        }
        match &self.overruled {
            Some(path) => write!(out, "; overrules {}", path.display()),
            None if self.is_live && self.is_watched && !self.is_overruling() => {
                out.write_str("; live")
            }
            None => Ok(()),
        }
    }
}

/// The text of a mounted file without its one trailing newline.
pub(super) fn read_file(path: &Path) -> io::Result<String> {
    // A pipe would keep the process from starting, and from hearing a signal, until somebody wrote to it.
    let kind = fs::metadata(path)?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(io::Error::other("the file is larger than 1MiB"));
    }
    let mut text =
        String::from_utf8(bytes).map_err(|_| io::Error::other("the file is not UTF-8"))?;
    trim_newline(&mut text);
    Ok(text)
}

/// The path as an error shows it. A secret is easily put into `NAME_FILE` by mistake, so of a secret's "path" only
/// what looks like a mounted file is repeated.
fn shown_path(path: &Path, secret: bool) -> String {
    let text = path.to_string_lossy();
    let mounted = text.starts_with('/') && !text.contains("://");
    if secret && !mounted {
        return "[redacted, not an absolute path]".to_owned();
    }
    excerpt(&text)
}
