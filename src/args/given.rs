//! The processes of servers that run already and that faults may strike.

use std::str::FromStr;

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct GivenArgs {
    /// redis: process id of each server, so that faults can pause it; n1 is the first --address
    #[arg(long, value_name = "NODE=PID,..", value_delimiter = ',', value_parser = GivenProcess::from_str, help_heading = "Store")]
    pub(crate) pid: Vec<GivenProcess>,
    /// redis: command that restarts server $STEADFAST_NODE after a kill, and prints the new process id last
    #[arg(long, value_name = "COMMAND", help_heading = "Store", requires = "pid")]
    pub(crate) restart_command: Option<String>,
}

/// The process of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct GivenProcess {
    node: String,
    process: i32,
}

impl GivenArgs {
    /// The servers with their process ids.
    pub(crate) fn node_processes(&self) -> Vec<(String, i32)> {
        self.pid.iter().map(|given| (given.node.clone(), given.process)).collect()
    }
}

impl FromStr for GivenProcess {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').and_then(|(node, process)| Some((node, process.parse().ok()?)));
        match parts {
            Some((node, process)) if !node.is_empty() && process > 1 => {
                Ok(GivenProcess { node: node.to_owned(), process })
            }
            _ => Err("pass a node and its process id, such as n1=1234".to_owned()),
        }
    }
}
