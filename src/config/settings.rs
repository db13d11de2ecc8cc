//! Named settings from the environment or from mounted files, with every bad one reported at once.
//!
//! Both seaworthy's own configuration and a service's are read with [`Settings`], so that they show up together in
//! `seaworthy config` and fail together, in one report, before anything is bound.

use std::error::Error;
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use directory::Directory;
use form::{Form, Parsed, ReadOnce};
pub use secret::Secret;
use source::{Entry, Environment, FilesRead, Source};
pub use values::IntoDuration;
pub(crate) use values::{LONGEST_DURATION, parse_size, show_duration, show_size};
use values::{duration_within, number_within, size_within};

pub(crate) mod directory;
mod form;
pub(crate) mod live;
mod lookup;
mod more;
mod secret;
pub(crate) mod source;
#[cfg(test)]
pub(crate) mod tests;
mod values;
mod writable;

/// Reads named settings from the environment, from the files that `NAME_FILE` names, or from the directory `CONFIG_DIR`;
/// remembers every bad one.
///
/// Every method that reads takes the setting's name and returns a usable value whatever was given, so that reading
/// never stops at the first mistake: ask [`finish`](Settings::finish) once everything has been read.
///
/// - `NAME` gives the value itself, `NAME_FILE` the path of a file that holds it and is read once; giving both is an error.
/// - What neither gives is looked for in the directory that `CONFIG_DIR` names, where the file `NAME` is its value; a
///   [live](Settings::live) setting follows its changes.
/// - One newline at the end, `\n` or `\r\n`, is trimmed, of a variable as of a file.
/// - An empty value, and an empty file, count as unset.
/// - A value that is not UTF-8 is an error, and so is a file that cannot be read or is over 1 MiB.
/// - Nothing that is read can make a method panic. Reading a name again gives the same value and no second error.
///
/// ```
/// # use std::time::Duration;
/// # use seaworthy::Settings;
/// let mut settings = Settings::from_pairs([("CACHE_TTL", "90s"), ("SHARDS", "many")]);
/// assert_eq!(settings.duration("CACHE_TTL", Duration::from_secs(60)), Duration::from_secs(90));
/// assert_eq!(settings.number("SHARDS", 4, 1..=64), 4);
/// assert_eq!(settings.errors(), [r#"SHARDS="many": expected a whole number from 1 to 64"#]);
/// ```
pub struct Settings {
    environment: Arc<Environment>,
    files: FilesRead,
    /// What `CONFIG_DIR` held when this was read.
    directory: Option<Directory>,
    entries: Vec<Entry>,
    errors: Vec<BadSetting>,
    /// What the program has in place of seaworthy's defaults.
    defaults: Vec<(&'static str, String)>,
    /// What is checked when the directory has changed.
    read_once: Vec<ReadOnce>,
    /// What is read again when the directory has changed.
    followers: Vec<Follower>,
    /// Whether what is being read now is.
    reads_live: bool,
}

/// Reads one live setting again, and says how to put the result in place.
type Follower = Box<dyn Fn(&mut Settings) -> Box<dyn FnOnce()> + Send>;

struct BadSetting {
    name: &'static str,
    line: String,
}

impl Settings {
    /// Settings from the environment of this process, looked up when they are read.
    pub fn from_env() -> Settings {
        Settings::from(Environment::Process)
    }

    /// Settings from `pairs` of a name and a value, for tests and for embedding; nothing of the process environment
    /// is seen. Of two pairs with one name the later counts. A `NAME_FILE` among them still names a real file.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Settings {
        let own = |(name, value): (&str, &str)| (name.to_owned(), OsString::from(value));
        Settings::from(Environment::Injected(pairs.into_iter().map(own).collect()))
    }

    /// A text as it stands, or `default`.
    pub fn text(&mut self, name: &'static str, default: &str) -> String {
        self.read(
            name,
            default.to_owned(),
            String::clone,
            |given| Some(given.to_owned()),
            Form::Any,
        )
    }

    /// A text as it stands, or `None` where it is unset.
    pub fn optional(&mut self, name: &'static str) -> Option<String> {
        self.given_or_unset(name, false)
    }

