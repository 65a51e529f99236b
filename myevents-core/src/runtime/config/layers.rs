//! Brings the layers together: default < file < environment < flags, each value with the place it came from.

use std::fmt;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::keys::{self, Key, Program, Scope, ServiceName, env_form};
use super::secrets::{self, Given};

/// Environment names with our prefix that are no settings.
const NO_KEYS: &[&str] = &["MYEVENTS_REQUIRE", "MYEVENTS_SCALE"];
/// Those of the crash tests.
const NO_KEY_PREFIXES: &[&str] = &["MYEVENTS_CRASH"];

/// Something wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key, or what stands for it.
    pub key: String,
    /// Where it came from.
    pub source: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.key, self.source, self.message)
    }
}

/// Everything that is wrong with the settings, at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFaults(pub Vec<Fault>);

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings can't be used:")?;
        for fault in &self.0 {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigFaults {}

/// A value given on the command line.
#[derive(Debug, Clone)]
pub struct FlagValue {
    /// The flag, such as `--listen`.
    pub flag: &'static str,
    /// The key it sets.
    pub key: &'static str,
    /// For this service only.
    pub service: Option<ServiceName>,
    /// The value.
    pub value: String,
}

/// Where settings come from. Nothing is read from the process behind the caller's back.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Who reads them.
    pub program: Program,
    /// The file named by `--conf`.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// The command line.
    pub flags: Vec<FlagValue>,
}

