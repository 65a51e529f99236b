//! What a conformance suite found: a line a case, with what was counted, or why the case does not apply.

use std::fmt;
use std::fs;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::json;
use tokio::time::Instant;

/// What a case that did not fail has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It holds; the text says what was counted (duplicates, rounds), and may be empty.
    Passed(String),
    /// The backend makes no such promise, for this reason.
    NotApplicable(String),
}

impl Finding {
    /// It holds, and there is nothing to count.
    #[must_use]
    pub fn passed() -> Self {
        Self::Passed(String::new())
    }

    /// It holds, and `counted` says what was counted.
    pub fn counted(counted: impl Into<String>) -> Self {
        Self::Passed(counted.into())
    }

    /// The backend makes no such promise.
    pub fn not_applicable(reason: impl Into<String>) -> Self {
        Self::NotApplicable(reason.into())
    }
}

/// Why a case failed. Any error turns into one by `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A failure in words.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }

    /// The words.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// Not an `Error` itself, so that the blanket conversion below does not meet the one of a type from itself.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut why = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            why = format!("{why}: {cause}");
            source = cause.source();
        }
        Self(why)
    }
}

/// What a case answers.
pub type CaseResult = Result<Finding, Failure>;

/// Ends the case with a [`Failure`] unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::testkit::Failure::new(format!($($message)+)));
        }
    };
}
pub(crate) use ensure;

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Passed(String),
    /// It does not apply.
    NotApplicable(String),
    /// It does not hold.
    Failed(String),
}

/// One case of a suite.
#[derive(Debug, Clone)]
pub struct CaseReport {
    /// Its number in the list of cases (`C01`).
    pub id: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// What became of it.
    pub verdict: Verdict,
    /// How long it took.
    pub elapsed: Duration,
}

impl CaseReport {
    /// Runs a case. A panic and a case that is not over within `limit` are failures like any other.
    pub async fn run(
        id: &'static str,
        title: &'static str,
        limit: Duration,
        case: impl Future<Output = CaseResult>,
    ) -> Self {
        let started = Instant::now();
        let guarded = AssertUnwindSafe(case).catch_unwind();
        let verdict = match tokio::time::timeout(limit, guarded).await {
            Ok(Ok(Ok(Finding::Passed(counted)))) => Verdict::Passed(counted),
            Ok(Ok(Ok(Finding::NotApplicable(reason)))) => Verdict::NotApplicable(reason),
            Ok(Ok(Err(failure))) => Verdict::Failed(failure.0),
            Ok(Err(panic)) => Verdict::Failed(format!("panicked: {}", panic_text(panic.as_ref()))),
            Err(_) => Verdict::Failed(format!("not over after {} s", limit.as_secs())),
        };
        Self {
            id,
            title,
            verdict,
            elapsed: started.elapsed(),
        }
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}

impl fmt::Display for CaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, text) = match &self.verdict {
            Verdict::Passed(text) => ("ok", text),
            Verdict::NotApplicable(text) => ("n/a", text),
            Verdict::Failed(text) => ("FAILED", text),
        };
        write!(
            f,
            "{:<4} {:<6} {:>7.2} s  {}",
            self.id,
            word,
            self.elapsed.as_secs_f64(),
            self.title
        )?;
        if text.is_empty() {
            Ok(())
        } else {
            write!(f, " ({text})")
        }
    }
}

/// What a suite found for one backend, in the order of its cases.
#[derive(Debug, Clone)]
pub struct SuiteReport {
    /// The suite: `stores`, `brokers`.
    pub suite: &'static str,
    /// The backend's one word, or a longer name for a wrapped one.
    pub backend: String,
    /// The cases.
    pub cases: Vec<CaseReport>,
}

impl SuiteReport {
    /// A report without cases yet.
    pub fn new(suite: &'static str, backend: impl Into<String>) -> Self {
        Self {
            suite,
            backend: backend.into(),
            cases: Vec::new(),
        }
    }

    /// The cases that failed.
    pub fn failures(&self) -> impl Iterator<Item = &CaseReport> {
        self.cases
            .iter()
            .filter(|case| matches!(case.verdict, Verdict::Failed(_)))
    }

