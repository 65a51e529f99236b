//! What is made of rows that hold anything, as in a file that was damaged or written by somebody else.

use std::thread::LocalKey;

use myevents_core::Result;
use myevents_core::fuzzing::{Input, is_refusal};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::codec;

thread_local! {
    static DATABASE: Option<Connection> = Connection::open_in_memory().ok();
}

/// How many columns the widest record has.
const COLUMNS: usize = 11;

/// The row of these values, read by `read`.
fn of_row<T>(values: Vec<Value>, read: impl FnOnce(&Row<'_>) -> Result<T>) -> Option<T> {
    let database: &'static LocalKey<_> = &DATABASE;
    let read = database.with(|database| {
        let places = vec!["?"; values.len()].join(",");
        let mut statement = database
            .as_ref()?
            .prepare_cached(&format!("SELECT {places}"))
            .ok()?;
        let mut rows = statement.query(params_from_iter(values)).ok()?;
        Some(read(rows.next().ok()??))
    });
    match read? {
        Ok(record) => Some(record),
        Err(error) => {
            is_refusal(&error);
            None
        }
    }
}

fn value(input: &mut Input<'_>) -> Value {
    match input.byte() % 6 {
        0 => Value::Null,
        1 => Value::Integer(input.number()),
        2 => Value::Integer(input.byte().into()),
        3 => Value::Real(f64::from(input.byte())),
        4 => Value::Text(input.text()),
        _ => Value::Blob(input.bytes().to_vec()),
    }
}

/// Rows of SQLite: the kind of record, its columns, and its body where it has one.
///
/// # Panics
/// When a promise is broken.
pub fn rows(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.byte() % 5;
    let width = [6, 4, 5, COLUMNS, 7][usize::from(kind)];
    let mut values: Vec<Value> = (0..width).map(|_| value(&mut input)).collect();
    if kind < 2 {
        values.push(Value::Blob(input.rest().to_vec()));
    }
    match kind {
        0 => {
            let Some(first) = of_row(values.clone(), codec::event_from_row) else {
                return;
            };
            let _text = codec::event_search(&first.event);
            values.truncate(6);
            values.push(Value::Blob(codec::event_to_body(&first.event)));
            assert_eq!(of_row(values, codec::event_from_row), Some(first));
        }
        1 => {
            let Some(first) = of_row(values.clone(), codec::location_from_row) else {
                return;
            };
            values.truncate(4);
            values.push(Value::Blob(codec::location_to_body(&first.location)));
            assert_eq!(of_row(values, codec::location_from_row), Some(first));
        }
        2 => drop(of_row(values, codec::user_from_row)),
        3 => drop(of_row(values, codec::booking_from_row)),
        _ => drop(of_row(values, |row| codec::envelope_from_row(row, 0))),
    }
}
