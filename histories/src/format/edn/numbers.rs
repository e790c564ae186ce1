//! Numbers as Clojure writes them.

use super::super::datum::{DatumKind, I64_RANGE};

/// Parses a number as Clojure does: decimal, `0x1f`, `017` (octal) or `36rZZ`, each optionally with `N` at the end; a
/// float; or an exact decimal (`1.5M`) or ratio (`4/2`) whose value is an integer or a float.
pub(super) fn parse_number(text: &str) -> DatumKind<'_> {
    let odd = |expected| DatumKind::Odd { text: text.into(), expected };
    let (sign, rest) = match text.as_bytes()[0] {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    let (unsigned, big) = match rest.strip_suffix('N') {
        Some(digits) => (digits, true),
        None => (rest, false),
    };
    if let Some((digits, radix)) = split_radix(unsigned) {
        return match i128::from_str_radix(digits, radix) {
            Ok(int) if !digits.starts_with(['+', '-']) => int_kind(if sign.is_empty() { int } else { -int }),
            _ => odd("an integer of at most 64 bits, such as 12, 0x1f, 017 or 2r101"),
        };
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return match format!("{sign}{unsigned}").parse() {
            Ok(int) => int_kind(int),
            // Without the `N`, as in JSON: notes keep the text.
            Err(_) => DatumKind::Odd { text: format!("{sign}{unsigned}").into(), expected: I64_RANGE },
        };
    }
    if let Some((over, under)) = rest.split_once('/') {
        let whole = over.parse::<u64>().ok().zip(under.parse::<u64>().ok().filter(|&under| under > 0));
        return match whole.filter(|(over, under)| over % under == 0) {
            Some((over, under)) => {
                let int = i128::from(over / under);
                int_kind(if sign.is_empty() { int } else { -int })
            }
            None => odd("an integer or a float (JSON has no ratios)"),
        };
    }
    let (decimal, exact) = match rest.strip_suffix('M') {
        Some(decimal) => (decimal, true),
        None => (rest, false),
    };
    match format!("{sign}{decimal}").parse::<f64>() {
        Ok(float) if float.is_finite() && !big && (!exact || is_exact_decimal(decimal, float)) => {
            DatumKind::Float(float)
        }
        Ok(_) if exact => odd("an integer or a float (JSON has no decimals of this length)"),
        _ => odd("an integer or a float"),
    }
}

fn int_kind<'a>(int: i128) -> DatumKind<'a> {
    match i64::try_from(int) {
        Ok(int) => DatumKind::Int(int),
        Err(_) => DatumKind::Odd { text: int.to_string().into(), expected: I64_RANGE },
    }
}

/// Splits an integer that is not decimal into its digits and its radix.
fn split_radix(text: &str) -> Option<(&str, u32)> {
    if let Some(digits) = text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        return Some((digits, 16));
    }
    if let Some((radix, digits)) = text.split_once(['r', 'R']) {
        return Some((digits, radix.parse().ok().filter(|radix| (2..=36).contains(radix))?));
    }
    let octal = text.len() > 1 && text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    octal.then(|| (&text[1..], 8))
}

/// Whether a float represents all digits of a decimal.
fn is_exact_decimal(decimal: &str, float: f64) -> bool {
    let digits = |text: &str| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    !decimal.contains(['e', 'E']) && digits(decimal) == digits(&format!("{}", float.abs()))
}
