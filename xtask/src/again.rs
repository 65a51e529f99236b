//! The second run of test programs that failed: alone, and what passes only then is said to be flaky.

use std::fmt;

/// With more failed programs than this something is broken, and no second run tells more.
const MOST: usize = 5;
/// Programs whose failure may be a broken promise that shows now and then: their first word counts.
const FIRST_WORD_COUNTS: [&str; 4] = ["crash", "race", "announced", "limits"];
/// Packages that wait for nobody: what fails there once would fail again.
const WITHOUT_CLOCKS: [&str; 2] = ["myevents-model", "xtask"];

/// A test program, as cargo names it to whoever would run it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    package: String,
    pub(crate) name: String,
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "-p {} --test {}", self.package, self.name)
    }
}

/// What cargo says on one line of a target that failed: `Err` is one that is no program of its own, such as unit tests.
pub(crate) fn failed(line: &str) -> Option<Result<Program, String>> {
    let (_kind, target) = line
        .strip_prefix("error: ")?
        .split_once(" failed, to rerun pass `")?;
    let target = target.trim_end_matches('`');
    let words: Vec<&str> = target.split_whitespace().collect();
    Some(match words[..] {
        ["-p", package, "--test", name] => Ok(Program {
            package: package.to_owned(),
            name: name.to_owned(),
        }),
        _ => Err(target.to_owned()),
    })
}

/// The programs to run again, if a second run of all that failed can tell something: they are few, and each waits for others
/// (servers, sockets, browsers, processes), which a busy machine may starve until a limit of time is over.
pub(crate) fn worth_it(failures: &[Result<Program, String>]) -> Vec<Program> {
    if failures.len() > MOST {
        return Vec::new();
    }
    let chosen: Option<_> = failures
        .iter()
        .map(|failure| failure.as_ref().ok().filter(|program| program.waits()).cloned())
        .collect();
    chosen.unwrap_or_default()
}

impl Program {
    fn waits(&self) -> bool {
        let first = FIRST_WORD_COUNTS.iter().any(|word| self.name.contains(word));
        !first && !WITHOUT_CLOCKS.contains(&self.package.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(package: &str, name: &str) -> Result<Program, String> {
        failed(&format!(
            "error: test failed, to rerun pass `-p {package} --test {name}`"
        ))
        .unwrap()
    }

    #[test]
    fn what_failed_is_read_from_cargos_words() {
        let read = program("myevents-adapters", "sqs_suite").unwrap();
        assert_eq!(read.to_string(), "-p myevents-adapters --test sqs_suite");
        assert_eq!(
            failed("error: test failed, to rerun pass `-p myevents-core --lib`"),
            Some(Err("-p myevents-core --lib".to_owned()))
        );
        assert_eq!(
            failed("error: doctest failed, to rerun pass `-p myevents-core --doc`"),
            Some(Err("-p myevents-core --doc".to_owned()))
        );
        assert_eq!(failed("error: 1 target failed:"), None);
    }

    #[test]
    fn only_a_few_programs_that_wait_run_again() {
        let suite = program("myevents-adapters", "sqs_suite");
        assert_eq!(
            worth_it(std::slice::from_ref(&suite)),
            vec![suite.clone().unwrap()]
        );
        for other in [
            program("myevents-model", "counter"),
            program("myevents-adapters", "mongodb_crash"),
            Err("-p myevents-adapters --lib".to_owned()),
        ] {
            assert_eq!(worth_it(&[suite.clone(), other]), vec![]);
        }
        assert_eq!(worth_it(&vec![suite; MOST + 1]), vec![]);
    }
}
