//! File names that come from clients.

use crate::message::error::Error;
use std::path::{Path, PathBuf};

/// NAME_MAX of Linux' file systems, in bytes.
const LONGEST_NAME: usize = 255;

/// The path of the file of this name in `directory`.
///
/// # Errors
/// 400 where the name leads anywhere else, or to a file that is hidden.
pub(super) fn name_in(directory: &Path, name: &str) -> Result<PathBuf, Error> {
    let leads_away = |character: char| matches!(character, '/' | '\\') || character.is_control();
    let why = match name {
        "" => "empty",
        _ if name.len() > LONGEST_NAME => "over 255 bytes",
        _ if name.starts_with('.') => "one that begins with a dot",
        _ if name.contains(leads_away) => "one with a slash or a control character",
        _ => return Ok(directory.join(name)),
    };
    Err(Error::bad_request(format!("the file name is {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_clients_leads_out_of_the_directory_or_to_a_hidden_file() {
        let there = name_in(Path::new("/data"), "Übersicht 2.pdf").expect("a plain name");
        assert_eq!(there, Path::new("/data/Übersicht 2.pdf"));
        let long = "n".repeat(256);
        for name in [
            "",
            ".",
            "..",
            ".profile",
            "a/b",
            "/etc/passwd",
            "../x",
            "a\\b",
            "a\0",
            "a\nb",
            &long,
        ] {
            let refused = name_in(Path::new("/data"), name).expect_err(name);
            assert_eq!(refused.status(), 400, "{name:?}");
        }
    }
}
