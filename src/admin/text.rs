//! A page as text, as Kubernetes' components write theirs.

use super::{
    chart::Charts,
    document::{Document, Tone},
    escape::Printable,
};
use crate::lifecycle::flags::Flag;
use std::{
    fmt::{Arguments, Display, Write},
    iter, mem,
};

/// As they write it (KEP-4827, KEP-4828), so that whoever knows theirs knows this.
const WARNING: &str = "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility \
guarantees and is for debugging purposes only.";

/// A longer cell does not push those beside it off the screen.
const WIDEST_CELL: usize = 48;

/// The page as it is written so far.
pub(super) struct Text {
    out: String,
    /// The lines of the table that was begun last, its columns' names first: it is written when their widths are known.
    lines: Vec<Vec<String>>,
    empty: &'static str,
}

impl Text {
    pub(super) fn of(service: &str, name: &str) -> Text {
        Text {
            out: format!("\n{service} {name}\n{WARNING}\n\n"),
            lines: Vec::new(),
            empty: "",
        }
    }

    pub(super) fn finish(mut self) -> String {
        self.end_table();
        self.out
    }

    fn end_table(&mut self) {
        let lines = mem::take(&mut self.lines);
        match lines.len() {
            0 => {}
            1 => self.line(self.empty),
            _ => self.columns(&lines),
        }
    }

    /// Lines of cells, each below the one above it.
    fn columns(&mut self, lines: &[Vec<String>]) {
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|cells| cells.get(column));
            let widths = cells.map(|cell| cell.chars().count());
            widths
                .filter(|width| *width <= WIDEST_CELL)
                .max()
                .unwrap_or(0)
        };
        let count = lines.first().map_or(0, Vec::len);
        let widths: Vec<usize> = (0..count).map(width).collect();
        for cells in lines {
            let mut line = String::new();
            for (cell, width) in cells.iter().zip(&widths) {
                line.push_str(cell);
                let missing = width.saturating_sub(cell.chars().count());
                line.extend(iter::repeat_n(' ', missing + 2));
            }
            self.line(line.trim_end());
        }
    }

    fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }
}

impl Document for Text {
    fn fact(&mut self, name: &str, value: Arguments<'_>) {
        let _ = write!(self.out, "{name}: ");
        let _ = Printable(&mut self.out).write_fmt(value);
        self.out.push('\n');
    }

    fn next_facts(&mut self) {
        self.out.push('\n');
    }

    fn table(
        &mut self,
        title: Arguments<'_>,
        columns: &'static [&'static str],
        empty: &'static str,
    ) {
        self.end_table();
        let begins_page = self.out.ends_with("\n\n");
        let _ = writeln!(self.out, "{}{title}", if begins_page { "" } else { "\n" });
        self.empty = empty;
        self.lines = vec![columns.iter().map(|name| (*name).to_owned()).collect()];
    }

    fn row(&mut self, _: Tone, cells: &[&dyn Display]) {
        let cells = cells.iter().map(|cell| printed(cell));
        self.lines.push(cells.collect());
    }

    fn settings(&mut self, settings: &[(&'static str, Flag)]) {
        let line = |(name, flag): &(&str, Flag)| {
            let assignment = printed(&format_args!("{name}={}", flag.shown));
            vec![assignment, printed(&format_args!("# {}", flag.source))]
        };
        let lines: Vec<Vec<String>> = settings.iter().map(line).collect();
        self.columns(&lines);
    }

    fn charts(&mut self, _: &Charts) {}
}

fn printed(value: &dyn Display) -> String {
    let mut text = String::new();
    let _ = write!(Printable(&mut text), "{value}");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_and_no_control_byte_reaches_a_terminal() {
        let mut text = Text::of("shop", "tracez");
        text.fact("Phase", format_args!("running\u{1b}[2J"));
        text.table(format_args!("Failed"), &["Took", "Path"], "none");
        text.row(Tone::Bad, &[&"8 µs", &"/a\nb"]);
        text.row(Tone::Plain, &[&"812 ms", &"/"]);
        text.table(format_args!("Slow"), &["Took"], "none");
        let text = text.finish();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..2], ["", "shop tracez"]);
        assert_eq!(
            lines[3..],
            [
                "",
                "Phase: running\u{fffd}[2J",
                "",
                "Failed",
                "Took    Path",
                "8 µs    /a\u{fffd}b",
                "812 ms  /",
                "",
                "Slow",
                "none"
            ]
        );
    }
}
