//! The example ends with what its `expected.txt` says; the lines of the suite before it carry times.

use std::process::Command;

#[test]
fn it_ends_with_what_it_promises() {
    let output = Command::new(env!("CARGO_BIN_EXE_example-03-write-a-backend"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.ends_with(include_str!("../expected.txt")), "{said}");
}
