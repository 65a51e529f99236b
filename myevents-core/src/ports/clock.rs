//! Time and new ids as ports, so that tests can hold both.

use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::contract::MessageId;
use crate::domain::UnixMillis;

/// Tells the time of day. Waiting goes through `tokio::time`, which tests can pause.
pub trait Clock: Debug + Send + Sync + 'static {
    /// Now.
    fn now(&self) -> UnixMillis;
}

/// Makes new ids.
pub trait IdSource: Debug + Send + Sync + 'static {
    /// 12 bytes in the layout of a MongoDB ObjectId: seconds, then random bytes. For events and locations.
    fn object_id(&self) -> [u8; 12];

    /// 12 random bytes that nobody can guess. For bookings and users.
    fn secret_id(&self) -> [u8; 12];

    /// A new id of a message: a UUID of version 7.
    fn message_id(&self) -> MessageId;
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Ids from the operating system's random numbers, by way of a cryptographic generator a thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl IdSource for RandomIds {
    fn object_id(&self) -> [u8; 12] {
        let mut id: [u8; 12] = rand::random();
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        id[..4].copy_from_slice(&u32::try_from(seconds).unwrap_or(u32::MAX).to_be_bytes());
        id
    }

    fn secret_id(&self) -> [u8; 12] {
        rand::random()
    }

    fn message_id(&self) -> MessageId {
        MessageId::from(uuid::Uuid::now_v7())
    }
}
