//! `steadfast faults`.

use crate::exit::Exit;
use recorder::system::Capabilities;
use workloads::Fault;

pub(crate) fn run() -> Exit {
    let partitions = match Capabilities::probe().drops {
        Ok(()) => "possible here".to_owned(),
        Err(why) => format!("not possible here: {why}"),
    };
    let names: Vec<String> =
        Fault::ALL.iter().map(|(name, parameter, _)| format!("{name}{parameter}")).collect();
    let lines = Fault::ALL.iter().map(|(.., line)| *line);
    let text = super::listing(names.iter().map(String::as_str).zip(lines));
    super::print(&format!(
        "{text}\nembedded can have all of them. redis-sentinel can have kill, pause and restart, and partitions \
         of every shape where this program may make a network namespace and set firewall rules in it: \
         {partitions}.\n"
    ))
}