    /// A text that is never shown: not by `seaworthy config`, not in an error, not by its own `Debug` or `Display`.
    pub fn secret(&mut self, name: &'static str) -> Option<Secret> {
        self.given_or_unset(name, true).map(Secret)
    }

    /// A duration such as `0`, `250ms`, `5s` or `1m`, at most a year.
    pub fn duration(&mut self, name: &'static str, default: Duration) -> Duration {
        self.duration_within(name, default, Duration::ZERO..=LONGEST_DURATION)
    }

    /// A [`duration`](Settings::duration) within `range`; `default` is not held to it.
    pub fn duration_within(
        &mut self,
        name: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        let parse = |given: &str| duration_within(given, &range);
        let show = |value: &Duration| show_duration(*value);
        self.read(name, default, show, parse, Form::Duration(range.clone()))
    }

    /// A [`duration`](Settings::duration) within `range`, or `None` where it is unset.
    pub fn optional_duration(
        &mut self,
        name: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let parse = |given: &str| duration_within(given, &range);
        self.read_optional(name, parse, Form::Duration(range.clone()))
    }

    /// A size in bytes such as `65536`, `64Ki`, `64KiB`, `1MiB` or `2Gi`.
    pub fn size(&mut self, name: &'static str, default: u64) -> u64 {
        self.size_within(name, default, 0..=u64::MAX)
    }

