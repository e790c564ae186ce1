//! Servers that this program starts, causes faults in, and never leaves behind.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How many of the last lines of a log are shown.
const LOG_LINES: usize = 12;

/// How long to wait for a killed process to end. A process in the middle of a write to a slow disk is not waited for.
const KILL_PATIENCE: Duration = Duration::from_secs(2);

/// How long a process that is drained may take to end: what most supervisors grant by default, or less.
const DRAIN_PATIENCE: Duration = Duration::from_secs(10);

/// What is started.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables that are added to its environment.
    pub environment: Vec<(String, String)>,
    /// The user and the group that it runs as; `None` for those of this process.
    pub user: Option<(u32, u32)>,
    /// The folder that it runs in; `None` for that of this process.
    pub folder: Option<PathBuf>,
    /// The signal for an orderly shutdown; `None` means SIGTERM.
    pub stop_signal: Option<Signal>,
}

impl Launch {
    /// The command, ready to run.
    pub fn build_command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }
}

/// A program that was started and can be started again in the same way. It is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    launch: Launch,
    log: PathBuf,
    child: Option<Child>,
}

/// Why a server does not run.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ServerError {
    /// The program is not on this machine.
    #[error(
        "{program} is not on PATH; install the package {package} (for example: apt-get install {package})"
    )]
    NoProgram {
        /// The name of the program.
        program: String,
        /// The package that contains it.
        package: String,
    },
    /// The server could not be started, ended at once, or never answered.
    #[error("{program} {why}; its log ends:\n{log}")]
    Down {
        /// The name of the program.
        program: String,
        /// What happened.
        why: String,
        /// The end of its log.
        log: String,
    },
    /// An error of this program or of the system.
    #[error("{0}")]
    System(String),
}

/// Finds a program on `PATH`.
pub fn find_program(program: &str, package: &str) -> Result<PathBuf, ServerError> {
    let missing = || ServerError::NoProgram { program: program.to_owned(), package: package.to_owned() };
    let path = std::env::var_os("PATH").ok_or_else(missing)?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .ok_or_else(missing)
}

impl Server {
    /// Starts a program whose output goes into a log file. The calling thread must outlive the program.
    pub fn start(program: &Path, arguments: Vec<String>, log: PathBuf) -> Result<Self, ServerError> {
        Self::launch(Launch { program: program.to_owned(), arguments, ..Launch::default() }, log)
    }

    /// Starts a program with an environment, a user and a folder. The calling thread must outlive the program.
    pub fn launch(launch: Launch, log: PathBuf) -> Result<Self, ServerError> {
        let mut server = Self { launch, log, child: None };
        server.start_again()?;
        Ok(server)
    }

    /// Starts the program again, unless it runs.
    pub fn start_again(&mut self) -> Result<(), ServerError> {
        if self.child.is_some() {
            return Ok(());
        }
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.map_err(|why| ServerError::System(format!("{}: {why}", self.log.display())))?;
        let errors = log.try_clone().map_err(|why| ServerError::System(why.to_string()))?;
        let mut command = self.launch.build_command();
        command.stdout(log).stderr(errors);
        // The server gets its own process group, so that a Ctrl-C goes to this program only, which stops its servers
        // in order.
        command.process_group(0);
        // SAFETY: between fork and exec only system calls are made, which are safe there.
        #[allow(unsafe_code, reason = "a child that dies with its parent needs a call between fork and exec")]
        unsafe {
            command.pre_exec(|| Ok(nix::sys::prctl::set_pdeathsig(Some(Signal::SIGKILL))?));
        }
        match command.spawn() {
            Ok(child) => {
                self.child = Some(child);
                Ok(())
            }
            Err(why) => Err(self.failure_with_log(&format!("could not be started: {why}"))),
        }
    }