    /// Takes over the cases of `other`, which were run again under other conditions: a case of both is the other's.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        for case in other.cases {
            match self.cases.iter_mut().find(|own| own.id == case.id) {
                Some(own) => *own = case,
                None => self.cases.push(case),
            }
        }
        self
    }

    /// Writes the report as JSON to `column.json` in `folder`, which is made if it is not there: tables are made from these
    /// files. What varies from run to run is left out.
    ///
    /// # Errors
    /// Those of writing the file.
    pub fn save(&self, folder: &Path, column: &str) -> io::Result<()> {
        let cases: Vec<_> = self
            .cases
            .iter()
            .map(|case| {
                let (verdict, reason) = match &case.verdict {
                    Verdict::Passed(_) => ("passed", None),
                    Verdict::NotApplicable(reason) => ("not applicable", Some(reason)),
                    Verdict::Failed(reason) => ("failed", Some(reason)),
                };
                json!({"id": case.id, "title": case.title, "verdict": verdict, "reason": reason})
            })
            .collect();
        let report = json!({"suite": self.suite, "backend": self.backend, "cases": cases});
        fs::create_dir_all(folder)?;
        fs::write(folder.join(format!("{column}.json")), format!("{report:#}"))
    }

    /// Passes the report on if no case failed.
    ///
    /// # Errors
    /// All that failed, a line each.
    pub fn into_result(self) -> Result<Self, Failure> {
        let failed: Vec<String> = self.failures().map(ToString::to_string).collect();
        if failed.is_empty() {
            return Ok(self);
        }
        Err(Failure(format!(
            "{} of {} cases of the suite for {} failed on {}:\n{}",
            failed.len(),
            self.cases.len(),
            self.suite,
            self.backend,
            failed.join("\n")
        )))
    }
}

impl fmt::Display for SuiteReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "suite for {} on {}", self.suite, self.backend)?;
        for case in &self.cases {
            writeln!(f, "{case}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn report_of(case: impl Future<Output = CaseResult>) -> SuiteReport {
        let mut report = SuiteReport::new("tests", "memory");
        report
            .cases
            .push(CaseReport::run("T01", "a case", Duration::from_secs(1), case).await);
        report
    }

    #[tokio::test]
    async fn what_holds_or_does_not_apply_is_no_failure() {
        let report = report_of(async { Ok(Finding::counted("3 duplicates")) }).await;
        assert!(report.to_string().contains("a case (3 duplicates)"));
        assert!(report.into_result().is_ok());
        let report = report_of(async { Ok(Finding::not_applicable("no log")) }).await;
        assert!(report.into_result().is_ok());
    }

    #[tokio::test]
    async fn a_report_is_saved_as_it_is_and_cases_that_were_run_again_replace_the_first() {
        let first = report_of(async { Ok(Finding::not_applicable("no log")) }).await;
        let again = report_of(async { Ok(Finding::counted("7 duplicates")) }).await;
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("suite");
        let saved = |column: &str| {
            let text = fs::read_to_string(folder.join(format!("{column}.json"))).unwrap();
            serde_json::from_str::<serde_json::Value>(&text).unwrap()["cases"].clone()
        };
        first.save(&folder, "memory").unwrap();
        let case = json!({"id": "T01", "title": "a case", "verdict": "not applicable", "reason": "no log"});
        assert_eq!(saved("memory"), json!([case]));
        first.with(again).save(&folder, "memory").unwrap();
        let case = json!({"id": "T01", "title": "a case", "verdict": "passed", "reason": null});
        assert_eq!(saved("memory"), json!([case]));
    }

    #[tokio::test(start_paused = true)]
    async fn errors_panics_and_hanging_cases_are_failures() {
        let error = report_of(async { Err(crate::Error::invalid("no").into()) }).await;
        assert!(error.into_result().unwrap_err().why().contains("no"));
        let panicked = report_of(async { panic!("boom") }).await;
        assert!(
            panicked
                .into_result()
                .unwrap_err()
                .why()
                .contains("panicked: boom")
        );
        let hanging = report_of(std::future::pending()).await;
        assert!(hanging.into_result().unwrap_err().why().contains("not over"));
    }
}
