//! Derives the levels that anomalies rule out.

use claims::{IsolationLevel, IsolationSet, Phenomenon, TransactionAnomaly};
use histories::{History, Micro, MicroKind, Outcome};

/// The levels that any of the anomalies rules out.
pub(super) fn all_ruled_out_levels(anomalies: &[TransactionAnomaly], own_appends_read: bool) -> IsolationSet {
    let each = anomalies.iter().map(|anomaly| levels_ruled_out_by_anomaly(anomaly, own_appends_read));
    each.fold(IsolationSet::default(), IsolationSet::union)
}

/// The levels that an anomaly rules out. If readers saw their own appends in lists, the dependencies that these lists show do not
/// refute levels that are defined by what a transaction sees.
fn levels_ruled_out_by_anomaly(anomaly: &TransactionAnomaly, own_appends_read: bool) -> IsolationSet {
    let all = anomaly.ruled_out_set();
    let by_dependencies = match anomaly.phenomenon {
        Phenomenon::Cycle(_) | Phenomenon::CommitOrder(_) | Phenomenon::IncompatibleOrder => true,
        // A level that looks at versions was refuted.
        Phenomenon::Impossible(level) => !level.is_defined_by_visibility(),
        _ => false,
    };
    match own_appends_read && by_dependencies {
        true => all.iter().filter(|level| !level.is_defined_by_visibility()).collect(),
        false => all,
    }
}

/// The anomalies that rule a level out.
pub(super) fn phenomena_ruling_out(
    level: IsolationLevel,
    anomalies: &[TransactionAnomaly],
    own_appends_read: bool,
) -> Vec<Phenomenon> {
    let guilty = anomalies
        .iter()
        .filter(|anomaly| levels_ruled_out_by_anomaly(anomaly, own_appends_read).contains(level));
    guilty.map(|anomaly| anomaly.phenomenon).collect()
}

/// Whether a transaction read a list that it had appended to before.
pub(super) fn reads_own_appends(history: &History) -> bool {
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
