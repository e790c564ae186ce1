//! Runs the user's command for each violation or alert.
//!
//! The command gets the violation as JSON on its standard input, as `check --format json` prints it, or the alert. A few commands run at a
//! time, each at most for the time that the user set; further ones wait. Nothing here delays the judgement. At the end, the
//! program waits for all of them. There is at most one violation for each level, and an alert that begins or ends at most once in a
//! thirtieth of its short window, so the queue needs no limit.

use crate::output;
use recorder::system::kill_process_group;
use std::io::{self, PipeReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The most commands at a time.
const COMMANDS_MAX: usize = 2;
/// The end of the output that is repeated.
const OUTPUT_BYTES_MAX: usize = 2_048;
/// How often a running command is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long to wait for the output of a command that has ended: a process that it left behind may keep it open.
const OUTPUT_PATIENCE: Duration = Duration::from_millis(200);

/// A violation or an alert that waits for its command.
struct CommandTask {
    /// What happened, in a few words.
    what: String,
    json: String,
}

/// How a command is run.
#[derive(Clone)]
struct CommandSettings {
    /// The option that has the command.
    option: &'static str,
    command: String,
    timeout: Duration,
    /// Takes what is said of a command.
    say: Arc<dyn Fn(String) + Send + Sync>,
}

/// Runs commands. When this is dropped, all commands have ended.
pub(super) struct UserCommands {
    tasks: Option<Sender<CommandTask>>,
    workers: Vec<JoinHandle<()>>,
}

impl UserCommands {
    /// Starts the threads. `say` takes what is said of each command.
    pub(super) fn start(
        option: &'static str,
        command: &str,
        timeout: Duration,
        say: Arc<dyn Fn(String) + Send + Sync>,
    ) -> Self {
        let (tasks, waiting) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let settings = CommandSettings { option, command: command.to_owned(), timeout, say };
        let workers = (0..COMMANDS_MAX).map(|_| {
            let (waiting, settings) = (Arc::clone(&waiting), settings.clone());
            std::thread::spawn(move || run_tasks(&waiting, &settings))
        });
        Self { tasks: Some(tasks), workers: workers.collect() }
    }

    /// Has the command run for something that happened.
    pub(super) fn add_task(&self, what: String, json: String) {
        if let Some(tasks) = &self.tasks {
            // The receiver lives until this is dropped.
            let _ = tasks.send(CommandTask { what, json });
        }
    }
}

impl Drop for UserCommands {
    fn drop(&mut self) {
        self.tasks = None;
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

fn run_tasks(waiting: &Mutex<Receiver<CommandTask>>, settings: &CommandSettings) {
    loop {
        // The lock is held while waiting: the other workers then wait for the lock, which is the same to them.
        let task = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(CommandTask { what, json }) = task else { return };
        let ended = run_command(settings, json);
        (settings.say)(format!("{}, {what}: {}", settings.option, describe_end(ended, settings.timeout)));
    }
}

/// How a command ended: its status, or none if it was killed after the timeout; and the end of its output.
type CommandEnd = io::Result<(Option<ExitStatus>, String)>;

fn run_command(settings: &CommandSettings, json: String) -> CommandEnd {
    let (output, sink) = io::pipe()?;
    let mut command = Command::new("sh");
    command.arg("-c").arg(&settings.command).process_group(0);
    command.stdin(Stdio::piped()).stdout(sink.try_clone()?).stderr(sink);
    let mut child = command.spawn()?;
    // The command holds the ends of the pipe that are to be written; this process must not.
    drop(command);
    if let Some(mut input) = child.stdin.take() {
        // A command need not read its input, which may be larger than a pipe.
        std::thread::spawn(move || {
            drop(input.write_all(json.as_bytes()).and_then(|()| input.write_all(b"\n")))
        });
    }
    let (tail, output_ended) = collect_tail(output);
    let status = wait_until_ended(&mut child, settings.timeout)?;
    let _ = output_ended.recv_timeout(OUTPUT_PATIENCE);
    let tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
    Ok((status, String::from_utf8_lossy(&tail).trim().to_owned()))
}

/// Waits for a command, and kills it with all that it started in its group once the time is up.
fn wait_until_ended(child: &mut Child, timeout: Duration) -> io::Result<Option<ExitStatus>> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if began.elapsed() >= timeout {
            kill_process_group(child.id());
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Reads all output and keeps its end. The receiver ends when the output does.
fn collect_tail(mut output: PipeReader) -> (Arc<Mutex<Vec<u8>>>, Receiver<()>) {
    let tail = Arc::new(Mutex::new(Vec::new()));
    let (ends, ended) = mpsc::channel();
    let kept = Arc::clone(&tail);
    std::thread::spawn(move || {
        let _ends: Sender<()> = ends;
        let mut buffer = [0; 4_096];
        while let Ok(length @ 1..) = output.read(&mut buffer) {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend_from_slice(&buffer[..length]);
            let excess = kept.len().saturating_sub(OUTPUT_BYTES_MAX);
            kept.drain(..excess);
        }
    });
    (tail, ended)
}

fn describe_end(ended: CommandEnd, timeout: Duration) -> String {
    let (status, tail) = match ended {
        Ok(ended) => ended,
        Err(why) => return format!("the command could not be run: {why}"),
    };
    let how = match status {
        None => format!("the command was killed after {} s (--command-timeout)", timeout.as_secs_f64()),
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("the command ended with exit code {code}"),
            (None, Some(signal)) => format!("the command was ended by signal {signal}"),
            (None, None) => "the command ended".to_owned(),
        },
    };
    if tail.is_empty() { how } else { format!("{how}. It printed:\n{}", output::indent_text(&tail)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(command: &str, timeout: Duration, json: &str) -> String {
        let settings = CommandSettings {
            option: "--on-violation",
            command: command.to_owned(),
            timeout,
            say: Arc::new(|_| {}),
        };
        describe_end(run_command(&settings, json.to_owned()), timeout)
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_command_gets_the_violation_and_its_end_is_told() {
        let told = run("read line; echo \"got $line\"; echo bad >&2; exit 3", LONG, "{\"a\":1}");
        assert!(
            told.contains("exit code 3") && told.contains("got {\"a\":1}") && told.contains("bad"),
            "{told}"
        );
        assert_eq!(run("cat > /dev/null", LONG, "{}"), "the command ended with exit code 0");
        assert!(run("kill -TERM $$", LONG, "").contains("signal 15"));
    }

    /// A command that reads nothing must not block on a violation that is larger than a pipe.
    #[test]
    fn a_command_need_not_read_and_may_print_much() {
        let told = run("head -c 10000000 /dev/zero | tr '\\0' x; echo end", LONG, &"y".repeat(1 << 20));
        assert!(told.contains("exit code 0") && told.trim_end().ends_with("end"), "{told}");
        assert!(told.len() < 2 * OUTPUT_BYTES_MAX, "{}", told.len());
    }

    #[test]
    fn a_command_that_hangs_is_killed_with_what_it_started() {
        let began = Instant::now();
        let told = run("sleep 1000 & echo $!; sleep 1000", Duration::from_millis(300), "");
        assert!(told.contains("killed after 0.3 s") && began.elapsed() < Duration::from_secs(20), "{told}");
        let child = told.lines().last().expect("its number").trim();
        let ended = || !std::path::Path::new(&format!("/proc/{child}/exe")).exists();
        while !ended() && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(LOOK_EVERY);
        }
        assert!(ended(), "process {child} is left");
    }

    /// A process that a command leaves behind keeps its output open.
    #[test]
    fn a_command_may_leave_a_process_behind() {
        let began = Instant::now();
        let told = run("echo begun; sleep 5 &", LONG, "");
        assert!(told.contains("exit code 0") && told.contains("begun"), "{told}");
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }

    #[test]
    fn every_violation_has_its_command_before_the_end() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let say = {
            let told = Arc::clone(&told);
            Arc::new(move |line: String| told.lock().expect("a lock").push(line))
        };
        let commands = UserCommands::start("--on-violation", "cat; sleep 0.2", LONG, say);
        let began = Instant::now();
        for number in 0..6 {
            commands.add_task(format!("event {number}"), number.to_string());
        }
        assert!(began.elapsed() < Duration::from_millis(100), "adding does not wait");
        drop(commands);
        let mut told = told.lock().expect("a lock").clone();
        told.sort();
        assert_eq!(told.len(), 6, "{told:?}");
        assert!(
            told.iter().zip(0..).all(|(line, number)| line.contains(&format!("event {number}"))),
            "{told:?}"
        );
        assert!(began.elapsed() >= Duration::from_millis(600), "two at a time");
    }
}
