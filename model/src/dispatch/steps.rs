//! The steps of the dispatch model, and what must hold after each of them.

use stateright::{Model, Property};

use super::{Config, Delivery, Fault, Late, Mark, Mutation, Place, Progress, State};

/// A step of the world; a delivery is named by its consumer and its place there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The broker hands a message to a consumer.
    Deliver {
        /// To whom.
        consumer: u8,
        /// What.
        message: u8,
    },
    /// Dispatch asks the inbox, and runs the handler if the message is fresh.
    Begin(u8, usize),
    /// The store is away when dispatch asks.
    BeginAway(u8, usize),
    /// Somebody else is at the message, and no order is promised: it is given back for later.
    GiveBack(u8, usize),
    /// The handler stores its effect.
    Apply(u8, usize),
    /// The handler hears nothing of its call, which is still on its way.
    LoseApply(u8, usize),
    /// A call that nobody waits for takes effect.
    ApplyLate(u8),
    /// The inbox mark is stored, where that is a step of its own.
    Complete(u8, usize),
    /// The handler fails.
    Fail(u8, usize),
    /// Dispatch puts a message to the dead letters.
    PutDead(u8, usize),
    /// Dispatch acknowledges.
    Ack(u8, usize),
    /// The time of a message's lease runs out.
    Expire(u8),
    /// A consumer loses its connection, and goes on with what it has.
    Disconnect(u8),
    /// A consumer dies and is started again.
    Crash(u8),
    /// An operator sends a dead letter again.
    Resend(u8),
}

impl Config {
    fn step(&self, state: &mut State, action: Action) {
        match action {
            Action::Deliver { consumer, message } => {
                let place = &mut state.messages[message as usize].place;
                *place = Place::Out(consumer);
                let early = self.is(Mutation::AckBeforeHandler);
                if early {
                    *place = Place::Settled;
                }
                let delivery = Delivery {
                    message,
                    progress: Progress::Waiting,
                    tries: 0,
                    stale: early,
                };
                state.consumers[consumer as usize].push(delivery);
            }
            Action::Begin(consumer, place) => self.begin(state, consumer, place),
            Action::BeginAway(consumer, place) => {
                state.away -= 1;
                if self.is(Mutation::UnavailableCounts) {
                    self.use_up_attempt(state, consumer, place);
                }
            }
            Action::GiveBack(consumer, place) => {
                let delivery = state.consumers[consumer as usize].remove(place);
                state.give_back(delivery);
                state.messages[delivery.message as usize].nacks +=
                    u8::from(self.is(Mutation::RedeliveryCounts));
            }
            Action::Apply(consumer, place) => {
                let delivery = state.delivery(consumer, place);
                let Progress::Running(token) = delivery.progress else {
                    return;
                };
                let next = if !self.atomic {
                    state.write(self, delivery.message);
                    Progress::Applied(token)
                } else if state.complete_with_effect(self, delivery.message, token) {
                    Progress::Handled
                } else {
                    // The lease went to somebody else: ask the inbox again.
                    Progress::Waiting
                };
                state.progress(consumer, place, next);
            }
            Action::LoseApply(consumer, place) => {
                state.lost -= 1;
                let delivery = state.delivery(consumer, place);
                let Progress::Running(token) = delivery.progress else {
                    return;
                };
                state.late.push(Late {
                    message: delivery.message,
                    token,
                });
                state.late.sort_unstable();
                // Not the message's fault: no attempt is used up. A new lease fences the lost call.
                state.progress(consumer, place, Progress::Waiting);
                state.abandon(self, delivery.message, token);
            }
            Action::ApplyLate(index) => {
                let Late { message, token } = state.late.remove(index as usize);
                if self.atomic {
                    state.complete_with_effect(self, message, token);
                } else {
                    state.write(self, message);
                }
            }
            Action::Complete(consumer, place) => {
                let delivery = state.delivery(consumer, place);
                if let Progress::Applied(token) = delivery.progress {
                    state.complete(delivery.message, token);
                    state.progress(consumer, place, Progress::Handled);
                }
            }
            Action::Fail(consumer, place) => {
                state.failures -= 1;
                let delivery = state.delivery(consumer, place);
                let about = &mut state.messages[delivery.message as usize];
                about.failed = (about.failed + 1).min(self.attempts);
                if let Progress::Running(token) = delivery.progress {
                    state.abandon(self, delivery.message, token);
                }
                state.progress(consumer, place, Progress::Waiting);
                self.use_up_attempt(state, consumer, place);
            }
            Action::PutDead(consumer, place) => self.put_dead(state, consumer, place),
            Action::Ack(consumer, place) => {
                let delivery = state.delivery(consumer, place);
                if !delivery.stale {
                    state.messages[delivery.message as usize].place = Place::Settled;
                }
                if delivery.progress == Progress::Dying {
                    state.progress(consumer, place, Progress::DyingAcknowledged);
                } else {
                    state.consumers[consumer as usize].remove(place);
                }
            }
            Action::Expire(message) => {
                state.oversleeps -= u8::from(state.is_run(message));
                if let Mark::InProgress { live, .. } = &mut state.messages[message as usize].mark {
                    *live = false;
                }
            }
            Action::Disconnect(consumer) => {
                state.disconnects -= 1;
                for delivery in &mut state.consumers[consumer as usize] {
                    delivery.stale = true;
                }
                state.take_back(self, consumer);
            }
            Action::Crash(consumer) => {
                state.crashes -= 1;
                state.consumers[consumer as usize].clear();
                state.take_back(self, consumer);
            }
            Action::Resend(message) => {
                state.resends -= 1;
                let about = &mut state.messages[message as usize];
                about.dead = false;
                about.place = Place::Queued;
                about.nacks = 0;
                about.failed = 0;
            }
        }
        // Whatever the broker was told is over must have had its effect, or be kept for an operator.
        let lost = (0..).zip(&state.messages).any(|(message, about)| {
            let dying = state.consumers.iter().flatten().any(|d| d.message == message);
            about.place == Place::Settled && !about.dead && !dying && !self.effective(state, message)
        });
        if lost {
            state.fault(Fault::Lost);
        }
    }

