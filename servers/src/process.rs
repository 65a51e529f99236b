//! Processes by their ids: whether one lives, ending it, and one that watches over a server on its starter's behalf.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal};

/// How often a wait looks again.
pub(crate) const TICK: Duration = Duration::from_millis(20);

/// How long a killed process may take until it is gone: its memory has to be given back.
const GONE: Duration = Duration::from_secs(20);

/// When the process began, in the kernel's own count: it tells a process from a later one of the same id.
/// Empty where there is no `/proc`.
pub(crate) fn began(pid: u32) -> String {
    stat(pid)
        .and_then(|fields| fields.get(19).cloned())
        .unwrap_or_default()
}

/// Whether the process is there and has not ended. One that nobody waited for yet has ended.
pub(crate) fn lives(pid: u32) -> bool {
    let Some(id) = id(pid) else { return false };
    // The state is that of the first thread; its files are open until the last one has ended.
    let ended = stat(pid).is_some_and(|fields| {
        let field = |at: usize| fields.get(at).map_or("", String::as_str);
        matches!(field(0), "Z" | "X") && matches!(field(17), "0" | "1")
    });
    rustix::process::test_kill_process(id).is_ok() && !ended
}

/// Asks the process to end; kills it when it does not within `patience`. Answers once it is gone.
///
/// # Errors
/// When it may not be signalled, or is still there long after the kill.
pub(crate) fn end(pid: u32, patience: Duration) -> Result<()> {
    signal(pid, Signal::TERM)?;
    if gone_within(pid, patience) {
        return Ok(());
    }
    signal(pid, Signal::KILL)?;
    ensure!(
        gone_within(pid, GONE),
        "process {pid} is still there {} s after it was killed",
        GONE.as_secs()
    );
    Ok(())
}

/// Asks the process to end; nothing happens when it is not there.
///
/// # Errors
/// When it may not be signalled.
pub(crate) fn ask_to_end(pid: u32) -> Result<()> {
    signal(pid, Signal::TERM)
}

fn signal(pid: u32, signal: Signal) -> Result<()> {
    let Some(id) = id(pid) else { return Ok(()) };
    match rustix::process::kill_process(id, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot signal process {pid}")),
    }
}

fn gone_within(pid: u32, patience: Duration) -> bool {
    let start = Instant::now();
    while lives(pid) {
        if start.elapsed() > patience {
            return false;
        }
        thread::sleep(TICK);
    }
    true
}

fn id(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// What `/proc` says of it, from the state on. The name before that may hold blanks and brackets.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// Starts a shell that waits for the end of this process, however that comes, then kills the server, removes its folder
/// and runs `after`. A test that is killed leaves nothing behind that way. To call it off, kill the shell.
///
/// # Errors
/// When no shell can be started.
pub(crate) fn guard(pid: u32, folder: Option<&Path>, after: Option<&Command>) -> Result<Child> {
    use std::os::unix::process::CommandExt;
    // Its standard input is a pipe that ends with this process; nobody ever writes to it.
    let script = r#"read -r _
kill -9 "$1"
if [ -n "$2" ]; then rm -rf -- "$2"; fi
shift 2
if [ $# -gt 0 ]; then exec "$@"; fi"#;
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script, "sh", &pid.to_string()]);
    shell.arg(folder.unwrap_or_else(|| Path::new("")));
    if let Some(after) = after {
        shell.arg(after.get_program()).args(after.get_args());
    }
    // A group of its own: Ctrl-C at the terminal ends the tests, and the guard is there for what comes then.
    shell.process_group(0);
    shell
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    shell.spawn().context("cannot start /bin/sh")
}

/// The last lines of what a program said, for a message.
pub(crate) fn last_lines(text: &str) -> String {
    const SHOWN: usize = 20;
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
    if shown.is_empty() {
        "(nothing)".to_owned()
    } else {
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The id of a process that does nothing for long and that somebody else waits for.
    fn idler(before: &str) -> u32 {
        let output = Command::new("/bin/sh")
            .args(["-c", &format!("{before} sleep 1000 >/dev/null 2>&1 & echo $!")])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }

    #[test]
    fn a_process_lives_until_it_is_ended() {
        let pid = idler("");
        assert!(lives(pid));
        assert_eq!(began(pid), began(pid));
        end(pid, Duration::from_secs(10)).unwrap();
        assert!(!lives(pid));
        end(pid, Duration::from_secs(10)).unwrap();
    }

    #[test]
    fn one_that_does_not_listen_is_killed() {
        // A program that it starts inherits what it ignores.
        let pid = idler("trap '' TERM;");
        end(pid, Duration::from_millis(50)).unwrap();
        assert!(!lives(pid));
    }

    #[test]
    fn what_is_guarded_ends_with_its_starter() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("left");
        fs::create_dir(&left).unwrap();
        let mut after = Command::new("touch");
        after.arg(folder.path().join("after"));
        let pid = idler("");
        let mut guard = guard(pid, Some(&left), Some(&after)).unwrap();
        assert!(lives(pid));
        // What the end of this process does to the pipe.
        drop(guard.stdin.take());
        guard.wait().unwrap();
        assert!(gone_within(pid, Duration::from_secs(10)));
        assert!(!left.exists() && folder.path().join("after").exists());
    }
}
