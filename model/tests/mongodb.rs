//! The commit of MongoDB: every configuration holds, every dropped rule is caught.

use myevents_model::harness::{assert_caught, assert_holds, full_scale};
use myevents_model::mongodb::{Change, Config, Mutation, Request};

fn capacity(capacity: i8) -> Change {
    Change::capacity(Some(capacity))
}

fn unknown() -> Change {
    Change::capacity(None)
}

/// A lost answer and a cancel around the last seat.
fn last_seat() -> Config {
    Config {
        lost: 1,
        cancels: 1,
        retries: u8::from(full_scale()),
        ..Config::new(Some(1), &[1, 1])
    }
}

/// A process dies with calls on their way; the helper finishes its entries, and does not wait for that.
fn crash() -> Config {
    Config {
        eager_helper: true,
        crashes: 1,
        retries: 1,
        ..Config::new(Some(1), &[1, 1])
    }
}

/// A client asks twice and both tries are granted: one of them loses, and its seats are wanted by somebody else.
fn twice() -> Config {
    Config {
        lost: 1,
        retries: 1,
        eager_helper: full_scale(),
        ..Config::new(Some(2), &[1, 1])
    }
}

/// Three requests, of which two fit, on two processes.
fn crowd() -> Config {
    Config {
        lost: u8::from(full_scale()),
        ..Config::new(Some(2), &[1, 2, 1])
    }
}

/// Two cancels race, with a helper that settles what they left.
fn cancels() -> Config {
    Config {
        processes: 1,
        eager_helper: true,
        cancels: 2,
        lost: 1,
        crashes: 1,
        ..Config::new(Some(1), &[1])
    }
}

/// Only one entry may be pending.
fn full_pending() -> Config {
    Config {
        pending: 1,
        lost: 1,
        cancels: 1,
        ..Config::new(Some(2), &[1, 1])
    }
}

/// Desks grant from what they remember.
fn memory() -> Config {
    Config {
        memory: true,
        retries: 1,
        lost: u8::from(full_scale()),
        ..Config::new(Some(2), &[1, 1])
    }
}

/// Two requests with the same id and different contents.
fn reused_id() -> Config {
    let mut config = Config {
        lost: 1,
        retries: 1,
        ..Config::new(Some(3), &[1, 2])
    };
    config.requests[1].id = 0;
    config.requests[1].fingerprint = 1;
    config
}

/// Capacity goes up; in full below what is sold again, and the two messages overtake each other.
fn capacity_moves() -> Config {
    Config {
        lost: 1,
        changes: if full_scale() {
            vec![capacity(2), capacity(1)]
        } else {
            vec![capacity(2)]
        },
        ..Config::new(Some(1), &[1, 1])
    }
}

/// Known, unknown, known; nothing is sold while it is unknown.
fn unknown_refuses() -> Config {
    Config {
        lost: 1,
        retries: 1,
        changes: vec![unknown(), capacity(1)],
        ..Config::new(Some(1), &[1])
    }
}

/// Unknown, known, unknown; seats are sold and given back all along.
fn unknown_allowed() -> Config {
    Config {
        lost: 1,
        cancels: 1,
        retries: u8::from(full_scale()),
        allow_unknown: true,
        changes: vec![capacity(1), unknown()],
        ..Config::new(None, &[1])
    }
}

/// The event is cancelled between a lost answer and its retry.
fn event_cancelled() -> Config {
    let cancelled = Change {
        cancelled: true,
        ..capacity(1)
    };
    Config {
        lost: 1,
        retries: 1,
        changes: vec![cancelled],
        ..Config::new(Some(1), &[1])
    }
}

/// A booking that can't be inserted for a while, pending twice; somebody else wants the seats.
fn uninsertable() -> Config {
    Config {
        lost: 2,
        stubborn: Some(0),
        pinned: !full_scale(),
        ..Config::new(Some(2), &[1, 1])
    }
}

/// The sale ends between a lost answer and its retry.
fn sale_ends() -> Config {
    Config {
        lost: 1,
        retries: 1,
        sale_ends: true,
        ..Config::new(Some(1), &[1])
    }
}

/// A person may have one seat; a try finds what another one of its person, or of its own client, has reserved.
fn limit() -> Config {
    Config {
        lost: u8::from(full_scale()),
        retries: 1,
        sweeps: 1,
        limit: Some(1),
        ..Config::new(Some(2), &[1, 1])
    }
}

/// Lost tries leave orphans in the holder record.
fn limit_lost() -> Config {
    Config {
        lost: 1,
        retries: 0,
        ..limit()
    }
}

/// A refused try takes its entry out while its retry is granted.
fn limit_refused() -> Config {
    Config {
        processes: 1,
        lost: 0,
        changes: vec![unknown(), capacity(2)],
        ..limit()
    }
}

/// A late booking is cancelled while its own try, or its retry, is decided again.
fn limit_late_cancel() -> Config {
    Config {
        lost: 1,
        cancels: 1,
        retries: 0,
        sweeps: 0,
        ..limit()
    }
}

/// A client asks again under another name: the record of the one and the booking of the other have the same id.
fn limit_other_person() -> Config {
    let mut config = Config {
        retries: 0,
        ..limit()
    };
    config.requests = [(0, 0), (0, 1), (1, 1)]
        .map(|(id, person)| Request {
            id,
            person,
            fingerprint: 0,
            seats: 1,
        })
        .to_vec();
    config
}

/// The same, and a cancel makes room again.
fn limit_cancel() -> Config {
    Config {
        lost: 0,
        retries: 0,
        crashes: 1,
        cancels: 1,
        ..limit()
    }
}

