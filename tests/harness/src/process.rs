//! Child processes that end with the test that started them.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use crate::wait;

/// Longest that a process may take to end in good order.
const END: Duration = Duration::from_secs(20);

/// A running child with its output in a file.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pub log: PathBuf,
}

impl Process {
    /// Starts a command; what it prints goes to `log`.
    pub fn start(command: &mut Command, log: &Path) -> std::io::Result<Self> {
        Self::spawn(command, log, |command| command.spawn())
    }

    /// The same for a child that must not outlive this process, however that ends: the kernel
    /// kills it. Ctrl-C does not reach it, so that we can end our children in order.
    pub fn start_bound(command: &Command, log: &Path) -> std::io::Result<Self> {
        let mut bound = Command::new("setpriv");
        bound.args(["--pdeathsig", "KILL"]);
        bound.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => bound.env(name, value),
                None => bound.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            bound.current_dir(folder);
        }
        bound.process_group(0);
        Self::spawn(&mut bound, log, on_the_thread_that_stays)
    }

    fn spawn(
        command: &mut Command,
        log: &Path,
        spawn: impl FnOnce(&mut Command) -> std::io::Result<Child>,
    ) -> std::io::Result<Self> {
        let out = File::options().create(true).append(true).open(log)?;
        command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        Ok(Self {
            child: spawn(command)?,
            log: log.to_owned(),
        })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the child can be asked")
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> Result<ExitStatus, String> {
        if let Some(status) = self.ended() {
            return Ok(status);
        }
        signal(self.child.id(), "TERM");
        wait::try_until(END, || {
            self.ended().ok_or_else(|| "it still runs".to_owned())
        })
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }

    /// What it printed so far.
    pub fn printed(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Memory that it holds at the moment, in MiB.
    pub fn resident_mib(&self) -> Result<u64, String> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))
            .map_err(|error| error.to_string())?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Ok(kib.ok_or("it has ended")? / 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.stop().is_err() {
            self.kill();
        }
    }
}

/// Spawns on a thread that lives as long as this process: the kernel's "parent" of the signal at
/// the parent's death is the thread that spawned, and the thread of a test ends with the test.
fn on_the_thread_that_stays(command: &mut Command) -> std::io::Result<Child> {
    type Job = (Command, Sender<std::io::Result<Child>>);
    static SPAWNER: OnceLock<Sender<Job>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (jobs, todo) = channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, answer) in todo {
                let _nobody_waits = answer.send(command.spawn());
            }
        });
        jobs
    });
    let (answer, spawned) = channel();
    let command = std::mem::replace(command, Command::new("true"));
    spawner
        .send((command, answer))
        .expect("the spawner never ends");
    spawned.recv().expect("the spawner answers")
}

/// Sends a signal by its name.
pub fn signal(pid: u32, name: &str) {
    let _status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .status();
}