    fn begin(&self, state: &mut State, consumer: u8, place: usize) {
        let message = state.delivery(consumer, place).message;
        let mark = &mut state.messages[message as usize].mark;
        let seen = match mark {
            Mark::Done => !self.is(Mutation::NoInbox),
            Mark::InProgress { .. } => self.is(Mutation::SeenAtBegin),
            Mark::Unseen => false,
        };
        let next = if seen {
            Progress::Handled
        } else {
            let token = state.next_token;
            *mark = Mark::InProgress { token, live: true };
            state.next_token += 1;
            Progress::Running(token)
        };
        state.progress(consumer, place, next);
    }

    /// Another try in place where order is promised, back to the broker elsewhere, or the dead letters.
    fn use_up_attempt(&self, state: &mut State, consumer: u8, place: usize) {
        let delivery = &mut state.consumers[consumer as usize][place];
        delivery.tries += 1;
        let message = delivery.message as usize;
        if delivery.tries + state.messages[message].nacks >= self.attempts {
            delivery.progress = Progress::Dying;
        } else if !self.ordered || self.is(Mutation::NackWhereOrdered) {
            let delivery = state.consumers[consumer as usize].remove(place);
            if !delivery.stale {
                state.messages[message].nacks += 1;
            }
            state.give_back(delivery);
        }
    }

    fn put_dead(&self, state: &mut State, consumer: u8, place: usize) {
        let delivery = state.delivery(consumer, place);
        let about = &mut state.messages[delivery.message as usize];
        about.dead = true;
        about.was_dead = true;
        if about.failed < self.attempts {
            state.fault(Fault::DeadWithoutCause);
        }
        if self.is(Mutation::DeadLetterCompletes) {
            state.messages[delivery.message as usize].mark = Mark::Done;
        }
        if delivery.progress == Progress::DyingAcknowledged {
            state.consumers[consumer as usize].remove(place);
        } else {
            state.progress(consumer, place, Progress::Handled);
        }
    }

    fn delivery_actions(&self, state: &State, consumer: u8, place: usize, actions: &mut Vec<Action>) {
        let delivery = state.delivery(consumer, place);
        match delivery.progress {
            Progress::Waiting if self.at_its_turn(state, consumer as usize, place) => {
                let mark = state.messages[delivery.message as usize].mark;
                let busy = matches!(mark, Mark::InProgress { live: true, .. });
                if !busy || self.is(Mutation::SeenAtBegin) {
                    actions.push(Action::Begin(consumer, place));
                } else if !self.ordered && !delivery.stale {
                    actions.push(Action::GiveBack(consumer, place));
                }
                if state.away > 0 {
                    actions.push(Action::BeginAway(consumer, place));
                }
            }
            Progress::Waiting => {}
            Progress::Running(_) => {
                actions.push(Action::Apply(consumer, place));
                if state.lost > 0 {
                    actions.push(Action::LoseApply(consumer, place));
                }
                if state.failures > 0 {
                    actions.push(Action::Fail(consumer, place));
                }
            }
            Progress::Applied(_) => actions.push(Action::Complete(consumer, place)),
            Progress::Dying if self.is(Mutation::NoDeadLetter) => {}
            Progress::Dying if self.is(Mutation::AckBeforeDeadLetter) => {
                actions.push(Action::Ack(consumer, place));
            }
            Progress::Dying | Progress::DyingAcknowledged => actions.push(Action::PutDead(consumer, place)),
            Progress::Handled => actions.push(Action::Ack(consumer, place)),
        }
    }
}

impl State {
    fn delivery(&self, consumer: u8, place: usize) -> Delivery {
        self.consumers[consumer as usize][place]
    }

    fn progress(&mut self, consumer: u8, place: usize, progress: Progress) {
        self.consumers[consumer as usize][place].progress = progress;
    }

    fn give_back(&mut self, delivery: Delivery) {
        if !delivery.stale {
            self.messages[delivery.message as usize].place = Place::Queued;
        }
    }

