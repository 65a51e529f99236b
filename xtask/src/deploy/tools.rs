//! The programs that read the files of `deploy/`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use myevents_servers::install::Tool;

pub(super) const PYTHON: Tool = Tool::Python {
    name: "deploy-checks",
    requirements: include_str!("../../../deploy/checks/requirements.txt"),
};
pub(super) const PROMETHEUS: Tool = Tool::Debian {
    name: "prometheus",
    package: "prometheus",
};
pub(super) const PROMTOOL: Tool = Tool::Debian {
    name: "promtool",
    package: "prometheus",
};
pub(super) const NGINX: Tool = Tool::NGINX;
/// The loader that `docker compose` reads its files with.
pub(super) const COMPOSE: Tool = Tool::Go {
    name: "compose-go",
    package: "github.com/compose-spec/compose-go/v2/cmd",
    version: "v2.16.2",
};

pub(super) const HELM: Tool = Tool::Go {
    name: "helm",
    package: "helm.sh/helm/v3/cmd/helm",
    version: "v3.22.0",
};

pub(super) const ACTIONLINT: Tool = Tool::Go {
    name: "actionlint",
    package: "github.com/rhysd/actionlint/cmd/actionlint",
    version: "v1.7.12",
};
pub(super) const BUILDAH: Tool = Tool::Debian {
    name: "buildah",
    package: "buildah",
};
/// actionlint reads the scripts of a pipeline with it.
pub(super) const SHELLCHECK: Tool = Tool::Debian {
    name: "shellcheck",
    package: "shellcheck",
};

pub(super) const SYSTEMD: Tool = Tool::Debian {
    name: "systemd-analyze",
    package: "systemd",
};

const ALL: [Tool; 10] = [
    PYTHON, PROMETHEUS, PROMTOOL, NGINX, COMPOSE, HELM, ACTIONLINT, BUILDAH, SHELLCHECK, SYSTEMD,
];

/// Fetches what is missing.
///
/// # Errors
/// When something can't be fetched.
pub(super) fn install() -> Result<()> {
    for tool in ALL {
        tool.install(&|line| println!("--- {line}"))?;
    }
    Ok(())
}

/// The first that is missing.
pub(super) fn missing() -> Option<String> {
    let first = ALL.iter().find(|tool| tool.find().is_none()).map(Tool::title);
    // Nothing here installs Node.
    first.or_else(|| {
        crate::tools::node()
            .err()
            .map(|_| "Node 20.19 or later".to_owned())
    })
}

/// A command that runs it.
///
/// # Errors
/// When it is not installed.
pub(super) fn command(tool: Tool) -> Result<Command> {
    let mut command = Command::new(path(tool)?);
    // Python would leave what it compiles among the files that are checked.
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// Where it is.
///
/// # Errors
/// When it is not installed.
pub(super) fn path(tool: Tool) -> Result<PathBuf> {
    tool.find()
        .with_context(|| format!("{} is not installed", tool.title()))
}
