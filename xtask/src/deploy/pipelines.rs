//! The pipelines of GitHub and GitLab: linted, held to their schemas, every action pinned by its commit.

use anyhow::{Result, ensure};

use super::{files, tools};
use crate::shell;

/// What actionlint and the schemas say.
///
/// # Errors
/// With that.
pub(super) fn check() -> Result<()> {
    let workflows = files::list("../.github/workflows", ".yml")?;
    let mut lint = tools::command(tools::ACTIONLINT)?;
    lint.arg("-shellcheck").arg(tools::path(tools::SHELLCHECK)?);
    lint.args(&workflows);
    shell::run(lint)?;
    let gitlab = vec![files::path("../.gitlab-ci.yml")];
    // GitLab's files have words of their own in YAML, such as !reference.
    let schemas = [
        ("vendor.github-workflows", &workflows, &[][..]),
        ("vendor.gitlab-ci", &gitlab, &["--data-transform", "gitlab-ci"]),
    ];
    for (schema, files, arguments) in schemas {
        let mut check = tools::command(tools::PYTHON)?;
        check
            .args(["-m", "check_jsonschema", "--builtin-schema", schema])
            .args(arguments)
            .args(files);
        shell::run(check)?;
    }
    let mut pinned = 0;
    for file in workflows {
        for line in files::read(&file)?.lines() {
            let Some((_, action)) = line.split_once("uses: ") else {
                continue;
            };
            ensure!(
                is_pinned(action),
                "{}: not pinned by a commit: {action}",
                file.display()
            );
            pinned += 1;
        }
    }
    println!("{pinned} actions pinned");
    Ok(())
}

/// Whether a commit names the action's version, with the version for people behind it.
fn is_pinned(action: &str) -> bool {
    let Some((_, version)) = action.split_once('@') else {
        return false;
    };
    let Some((commit, title)) = version.split_once(" # v") else {
        return false;
    };
    commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()) && !title.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_no_pin() {
        assert!(is_pinned("a/b@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2"));
        assert!(!is_pinned("a/b@v4 # v4.2.2"));
        assert!(!is_pinned("a/b@11bd71901bbe5b1630ceea73d27597364c9af683"));
    }
}