    /// Whether the program still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Kills the program at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // The call fails only if the process is already dead.
            let _ = child.kill();
            let began = Instant::now();
            while matches!(child.try_wait(), Ok(None)) && began.elapsed() < KILL_PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Asks it to end in good order, and kills it where it takes longer than this. Returns how long it took.
    pub async fn stop(&mut self, patience: Duration) -> Result<Duration, String> {
        if self.child.is_none() {
            return Ok(Duration::ZERO);
        }
        // It can have ended by itself.
        let _ = self.send_signal(self.launch.stop_signal.unwrap_or(Signal::SIGTERM));
        let began = Instant::now();
        while self.is_running() && began.elapsed() < patience {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let (late, took) = (self.is_running(), began.elapsed());
        self.kill();
        if late { Err(format!("it did not end within {} s", patience.as_secs())) } else { Ok(took) }
    }

    /// Requests an orderly shutdown while requests are open, and kills the process after `DRAIN_PATIENCE`. Returns a sentence
    /// about how the node of this name ended.
    pub async fn drain(&mut self, node: &str) -> String {
        match self.stop(DRAIN_PATIENCE).await {
            Ok(took) => format!("{node}: it ended {} ms after it was asked to", took.as_millis()),
            Err(why) => format!("{node}: {why} after it was asked to, and was killed"),
        }
    }

    /// Sets a variable of its environment for its next starts.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.launch.environment.retain(|(known, _)| known != name);
        self.launch.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Pauses the program and the processes that it started.
    pub fn pause(&self) -> Result<(), String> {
        self.send_signal(Signal::SIGSTOP)?;
        self.signal_children(Signal::SIGSTOP)
    }

    /// Resumes the program.
    pub fn resume(&self) -> Result<(), String> {
        self.signal_children(Signal::SIGCONT)?;
        self.send_signal(Signal::SIGCONT)
    }

    /// The process state that the kernel shows (`S`, `T` …), while the program runs.
    pub fn kernel_state(&mut self) -> Option<char> {
        if !self.is_running() {
            return None;
        }
        read_process_state(self.process_id()?)
    }

    /// The process id, while the program runs.
    pub fn process_id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// An error of this server, with the end of its log.
    pub fn failure_with_log(&self, why: &str) -> ServerError {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let log = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
        let program = self.launch.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        ServerError::Down { program, why: why.to_owned(), log }
    }

    /// Signals the children. A server that has a process for each connection is only paused together with them. A
    /// paused parent starts no more children, so that the list is complete.
    fn signal_children(&self, signal: Signal) -> Result<(), String> {
        let Some(parent) = self.process_id() else { return Err("it does not run".to_owned()) };
        for child in list_children(parent) {
            // A child that has ended in the meantime needs no signal.
            let _ = kill(Pid::from_raw(child), signal);
        }
        Ok(())
    }

    fn send_signal(&self, signal: Signal) -> Result<(), String> {
        let Some(child) = &self.child else { return Err("it does not run".to_owned()) };
        kill(Pid::from_raw(child.id() as i32), signal).map_err(|why| why.to_string())
    }
}

/// The state of a process; `None` if it is gone or dead.
pub(super) fn read_process_state(process: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The state follows the name, which may contain any text.
    let state = stat.rsplit_once(')')?.1.trim_start().chars().next()?;
    (!matches!(state, 'Z' | 'X')).then_some(state)
}

/// The children of a process, found by the parent that the kernel shows for every process.
fn list_children(parent: u32) -> Vec<i32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |number: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        // State and parent follow the name, which may contain any text.
        let parent_of = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        parent_of.and_then(|number| number.parse().ok()) == Some(parent)
    };
    numbers.filter(is_child).collect()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> super::super::RunFolder {
        super::super::RunFolder::create().unwrap()
    }

    fn state(server: &Server) -> char {
        let id = server.child.as_ref().unwrap().id();
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        stat.rsplit(')').next().unwrap().trim().chars().next().unwrap()
    }

    fn eventually(what: impl Fn() -> bool) -> bool {
        (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            what()
        })
    }

    #[test]
    fn a_server_is_paused_resumed_killed_and_started_again() {
        let folder = folder();
        let sleep = find_program("sleep", "coreutils").unwrap();
        let mut server = Server::start(&sleep, vec!["1000".into()], folder.path().join("log")).unwrap();
        assert!(server.is_running());
        server.pause().unwrap();
        assert!(eventually(|| state(&server) == 'T'));
        server.resume().unwrap();
        assert!(eventually(|| state(&server) == 'S'));
        server.kill();
        assert!(!server.is_running() && server.pause().is_err());
        server.start_again().unwrap();
        assert!(server.is_running());
        let id = server.child.as_ref().unwrap().id();
        drop(server);
        assert!(!Path::new(&format!("/proc/{id}")).exists());
    }

    /// One shell that prints a farewell when it is asked to end, and one that ignores the request.
    #[tokio::test]
    async fn a_server_is_stopped_in_good_order_or_killed() {
        let folder = folder();
        let shell = find_program("sh", "dash").unwrap();
        let started = |name: &str, on_term: &str| {
            let script = format!("trap '{on_term}' TERM; echo $GREETING; while :; do sleep 0.01; done");
            let log = folder.path().join(name);
            let mut server = Server::start(&shell, vec!["-c".into(), script], log.clone()).unwrap();
            server.set_environment("GREETING", "hello");
            let read = move || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(eventually(|| read() == "\n"), "the trap is set");
            (server, read)
        };
        let (mut server, log) = started("polite", "echo farewell; exit");
        server.stop(Duration::from_secs(5)).await.unwrap();
        assert_eq!(log(), "\nfarewell\n");
        server.start_again().unwrap();
        assert!(eventually(|| log() == "\nfarewell\nhello\n"));
        let (mut server, _) = started("deaf", "");
        let why = server.stop(Duration::from_millis(50)).await.unwrap_err();
        assert!(why.contains("did not end") && !server.is_running(), "{why}");
    }

    #[test]
    fn what_does_not_start_says_why() {
        let folder = folder();
        let missing = find_program("no-such-program", "some-package").unwrap_err().to_string();
        assert!(missing.contains("apt-get install some-package"), "{missing}");
        let ls = find_program("ls", "coreutils").unwrap();
        let mut server = Server::start(&ls, vec!["/no/such/file".into()], folder.path().join("log")).unwrap();
        while server.is_running() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(server.failure_with_log("ended").to_string().contains("/no/such/file"));
    }
}
