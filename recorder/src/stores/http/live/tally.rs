//! What became of the live connections of a run, in numbers and in a sentence.

use std::time::Duration;
use workloads::format_duration;

/// The most connections at a time.
pub(super) const LIVE_MAX: usize = 200;
/// The most messages that a history has.
pub(super) const MESSAGES_MAX: u64 = 1_000_000;

/// What became of the live connections of a run.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct LiveTally {
    pub(super) opened: u64,
    pub(super) lost: u64,
    /// How long each lost connection took until it was open again.
    pub(super) gaps: Vec<Duration>,
    /// Lost connections that the application refused at the end, because there is no such session.
    pub(super) logged_out: u64,
    /// Lost connections that were not open again at the end.
    pub(super) still_out: u64,
    /// Sessions beyond the limit.
    pub(super) unwatched: u64,
    /// Messages with a number; `None` if the description says of none where it is.
    pub(super) messages: Option<u64>,
    pub(super) first_failure: Option<String>,
}

impl LiveTally {
    /// One sentence for the user.
    pub(super) fn describe(&self) -> String {
        if self.opened == 0 {
            let why = self.first_failure.as_deref().unwrap_or("no session lasted long enough");
            return format!(
                "no live connection was open, so nothing is known of them ({why}). Correct [live]"
            );
        }
        let mut gaps = self.gaps.clone();
        gaps.sort_unstable();
        let round = |gap: &Duration| format_duration(Duration::from_millis(gap.as_millis() as u64));
        let resumed = match (gaps.get(gaps.len() / 2), gaps.last()) {
            (Some(median), Some(longest)) => {
                format!(
                    "{} resumed (after {} at the median, {} at most)",
                    gaps.len(),
                    round(median),
                    round(longest)
                )
            }
            _ => "0 resumed".to_owned(),
        };
        let mut text = format!("live connections: {} opened, {} lost: {resumed}", self.opened, self.lost);
        for (count, what) in [
            (self.logged_out, "refused, because the application knows no such session"),
            (self.still_out, "not open again at the end"),
        ] {
            if count > 0 {
                text += &format!(", {count} {what}");
            }
        }
        if self.unwatched > 0 {
            text += &format!("; {} further sessions had none ({LIVE_MAX} at a time)", self.unwatched);
        }
        match self.messages {
            None => {}
            Some(0) => {
                text += "; no message had a number, so nothing is known of them. Correct number in [live]"
            }
            Some(MESSAGES_MAX..) => {
                text += &format!("; only the first {MESSAGES_MAX} messages were recorded")
            }
            Some(count) => text += &format!("; {count} messages with a number"),
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_no_zero() {
        let none = LiveTally { first_failure: Some("status 404".to_owned()), ..LiveTally::default() };
        assert!(none.describe().contains("nothing is known of them (status 404)"));
        let ms = Duration::from_millis;
        let some = LiveTally {
            opened: 5,
            lost: 4,
            gaps: vec![ms(900), ms(100), ms(300)],
            logged_out: 1,
            ..LiveTally::default()
        };
        assert_eq!(
            some.describe(),
            "live connections: 5 opened, 4 lost: 3 resumed (after 300ms at the median, 900ms at most), \
             1 refused, because the application knows no such session"
        );
        let numbered = |messages| LiveTally { messages: Some(messages), ..some.clone() }.describe();
        assert!(
            numbered(0)
                .ends_with("no message had a number, so nothing is known of them. Correct number in [live]")
        );
        assert!(numbered(7).ends_with("; 7 messages with a number"));
        assert!(numbered(MESSAGES_MAX).ends_with("; only the first 1000000 messages were recorded"));
    }
}
