//! Runs the commands of a stack file, each with a timeout.
//!
//! A command that stops a server may hang, fail, print without end, or report a success that it did not have. Therefore
//! its process group is killed at the timeout, only the beginning of its output is kept, and the caller reads the state
//! of the node back.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use workloads::Value;

/// How many bytes are kept of each output of a command.
const PRINTED_BYTES_MAX: u64 = 1000;
/// How long the output of a command is read after its end.
const LAST_WORDS_PATIENCE: Duration = Duration::from_millis(200);

/// The result of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct RanCommand {
    pub(super) command: String,
    /// Its exit status; `None` if a signal killed it, or if it did not run.
    pub(super) status: Option<i32>,
    /// The beginning of its standard output, followed by the beginning of its standard error.
    pub(super) printed: String,
    /// Why it did not run, or did not end by itself.
    pub(super) why: Option<String>,
}

impl RanCommand {
    /// Whether its exit status is zero.
    pub(super) fn succeeded(&self) -> bool {
        self.status == Some(0)
    }

    /// Returns an error with the command's output unless the command succeeded.
    pub(super) fn into_result(self) -> Result<Self, String> {
        if self.succeeded() {
            return Ok(self);
        }
        let Self { command, status, printed, why } = self;
        let status = status.map_or("was killed".to_owned(), |status| format!("ended with status {status}"));
        let why = why.unwrap_or(status);
        let said = if printed.trim().is_empty() { String::new() } else { format!(": {}", printed.trim()) };
        Err(format!("the command `{command}` {why}{said}"))
    }

    /// The command, its status and its output, as the history holds them.
    pub(super) fn as_value(&self) -> Value {
        let status = self.status.map_or(Value::Null, |status| Value::Int(i64::from(status)));
        Value::List(vec![Value::from(self.command.as_str()), status, Value::from(self.printed.trim())])
    }
}

/// Runs a shell command with a timeout. If this future is dropped, the shell is killed.
pub(super) async fn run_command(command: &str, patience: Duration) -> RanCommand {
    run_with_timeout(command, patience, true).await
}

/// Runs a shell command that undoes a fault, with a timeout. If this future is dropped because the run has to end, the
/// command continues.
pub(super) async fn run_undoing_command(command: &str, patience: Duration) -> RanCommand {
    run_with_timeout(command, patience, false).await
}

async fn run_with_timeout(command: &str, patience: Duration, dies_with_us: bool) -> RanCommand {
    let not_run = |why: String| RanCommand {
        command: command.to_owned(),
        status: None,
        printed: String::new(),
        why: Some(why),
    };
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A process group of its own: a Ctrl-C at the terminal does not reach it, and everything that it starts can be
    // killed with it.
    shell.process_group(0).kill_on_drop(dies_with_us);
    let mut child = match shell.spawn() {
        Ok(child) => child,
        Err(why) => return not_run(format!("could not be run: {why}")),
    };
    let group = child.id().map(|id| Pid::from_raw(id as i32));
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = {
        let reads = async {
            tokio::join!(
                read_and_keep_beginning(stdout, &mut out),
                read_and_keep_beginning(stderr, &mut errors)
            )
        };
        tokio::pin!(reads);
        let work = async {
            let mut is_read = false;
            let status = loop {
                tokio::select! {
                    status = child.wait() => break status,
                    _ = &mut reads, if !is_read => is_read = true,
                }
            };
            // The command may have ended before all its output was read. Processes that it left running may keep its outputs
            // open for ever, so they are not awaited.
            if !is_read {
                let _ = tokio::time::timeout(LAST_WORDS_PATIENCE, &mut reads).await;
            }
            status
        };
        tokio::time::timeout(patience, work).await
    };
    let printed = String::from_utf8_lossy(&[out, errors].concat()).into_owned();
    match ended {
        Ok(Ok(status)) => {
            RanCommand { command: command.to_owned(), status: status.code(), printed, why: None }
        }
        Ok(Err(why)) => not_run(format!("could not be waited for: {why}")),
        Err(_) => {
            if let Some(group) = group {
                // This fails only if the whole group has just ended.
                let _ = killpg(group, Signal::SIGKILL);
            }
            let why = format!("did not end within {} and was killed", workloads::format_duration(patience));
            RanCommand { command: command.to_owned(), status: None, printed, why: Some(why) }
        }
    }
}

/// Reads to the end and keeps the first [`PRINTED_BYTES_MAX`] bytes.
async fn read_and_keep_beginning(from: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut from) = from else { return };
    let mut block = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut block).await {
        let room = (PRINTED_BYTES_MAX as usize).saturating_sub(kept.len());
        kept.extend_from_slice(&block[..count.min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_ends_fails_hangs_or_prints_a_book() {
        let second = Duration::from_secs(1);
        let ran = run_command("echo hello; echo more >&2", second).await.into_result().expect("it succeeds");
        assert_eq!((ran.status, ran.printed.as_str()), (Some(0), "hello\nmore\n"));
        let why = run_command("echo no such container >&2; exit 3", second).await.into_result().unwrap_err();
        assert!(why.contains("status 3: no such container"), "{why}");
        let began = std::time::Instant::now();
        let why = run_command("sleep 100 & sleep 100", second / 10).await.into_result().unwrap_err();
        assert!(why.contains("did not end within 100ms") && began.elapsed() < second, "{why}");
        let ran = run_command("yes | head -c 1000000", 10 * second).await;
        assert!(ran.succeeded() && ran.printed.len() <= 1000, "{}", ran.printed.len());
        // Of a command that ended before it was read nothing was kept: a node that runs was taken for one that is gone.
        for _ in 0..50 {
            assert_eq!(run_command("echo running", 10 * second).await.printed, "running\n");
        }
        // What it starts and leaves behind is not waited for.
        let began = std::time::Instant::now();
        assert!(run_command("sleep 5 & echo started", 10 * second).await.succeeded());
        assert!(began.elapsed() < 4 * second);
    }
}
