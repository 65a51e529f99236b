//! What must hold in every state of the outbox of items, and what a run has to have seen.

use stateright::{Expectation, Model, Property};

use super::{Config, Fault, Progress, State, Write};

pub(super) fn all(config: &Config) -> Vec<Property<Config>> {
    let mut properties = vec![
        always("first published in the order of the writes", |_, s| {
            s.fault != Some(Fault::OutOfOrder)
        }),
        always("no message is lost", |_, s| s.fault != Some(Fault::Lost)),
        always("what left the outbox stays away", |_, s| {
            s.fault != Some(Fault::Revived)
        }),
        always("no item is held by two live claims", |_, s| {
            s.items().all(|(id, _)| {
                let holds = s.relays.iter().flatten();
                holds.filter(|hold| hold.item == id && hold.live).count() < 2
            })
        }),
        always("the outbox runs empty", |config, s| {
            let mut actions = Vec::new();
            config.actions(s, &mut actions);
            !actions.is_empty() || s.fault.is_some() || settled(s)
        }),
    ];
    let mut sometimes = |wanted: bool, name, condition: fn(&Config, &State) -> bool| {
        if wanted {
            properties.push(Property::sometimes(name, condition));
        }
    };
    sometimes(true, "everything left", |_, s| settled(s));
    sometimes(true, "a message waits for an item", |config, s| {
        s.relays.iter().flatten().any(|hold| {
            hold.parts
                .iter()
                .any(|(message, progress)| *progress == Progress::Waiting && !config.may_leave(s, *message))
        })
    });
    let several = config.script.iter().any(|records| records.len() > 1);
    sometimes(several, "an item is written back", |config, s| {
        s.items()
            .any(|(id, item)| item.parts.len() < config.script[id as usize].len())
    });
    let repeats = config.lost > 0 || config.oversleeps > 0;
    sometimes(repeats, "a message is repeated", |_, s| {
        s.messages.iter().any(|message| message.published > 1)
    });
    sometimes(
        config.oversleeps > 0,
        "an overslept relay holds what another one claimed",
        |_, s| {
            s.relays[0]
                .iter()
                .any(|hold| !hold.live && s.relays[1].iter().any(|other| other.item == hold.item))
        },
    );
    sometimes(config.lost > 0, "a confirm comes late", |_, s| {
        s.late.iter().any(|change| s.item(change.item).is_none())
    });
    sometimes(
        config.permanent > 0,
        "a later message leaves past a parked one",
        |_, s| {
            s.items().any(|(_, item)| {
                item.parts.iter().filter(|part| part.parked).any(|part| {
                    let record = s.messages[part.message as usize].record;
                    s.messages[part.message as usize + 1..]
                        .iter()
                        .any(|later| later.record == record && later.published > 0)
                })
            })
        },
    );
    properties
}

/// Everything was written, and everything that is not put aside has left.
fn settled(state: &State) -> bool {
    state.relays.iter().all(Vec::is_empty)
        && state
            .writes
            .iter()
            .all(|write| matches!(write, Write::Written(_)))
        && state
            .items()
            .all(|(_, item)| item.parts.iter().all(|part| part.parked))
}

fn always(name: &'static str, condition: fn(&Config, &State) -> bool) -> Property<Config> {
    Property {
        expectation: Expectation::Always,
        name,
        condition,
    }
}
