//! Until when a certificate is valid ([RFC 5280 §4.1](https://www.rfc-editor.org/rfc/rfc5280#section-4.1)): as much of DER
//! as that takes.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The last second in which it is valid, in Unix time; none where it can't be read.
pub(super) fn until(certificate: &[u8]) -> Option<i64> {
    let (tag, body, _) = next(certificate)?;
    let (inner, fields, _) = next((tag == SEQUENCE).then_some(body)?)?;
    let mut rest = (inner == SEQUENCE).then_some(fields)?;
    if rest.first() == Some(&VERSION) {
        rest = next(rest)?.2;
    }
    // Serial number, algorithm, issuer.
    for expected in [INTEGER, SEQUENCE, SEQUENCE] {
        let (tag, _, after) = next(rest)?;
        rest = (tag == expected).then_some(after)?;
    }
    let (tag, validity, _) = next(rest)?;
    let (_, _, after) = next((tag == SEQUENCE).then_some(validity)?)?;
    let (tag, time, _) = next(after)?;
    unix(tag, std::str::from_utf8(time).ok()?)
}

/// Both forms end in `Z` and have seconds; a year of two digits lies in 1950…2049.
fn unix(tag: u8, time: &str) -> Option<i64> {
    let digits = time.strip_suffix('Z')?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let year: i16 = digits[..2].parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, &digits[2..])
        }
        (GENERALIZED_TIME, 14) => (digits[..4].parse().ok()?, &digits[4..]),
        _ => return None,
    };
    let part = |place: usize| rest[place..place + 2].parse::<i8>().ok();
    let time = DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0).ok()?;
    Some(TimeZone::UTC.to_timestamp(time).ok()?.as_second())
}

/// The first value: its tag, its content, and what follows it.
fn next(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let count = usize::from(first & 0x0f);
            let length = rest.get(..count)?;
            let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, &rest[count..])
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_time_are_read() {
        assert_eq!(unix(UTC_TIME, "700101000001Z"), Some(1));
        assert_eq!(unix(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(unix(GENERALIZED_TIME, "20500101000000Z"), Some(2_524_608_000));
        for (tag, time) in [
            (UTC_TIME, "20500101000000Z"),
            (UTC_TIME, "7001010000Z"),
            (UTC_TIME, "700101000001"),
            (GENERALIZED_TIME, "20501301000000Z"),
            (GENERALIZED_TIME, "2050é101000000Z"),
            (INTEGER, "700101000001Z"),
        ] {
            assert_eq!(unix(tag, time), None, "{time}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        for der in [
            &[][..],
            &[SEQUENCE],
            &[SEQUENCE, 0x83, 1],
            &[SEQUENCE, 2, SEQUENCE, 0],
            &[2, 1, 1],
        ] {
            assert_eq!(until(der), None, "{der:?}");
        }
    }
}
