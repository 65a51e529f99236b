//! Secrets of the environment that stand in files of their own, as containers mount them: `NAME_FILE` names the file of `NAME`.

use std::fs::File;
use std::io::{self, Read as _};

use super::keys::{KEYS, env_form};

/// Longer files are none of a secret.
const MOST_BYTES: u64 = 64 << 10;

/// What the environment says of a setting, and where: of a secret in a file the name of the file's variable, not the value.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) origin: String,
}

/// A variable that can't be used, and why.
#[derive(Debug)]
pub(super) struct Unusable {
    pub(super) variable: String,
    pub(super) why: String,
}

/// The environment with the files read that it names for secrets. Of a file the line's end after its last line is left out.
pub(super) fn read(environment: &[(String, String)]) -> (Vec<Given>, Vec<Unusable>) {
    let (mut given, mut unusable) = (Vec::with_capacity(environment.len()), Vec::new());
    for (variable, value) in environment {
        let origin = format!("environment {variable}");
        let Some(name) = variable.strip_suffix("_FILE").filter(|name| is_secret(name)) else {
            given.push(Given {
                name: variable.clone(),
                value: value.clone(),
                origin,
            });
            continue;
        };
        let both = environment.iter().any(|(other, _)| other == name);
        let read = match both {
            true => Err(format!("{name} is set too; keep one of them")),
            false => content(value).map_err(|error| format!("{value} can't be read: {error}")),
        };
        match read {
            Ok(value) => given.push(Given {
                name: name.to_owned(),
                value,
                origin,
            }),
            Err(why) => unusable.push(Unusable {
                variable: variable.clone(),
                why,
            }),
        }
    }
    (given, unusable)
}

/// Whether this variable sets a key that may hold a secret, under any of its names, for both services or for one.
fn is_secret(name: &str) -> bool {
    let own = name.strip_prefix("MYEVENTS_").map(|rest| {
        let of_one = rest.strip_prefix("EVENTSERVICE_");
        of_one.or(rest.strip_prefix("BOOKINGSERVICE_")).unwrap_or(rest)
    });
    let mut secrets = KEYS.iter().filter(|key| key.secret);
    secrets.any(|key| key.aliases.contains(&name) || own == Some(env_form(key.name).as_str()))
}

fn content(path: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(io::Error::other("it is longer than a secret"));
    }
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(io::Error::other("it is empty"));
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::{Inputs, Program, Settings};

    const SECRET: &str = "amqp://me:from-a-file@broker:5672";

    fn load(program: Program, environment: &[(&str, &str)]) -> Result<Settings, String> {
        let pairs = environment
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        let inputs = Inputs {
            program,
            file: None,
            environment: pairs.collect(),
            flags: Vec::new(),
        };
        Settings::load(&inputs).map_err(|faults| faults.to_string())
    }

    fn file(content: impl AsRef<[u8]>) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, content).unwrap();
        let path = path.to_str().unwrap().to_owned();
        (folder, path)
    }

    #[test]
    fn a_secret_is_read_from_its_file_under_each_of_its_names() {
        let (_folder, path) = file(format!("{SECRET}\r\n"));
        for name in [
            "MYEVENTS_AMQP_MESSAGE_BROKER_FILE",
            "AMQP_BROKER_URL_FILE",
            "AMQP_URL_FILE",
        ] {
            let settings = load(Program::EventService, &[(name, &path)]).unwrap();
            let urls: Vec<_> = settings.services[0]
                .broker
                .amqp_urls
                .iter()
                .map(|url| url.reveal())
                .collect();
            assert_eq!(urls, [SECRET], "{name}");
            let shown = settings
                .in_force
                .iter()
                .find(|each| each.key == "amqp_message_broker");
            let shown = format!("{:?}", shown.unwrap());
            assert!(shown.contains(name) && !shown.contains("from-a-file"), "{shown}");
        }
        let (_folder, path) = file("mongodb://me:from-a-file@store/");
        let own = [
            ("MYEVENTS_DATABASETYPE", "mongodb"),
            ("MYEVENTS_BOOKINGSERVICE_DBCONNECTION_FILE", path.as_str()),
        ];
        let settings = load(Program::MyEvents, &own).unwrap();
        let of = |at: usize| settings.services[at].connection.as_ref().map(|url| url.reveal());
        assert_eq!((of(0), of(1)), (None, Some("mongodb://me:from-a-file@store/")));
    }

    #[test]
    fn what_can_not_be_used_is_told_without_the_secret() {
        let (_one, path) = file(SECRET);
        let (_two, empty) = file("\n");
        let (_three, long) = file(vec![b'a'; 65 << 10]);
        let (_four, bytes) = file([0xff, 0xfe]);
        let told = |environment: &[(&str, &str)]| load(Program::EventService, environment).unwrap_err();
        for (path, why) in [
            ("/nowhere/at/all", "can't be read: No such file"),
            (&empty, "it is empty"),
            (&long, "longer than a secret"),
            (&bytes, "UTF-8"),
        ] {
            let told = told(&[("MYEVENTS_DBCONNECTION_FILE", path)]);
            assert!(
                told.contains("MYEVENTS_DBCONNECTION_FILE") && told.contains(why),
                "{told}"
            );
        }
        let twice = told(&[("AMQP_URL", SECRET), ("AMQP_URL_FILE", &path)]);
        assert!(twice.contains("AMQP_URL is set too"), "{twice}");
        assert!(!twice.contains("from-a-file"), "{twice}");
        // Other settings are no secrets.
        let other = told(&[("MYEVENTS_LISTEN_FILE", &path)]);
        assert!(other.contains("no such key"), "{other}");
    }
}
