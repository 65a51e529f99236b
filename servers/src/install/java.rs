//! Servers on the Java machine: their jars by Maven, our own main class by `javac`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::{folder, on_path, packages, run, whole};
use crate::Kind;

/// What to fetch, and what to compile with it.
pub(super) struct Recipe {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pom: &'static str,
    /// Source files of ours: their names and texts.
    sources: &'static [(&'static str, &'static str)],
}

pub(super) const MONGODB: Recipe = Recipe {
    name: "mongo-java-server",
    version: "1.47.0",
    pom: include_str!("../../java/mongodb/pom.xml"),
    sources: &[
        (
            "MongoStandIn.java",
            include_str!("../../java/mongodb/MongoStandIn.java"),
        ),
        ("Indexes.java", include_str!("../../java/mongodb/Indexes.java")),
        ("Records.java", include_str!("../../java/mongodb/Records.java")),
    ],
};

pub(super) const DYNAMODB: Recipe = Recipe {
    name: "DynamoDB Local",
    version: "3.3.1",
    pom: include_str!("../../java/dynamodb/pom.xml"),
    sources: &[],
};

pub(super) const KAFKA: Recipe = Recipe {
    name: "Kafka",
    version: "4.4.0",
    pom: include_str!("../../java/kafka/pom.xml"),
    sources: &[],
};

pub(super) const SQS: Recipe = Recipe {
    name: "ElasticMQ",
    version: "1.7.1",
    pom: include_str!("../../java/sqs/pom.xml"),
    sources: &[(
        "RestoredQueues.java",
        include_str!("../../java/sqs/RestoredQueues.java"),
    )],
};

impl Recipe {
    /// Holds `lib`, the jars and native libraries, and `classes`, what was compiled here.
    pub(super) fn home(&self, kind: Kind) -> Result<PathBuf> {
        let texts = self.sources.iter().map(|(_, text)| *text);
        let ingredients: Vec<&str> = std::iter::once(self.pom).chain(texts).collect();
        folder(kind, self.version, &ingredients)
    }

    pub(super) fn missing(&self, kind: Kind) -> Option<String> {
        if !on_path("java") {
            return Some("`java` (17 or later)".to_owned());
        }
        let there = self.home(kind).is_ok_and(|home| home.is_dir());
        (!there).then(|| format!("{} {}", self.name, self.version))
    }

    pub(super) fn install(&self, kind: Kind, say: &dyn Fn(&str)) -> Result<()> {
        packages::tool("java", "default-jdk-headless", say)?;
        packages::tool("javac", "default-jdk-headless", say)?;
        packages::tool("mvn", "maven", say)?;
        let home = self.home(kind)?;
        if home.is_dir() {
            return Ok(());
        }
        say(&format!(
            "{kind}: fetching {} {} by Maven (some 10 s)",
            self.name, self.version
        ));
        whole(&home, |folder| {
            fs::write(folder.join("pom.xml"), self.pom)?;
            let jars = format!("-DoutputDirectory={}", folder.join("lib").display());
            run(Command::new("mvn").current_dir(folder).args([
                "-q",
                "-B",
                "-f",
                "pom.xml",
                "dependency:copy-dependencies",
                &jars,
                "-DincludeScope=runtime",
            ]))?;
            for (name, text) in self.sources {
                fs::write(folder.join(name), text)?;
            }
            if !self.sources.is_empty() {
                let names = self.sources.iter().map(|(name, _)| name);
                run(Command::new("javac")
                    .current_dir(folder)
                    .args(["--release", "17", "-cp", "lib/*", "-d", "classes"])
                    .args(names))?;
            }
            Ok(())
        })
    }
}
