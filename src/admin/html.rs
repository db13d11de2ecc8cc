//! A page for a browser: no script, nothing from elsewhere, light and dark.

use super::{
    chart::Charts,
    document::{Document, Tone},
    escape::Escaped,
};
use crate::lifecycle::flags::Flag;
use std::fmt::{Arguments, Display, Write};

/// Everything that a page looks like. A policy that names it by its hash allows it and no other.
const STYLE: &str = include_str!("style.css");

/// How often a page asks for itself anew, in seconds.
const REFRESH: &str = "5";

/// What a page's browser is allowed: to load nothing and run nothing but its style, by the SHA-256 of [`STYLE`], to send
/// nothing, and to be in no frame.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'sha256-dSkEdwwiJG1/k3jZsILLHrnaaMsmCXXqvnfgQO4fn3M='; \
     img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What stands around every page of a service.
pub(super) struct Frame<'a> {
    pub(super) service: &'a str,
    /// The page's own path.
    pub(super) path: &'a str,
    /// What it is about, in a line.
    pub(super) about: &'a str,
    /// The pages that there are.
    pub(super) paths: &'a [&'a str],
    /// Whether it asks for itself anew.
    pub(super) refreshes: bool,
}

/// The page as it is written so far.
pub(super) struct Html {
    out: String,
    inside: Inside,
    /// What is said of a table without rows.
    empty: &'static str,
}

/// The element that is to be closed before another begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Facts,
    Table,
    /// A table whose columns are known, and none of its rows.
    EmptyTable,
}

impl Html {
    pub(super) fn of(frame: &Frame<'_>) -> Html {
        let mut html = Html {
            out: String::with_capacity(32 * 1024),
            inside: Inside::Nothing,
            empty: "",
        };
        html.head(frame);
        html
    }

    pub(super) fn finish(mut self) -> String {
        self.enter(Inside::Nothing);
        self.raw("</main></body></html>\n");
        self.out
    }

    fn head(&mut self, frame: &Frame<'_>) {
        self.raw("<!doctype html><html lang=en><head><meta charset=utf-8><title>");
        self.text(&format_args!("{} {}", frame.service, frame.path));
        self.raw("</title><meta name=viewport content=\"width=device-width,initial-scale=1\">");
        if frame.refreshes {
            let _ = write!(self.out, "<meta http-equiv=refresh content={REFRESH}>");
        }
        // Without the icon a browser would ask for /favicon.ico.
        let _ = write!(
            self.out,
            "<link rel=icon href=\"data:,\"><style>{STYLE}</style></head><body><header><h1>"
        );
        self.text(&frame.service);
        self.raw("</h1><nav>");
        for path in frame.paths {
            let is_this = *path == frame.path;
            self.raw("<a href=\"");
            self.text(path);
            self.raw(if is_this {
                "\" aria-current=page>"
            } else {
                "\">"
            });
            self.text(path);
            self.raw("</a>");
        }
        let (target, word) = match frame.refreshes {
            true => ("?refresh=off", "pause"),
            false => ("?", "resume"),
        };
        let about = frame.about;
        let _ = write!(
            self.out,
            "</nav><a href=\"{target}\">{word}</a></header><main><p>{about}</p>"
        );
    }

    /// Appends what is HTML. Never inlined, for it is called in many places where time does not count.
    #[inline(never)]
    fn raw(&mut self, html: &str) {
        self.out.push_str(html);
    }

    /// Appends what is text.
    fn text(&mut self, text: &dyn Display) {
        let _ = write!(Escaped(&mut self.out), "{text}");
    }

    /// Closes what is open, and opens this, where it is not what is open.
    fn enter(&mut self, inside: Inside) {
        if self.inside == inside {
            return;
        }
        match self.inside {
            Inside::Nothing => {}
            Inside::Facts => self.raw("</dl>"),
            Inside::Table => self.raw("</table></div>"),
            Inside::EmptyTable => {
                let _ = write!(self.out, "</table></div><p>{}</p>", self.empty);
            }
        }
        if inside == Inside::Facts {
            self.raw("<dl>");
        }
        self.inside = inside;
    }

