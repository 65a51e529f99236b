//! The second run of test programs that talk to servers and failed: alone, and what passes only then is said to be flaky.

use std::fmt;

use anyhow::Result;

use crate::layering;

/// With more failed programs than this something is broken, and no second run tells more.
const MOST: usize = 3;
/// Programs whose failure may be a broken promise that shows now and then: their first word counts.
const FIRST_WORD_COUNTS: [&str; 4] = ["crash", "race", "announced", "limits"];

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

/// The programs to run again, if a second run of all that failed can tell something: they are few, and each talks to servers.
pub(crate) fn worth_it(failures: &[Result<Program, String>]) -> Result<Vec<Program>> {
    let using = layering::packages_using("myevents-servers")?;
    Ok(chosen(failures, &using).unwrap_or_default())
}

fn chosen(failures: &[Result<Program, String>], using: &[String]) -> Option<Vec<Program>> {
    if failures.len() > MOST {
        return None;
    }
    failures
        .iter()
        .map(|failure| {
            let program = failure.as_ref().ok()?;
            let first = FIRST_WORD_COUNTS.iter().any(|word| program.name.contains(word));
            (using.contains(&program.package) && !first).then(|| program.clone())
        })
        .collect()
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
    fn only_a_few_programs_with_servers_run_again() {
        let using = ["adapters".to_owned()];
        let suite = program("adapters", "sqs_suite");
        assert_eq!(
            chosen(std::slice::from_ref(&suite), &using),
            Some(vec![suite.clone().unwrap()])
        );
        for other in [
            program("model", "counter"),
            program("adapters", "mongodb_crash"),
            Err("-p adapters --lib".to_owned()),
        ] {
            assert_eq!(chosen(&[suite.clone(), other], &using), None);
        }
        assert_eq!(chosen(&vec![suite; MOST + 1], &using), None);
    }
}
