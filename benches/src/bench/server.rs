//! One variant under measurement: started in its control group, asked for its costs, stopped.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cgroup::Cgroup;
use crate::client;

const START_LIMIT: Duration = Duration::from_secs(20);

/// Joins the groups named before `--`, then becomes the command after it.
const JOIN: &str = r#"while [ "$1" != -- ]; do echo $$ > "$1" || exit; shift; done; shift; exec "$@""#;

pub struct Server {
    child: Child,
    pub port: u16,
    cgroup: Option<Cgroup>,
}

impl Server {
    /// Starts it with nothing in its environment but `env` and waits until it is ready.
    pub fn start(program: &Path, env: &[(String, String)], cgroup: Cgroup) -> io::Result<Server> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", JOIN, "sh"]).args(cgroup.joins()).arg("--").arg(program);
        let mut server = Server::spawn(command, env, Some(cgroup))?;
        let deadline = Instant::now() + START_LIMIT;
        while !client::is_ready(server.port) {
            if let Some(status) = server.child.try_wait()? {
                return Err(io::Error::other(format!("{} ended: {status}", program.display())));
            }
            if Instant::now() > deadline {
                return Err(io::Error::other(format!("{} is never ready", program.display())));
            }
            sleep(Duration::from_millis(5));
        }
        Ok(server)
    }

    /// Starts it with neither group nor shell in between, and tells how long the first 200 took.
    pub fn time_start(program: &Path, env: &[(String, String)]) -> io::Result<(Server, Duration)> {
        let started = Instant::now();
        let server = Server::spawn(Command::new(program), env, None)?;
        while !client::is_ready(server.port) {
            if started.elapsed() > START_LIMIT {
                return Err(io::Error::other(format!("{} is never ready", program.display())));
            }
            // Asking without a pause would take the CPU that the start needs.
            sleep(Duration::from_micros(50));
        }
        Ok((server, started.elapsed()))
    }

    fn spawn(mut command: Command, env: &[(String, String)], cgroup: Option<Cgroup>) -> io::Result<Server> {
        let port = free_port()?;
        let child = command
            .env_clear()
            .env("PORT", port.to_string())
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Server { child, port, cgroup })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The CPU time so far: the group's where there is one, else the process's.
    pub fn cpu(&self) -> io::Result<Duration> {
        if let Some(time) = self.cgroup.as_ref().and_then(Cgroup::cpu) {
            return Ok(time);
        }
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        parse_stat(&stat).ok_or_else(|| io::Error::other("/proc/PID/stat is not as documented"))
    }

    /// The memory that is resident, in bytes. `smaps_rollup` counts, where `status` estimates to
    /// some hundred kilobytes.
    pub fn memory(&self) -> io::Result<f64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        parse_resident(&rollup).ok_or_else(|| io::Error::other("smaps_rollup has no Rss"))
    }

    /// What a pod would be charged, the kernel's part included, where the kernel tells.
    pub fn charged(&self) -> Option<f64> {
        self.cgroup.as_ref()?.memory()
    }

    pub fn terminate(&self) -> io::Result<()> {
        Ok(kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM)?)
    }

    /// Waits for the end of the process, but not for ever.
    pub fn wait(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            match self.child.try_wait()? {
                None if Instant::now() < deadline => sleep(Duration::from_micros(500)),
                ended => return Ok(ended),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// User and system time, in ticks of 10 ms; the name before them may hold anything.
fn parse_stat(stat: &str) -> Option<Duration> {
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(10 * (user + system)))
}

fn parse_resident(rollup: &str) -> Option<f64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_of_a_process_with_an_odd_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 4 0 100 1 2";
        assert_eq!(parse_stat(stat), Some(Duration::from_secs(2)));
        assert_eq!(parse_stat("7 (x) S 1"), None);
    }

    #[test]
    fn resident_memory() {
        assert_eq!(parse_resident("00-ff rollup\nRss:      1024 kB\n"), Some(1_048_576.0));
        assert_eq!(parse_resident("Pss: 1 kB\n"), None);
    }
}
