//! Says which page is embedded: the built one, or the placeholder where nobody has built it.

use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(page_built)");
    if std::env::var_os("CARGO_FEATURE_PAGE").is_none() {
        return;
    }
    let frontend = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../frontend");
    // `dist` is checked in, its content is not: a path that is not there would make cargo run this every time.
    for watched in ["dist", "placeholder"] {
        println!("cargo:rerun-if-changed={}", frontend.join(watched).display());
    }
    if frontend.join("dist/site/index.html").is_file() {
        println!("cargo:rustc-cfg=page_built");
    }
}
