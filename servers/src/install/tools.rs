//! Programs that check or build files for `cargo xtask`: found, or installed once beside the servers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{base, digest, on_path, packages, run, under_lock, whole};
use crate::skip;

/// A program and where it comes from.
#[derive(Debug, Clone, Copy)]
pub enum Tool {
    /// An environment of Python packages; its program is `venv/bin/python`.
    Python {
        /// Its folder's name.
        name: &'static str,
        /// What to ask pip for, a line each, as in a requirements file.
        requirements: &'static str,
    },
    /// A program that Go builds from a module.
    Go {
        /// The program.
        name: &'static str,
        /// The package that holds its `main`.
        package: &'static str,
        /// The module's version.
        version: &'static str,
    },
    /// A program of a Debian package.
    Debian {
        /// The program.
        name: &'static str,
        /// The package.
        package: &'static str,
    },
}

impl Tool {
    /// The web server that stands before the services.
    pub const NGINX: Self = Self::Debian {
        name: "nginx",
        package: "nginx-light",
    };

    /// The program for a test. Where it is missing it is installed with `MYEVENTS_REQUIRE=all`, else the skip is noted.
    ///
    /// # Errors
    /// As [`Tool::install`].
    pub fn for_test(&self, test: &str) -> Result<Option<PathBuf>> {
        if skip::required() {
            return self.install(&|_| {}).map(Some);
        }
        let found = self.find();
        if found.is_none() {
            skip::skip(test, &format!("{} is not installed", self.title()));
        }
        Ok(found)
    }

    /// The program, if it is there.
    #[must_use]
    pub fn find(&self) -> Option<PathBuf> {
        match self {
            // Servers are in a folder that not every user's path names.
            Self::Debian { name, .. } => ["/usr/sbin", "/usr/bin"]
                .iter()
                .map(|folder| Path::new(folder).join(name))
                .find(|path| path.is_file()),
            Self::Python { .. } => {
                Some(self.home().ok()?.join("venv/bin/python")).filter(|path| path.exists())
            }
            Self::Go { name, .. } => Some(self.home().ok()?.join(name)).filter(|path| path.is_file()),
        }
    }

    /// What it is called and which one, for people.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Debian { name, package } => format!("{name} (package {package})"),
            Self::Python { name, .. } => format!("the Python packages for {name}"),
            Self::Go { name, version, .. } => format!("{name} {version}"),
        }
    }

    /// The program, fetched if it is missing. `say` gets a line before what takes long.
    ///
    /// # Errors
    /// When it can't be fetched or built; what its tool said last is in the message.
    pub fn install(&self, say: &dyn Fn(&str)) -> Result<PathBuf> {
        if let Some(found) = self.find() {
            return Ok(found);
        }
        let _one_at_a_time = under_lock(say)?;
        if let Some(found) = self.find() {
            return Ok(found);
        }
        match self {
            Self::Debian { package, .. } => {
                say(&format!("installing the package {package}"));
                packages::add(package)
            }
            Self::Python { requirements, .. } => self.fetch_python(requirements, say),
            Self::Go {
                name,
                package,
                version,
            } => self.build_go(name, package, version, say),
        }
        .with_context(|| format!("cannot install {}", self.title()))?;
        self.find()
            .with_context(|| format!("{} was installed and is not there", self.title()))
    }

    fn fetch_python(&self, requirements: &str, say: &dyn Fn(&str)) -> Result<()> {
        if !on_path("python3") {
            packages::tool("python3", "python3-venv", say)?;
        }
        say(&format!("fetching {} by pip (some 60 s)", self.title()));
        whole(&self.home()?, |folder| {
            let list = folder.join("requirements.txt");
            fs::write(&list, requirements)?;
            let venv = folder.join("venv");
            run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
            run(Command::new(venv.join("bin/python"))
                .args(["-m", "pip", "-q", "install", "-r"])
                .arg(list))
        })
    }

    fn build_go(&self, name: &str, package: &str, version: &str, say: &dyn Fn(&str)) -> Result<()> {
        packages::tool("go", "golang-go", say)?;
        let said = Command::new("go").arg("version").output()?.stdout;
        can_fetch_newer(&String::from_utf8_lossy(&said))?;
        say(&format!(
            "building {} by go (minutes for a large one)",
            self.title()
        ));
        whole(&self.home()?, |folder| {
            run(Command::new("go")
                .args(["install", &format!("{package}@{version}")])
                .env("GOBIN", folder)
                .env("GOFLAGS", "-buildvcs=false"))?;
            // A package's folder names the program, which is not always a good name.
            let made = folder.join(package.rsplit('/').next().unwrap_or(package));
            fs::rename(made, folder.join(name)).context("go built another program")
        })
    }

    /// The folder of this version, made from what names it.
    fn home(&self) -> Result<PathBuf> {
        let (name, version, ingredients) = match self {
            Self::Python { name, requirements } => (*name, "python", *requirements),
            Self::Go {
                name,
                package,
                version,
            } => (*name, *version, *package),
            Self::Debian { name, package } => (*name, "debian", *package),
        };
        let folder = format!("{version}-{:08x}", digest(&[ingredients]));
        Ok(base()?.join("tools").join(name).join(folder))
    }
}

/// From 1.21 on, Go fetches the version that a module asks for.
fn can_fetch_newer(said: &str) -> Result<()> {
    let version = said.split_whitespace().find_map(|word| word.strip_prefix("go1."));
    let minor: u32 = version
        .and_then(|version| version.split('.').next()?.parse().ok())
        .with_context(|| format!("`go version` says `{said}`"))?;
    ensure!(
        minor >= 21,
        "Go 1.21 or later is needed, and this is 1.{minor} (Debian 12's golang-go is 1.19): put a newer one on the path"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_requirements_are_another_folder() {
        let tool = |requirements| Tool::Python {
            name: "t",
            requirements,
        };
        assert_ne!(tool("a==1").home().unwrap(), tool("a==2").home().unwrap());
    }

    #[test]
    fn an_old_go_is_told() {
        assert!(can_fetch_newer("go version go1.24.0 linux/amd64").is_ok());
        assert!(can_fetch_newer("go version go1.21 linux/amd64").is_ok());
        let told = can_fetch_newer("go version go1.19.8 linux/amd64").unwrap_err();
        assert!(told.to_string().contains("1.19"), "{told}");
        assert!(can_fetch_newer("").is_err());
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let tool = Tool::Debian {
            name: "no-such-program",
            package: "none",
        };
        assert_eq!(tool.find(), None);
    }
}
