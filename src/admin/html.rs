//! A page for a browser: no script, nothing from elsewhere, light and dark.

use super::{
    chart,
    escape::push_text,
    page::{Block, Page, Table, Tone},
};
use http::{HeaderName, HeaderValue, header};

/// Everything that a page looks like. A policy that names it by its hash allows it and no other.
const STYLE: &str = include_str!("style.css");

/// How often a page asks for itself anew, in seconds.
const REFRESH: &str = "5";

/// What a page's browser is allowed: to load nothing and run nothing but its style, by the SHA-256 of [`STYLE`], to send
/// nothing, and to be in no frame.
const POLICY: &str = "default-src 'none'; style-src 'sha256-dk7igkHWWSrm9INfIj0Kfz/k8dgVQAGvpyJ4uatxgXo='; \
     img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What a browser is told beside a page.
pub(super) fn headers() -> [(HeaderName, HeaderValue); 5] {
    [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ]
    .map(|(name, value)| (name, HeaderValue::from_static(value)))
}

/// What stands around every page of a service.
pub(super) struct Frame<'a> {
    pub(super) service: &'a str,
    /// The pages that there are, with their slashes.
    pub(super) paths: &'a [&'a str],
    /// Whether it asks for itself anew.
    pub(super) refreshes: bool,
}

/// The page in its frame.
pub(super) fn render(frame: &Frame<'_>, page: &Page) -> String {
    let mut out = String::with_capacity(16 * 1024);
    push_head(&mut out, frame, page);
    for block in &page.blocks {
        match block {
            Block::Facts(facts) => push_facts(&mut out, facts),
            Block::Table(table) => push_table(&mut out, table),
            Block::Charts(charts) => {
                out.push_str("<div class=charts>");
                charts.iter().for_each(|one| chart::push(&mut out, one));
                out.push_str("</div>");
            }
            Block::Settings(settings) => {
                let rows = settings
                    .iter()
                    .map(|(name, flag)| [*name, &flag.shown, &flag.source]);
                out.push_str("<div class=\"scroll wrap\"><table>");
                push_row(&mut out, "th", "", ["Setting", "Value", "Source"]);
                rows.for_each(|cells| push_row(&mut out, "td", "", cells));
                out.push_str("</table></div>");
            }
        }
    }
    out.push_str("</main></body></html>\n");
    out
}

fn push_head(out: &mut String, frame: &Frame<'_>, page: &Page) {
    out.push_str("<!doctype html><html lang=en><head><meta charset=utf-8><title>");
    push_text(out, frame.service);
    out.push(' ');
    out.push_str(page.name);
    out.push_str("</title><meta name=viewport content=\"width=device-width,initial-scale=1\">");
    if frame.refreshes {
        for part in ["<meta http-equiv=refresh content=", REFRESH, ">"] {
            out.push_str(part);
        }
    }
    // Without it a browser would ask for /favicon.ico.
    out.push_str("<link rel=icon href=\"data:,\"><style>");
    out.push_str(STYLE);
    out.push_str("</style></head><body><header><h1>");
    push_text(out, frame.service);
    out.push_str("</h1><nav>");
    for path in frame.paths {
        let is_this = path.strip_prefix('/') == Some(page.name);
        out.push_str("<a href=\"");
        push_text(out, path);
        out.push_str(if is_this {
            "\" aria-current=page>"
        } else {
            "\">"
        });
        push_text(out, path);
        out.push_str("</a>");
    }
    out.push_str("</nav>");
    out.push_str(match frame.refreshes {
        true => "<a href=\"?refresh=off\">pause</a>",
        false => "<a href=\"?\">resume</a>",
    });
    out.push_str("</header><main><p>");
    out.push_str(page.about);
    out.push_str("</p>");
}

fn push_facts(out: &mut String, facts: &[(&str, String)]) {
    out.push_str("<dl>");
    for (name, value) in facts {
        out.push_str("<dt>");
        push_text(out, name);
        out.push_str("</dt><dd>");
        push_text(out, value);
        out.push_str("</dd>");
    }
    out.push_str("</dl>");
}

fn push_table(out: &mut String, table: &Table) {
    out.push_str("<h2>");
    push_text(out, &table.title);
    out.push_str("</h2>");
    if table.rows.is_empty() {
        out.push_str("<p>");
        push_text(out, table.empty);
        out.push_str("</p>");
        return;
    }
    out.push_str("<div class=scroll><table>");
    push_row(out, "th", "", table.columns.iter().copied());
    for row in &table.rows {
        let class = match row.tone {
            Tone::Plain => "",
            Tone::Good => " class=good",
            Tone::Doubtful => " class=warn",
            Tone::Bad => " class=bad",
        };
        push_row(out, "td", class, row.cells.iter().map(String::as_str));
    }
    out.push_str("</table></div>");
}

fn push_row<'a>(
    out: &mut String,
    tag: &str,
    class: &str,
    cells: impl IntoIterator<Item = &'a str>,
) {
    out.push_str("<tr");
    out.push_str(class);
    out.push('>');
    for cell in cells {
        for part in ["<", tag, ">"] {
            out.push_str(part);
        }
        push_text(out, cell);
    }
    out.push_str("</tr>");
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
        let mut table = Table::new(hostile, &["Path"], "none");
        table.row(Tone::Plain, vec![hostile.to_owned()]);
        let page = Page {
            name: "tracez",
            about: "about",
            blocks: vec![
                Block::Facts(vec![("Name", hostile.to_owned())]),
                Block::Table(table),
            ],
        };
        let frame = Frame {
            service: hostile,
            paths: &[hostile],
            refreshes: true,
        };
        let html = render(&frame, &page);
        assert!(!html.contains("<script"), "{html}");
        assert!(!html.contains('\u{1b}'));
        assert_eq!(
            html.matches("&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)")
                .count(),
            7
        );
    }
}
