//! Scenario files: options of a run in TOML, before those of the command line.
//!
//! A key is the name of an option without its dashes; `true` stands for an option without a
//! value, and an array for one that is given more than once.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, bail};
use clap::CommandFactory;
use toml::{Table, Value};

use super::Cli;

const OPTION: &str = "--scenario";

/// The arguments of this program, with the options of the scenario that they name in front of the
/// others: what the command line says again counts.
pub(crate) fn arguments(given: Vec<OsString>) -> anyhow::Result<Vec<OsString>> {
    let Some(path) = named(&given) else { return Ok(given) };
    let path = Path::new(&path);
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the scenario {}", path.display()))?;
    let options = options(&text).with_context(|| format!("in the scenario {}", path.display()))?;
    let mut all = given;
    all.splice(1..1, options.into_iter().map(OsString::from));
    Ok(all)
}

/// The file that the command line names as its scenario.
fn named(given: &[OsString]) -> Option<OsString> {
    let mut given = given.iter().skip(1);
    while let Some(argument) = given.next() {
        let text = argument.to_string_lossy();
        if text == OPTION {
            return given.next().cloned();
        }
        if let Some(path) = text.strip_prefix(OPTION).and_then(|rest| rest.strip_prefix('=')) {
            return Some(path.into());
        }
    }
    None
}

/// A scenario as command-line options.
fn options(text: &str) -> anyhow::Result<Vec<String>> {
    let command = Cli::command();
    let is_option =
        |key: &str| OPTION != format!("--{key}") && command.get_arguments().any(|arg| arg.get_long() == Some(key));
    let mut options = Vec::new();
    for (key, value) in text.parse::<Table>()? {
        if !is_option(&key) {
            bail!("{key:?} is no option of loadgen: see loadgen --help");
        }
        match value {
            Value::Boolean(true) => options.push(format!("--{key}")),
            Value::Boolean(false) => {}
            Value::Array(values) => {
                for value in values {
                    options.push(format!("--{key}={}", plain(&key, value)?));
                }
            }
            value => options.push(format!("--{key}={}", plain(&key, value)?)),
        }
    }
    Ok(options)
}

/// A value as the command line has it.
fn plain(key: &str, value: Value) -> anyhow::Result<String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        _ => bail!("{key:?} must be a text, a number, true or false, or an array of those"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn a_scenario_becomes_options_and_the_command_line_outdoes_it() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("scenario.toml");
        std::fs::write(&file, "clients = 7\nrate = \"5..10\"\nno-probe = true\nno-verify = false\nslo = ['iamat.lag.p50<1s', 'iamat.lag.p99<2s']")
            .unwrap();
        for form in [vec![OPTION.into(), file.clone().into()], vec![format!("{OPTION}={}", file.display()).into()]] {
            let given = [vec![OsString::from("loadgen")], form, vec!["--clients".into(), "9".into()]].concat();
            let arguments = arguments(given).unwrap();
            let words: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
            for option in
                ["--clients=7", "--rate=5..10", "--no-probe", "--slo=iamat.lag.p50<1s", "--slo=iamat.lag.p99<2s"]
            {
                assert!(words.contains(&option.into()), "{option} in {words:?}");
            }
            let plan = Cli::try_parse_from(arguments).unwrap().run.plan().unwrap();
            assert_eq!((plan.clients, plan.probe, plan.verify), (9, None, true));
        }
    }

    #[test]
    fn what_is_no_scenario_is_said_in_a_sentence() {
        for (text, sentence) in [
            ("speed = 1", "\"speed\" is no option of loadgen"),
            ("scenario = \"other.toml\"", "\"scenario\" is no option of loadgen"),
            ("[clients]\nmany = 1", "\"clients\" must be a text, a number, true or false"),
            ("clients = ", "TOML parse error"),
        ] {
            let error = format!("{:#}", options(text).unwrap_err());
            assert!(error.contains(sentence), "{error}");
        }
    }

    #[test]
    fn the_scenarios_that_come_with_the_program_are_valid() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let given = ["loadgen".into(), OPTION.into(), entry.unwrap().path().into()];
            Cli::try_parse_from(arguments(given.into()).unwrap()).unwrap().run.plan().unwrap();
            seen += 1;
        }
        assert!(seen >= 3);
    }
}