    fn cells(&mut self, tag: &str, class: &str, cells: &[&dyn Display]) {
        let _ = write!(self.out, "<tr class=\"{class}\">");
        for cell in cells {
            let _ = write!(self.out, "<{tag}>");
            self.text(cell);
        }
        self.raw("</tr>");
    }
}

impl Document for Html {
    fn fact(&mut self, name: &str, value: Arguments<'_>) {
        self.enter(Inside::Facts);
        self.raw("<dt>");
        self.text(&name);
        self.raw("</dt><dd>");
        self.text(&value);
        self.raw("</dd>");
    }

    fn next_facts(&mut self) {
        self.enter(Inside::Nothing);
    }

    fn table(
        &mut self,
        title: Arguments<'_>,
        columns: &'static [&'static str],
        empty: &'static str,
    ) {
        self.enter(Inside::Nothing);
        self.raw("<h2>");
        self.text(&title);
        self.raw("</h2><div class=scroll><table><tr>");
        for name in columns {
            let _ = write!(self.out, "<th>{name}");
        }
        self.raw("</tr>");
        self.empty = empty;
        self.inside = Inside::EmptyTable;
    }

    fn row(&mut self, tone: Tone, cells: &[&dyn Display]) {
        self.inside = Inside::Table;
        let class = match tone {
            Tone::Plain => "",
            Tone::Good => "good",
            Tone::Doubtful => "warn",
            Tone::Bad => "bad",
        };
        self.cells("td", class, cells);
    }

    fn settings(&mut self, settings: &[(&'static str, Flag)]) {
        self.enter(Inside::Nothing);
        self.raw("<div class=\"scroll wrap\"><table>");
        self.cells("th", "", &[&"Setting", &"Value", &"Source"]);
        for (name, flag) in settings {
            self.cells("td", "", &[name, &flag.shown, &flag.source]);
        }
        self.inside = Inside::Table;
    }

    fn charts(&mut self, charts: &Charts) {
        self.enter(Inside::Nothing);
        self.raw("<div class=charts>");
        charts.draw(&mut self.out);
        self.raw("</div>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn the_policy_allows_the_pages_own_style() {
        let digest = Sha256::digest(STYLE);
        let base64 = base64(&digest);
        assert!(
            POLICY.contains(&format!("'sha256-{base64}'")),
            "the style has changed: its hash is {base64}"
        );
    }

    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let bits = chunk
                .iter()
                .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
            let bits = bits << (8 * (3 - chunk.len()));
            for digit in 0..4 {
                let index = bits >> (18 - 6 * digit) & 63;
                let is_there = digit <= chunk.len();
                text.push(if is_there {
                    DIGITS[index as usize] as char
                } else {
                    '='
                });
            }
        }
        text
    }

    #[test]
    fn no_text_can_leave_its_place() {
        let hostile = "\"><script>alert('1')</script>&\u{1b}[2J\u{202e}";
        let frame = Frame {
            service: hostile,
            path: "/tracez",
            about: "about",
            paths: &[hostile],
            refreshes: true,
        };
        let mut html = Html::of(&frame);
        html.fact("Name", format_args!("{hostile}"));
        html.table(format_args!("{hostile}"), &["Path"], "none");
        html.row(Tone::Plain, &[&hostile]);
        let flag = Flag {
            shown: hostile.to_owned(),
            source: hostile.to_owned(),
        };
        html.settings(&[("NAME", flag)]);
        let html = html.finish();
        assert!(!html.contains("<script"), "{html}");
        assert!(!html.contains('\u{1b}'));
        assert_eq!(
            html.matches("&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)")
                .count(),
            9
        );
    }
}
