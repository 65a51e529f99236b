//! Crash points: named places where a test ends the process, or leaves a call unresolved, as `kill -9` would.
//!
//! A backend calls [`point`] (or [`point_sync`] on a thread of its own) at every place where a crash leaves something
//! half-done. Without the feature `testkit` both are empty and compiled away. With it, a point may be armed:
//!
//! * **by the environment**, for child processes: `MYEVENTS_CRASH_AT=name` or `name:count` aborts the process when the
//!   point is reached for the first (the `count`-th) time: no destructor, no flush, no answer;
//! * **in process**, by `arm`: the call never resolves. The test then leaks the instance and opens a fresh one
//!   on the same state. No error is raised and nothing is dropped, as either would release leases that a killed
//!   process never releases. Arming counts for the whole process and for one hit: give such tests a binary of their
//!   own, or points that no other test passes.
//!
//! A name is `where.when`, e.g. `sqlite.before-commit`. Core has these, adapters list theirs as `CRASH_POINTS`:
//!
//! | name | what is done by then, and what is not |
//! |---|---|
//! | `memory.before-commit` | the call was made; nothing is stored |
//! | `memory.after-commit` | state, messages and leases are stored; the caller has no answer and hands nothing over |
//! | `relay.after-claim` | rows are leased; none is emitted |
//! | `relay.before-confirm` | the broker took the messages; the rows are still in the outbox |
//! | `relay.after-confirm` | the rows are gone |
//! | `dispatch.before-handler` | a delivery was taken, the inbox says in progress |
//! | `dispatch.after-handler` | the effect is stored; the inbox says in progress, the delivery is not acknowledged |
//! | `dispatch.before-ack` | the inbox says done; the delivery is not acknowledged |
//! | `mail.before-send` | the inbox says in progress; the mail server has not seen the mail |
//! | `mail.after-send` | the mail server took the mail; the inbox says in progress |

/// The names of core's own points.
pub const CRASH_POINTS: &[&str] = &[
    "memory.before-commit",
    "memory.after-commit",
    "relay.after-claim",
    "relay.before-confirm",
    "relay.after-confirm",
    "dispatch.before-handler",
    "dispatch.after-handler",
    "dispatch.before-ack",
    "mail.before-send",
    "mail.after-send",
];

/// A place where the process may end. Resolves at once unless it is armed.
#[inline]
pub async fn point(name: &'static str) {
    #[cfg(feature = "testkit")]
    if armed::reached(name) {
        std::future::pending::<()>().await;
    }
    #[cfg(not(feature = "testkit"))]
    let _ = name;
}

/// The same for code on a thread of its own: armed in process, the thread never goes on.
#[inline]
pub fn point_sync(name: &'static str) {
    #[cfg(feature = "testkit")]
    if armed::reached(name) {
        loop {
            std::thread::park();
        }
    }
    #[cfg(not(feature = "testkit"))]
    let _ = name;
}

#[cfg(feature = "testkit")]
pub use armed::{Armed, ENVIRONMENT, arm};

#[cfg(feature = "testkit")]
mod armed {
    //! What is armed. The only global state of the crate, and only in test builds: a point has no instance to ask.

    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, OnceLock};

    use parking_lot::Mutex;
    use tokio::sync::Notify;

    /// Which point aborts the process: `name` or `name:count`.
    pub const ENVIRONMENT: &str = "MYEVENTS_CRASH_AT";

    #[derive(Debug)]
    struct Plan {
        name: String,
        left: AtomicU64,
        hit: Notify,
    }

    impl Plan {
        /// Counts a pass; true for the one it was armed for.
        fn is_due(&self) -> bool {
            self.left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                == Ok(1)
        }
    }

    static IN_PROCESS: Mutex<Vec<Arc<Plan>>> = Mutex::new(Vec::new());
    static OF_ENVIRONMENT: OnceLock<Option<Plan>> = OnceLock::new();

    /// A point armed in this process; dropping it disarms it.
    #[derive(Debug)]
    pub struct Armed(Arc<Plan>);

    /// Lets the `count`-th pass of `name` from now (1 = the next one) never resolve. Later passes go through.
    #[must_use]
    pub fn arm(name: &str, count: u64) -> Armed {
        let plan = Arc::new(Plan {
            name: name.to_owned(),
            left: AtomicU64::new(count.max(1)),
            hit: Notify::new(),
        });
        IN_PROCESS.lock().push(Arc::clone(&plan));
        Armed(plan)
    }

    impl Armed {
        /// Whether somebody is stuck at the point.
        #[must_use]
        pub fn is_reached(&self) -> bool {
            self.0.left.load(Ordering::SeqCst) == 0
        }

        /// Waits until somebody is stuck at the point.
        pub async fn reached(&self) {
            while !self.is_reached() {
                self.0.hit.notified().await;
            }
        }
    }

    impl Drop for Armed {
        fn drop(&mut self) {
            IN_PROCESS.lock().retain(|plan| !Arc::ptr_eq(plan, &self.0));
        }
    }

    /// Whether this pass of `name` is to be stuck; does not return when it is to end the process.
    pub(super) fn reached(name: &str) -> bool {
        if let Some(plan) = OF_ENVIRONMENT.get_or_init(from_environment)
            && plan.name == name
            && plan.is_due()
        {
            std::process::abort();
        }
        let plans = IN_PROCESS.lock();
        let mut stuck = false;
        for plan in plans.iter().filter(|plan| plan.name == name) {
            if plan.is_due() {
                plan.hit.notify_one();
                stuck = true;
            }
        }
        stuck
    }

    fn from_environment() -> Option<Plan> {
        let value = std::env::var(ENVIRONMENT).ok()?;
        let (name, count) = match value.rsplit_once(':') {
            Some((name, count)) => (name, count.parse().unwrap_or(1)),
            None => (value.as_str(), 1),
        };
        Some(Plan {
            name: name.to_owned(),
            left: AtomicU64::new(count),
            hit: Notify::new(),
        })
    }

    #[cfg(test)]
    mod tests {
        use super::super::{point, point_sync};
        use super::*;

        #[tokio::test]
        async fn the_armed_pass_never_resolves_and_later_ones_do() {
            let armed = arm("test.async", 2);
            point("test.async").await;
            assert!(!armed.is_reached());
            let stuck = tokio::spawn(point("test.async"));
            armed.reached().await;
            point("test.async").await;
            assert!(!stuck.is_finished());
            stuck.abort();
        }

        #[tokio::test]
        async fn a_thread_is_stuck_too_and_dropping_disarms() {
            let armed = arm("test.sync", 1);
            let thread = std::thread::spawn(|| point_sync("test.sync"));
            armed.reached().await;
            assert!(!thread.is_finished());
            let other = arm("test.other", 1);
            drop(other);
            point_sync("test.other");
        }
    }
}