    /// The broker has lost a consumer: what it had out there is queued again, in its old place.
    fn take_back(&mut self, config: &Config, consumer: u8) {
        for message in self
            .messages
            .iter_mut()
            .filter(|message| message.place == Place::Out(consumer))
        {
            message.place = Place::Queued;
            message.nacks += u8::from(config.is(Mutation::RedeliveryCounts));
        }
    }

    /// Whether whoever holds the message's lease is alive.
    fn is_run(&self, message: u8) -> bool {
        let Mark::InProgress { token, .. } = self.messages[message as usize].mark else {
            return false;
        };
        self.consumers.iter().flatten().any(|delivery| {
            delivery.message == message
                && matches!(delivery.progress, Progress::Running(t) | Progress::Applied(t) if t == token)
        })
    }
}

impl Model for Config {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.fault.is_some() {
            return;
        }
        for (consumer, deliveries) in (0..).zip(&state.consumers) {
            for message in 0..state.messages.len() as u8 {
                if self.deliverable(state, consumer, message) {
                    actions.push(Action::Deliver { consumer, message });
                }
            }
            for place in 0..deliveries.len() {
                self.delivery_actions(state, consumer, place, actions);
            }
            if state.disconnects > 0 && deliveries.iter().any(|delivery| !delivery.stale) {
                actions.push(Action::Disconnect(consumer));
            }
            if state.crashes > 0 && !deliveries.is_empty() {
                actions.push(Action::Crash(consumer));
            }
        }
        for (message, about) in (0..).zip(&state.messages) {
            let ends = if state.is_run(message) {
                state.oversleeps > 0
            } else {
                !self.is(Mutation::LeaseForever)
            };
            if matches!(about.mark, Mark::InProgress { live: true, .. }) && ends {
                actions.push(Action::Expire(message));
            }
            if about.dead && about.place == Place::Settled && state.resends > 0 {
                actions.push(Action::Resend(message));
            }
        }
        actions.extend((0..state.late.len() as u8).map(Action::ApplyLate));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        self.step(&mut state, action);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("acknowledged only after its effect", |_, s: &State| {
                s.fault != Some(Fault::Lost)
            }),
            Property::always("takes effect once", |_, s: &State| s.fault != Some(Fault::Twice)),
            Property::always("never goes back", |_, s: &State| s.fault != Some(Fault::WentBack)),
            Property::always("in the order of the key", |_, s: &State| {
                s.fault != Some(Fault::OutOfOrder)
            }),
            Property::always("dead only if it failed", |_, s: &State| {
                s.fault != Some(Fault::DeadWithoutCause)
            }),
            Property::always("nothing is stuck", |config: &Config, s: &State| {
                let mut actions = Vec::new();
                config.actions(s, &mut actions);
                !actions.is_empty() || s.fault.is_some() || s.settled()
            }),
        ];
        let mut sometimes = |wanted: bool, name, condition: fn(&Config, &State) -> bool| {
            if wanted {
                properties.push(Property::sometimes(name, condition));
            }
        };
        sometimes(true, "everything took effect", |config, s| {
            s.settled() && (0..s.messages.len() as u8).all(|message| config.effective(s, message))
        });
        let twice = self.disconnects > 0 || self.crashes > 0;
        sometimes(twice, "a redelivery finds its message done", |_, s| {
            s.consumers.iter().flatten().any(|delivery| {
                delivery.progress == Progress::Waiting
                    && s.messages[delivery.message as usize].mark == Mark::Done
            })
        });
        sometimes(
            self.disconnects > 0,
            "two consumers have the same message",
            |_, s| {
                s.consumers[0]
                    .iter()
                    .any(|one| s.consumers[1].iter().any(|other| one.message == other.message))
            },
        );
        sometimes(
            self.oversleeps > 0,
            "a handler runs under a lost lease",
            |_, s| {
                s.consumers.iter().flatten().any(|delivery| {
                    let mark = s.messages[delivery.message as usize].mark;
                    matches!((delivery.progress, mark),
                    (Progress::Running(mine), Mark::InProgress { token, .. }) if mine != token)
                })
            },
        );
        sometimes(self.lost > 0, "a call applies late", |config, s| {
            s.lost < config.lost
                && s.late.is_empty()
                && s.consumers.iter().flatten().any(|delivery| {
                    delivery.progress == Progress::Waiting && config.effective(s, delivery.message)
                })
        });
        let dies = self.failures >= self.attempts;
        sometimes(dies, "a dead letter lets its key go on", |_, s| {
            s.messages[0].dead && s.settled()
        });
        sometimes(
            dies && self.resends > 0,
            "a dead letter takes effect after all",
            |config, s| {
                s.settled() && s.messages[0].was_dead && !s.messages[0].dead && config.effective(s, 0)
            },
        );
        sometimes(
            !self.ordered,
            "a later message takes effect first",
            |config, s| {
                s.messages.len() > 1
                    && config.effective(s, 1)
                    && s.messages[0].mark == Mark::Unseen
                    && !s.messages[0].dead
            },
        );
        properties
    }
}