/// Values of one origin.
struct Layer {
    origin: String,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// A value on its way into the layers; without service it is for all.
struct Entry {
    service: Option<ServiceName>,
    key: &'static str,
    value: Value,
    origin: String,
}

impl Entry {
    fn layer(&self) -> Layer {
        Layer {
            origin: self.origin.clone(),
            values: Dict::from([(self.key.to_owned(), self.value.clone())]),
        }
    }
}

/// All layers of one service, the later over the earlier. The values are taken out once: each look into a `Figment` copies
/// all of them.
pub(super) struct Merged {
    values: Dict,
    layers: Figment,
}

impl Merged {
    fn new(layers: Figment) -> Self {
        // None of the layers can fail.
        let mut of_profiles = layers.data().unwrap_or_default();
        Self {
            values: of_profiles.remove(&Profile::Default).unwrap_or_default(),
            layers,
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// Where the value in force came from.
    pub(super) fn origin(&self, key: &str) -> String {
        self.get(key)
            .and_then(|value| self.layers.get_metadata(value.tag()))
            .map_or_else(|| "default".to_owned(), |metadata| metadata.name.to_string())
    }
}

/// The merged layers of each service.
pub(super) struct Layers {
    pub(super) merged: Vec<(ServiceName, Merged)>,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<String>,
}

impl Layers {
    pub(super) fn read(inputs: &Inputs) -> Self {
        let mut gather = Gather {
            program: inputs.program,
            entries: Vec::new(),
            faults: Vec::new(),
            warnings: Vec::new(),
        };
        if let Some(path) = &inputs.file {
            gather.file(path);
        }
        gather.environment(&inputs.environment);
        for flag in &inputs.flags {
            gather.push(
                flag.service,
                flag.key,
                flag.flag.to_owned(),
                Value::from(flag.value.clone()),
            );
        }
        let merged = inputs.program.services().iter().map(|&service| {
            let own = gather
                .entries
                .iter()
                .filter(|entry| entry.service.is_none_or(|of| of == service));
            let defaults = Figment::from(defaults(inputs.program, service));
            let layers = own.fold(defaults, |layers, entry| layers.merge(entry.layer()));
            (service, Merged::new(layers))
        });
        Self {
            merged: merged.collect(),
            faults: gather.faults,
            warnings: gather.warnings,
        }
    }
}

fn defaults(program: Program, service: ServiceName) -> Layer {
    let values = keys::KEYS.iter().filter_map(|key| {
        let value = key.default.value(program, service)?;
        Some((key.name.to_owned(), Value::from(value)))
    });
    Layer {
        origin: "default".into(),
        values: values.collect(),
    }
}

struct Gather {
    program: Program,
    entries: Vec<Entry>,
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

impl Gather {
    fn fault(&mut self, key: &str, source: &str, message: impl Into<String>) {
        self.faults.push(Fault {
            key: key.to_owned(),
            source: source.to_owned(),
            message: message.into(),
        });
    }

    fn push(&mut self, service: Option<ServiceName>, key: &'static str, origin: String, value: Value) {
        self.entries.push(Entry {
            service,
            key,
            value,
            origin,
        });
    }

    /// Whether this program has such a key at this place.
    fn allowed(&mut self, key: &Key, service: Option<ServiceName>, origin: &str) -> bool {
        let refusal = match key.scope {
            Scope::MyEvents if self.program != Program::MyEvents => "only `myevents` has this key",
            Scope::MyEvents | Scope::Process if service.is_some() => {
                "holds for the whole process, not for one service"
            }
            _ => return true,
        };
        self.fault(key.name, origin, refusal);
        false
    }

    fn file(&mut self, path: &Path) {
        let origin = format!("file {}", path.display());
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return self.fault("--conf", &origin, format!("can't be read: {error}")),
        };
        match serde_json::from_str(&text) {
            Ok(serde_json::Value::Object(entries)) => self.object(entries, None, &origin),
            Ok(_) => self.fault("--conf", &origin, "is not a JSON object"),
            Err(error) => self.fault("--conf", &origin, format!("is not JSON: {error}")),
        }
    }

    fn object(
        &mut self,
        entries: serde_json::Map<String, serde_json::Value>,
        service: Option<ServiceName>,
        origin: &str,
    ) {
        let (objects, plain): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|(_, value)| value.is_object());
        for (name, value) in plain {
            let Some(key) = keys::find(&name) else {
                self.fault(&name, origin, unknown(&name));
                continue;
            };
            if !self.allowed(key, service, origin) {
                continue;
            }
            match Value::serialize(&value) {
                Ok(value) => self.push(service, key.name, origin.to_owned(), value),
                Err(error) => self.fault(key.name, origin, error.to_string()),
            }
        }
        // After the rest, so that what is said for one service wins over what is said for both.
        for (name, value) in objects {
            let of = [ServiceName::Event, ServiceName::Booking]
                .into_iter()
                .find(|service| service.as_str() == name);
            match (of, value) {
                (Some(of), serde_json::Value::Object(inner))
                    if service.is_none() && self.program == Program::MyEvents =>
                {
                    self.object(inner, Some(of), &format!("{origin}, {name}"));
                }
                (Some(_), _) => self.fault(&name, origin, "only `myevents` has settings by service"),
                (None, _) => self.fault(&name, origin, unknown(&name)),
            }
        }
    }

    fn environment(&mut self, environment: &[(String, String)]) {
        let (environment, unusable) = secrets::read(environment);
        for each in unusable {
            let origin = format!("environment {}", each.variable);
            self.fault(&each.variable, &origin, each.why);
        }
        self.aliases(&environment);
        let mut by_service = Vec::new();
        for Given { name, value, origin } in &environment {
            let Some(rest) = name.strip_prefix("MYEVENTS_") else {
                continue;
            };
            if NO_KEYS.contains(&name.as_str())
                || NO_KEY_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            {
                continue;
            }
            if let Some(key) = by_env_form(rest) {
                if self.allowed(key, None, origin) {
                    self.push(None, key.name, origin.clone(), Value::from(value.clone()));
                }
                continue;
            }
            let own = [ServiceName::Event, ServiceName::Booking]
                .into_iter()
                .find_map(|service| {
                    let key = rest
                        .strip_prefix(&service.as_str().to_ascii_uppercase())
                        .and_then(|rest| rest.strip_prefix('_'))
                        .and_then(by_env_form)?;
                    Some((service, key))
                });
            match own {
                Some(_) if self.program != Program::MyEvents => {
                    self.fault(name, origin, "only `myevents` has settings by service");
                }
                Some((service, key)) => by_service.push((service, key, origin, value)),
                None => self.fault(name, origin, unknown(&rest.to_ascii_lowercase())),
            }
        }
        for (service, key, origin, value) in by_service {
            if self.allowed(key, Some(service), origin) {
                self.push(
                    Some(service),
                    key.name,
                    origin.clone(),
                    Value::from(value.clone()),
                );
            }
        }
    }

    /// The names other systems set. An empty one counts as not set.
    fn aliases(&mut self, environment: &[Given]) {
        let get = |name: &str| {
            environment
                .iter()
                .find(|given| given.name == name && !given.value.is_empty())
        };
        let mut brokers: Vec<(&'static str, String)> = Vec::new();
        for key in keys::KEYS {
            // One name can't mean both services.
            if self.program == Program::MyEvents
                && key.aliases.iter().any(|name| name.ends_with("LISTEN_URL"))
            {
                continue;
            }
            let Some(Given { value, origin, .. }) = key.aliases.iter().find_map(|name| get(name)) else {
                continue;
            };
            match key.name {
                "dbconnection" => self.push(None, "databasetype", origin.clone(), Value::from("mongodb")),
                "amqp_message_broker" => brokers.push(("amqp", origin.clone())),
                "kafka_message_brokers" => brokers.push(("kafka", origin.clone())),
                "sqs_queue" => brokers.push(("sqs", origin.clone())),
                _ => {}
            }
            self.push(None, key.name, origin.clone(), Value::from(value.clone()));
        }
        if let Some((broker, origin)) = brokers.first() {
            if brokers.len() > 1 {
                let named: Vec<&str> = brokers.iter().map(|(_, origin)| origin.as_str()).collect();
                self.warnings.push(format!(
                    "several brokers are set ({}): {broker} is used",
                    named.join(", ")
                ));
            }
            self.push(None, "message_broker_type", origin.clone(), Value::from(*broker));
        }
    }
}

fn by_env_form(name: &str) -> Option<&'static Key> {
    keys::KEYS.iter().find(|key| env_form(key.name) == name)
}

/// Says that a key is not known, and which one may have been meant.
fn unknown(name: &str) -> String {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_'], "");
    let near = keys::KEYS
        .iter()
        .find(|key| plain(key.name) == plain(name) || plain(key.name).starts_with(&plain(name)));
    match near {
        Some(key) if name.len() > 3 => format!("no such key; did you mean `{}`?", key.name),
        _ => "no such key".into(),
    }
}
