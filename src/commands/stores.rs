//! `steadfast stores`.

use crate::exit::Exit;
use recorder::stores::embedded::Bug;
use recorder::system::find_program;

pub(crate) fn run() -> Exit {
    let redis = match find_program("redis-sentinel", "redis-sentinel") {
        Ok(_) => "a primary, two replicas and three Sentinels, started for the run".to_owned(),
        Err(why) => format!("not possible here: {why}"),
    };
    let stores = [
        ("embedded", "the built-in replicated session store, under a simulated network and clock"),
        ("redis", "servers that are there already (--address), as they are"),
        ("redis-sentinel", redis.as_str()),
    ];
    let bugs: Vec<_> =
        (Bug::ALL.iter()).map(|(_, name, line, finding)| (*name, format!("{line} ({finding})"))).collect();
    let bugs = bugs.iter().map(|(name, line)| (*name, line.as_str()));
    let text = super::listing(stores.into_iter());
    super::print(&format!("{text}\nBugs of the embedded store (--bug):\n{}", super::listing(bugs)))
}
