//! A crash point armed by the environment ends the process: tried on a child of this test.

use std::process::{Command, Stdio};

use myevents_core::crash;

const CHILD: &str = "MYEVENTS_TEST_CRASH_CHILD";

/// The child's part; a test like any other when nobody asks for it.
#[test]
fn child_passes_its_points() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    for _ in 0..3 {
        crash::point_sync("test.child");
    }
}

fn child_with(crash_at: &str) -> std::process::ExitStatus {
    let program = std::env::current_exe().expect("the test's own program");
    Command::new(program)
        .args(["--exact", "child_passes_its_points"])
        .env(CHILD, "1")
        .env(crash::ENVIRONMENT, crash_at)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("the child runs")
}

#[test]
fn an_armed_child_is_aborted_and_others_are_not() {
    for reached in ["test.child", "test.child:1", "test.child:3"] {
        let status = child_with(reached);
        assert!(!status.success(), "{reached}: {status}");
        assert_eq!(
            status.code(),
            None,
            "{reached}: ended by a signal, not by an exit"
        );
    }
    for passed in ["test.child:4", "test.other"] {
        let status = child_with(passed);
        assert!(status.success(), "{passed}: {status}");
    }
}
