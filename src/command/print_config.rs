//! What the `config` command prints.

use crate::config::settings::Settings;
use std::io::{self, Write};

/// A longer assignment, such as a list of hosts, does not push every source off the screen.
const WIDEST_ASSIGNMENT: usize = 48;

/// Prints every setting that was read, a service's own too, as `NAME=value  # source` with the sources aligned.
///
/// # Errors
/// What `out` reports.
pub(crate) fn print(settings: &Settings, out: &mut dyn Write) -> io::Result<()> {
    let printed = |shown: &str| {
        if shown.contains(char::is_control) {
            format!("{shown:?}")
        } else {
            shown.to_owned()
        }
    };
    let assignments = settings
        .entries()
        .iter()
        .map(|entry| format!("{}={}", entry.name, printed(&entry.shown)));
    let lines: Vec<_> = assignments.zip(settings.entries()).collect();
    let lengths = lines
        .iter()
        .map(|(assignment, _)| assignment.chars().count());
    let width = lengths
        .filter(|length| *length <= WIDEST_ASSIGNMENT)
        .max()
        .unwrap_or(0);
    for (assignment, entry) in lines {
        writeln!(out, "{assignment:<width$}  # {entry}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
