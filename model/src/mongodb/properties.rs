//! What must hold in every state of the model of MongoDB, and what a run has to have seen.

use stateright::{Expectation, Model, Property};

use super::process::Phase;
use super::{Call, Config, Entry, Fault, Handler, State, Told};

pub(super) fn all(config: &Config) -> Vec<Property<Config>> {
    let mut properties = vec![
        always("granted within the capacity", |_, s| {
            s.fault != Some(Fault::Oversold)
        }),
        always("no booking after a refusal", |_, s| {
            s.fault != Some(Fault::BookedAfterRefusal)
        }),
        always("no refusal beside a booking", |_, s| {
            s.fault != Some(Fault::RefusedThoughBooked)
        }),
        always("a lost answer is found again", |_, s| {
            s.fault != Some(Fault::BookingNotFound)
        }),
        always("sold out means too few seats", |_, s| {
            s.fault != Some(Fault::RefusedWithoutGrounds)
        }),
        always("nobody is refused below the limit", |_, s| {
            s.fault != Some(Fault::RefusedBelowLimit)
        }),
        always("what is accepted is stored", |_, s| {
            s.fault != Some(Fault::AcceptedNotStored)
        }),
        always("the limit per person holds", |_, s| {
            s.fault != Some(Fault::OverLimit)
        }),
        always("at rest counter and bookings agree", |config, s| {
            let (counter, sold) = (&s.counter, s.sold(config));
            !counter.pending.is_empty()
                || counter.sold == sold && counter.available == counter.capacity.map(|all| all - sold)
        }),
        always("nothing is stuck", |config, s| {
            let mut actions = Vec::new();
            config.actions(s, &mut actions);
            !actions.is_empty() || s.fault.is_some() || settled(s)
        }),
    ];
    properties.extend(seen(config));
    properties
}

fn settled(state: &State) -> bool {
    state.counter.pending.is_empty()
        && state.cancellers.is_empty()
        && state.helper.is_none()
        && state.processes.iter().all(|process| {
            process.queue.is_empty() && process.batch.is_empty() && process.phase == Phase::Idle
        })
        && state.handlers.iter().all(|handler| *handler == Handler::Done)
        && state.clients.iter().all(super::Client::settled)
}

/// A pending entry has a booking that another attempt has stored.
fn loses(config: &Config, state: &State) -> bool {
    state.counter.pending.iter().any(|entry| match entry {
        Entry::Commit { token, ballots } => ballots.iter().any(|ballot| {
            state
                .booking(config.request(*ballot).id)
                .is_some_and(|booking| booking.attempt != *token)
        }),
        Entry::Cancel { .. } => false,
    })
}

fn seen(config: &Config) -> Vec<Property<Config>> {
    let mut properties = Vec::new();
    let mut sometimes = |wanted: bool, name, condition: fn(&Config, &State) -> bool| {
        if wanted {
            properties.push(Property::sometimes(name, condition));
        }
    };
    let (races, retries) = (config.lost > 0 || config.crashes > 0, config.retries > 0);
    sometimes(true, "somebody is booked", |_, s| s.told(Told::Booked));
    sometimes(config.scarce(), "somebody is refused for seats", |_, s| {
        s.told(Told::SoldOut)
    });
    sometimes(races, "a push is on its way that nobody waits for", |_, s| {
        s.late.iter().any(|call| matches!(call, Call::Push { .. }))
    });
    sometimes(races && retries, "a retry finds its booking", |_, s| {
        s.told(Told::Existing)
    });
    sometimes(
        races && retries && config.scarce(),
        "a push is left after a refusal",
        |_, s| {
            s.clients.iter().any(|client| client.forbidden & 1 != 0)
                && s.late.iter().any(|call| matches!(call, Call::Push { .. }))
        },
    );
    sometimes(
        races && retries && config.fits_twice(),
        "a pending booking loses",
        loses,
    );
    sometimes(config.cancels > 0, "a cancel's seats are back", |_, s| {
        s.counter.pending.is_empty() && s.bookings.iter().flatten().any(|b| b.cancelled.is_some())
    });
    sometimes(config.cancels > 1, "a cancel is pending in vain", |_, s| {
        s.counter.pending.iter().any(|entry| match entry {
            Entry::Cancel { token, id } => s
                .booking(*id)
                .is_some_and(|booking| booking.cancelled.is_some_and(|by| by != *token)),
            Entry::Commit { .. } => false,
        })
    });
    sometimes(
        config.eager_helper,
        "the helper is at work on what is settled",
        |_, s| {
            s.helper
                .as_ref()
                .is_some_and(|roll| !s.counter.pending.contains(&roll.entry))
        },
    );
    let unknown = config.capacity.is_none() || config.changes.iter().any(|change| change.capacity.is_none());
    sometimes(
        unknown && config.allow_unknown,
        "pending while unknown",
        |_, s| s.counter.capacity.is_none() && !s.counter.pending.is_empty(),
    );
    sometimes(unknown && !config.allow_unknown, "refused as unknown", |_, s| {
        s.told(Told::CapacityUnknown)
    });
    sometimes(config.limit.is_some(), "refused for the limit", |_, s| {
        s.told(Told::LimitReached)
    });
    sometimes(
        config.limit.is_some() && races,
        "an orphan holds seats",
        |_, s| {
            s.counter.pending.is_empty()
                && s.holders
                    .iter()
                    .flatten()
                    .any(|hold| s.booking(hold.id).is_none())
                && s.processes.iter().all(|process| process.phase == Phase::Idle)
        },
    );
    sometimes(
        config.stubborn.is_some(),
        "decided beside an uninsertable entry",
        |_, s| !s.mended && s.told(Told::SoldOut) && !s.counter.pending.is_empty(),
    );
    sometimes(config.sale_ends, "refused as over", |_, s| s.told(Told::SaleOver));
    sometimes(config.reuses_id(), "a key is reused", |_, s| {
        s.told(Told::KeyReused)
    });
    sometimes(
        config.changes.iter().any(|change| change.cancelled),
        "refused as cancelled",
        |_, s| s.told(Told::EventCancelled),
    );
    properties
}

fn always(name: &'static str, condition: fn(&Config, &State) -> bool) -> Property<Config> {
    Property {
        expectation: Expectation::Always,
        name,
        condition,
    }
}
