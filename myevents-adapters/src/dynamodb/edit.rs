//! Changing a parcel: read, changed in memory, written back if nobody else did so meanwhile; never brought back once it is gone.

use std::collections::HashSet;

use myevents_core::Result;

use super::expression::Expression;
use super::ids::Place;
use super::inbox::Changed;
use super::item::number;
use super::names::*;
use super::parcel::{HOLDS_ATTRIBUTE, Parcel, parcel_key};
use super::store::{Shared, too_busy};

/// What a change did to a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Touched {
    Nothing,
    /// Only leases.
    Holds,
    /// Messages too.
    Messages,
}

/// How often a change begins anew because somebody else was faster.
const MOST_TRIES: u32 = 50;

impl Shared {
    /// Writes a changed parcel back, if it is there and at the revision it was read at.
    pub(super) async fn write_back(&self, parcel: &Parcel, touched: Touched) -> Result<bool> {
        let (operation, table) = ("change outbox", &self.tables.outbox);
        let same = Expression::new().when(REV, "=", number(parcel.rev));
        if parcel.entries.is_empty() {
            return self
                .delete(operation, table, parcel_key(parcel.place), &same)
                .await;
        }
        let change = same.add(REV, 1);
        let change = match touched {
            Touched::Nothing => return Ok(true),
            Touched::Holds => change.set(HOLDS_ATTRIBUTE, parcel.holds_value()),
            Touched::Messages => parcel
                .attributes()
                .into_iter()
                .fold(change, |change, (name, value)| change.set(name, value)),
        };
        let changed = self
            .change(operation, table, parcel_key(parcel.place), &change)
            .await?;
        Ok(matches!(changed, Changed::Yes))
    }

    /// Changes the parcel at `place`, with what is confirmed of it taken out first. `change` may run several times, each on
    /// the parcel as it is then; it is not run on one that is gone.
    pub(super) async fn edit<T: Default>(
        &self,
        place: Place,
        mut change: impl FnMut(&mut Parcel) -> (T, Touched),
    ) -> Result<T> {
        let confirmed = self.confirms.take(place);
        let edited = self.edit_without(place, &confirmed, &mut change).await;
        if edited.is_err() {
            self.confirms.put_back(place, confirmed);
        }
        edited
    }

    async fn edit_without<T: Default>(
        &self,
        place: Place,
        confirmed: &HashSet<u16>,
        change: &mut impl FnMut(&mut Parcel) -> (T, Touched),
    ) -> Result<T> {
        for _ in 0..MOST_TRIES {
            let Some(mut parcel) = self.parcel(place).await? else {
                self.held.lock().remove(&place);
                return Ok(T::default());
            };
            let mut touched = Touched::Nothing;
            if parcel
                .entries
                .iter()
                .any(|entry| confirmed.contains(&entry.index))
            {
                parcel.entries.retain(|entry| !confirmed.contains(&entry.index));
                for index in confirmed {
                    parcel.let_go(*index);
                }
                touched = Touched::Messages;
            }
            let (value, more) = change(&mut parcel);
            if touched == Touched::Nothing {
                touched = more;
            }
            if touched == Touched::Nothing {
                return Ok(value);
            }
            let ours = parcel.holds.iter().any(|hold| self.is_ours(hold.token));
            if self.write_back(&parcel, touched).await? {
                if !ours {
                    self.held.lock().remove(&place);
                }
                return Ok(value);
            }
        }
        Err(too_busy("change outbox"))
    }
}
