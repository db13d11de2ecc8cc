//! Settings that must be given, lists, and defaults that the program sets.

use super::{
    Secret, Settings,
    form::{Form, Parsed},
    source::Source,
    values::elements,
};

impl Settings {
    /// A text that has to be given; where it is not, that is reported like any bad setting, and this is empty.
    pub fn required(&mut self, name: &'static str) -> String {
        let given = self.optional(name);
        self.require(name, given).unwrap_or_default()
    }

    /// A [`secret`](Settings::secret) that has to be given; where it is not, that is reported like any bad setting, and
    /// this is empty.
    pub fn required_secret(&mut self, name: &'static str) -> Secret {
        let given = self.secret(name);
        self.require(name, given)
            .unwrap_or_else(|| Secret(String::new()))
    }

    fn require<T>(&mut self, name: &'static str, given: Option<T>) -> Option<T> {
        if given.is_none() {
            self.report_missing(name);
        }
        self.note_read_once(name, Form::Given);
        given
    }

    pub(super) fn report_missing(&mut self, name: &'static str) {
        if !self.is_bad(name) {
            self.report(name, format!("{name}: required, but not given"));
        }
    }

    /// A list whose elements are separated by commas; white space around them and empty ones are left out. Empty where
    /// it is unset.
    ///
    /// ```
    /// # use seaworthy::Settings;
    /// let mut settings = Settings::from_pairs([("UPSTREAMS", "http://a:80, http://b:80,")]);
    /// assert_eq!(settings.list("UPSTREAMS"), ["http://a:80", "http://b:80"]);
    /// ```
    pub fn list(&mut self, name: &'static str) -> Vec<String> {
        let given = self.optional(name).unwrap_or_default();
        elements(&given).map(str::to_owned).collect()
    }

    /// A [`list`](Settings::list) of what reads itself from text; `expected` completes "expected" in the error, which
    /// names the first element that does not: `an address such as 10.0.0.1`.
    pub fn list_of<T: std::str::FromStr>(&mut self, name: &'static str, expected: &str) -> Vec<T> {
        let given = self.optional(name).unwrap_or_default();
        let parsed = Parsed::by::<T>(expected);
        let read = |element: &str| element.parse().map_err(|_| parsed.problem_of(element));
        let all: Result<Vec<T>, String> = elements(&given).map(read).collect();
        self.note_read_once(name, Form::ListOf(parsed));
        all.unwrap_or_else(|problem| {
            self.reject(name, &problem);
            Vec::new()
        })
    }

    /// Sets the default of one of seaworthy's own settings, in the form that the environment would have:
    /// `default_setting("MAX_BODY_BYTES", "300MiB")`. What is given counts before it, and `config` shows it as the
    /// program's. A value that does not fit is reported like a bad setting.
    pub fn default_setting(&mut self, name: &'static str, value: &str) {
        self.defaults.retain(|(known, _)| *known != name);
        self.defaults.push((name, value.to_owned()));
    }

    /// Runs `read`, with whose settings nothing that is given keeps a service from starting, as their specification has it.
    /// What is bad there is no error: it is returned, one line for each setting, and noted in what `config` prints.
    pub(crate) fn leniently<T>(
        &mut self,
        read: impl FnOnce(&mut Settings) -> T,
    ) -> (T, Vec<String>) {
        let before = self.errors.len();
        let read = read(self);
        let bad = self.errors.split_off(before);
        for bad in &bad {
            match self.entry(bad.name) {
                Some(entry) => {
                    let unset = || "it cannot be used, and counts as unset".to_owned();
                    entry.note.get_or_insert_with(unset);
                }
                None => self.remember(bad.name, String::new(), Source::Default, false),
            }
        }
        (read, bad.into_iter().map(|bad| bad.line).collect())
    }

    /// The default that the program has set for this name, remembered as such.
    pub(super) fn program_default(&mut self, name: &'static str) -> Option<String> {
        let known = self.defaults.iter().find(|(known, _)| *known == name);
        let (_, text) = known.filter(|(_, text)| !text.is_empty())?;
        let text = text.clone();
        self.remember(name, text.clone(), Source::Program, false);
        Some(text)
    }
}

#[cfg(test)]
mod tests;
