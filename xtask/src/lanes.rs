//! Several programs at a time: each writes into a file of its own, which is shown whole when it has ended.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// So long nothing ends before it is said what still runs.
const PROGRESS: Duration = Duration::from_secs(120);

/// Something to run.
pub(crate) struct Job {
    /// What people call it.
    pub(crate) title: String,
    pub(crate) command: Command,
    /// Whether nothing else may run meanwhile.
    pub(crate) alone: bool,
}

/// How it went.
pub(crate) struct Outcome {
    pub(crate) title: String,
    /// All that it wrote, standard error among the rest.
    pub(crate) output: String,
    /// Why it did not pass.
    pub(crate) failure: Option<String>,
    pub(crate) took: Duration,
}

/// Runs them in their order, `at_once` at a time, with `folder` for what they write, which is emptied first; `each` gets every outcome as it comes, on this thread.
///
/// # Errors
/// When there is no place for their output. A job that fails is an outcome.
pub(crate) fn run(
    jobs: Vec<Job>,
    at_once: usize,
    folder: &Path,
    mut each: impl FnMut(Outcome),
) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let lanes = at_once.clamp(1, jobs.len().max(1));
    let queue = Mutex::new(jobs.into_iter().enumerate());
    let running = Mutex::new(BTreeSet::new());
    // Held by all that run, wholly by one that is alone; it waits for the others, and those that come after it wait for it.
    let floor = RwLock::new(());
    let (sender, outcomes) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..lanes {
            let (queue, running, floor, sender) = (&queue, &running, &floor, sender.clone());
            scope.spawn(move || {
                loop {
                    let next = queue.lock().ok().and_then(|mut queue| queue.next());
                    let Some((place, job)) = next else { return };
                    let _floor = if job.alone {
                        (None, floor.write().ok())
                    } else {
                        (floor.read().ok(), None)
                    };
                    let file = folder.join(format!("{place:03}.txt"));
                    let what = format!("{}, see {}", job.title, file.display());
                    let note = |change: &dyn Fn(&mut BTreeSet<String>)| {
                        running.lock().map(|mut all| change(&mut all))
                    };
                    let _kept = note(&|all| {
                        all.insert(what.clone());
                    });
                    let outcome = one(job, &file);
                    let _kept = note(&|all| {
                        all.remove(&what);
                    });
                    if sender.send(outcome).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        loop {
            match outcomes.recv_timeout(PROGRESS) {
                Ok(outcome) => each(outcome),
                Err(RecvTimeoutError::Timeout) => {
                    for what in running.lock().iter().flat_map(|all| all.iter()) {
                        println!("--- still runs: {what}");
                    }
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    });
    Ok(())
}

fn one(job: Job, file: &Path) -> Outcome {
    let Job {
        title, mut command, ..
    } = job;
    println!("--- begins: {title}");
    let start = Instant::now();
    let mut ended = || -> Result<Option<String>> {
        // Not a pipe: what a program leaves running would keep that open.
        let log = File::create(file)?;
        let status = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()?;
        Ok((!status.success()).then(|| status.to_string()))
    };
    let failure = ended().unwrap_or_else(|error| Some(format!("{error:#}")));
    Outcome {
        title,
        output: String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned(),
        failure,
        took: start.elapsed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(script: &str) -> Job {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Job {
            title: script.to_owned(),
            command,
            alone: false,
        }
    }

    #[test]
    fn each_is_run_once_and_its_output_is_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = vec![
            job("echo out; echo err >&2; exit 3"),
            // Left running, which holds up nobody.
            job("sleep 600 & echo left; echo $!"),
            job("echo third"),
        ];
        let mut outcomes = Vec::new();
        run(jobs, 2, folder.path(), |outcome| outcomes.push(outcome)).unwrap();
        outcomes.sort_by(|one, other| one.output.cmp(&other.output));
        let [left, failed, third] = &outcomes[..] else {
            panic!("{} outcomes", outcomes.len())
        };
        assert_eq!(failed.output, "out\nerr\n");
        assert!(failed.failure.as_deref().unwrap().contains('3'));
        assert!(left.output.starts_with("left\n") && left.failure.is_none());
        assert_eq!(third.output, "third\n");
        let sleeping = left.output.lines().last().unwrap();
        assert!(Command::new("kill").arg(sleeping).status().unwrap().success());
    }

    #[test]
    fn one_that_is_alone_has_nobody_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("inside");
        // Each makes the folder and takes it away; who finds it there is not alone.
        let visit = format!("mkdir {0} && sleep 0.05 && rmdir {0}", inside.display());
        let jobs = (0..6).map(|_| Job {
            alone: true,
            ..job(&visit)
        });
        let mut passed = 0;
        run(jobs.collect(), 3, &folder.path().join("output"), |outcome| {
            passed += u32::from(outcome.failure.is_none());
        })
        .unwrap();
        assert_eq!(passed, 6);
    }
}
