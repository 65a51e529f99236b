//! Servers written in Python: an environment of their own, filled by pip.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::{folder, on_path, packages, run, whole};
use crate::Kind;

/// What to ask pip for.
pub(super) struct Recipe {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    requirements: &'static [&'static str],
}

pub(super) const MOTO: Recipe = Recipe {
    name: "moto",
    version: "5.2.5",
    requirements: &["moto[server]==5.2.5"],
};

/// With what takes apart the calendars' entries that come by mail.
pub(super) const AIOSMTPD: Recipe = Recipe {
    name: "aiosmtpd",
    version: "1.4.6",
    requirements: &["aiosmtpd==1.4.6", "icalendar==7.3.0"],
};

impl Recipe {
    /// Holds `venv`. Its scripts name the folder that it was made in, so only its `bin/python` is to be called.
    pub(super) fn home(&self, kind: Kind) -> Result<PathBuf> {
        folder(kind, self.version, self.requirements)
    }

    pub(super) fn missing(&self, kind: Kind) -> Option<String> {
        let there = self
            .home(kind)
            .is_ok_and(|home| home.join("venv/bin/python").exists());
        (!there).then(|| format!("{} {}", self.name, self.version))
    }

    pub(super) fn install(&self, kind: Kind, say: &dyn Fn(&str)) -> Result<()> {
        if !on_path("python3") {
            packages::tool("python3", "python3-venv", say)?;
        }
        say(&format!(
            "{kind}: fetching {} {} by pip (some 30 s)",
            self.name, self.version
        ));
        whole(&self.home(kind)?, |folder| {
            let venv = folder.join("venv");
            run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
            run(Command::new(venv.join("bin/python"))
                .args(["-m", "pip", "-q", "install"])
                .args(self.requirements))
        })
    }
}
