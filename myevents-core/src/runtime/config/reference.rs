//! The reference of all settings, made from the table: `docs/configuration.md` is this text.

use std::fmt::Write as _;

use super::keys::{Fallback, KEYS, Key, Kind, Scope};

const INTRODUCTION: &str = "\
# Configuration

<!-- Made from the table of keys in the code. To renew it: UPDATE_DOCS=1 cargo test -p myevents-core --all-features configuration_page -->

Settings come from a JSON file (`--conf FILE`), the environment and flags: flags win over the environment, it wins over the
file, the file wins over the default. Each key has the environment name `MYEVENTS_<KEY>` in upper case, with `_` for `-`; the
names in the last column work too, those other systems set. Unknown keys and values that do not parse stop the start, and all
faults are told at once. `check-config` prints what is in force and where it came from, with passwords hidden.

A secret can stand in a file of its own: `NAME_FILE` in the environment names the file that holds the value of `NAME`, without the line's end
after it. That goes for `dbconnection`, `amqp_message_broker` and `otel_endpoint`, under each of their names (`MYEVENTS_DBCONNECTION_FILE`,
`MONGO_URL_FILE`). The file is read at the start; setting both names stops it. The mail server's password has a file anyway (`smtp_password_file`).

In a file for `myevents` the objects `eventservice` and `bookingservice` override the top level for that service, and so do
the environment names `MYEVENTS_EVENTSERVICE_<KEY>` and `MYEVENTS_BOOKINGSERVICE_<KEY>`. Keys marked ¹ hold for the whole
process; those marked ² are there in `myevents` only.

Times are seconds, or have their unit: `2`, `2s`, `500ms`, `1m`. Addresses are `host:port`; port 0 asks for a free one, `none`
turns a listener off. Lists are JSON lists in the file, separated by commas elsewhere.

```json
{
  \"databasetype\": \"sqlite\",
  \"desk_wait\": \"2s\",
  \"bookingservice\": { \"max_seats_per_booking\": 8 }
}
```
";

/// The text of `docs/configuration.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut group = "";
    for key in KEYS {
        if key.group != group {
            group = key.group;
            let _ = write!(
                page,
                "\n## {group}\n\n| key | form | default | what it does | other environment names |\n|---|---|---|---|---|\n"
            );
        }
        let _ = writeln!(
            page,
            "| `{}`{} | {} | {} | {} | {} |",
            key.name,
            match key.scope {
                Scope::Service => "",
                Scope::Process => " ¹",
                Scope::MyEvents => " ²",
            },
            form(key),
            default(key),
            key.help,
            key.aliases
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", "),
        );
    }
    page
}

fn form(key: &Key) -> String {
    match key.kind {
        Kind::Choice(words) => words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", "),
        other => other.describe(),
    }
}

fn default(key: &Key) -> String {
    let shown = |value: &str| {
        if value.is_empty() {
            "none".to_owned()
        } else {
            format!("`{value}`")
        }
    };
    match key.default {
        Fallback::Unset => String::new(),
        Fallback::Same(value) => shown(value),
        Fallback::ByService(event, booking) => {
            format!("{}, booking service {}", shown(event), shown(booking))
        }
        Fallback::ByProgram(alone, both) => format!("{}, in `myevents` {}", shown(alone), shown(both)),
    }
}
