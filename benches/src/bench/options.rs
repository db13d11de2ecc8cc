//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::readme;
use crate::scenario::{self, SCENARIOS, Scenario};
use crate::verdict::ENOUGH_ROUNDS;

pub const HELP: &str = "\
bench all                 everything, in interleaved rounds
bench quoted              what the project's README quotes, and no more
bench --quick             the headline in a few minutes
bench SCENARIO...         only these; bench list names them
bench report              writes the report again from its raw.json, and from benches/report the
                          section of the project's README

  --rounds N              how often each is measured (7, from which on there are verdicts; 3
                          with --quick)
  --seconds N             how long each load lasts (3; 1 with --quick)
  --again N               how often what was disturbed is measured again, at most (3)
  --only A,B,name=PATH    only these variants, or a binary of your own
  --env NAME=VALUE        for every variant; may be repeated
  --out DIRECTORY         where the report goes (benches/report for all, else bench-report
                          beside the builds)
  --no-build              take the binaries as they are
  --estimate              tells how long it would take, and measures nothing
";

#[derive(Debug, PartialEq)]
pub enum Command {
    Help,
    List,
    Report,
    Run,
    Estimate,
}

pub struct Options {
    pub command: Command,
    pub scenarios: Vec<&'static Scenario>,
    pub rounds: u32,
    pub seconds: u64,
    pub again: u32,
    pub variants: Vec<String>,
    pub env: Vec<(String, String)>,
    pub out: Option<PathBuf>,
    /// Every scenario, none left out.
    pub whole: bool,
    pub build: bool,
}

impl Options {
    pub fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

pub fn parse(args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        command: Command::Run,
        scenarios: Vec::new(),
        rounds: 0,
        seconds: 0,
        again: 3,
        variants: Vec::new(),
        env: Vec::new(),
        out: None,
        whole: false,
        build: true,
    };
    let mut quick = false;
    let mut args = args.peekable();
    if args.peek().is_none() {
        options.command = Command::Help;
    }
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--help" | "-h" => options.command = Command::Help,
            "--quick" => quick = true,
            "--estimate" => options.command = Command::Estimate,
            "--no-build" => options.build = false,
            "--rounds" => options.rounds = number(&arg, &value()?)?,
            "--seconds" => options.seconds = number(&arg, &value()?)?.into(),
            "--again" => {
                let times = value()?;
                options.again = times.parse().map_err(|_| format!("--again takes a number from 0, not {times:?}"))?;
            }
            "--only" => options.variants.extend(value()?.split(',').map(str::to_string)),
            "--out" => options.out = Some(value()?.into()),
            "--env" => {
                let setting = value()?;
                let (name, value) = setting.split_once('=').ok_or(format!("{setting} is not NAME=VALUE"))?;
                options.env.push((name.into(), value.into()));
            }
            "list" => options.command = Command::List,
            "report" => options.command = Command::Report,
            "all" => {
                options.whole = true;
                options.scenarios.extend(&SCENARIOS);
            }
            "quoted" => options.scenarios.extend(SCENARIOS.iter().filter(|scenario| readme::quotes(scenario.name))),
            name => {
                let found = scenario::find(name);
                options.scenarios.push(found.ok_or(format!("no scenario {name:?}; try: bench list"))?);
            }
        }
    }
    if options.scenarios.is_empty() {
        options.scenarios.extend(SCENARIOS.iter().filter(|scenario| !quick || scenario.quick));
    }
    let (rounds, seconds) = if quick { (3, 1) } else { (ENOUGH_ROUNDS as u32, 3) };
    options.rounds = if options.rounds == 0 { rounds } else { options.rounds };
    options.seconds = if options.seconds == 0 { seconds } else { options.seconds };
    Ok(options)
}

fn number(option: &str, text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{option} takes a number from 1, not {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Options, String> {
        parse(line.split_whitespace().map(str::to_string))
    }

    fn names(options: &Options) -> Vec<&str> {
        options.scenarios.iter().map(|scenario| scenario.name).collect()
    }

    #[test]
    fn everything_or_a_part() {
        assert_eq!(of("all").unwrap().scenarios.len(), SCENARIOS.len());
        assert_eq!(names(&of("greeting start").unwrap()), ["greeting", "start"]);
        assert!(names(&of("--quick").unwrap()).contains(&"greeting"));
        assert!(!names(&of("--quick").unwrap()).contains(&"json"));
        assert!(names(&of("quoted").unwrap()).contains(&"open-100"));
        assert!(!names(&of("quoted").unwrap()).contains(&"json"));
    }

    #[test]
    fn what_is_not_quick_has_rounds_enough_for_verdicts() {
        assert_eq!(of("greeting").unwrap().rounds as usize, ENOUGH_ROUNDS);
    }

    #[test]
    fn an_estimate_measures_nothing() {
        assert_eq!(of("all --estimate").unwrap().command, Command::Estimate);
    }

    #[test]
    fn options_with_values() {
        let options = of("all --quick --rounds 7 --only axum,mine=/x --env A=b").unwrap();
        assert_eq!((options.rounds, options.seconds, options.again), (7, 1, 3));
        assert_eq!(of("all --again 0").unwrap().again, 0);
        assert_eq!(options.variants, ["axum", "mine=/x"]);
        assert_eq!(options.env, [("A".to_string(), "b".to_string())]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(of("gretting").err().unwrap().contains("gretting"));
        assert!(of("all --rounds none").err().unwrap().contains("--rounds"));
        assert!(of("all --again often").err().unwrap().contains("--again"));
        assert!(of("all --rounds").err().unwrap().contains("--rounds"));
    }

    #[test]
    fn no_scenario_twice_by_name() {
        let mut names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), SCENARIOS.len());
    }
}
