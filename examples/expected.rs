//! Every example prints what its `expected.txt` says, and ends well.

use std::process::Command;

#[test]
fn it_prints_what_it_promises() {
    let output = Command::new(env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME"))))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        said,
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/expected.txt"))
    );
}