    /// A [`size`](Settings::size) within `range`, in bytes; `default` is not held to it.
    pub fn size_within(
        &mut self,
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> u64 {
        let parse = |given: &str| size_within(given, &range);
        let show = |value: &u64| show_size(*value);
        self.read(name, default, show, parse, Form::Size(range.clone()))
    }

    /// A whole number within `range`; `default` is not held to it.
    pub fn number(&mut self, name: &'static str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let parse = |given: &str| number_within(given, &range);
        let form = Form::Number(range.clone());
        self.read(name, default, u64::to_string, parse, form)
    }

    /// A whole number within `range`, or `None` where it is unset.
    pub fn optional_number(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<u64> {
        let parse = |given: &str| number_within(given, &range);
        self.read_optional(name, parse, Form::Number(range.clone()))
    }

    /// `true` or `false`, in upper or lower case.
    pub fn flag(&mut self, name: &'static str, default: bool) -> bool {
        self.choice(name, default, &[("true", true), ("false", false)])
    }

    /// One of `words`, in upper or lower case. A `default` that none of them stands for is shown as unset.
    pub fn choice<T: Copy + PartialEq>(
        &mut self,
        name: &'static str,
        default: T,
        words: &[(&'static str, T)],
    ) -> T {
        let show = |value: &T| {
            words
                .iter()
                .find(|(_, known)| known == value)
                .map_or("", |(word, _)| word)
                .to_owned()
        };
        let parse = |given: &str| {
            words
                .iter()
                .find(|(word, _)| word.eq_ignore_ascii_case(given))
                .map(|(_, value)| *value)
        };
        let form = Form::Word(words.iter().map(|(word, _)| *word).collect());
        self.read(name, default, show, parse, form)
    }

    /// Any type that reads itself from text; `expected` completes "expected" in the error: `a host name`.
    /// A text that a change of `CONFIG_DIR` brings is read too, on the thread `tick`, to see whether a restart would take it.
    pub fn parse<T: FromStr + Display>(
        &mut self,
        name: &'static str,
        default: T,
        expected: &str,
    ) -> T {
        let parse = |given: &str| given.parse().ok();
        let form = Form::Parsed(Parsed::by::<T>(expected));
        self.read(name, default, T::to_string, parse, form)
    }

    /// As [`parse`](Settings::parse), or `None` where it is unset.
    pub fn parse_optional<T: FromStr>(&mut self, name: &'static str, expected: &str) -> Option<T> {
        let parse = |given: &str| given.parse().ok();
        self.read_optional(name, parse, Form::Parsed(Parsed::by::<T>(expected)))
    }

    /// Reports a value that was read but breaks a rule of the caller's own, such as a URL without a host.
    /// The value is shown beside `problem`, unless it was read with [`secret`](Settings::secret).
    pub fn reject(&mut self, name: &'static str, problem: &str) {
        let line = match self.entries.iter().find(|entry| entry.name == name) {
            Some(entry) => format!("{}: {problem}", entry.in_error()),
            None => format!("{name}: {problem}"),
        };
        self.report(name, line);
    }

    /// What is wrong so far, one line for each bad setting, in the order of reading. No line shows a secret.
    pub fn errors(&self) -> Vec<&str> {
        self.errors.iter().map(|bad| bad.line.as_str()).collect()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Every bad setting, each on a line of its own, if there is one.
    pub fn finish(&self) -> Result<(), SettingsError> {
        if self.errors.is_empty() {
            return Ok(());
        }
        Err(SettingsError {
            lines: self.errors.iter().map(|bad| bad.line.clone()).collect(),
        })
    }

    /// Every setting that was read, in the order of reading.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether something is wrong with this setting, so that a rule over several does not blame a good one.
    pub(crate) fn is_bad(&self, name: &str) -> bool {
        self.errors.iter().any(|bad| bad.name == name)
    }

    /// Whether this setting, which was read, has a value that was given, or that the program set.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        let entry = self.entries.iter().find(|entry| entry.name == name);
        entry.is_some_and(|entry| !matches!(entry.source, Source::Default))
    }

    /// Says how a default came about, where it was worked out; a value that was given is left as it is.
    pub(crate) fn explain_default(&mut self, name: &str, how: String) {
        if let Some(entry) = self
            .entry(name)
            .filter(|entry| matches!(entry.source, Source::Default))
        {
            entry.note = Some(how);
        }
    }

    /// Shows another value than the one that was read, and why that one is not in effect.
    pub(crate) fn adjust(&mut self, name: &str, effective: String, why: String) {
        if let Some(entry) = self.entry(name) {
            entry.shown = effective;
            entry.note = Some(why);
        }
    }

    fn read<T>(
        &mut self,
        name: &'static str,
        default: T,
        show: impl Fn(&T) -> String,
        parse: impl Fn(&str) -> Option<T>,
        form: Form,
    ) -> T {
        let value = match self.given(name, false) {
            Some(given) => parse(&given).unwrap_or_else(|| {
                self.refuse(name, &given, &form.expected());
                default
            }),
            None => {
                self.remember(name, show(&default), Source::Default, false);
                default
            }
        };
        self.note_read_once(name, form);
        value
    }

    fn read_optional<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
        form: Form,
    ) -> Option<T> {
        let unset = |_: &Option<T>| String::new();
        self.read(name, None, unset, |given| parse(given).map(Some), form)
    }

    fn refuse(&mut self, name: &'static str, given: &str, expected: &str) {
        // Kubernetes puts the address of a Service `x` into every pod's environment, as `X_PORT`.
        if name.ends_with("_PORT") && given.starts_with("tcp://") {
            let hint =
                "set by Kubernetes for a Service? Then give the pod enableServiceLinks: false";
            return self.reject(name, &format!("{expected}; {hint}"));
        }
        self.reject(name, expected);
    }

    fn given_or_unset(&mut self, name: &'static str, secret: bool) -> Option<String> {
        let given = self.given(name, secret);
        if given.is_none() {
            self.remember(name, String::new(), Source::Default, secret);
        }
        self.note_read_once(name, Form::Any);
        given
    }

    fn report(&mut self, name: &'static str, line: String) {
        if !self.errors.iter().any(|bad| bad.line == line) {
            self.errors.push(BadSetting { name, line });
        }
    }

    fn entry(&mut self, name: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.name == name)
    }
}

/// Every bad setting; `Display` is one line for each, with its name, its value (unless secret) and what is expected.
#[derive(Clone, Debug)]
pub struct SettingsError {
    lines: Vec<String>,
}

impl SettingsError {
    /// One line for each bad setting, in the order of reading.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

impl Display for SettingsError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.lines.join("\n"))
    }
}

impl Error for SettingsError {}
