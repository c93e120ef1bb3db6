//! One child process that is kept running: started, watched, started again after a pause that
//! grows, ended in good order.
//!
//! The child's standard input is a pipe whose other end only this process holds. A sidecar ends
//! by itself when that pipe closes, so none is left behind even when this process is killed
//! without a chance to clean up. (A death signal set by the kernel would need unsafe code
//! between fork and exec, and is sent when the *thread* that started the child ends.)

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// First pause before a child is started again: short, because most deaths are single.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
/// Longest pause: a person who mends the cause should not wait long for the effect.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A child that ran for this long was well: the next death is a first one again.
const WELL_AFTER: Duration = Duration::from_secs(30);
/// A log larger than this is put aside at the next start, bytes.
const LOG_MAX_BYTES: u64 = 8 * 1024 * 1024;
/// How much of the end of a log is looked at for its last line, bytes.
const TAIL_BYTES: u64 = 4 * 1024;
/// Longest last line that is shown, characters.
const TAIL_MAX_CHARS: usize = 300;

/// How a child is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Where its output goes.
    pub log: PathBuf,
}

/// What happened to the child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was started.
    Started {
        /// Its process id.
        process: u32,
    },
    /// It ended by itself.
    Ended {
        /// How, in words.
        how: String,
        /// The last line it said.
        last_line: String,
        /// How long until it is started again.
        pause: Duration,
    },
    /// It could not be started.
    NotStarted {
        /// Why.
        why: String,
        /// How long until it is tried again.
        pause: Duration,
    },
}

/// How long to wait before the next start. Pure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    deaths: u32,
}

impl Backoff {
    /// A child that ran for so long has ended: how long to wait.
    pub fn ended_after(&mut self, ran: Duration) -> Duration {
        if ran >= WELL_AFTER {
            self.deaths = 0;
        }
        let pause = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(self.deaths));
        self.deaths = self.deaths.saturating_add(1);
        pause.min(PAUSE_MAX)
    }
}

#[derive(Debug)]
enum Course {
    Waiting { until: Duration },
    Running { child: Child, since: Duration },
}

/// A child that is kept running. Time is an input, since any fixed moment.
#[derive(Debug)]
pub struct Supervised {
    course: Course,
    backoff: Backoff,
}

impl Default for Supervised {
    fn default() -> Self {
        Self {
            course: Course::Waiting {
                until: Duration::ZERO,
            },
            backoff: Backoff::default(),
        }
    }
}

impl Supervised {
    /// The child's process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        match &self.course {
            Course::Running { child, .. } => Some(child.id()),
            _ => None,
        }
    }

    /// Whether the child runs, as far as is known.
    pub fn is_running(&self) -> bool {
        matches!(self.course, Course::Running { .. })
    }

    /// Whether the pause is over and the child should be started.
    pub fn is_due(&self, now: Duration) -> bool {
        matches!(self.course, Course::Waiting { until } if now >= until)
    }

    /// Notices the end of the child.
    pub fn watch(&mut self, log: &Path, now: Duration) -> Option<Event> {
        let Course::Running { child, since } = &mut self.course else {
            return None;
        };
        let how = match child.try_wait() {
            Ok(None) => return None,
            Ok(Some(status)) => words(status),
            Err(error) => format!("it cannot be waited for: {error}"),
        };
        let pause = self.backoff.ended_after(now.saturating_sub(*since));
        self.course = Course::Waiting { until: now + pause };
        Some(Event::Ended {
            how,
            last_line: last_line(log),
            pause,
        })
    }

    /// Starts the child.
    pub fn start(&mut self, launch: &Launch, now: Duration) -> Event {
        match spawn(launch) {
            Ok(child) => {
                let process = child.id();
                self.course = Course::Running { child, since: now };
                Event::Started { process }
            }
            Err(error) => self.not_started(
                format!("{} cannot be started: {error}", launch.program.display()),
                now,
            ),
        }
    }

    /// Something that the child needs is missing: it is tried again after a pause.
    pub fn not_started(&mut self, why: String, now: Duration) -> Event {
        let pause = self.backoff.ended_after(Duration::ZERO);
        self.course = Course::Waiting { until: now + pause };
        Event::NotStarted { why, pause }
    }

    /// Asks the child to end in good order.
    pub fn terminate(&self) {
        let Course::Running { child, .. } = &self.course else {
            return;
        };
        // The child was not waited for since it was seen running, so the id is still its own.
        let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if let Some(id) = id {
            let _sent_unless_gone = kill_process(id, Signal::TERM);
        }
    }

    /// Whether a child that was asked to end has ended.
    pub fn has_ended(&mut self) -> bool {
        match &mut self.course {
            Course::Waiting { .. } => true,
            Course::Running { child, .. } => !matches!(child.try_wait(), Ok(None)),
        }
    }

    /// Ends the child at once.
    pub fn kill(&mut self) {
        if let Course::Running { child, .. } = &mut self.course {
            let _gone = child.kill();
            let _reaped = child.wait();
        }
        self.course = Course::Waiting {
            until: Duration::ZERO,
        };
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(launch: &Launch) -> std::io::Result<Child> {
    rotate(&launch.log);
    let log = File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&launch.log)?;
    Command::new(&launch.program)
        .args(&launch.arguments)
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        // Ctrl-C in a terminal is for the operator, which ends its children in order.
        .process_group(0)
        .spawn()
}

/// Puts a large log aside; the one before is dropped.
fn rotate(log: &Path) {
    if fs::metadata(log).is_ok_and(|m| m.len() > LOG_MAX_BYTES) {
        let mut aside = log.as_os_str().to_owned();
        aside.push(".1");
        // A log that cannot be put aside goes on growing, which is better than no node.
        let _moved = fs::rename(log, aside);
    }
}

fn words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(0), _) => "it ended by itself".to_owned(),
        (Some(code), _) => format!("it failed with exit status {code}"),
        (None, Some(signal)) => format!("it was killed by signal {signal}"),
        (None, None) => "it ended".to_owned(),
    }
}

/// The last line of a log that says something, without what could steer a terminal.
fn last_line(log: &Path) -> String {
    let tail = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let bytes = file.metadata()?.len();
        file.seek(SeekFrom::Start(bytes.saturating_sub(TAIL_BYTES)))?;
        let mut text = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    let text = tail().unwrap_or_default();
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control() && !crate::finding::is_hidden(*c))
        .take(TAIL_MAX_CHARS)
        .collect()
}

#[cfg(test)]
mod tests;