/// A person may have two seats and asks for one and for two under the same id.
fn limit_reused_id() -> Config {
    let mut config = Config {
        sweeps: 1,
        limit: Some(2),
        ..Config::new(Some(4), &[1, 2, 1])
    };
    config.requests[1].id = 0;
    config.requests[1].fingerprint = 1;
    config
}

/// A person may have one seat and asks for another thing under the same id.
fn limit_same_seats() -> Config {
    let mut config = Config {
        sweeps: 1,
        limit: Some(1),
        ..Config::new(Some(4), &[1, 1, 1])
    };
    config.requests[1].id = 0;
    config.requests[1].fingerprint = 1;
    config
}

macro_rules! holds {
    ($($config:ident >= $floor:expr;)*) => {
        mod holds {
            $(#[test] fn $config() { super::assert_holds(stringify!($config), super::$config(), $floor); })*
        }
    };
}

macro_rules! caught {
    ($($name:ident: $mutation:ident in $config:ident by $property:expr;)*) => {
        mod caught {
            $(#[test] fn $name() {
                let mutated = super::Config { mutation: Some(super::Mutation::$mutation), ..super::$config() };
                super::assert_caught(stringify!($mutation), mutated, $property);
            })*
        }
    };
}

holds! {
    last_seat >= 100_000;
    crash >= 100_000;
    twice >= 500_000;
    crowd >= 3600;
    cancels >= 130_000;
    full_pending >= 220_000;
    memory >= 5500;
    reused_id >= 220_000;
    capacity_moves >= 87_000;
    unknown_refuses >= 220_000;
    unknown_allowed >= 5500;
    event_cancelled >= 22_000;
    uninsertable >= 410_000;
    sale_ends >= 14_000;
    limit >= 24_000;
    limit_lost >= 50_000;
    limit_refused >= 7800;
    limit_late_cancel >= 360_000;
    limit_other_person >= 13_000;
    limit_cancel >= 130_000;
    limit_reused_id >= 15_000;
    limit_same_seats >= 18_000;
}

caught! {
    no_epoch: NoEpoch in last_seat by "no booking after a refusal";
    cancel_keeps_epoch: CancelKeepsEpoch in last_seat by "no booking after a refusal";
    losers_keep_epoch: LosersKeepEpoch in uninsertable by "no booking after a refusal";
    losers_keep_seats: LosersKeepSeats in twice by "at rest counter and bookings agree";
    duplicate_is_mine: DuplicateIsMine in twice by "at rest counter and bookings agree";
    duplicate_is_lost: DuplicateIsLost in crash by "at rest counter and bookings agree";
    insert_replaces: InsertReplaces in twice by "at rest counter and bookings agree";
    settle_unguarded: SettleUnguarded in cancels by "at rest counter and bookings agree";
    settle_before_stored: SettleBeforeStored in crash by "at rest counter and bookings agree";
    settle_creates_available: SettleCreatesAvailable in unknown_allowed by "at rest counter and bookings agree";
    twin_without_absence: TwinWithoutAbsence in unknown_allowed by "at rest counter and bookings agree";
    answer_before_insert: AnswerBeforeInsert in crash by "what is accepted is stored";
    bookings_before_counter: BookingsBeforeCounter in crash by "no refusal beside a booking";
    stale_read: StaleRead in last_seat by "sold out means too few seats";
    pending_is_answer: PendingIsAnswer in reused_id by "what is accepted is stored";
    refuse_before_roll_forward: RefuseBeforeRollForward in last_seat by "sold out means too few seats";
    refuse_by_the_old_counter: RefuseByTheOldCounter in last_seat by "sold out means too few seats";
    token_reused: TokenReused in twice by "at rest counter and bookings agree";
    intent_token_reused: IntentTokenReused in cancels by "at rest counter and bookings agree";
    cancel_booking_first: CancelBookingFirst in cancels by "at rest counter and bookings agree";
    mark_unguarded: MarkUnguarded in cancels by "at rest counter and bookings agree";
    cancel_token_ignored: CancelTokenIgnored in cancels by "at rest counter and bookings agree";
    uninsertable_dropped: UninsertableDropped in uninsertable by "at rest counter and bookings agree";
    clock_refuses: ClockRefuses in sale_ends by "no booking after a refusal";
    fence_without_roll_forward: FenceWithoutRollForward in sale_ends by "no booking after a refusal";
    limit_only_read: LimitOnlyRead in limit by "the limit per person holds";
    not_renewed: NotRenewed in limit by "the limit per person holds";
    renewed_before_counter: RenewedBeforeCounter in limit by "the limit per person holds";
    seats_not_compared: SeatsNotCompared in limit_reused_id by "the limit per person holds";
    take_out_without_token: TakeOutWithoutToken in limit_refused by "the limit per person holds";
    take_out_after_key_reused: TakeOutAfterKeyReused in limit_same_seats by "the limit per person holds";
    take_out_before_cancel: TakeOutBeforeCancel in limit_cancel by "the limit per person holds";
    limit_without_look_up: LimitWithoutLookUp in limit_late_cancel by "no refusal beside a booking";
    person_not_compared: PersonNotCompared in limit_other_person by "nobody is refused below the limit";
    orphans_stay: OrphansStay in limit_lost by "nobody is refused below the limit";
    orphan_without_raise: OrphanWithoutRaise in limit by "the limit per person holds";
    orphan_without_token: OrphanWithoutToken in limit by "the limit per person holds";
    orphan_look_before_raise: OrphanLookBeforeRaise in limit by "the limit per person holds";
}
