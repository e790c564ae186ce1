//! Derives the levels that anomalies rule out.

use claims::{IsolationLevel, IsolationSet, Phenomenon, TransactionAnomaly};
use histories::{History, Micro, MicroKind, Outcome};

/// The levels that any of the anomalies rules out.
pub(super) fn ruled_out(anomalies: &[TransactionAnomaly], own_appends_read: bool) -> IsolationSet {
    let each = anomalies.iter().map(|anomaly| rules_out(anomaly, own_appends_read));
    each.fold(IsolationSet::default(), IsolationSet::union)
}

/// The levels that an anomaly rules out. If readers saw their own appends in lists, the dependencies that these lists show do not
/// refute levels that are defined by what a transaction sees.
fn rules_out(anomaly: &TransactionAnomaly, own_appends_read: bool) -> IsolationSet {
    let all = anomaly.rules_out();
    let by_dependencies = matches!(
        anomaly.phenomenon,
        Phenomenon::Cycle(_) | Phenomenon::CommitOrder(_) | Phenomenon::IncompatibleOrder
    );
    match own_appends_read && by_dependencies {
        true => all.iter().filter(|level| !level.is_by_view()).collect(),
        false => all,
    }
}

/// The anomalies that rule a level out.
pub(super) fn guilty_of(
    level: IsolationLevel,
    anomalies: &[TransactionAnomaly],
    own_appends_read: bool,
) -> Vec<Phenomenon> {
    let guilty = anomalies.iter().filter(|anomaly| rules_out(anomaly, own_appends_read).contains(level));
    guilty.map(|anomaly| anomaly.phenomenon).collect()
}

/// Whether a transaction read a list that it had appended to before.
pub(super) fn own_appends_read(history: &History) -> bool {
    history.ids().any(|id| {
        let micros = history.micros_of(id);
        let appended = |place: usize| {
            let own = |before: &Micro| before.key == micros[place].key && before.kind == MicroKind::Append;
            micros[..place].iter().any(own)
        };
        history.outcome(id) == Outcome::Ok
            && (1..micros.len()).any(|place| micros[place].kind == MicroKind::ReadList && appended(place))
    })
}
