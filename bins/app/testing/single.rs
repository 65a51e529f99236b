//! What a program of one service does by itself, whichever service it is. Its tests include this file.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use myevents_adapters::sqlite::{SqliteConfig, SqliteStore};
use myevents_core::ports::SystemClock;

/// A program of one service, and what is its own.
pub(crate) struct Single {
    pub(crate) name: &'static str,
    pub(crate) file: &'static str,
    /// Where it listens when nothing is said.
    pub(crate) endpoint: &'static str,
    /// A path of its document, and one of the other service's.
    pub(crate) paths: (&'static str, &'static str),
}

impl Single {
    /// Runs it in a folder, with no settings but those given.
    pub(crate) fn run(
        &self,
        folder: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> (Output, String) {
        let output = Command::new(self.file)
            .args(arguments)
            .env_clear()
            .envs(environment.iter().copied())
            .current_dir(folder)
            .output()
            .unwrap();
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        (output, String::from_utf8(said).unwrap())
    }

    /// Runs commands that have to work and say this.
    pub(crate) fn say(&self, folder: &Path, commands: &[(&[&str], &str)]) {
        for (command, expected) in commands {
            let (output, said) = self.run(folder, command, &[]);
            assert!(
                output.status.success() && said.contains(expected),
                "{command:?}: {said}"
            );
        }
    }

    /// Runs a command that is refused with these words.
    pub(crate) fn refuses(&self, folder: &Path, command: &[&str], environment: &[(&str, &str)], words: &str) {
        let (output, said) = self.run(folder, command, environment);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words), "{said}");
    }

    pub(crate) fn serving_is_refused_over_a_broker_that_can_not_be(&self) {
        let folder = tempfile::tempdir().unwrap();
        for arguments in [&["serve"][..], &[]] {
            let (output, said) = self.run(folder.path(), arguments, &[("SQS_QUEUE", "no queue")]);
            assert_eq!(output.status.code(), Some(1), "{said}");
            let expected = ": open SQS: the name of a queue";
            assert!(said.contains(expected), "{expected} is not in\n{said}");
            assert!(output.stdout.is_empty(), "what is wrong goes to standard error");
        }
        let (output, said) = self.run(
            folder.path(),
            &["serve"],
            &[("MYEVENTS_MESSAGE_BROKER_TYPE", "local")],
        );
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("`local` joins services inside one process only"),
            "{said}"
        );
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 0, "a start that is refused leaves no files");
    }

    pub(crate) fn help_and_version_are_there_and_a_wrong_line_is_told(&self) {
        let folder = tempfile::tempdir().unwrap();
        let (output, said) = self.run(folder.path(), &["--version"], &[]);
        assert!(output.status.success());
        assert_eq!(
            said.trim_end(),
            format!("{} {}", self.name, env!("CARGO_PKG_VERSION"))
        );
        let (output, said) = self.run(folder.path(), &["--help"], &[]);
        assert!(output.status.success());
        for part in [
            format!("Usage: {}", self.name).as_str(),
            "serve",
            "health",
            "check-config",
            "check-store",
            "openapi",
            "dead-letters",
            "outbox",
            "rebuild",
            "reconcile",
            "republish",
            "backup",
            "restore",
            "dev-cert",
            "--conf",
        ] {
            assert!(said.contains(part), "{part} is not in\n{said}");
        }
        let (output, said) = self.run(folder.path(), &["no-such-command"], &[]);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("no-such-command"), "{said}");
    }

    pub(crate) fn settings_and_the_document_are_printed(&self) {
        let folder = tempfile::tempdir().unwrap();
        let (output, said) = self.run(
            folder.path(),
            &["check-config"],
            &[("AMQP_URL", "amqp://me:geheim@broker")],
        );
        assert!(output.status.success(), "{said}");
        for line in [
            "databasetype = sqlite  (default)",
            format!("restfulapi_endpoint = {}  (default)", self.endpoint).as_str(),
            "amqp_message_broker = amqp://me:***@broker  (environment AMQP_URL)",
        ] {
            assert!(said.contains(line), "{line} is not in\n{said}");
        }
        let (output, said) = self.run(folder.path(), &["check-config"], &[("MYEVENTS_NO_SUCH", "1")]);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("MYEVENTS_NO_SUCH"), "{said}");

        let (output, said) = self.run(folder.path(), &["openapi"], &[]);
        assert!(output.status.success(), "{said}");
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let (own, foreign) = self.paths;
        assert!(document["paths"][own].is_object(), "{said}");
        assert!(document["paths"][foreign].is_null(), "{said}");
    }

    /// Answers the folder, with a sound store in it.
    pub(crate) fn a_store_is_checked_and_a_damaged_one_is_told(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("{}.db", self.name);
        let file = folder.path().join(&name);
        std::fs::write(
            &file,
            "this is no database, and long enough to be looked at: ".repeat(100),
        )
        .unwrap();
        let (output, said) = self.run(folder.path(), &["check-store"], &[]);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&name), "{said}");

        std::fs::remove_file(&file).unwrap();
        let (output, said) = self.run(folder.path(), &["check-store"], &[]);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("no database is here") && !file.exists(), "{said}");

        let config = SqliteConfig::service(&file, self.name);
        drop(SqliteStore::open(config, Arc::new(SystemClock)).unwrap());
        let (output, said) = self.run(folder.path(), &["check-store"], &[]);
        assert!(output.status.success(), "{said}");
        assert_eq!(
            said.trim_end(),
            format!("{}: sound: 0 counters checked", self.name)
        );
        let waiting = format!("{}: 0 waiting", self.name);
        self.say(
            folder.path(),
            &[
                (&["outbox"], &waiting),
                (&["backup", "copy"], &name),
                (&["restore", "copy"], &name),
            ],
        );
        folder
    }
}
