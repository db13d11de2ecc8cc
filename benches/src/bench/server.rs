//! One variant under measurement: started in its control group, asked for its costs, stopped.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::time::{clock_getcpuclockid, clock_gettime};
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

    /// The CPU time so far: the group's where there is one, else that of the process, its ended
    /// threads included. Either is what the scheduler counted, and no sum of ticks.
    pub fn cpu(&self) -> io::Result<Duration> {
        if let Some(time) = self.cgroup.as_ref().and_then(Cgroup::cpu) {
            return Ok(time);
        }
        let clock = clock_getcpuclockid(Pid::from_raw(self.child.id().cast_signed()))?;
        Ok(clock_gettime(clock)?.into())
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

fn parse_resident(rollup: &str) -> Option<f64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_without_a_group_is_finer_than_a_tick() {
        let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let server = Server { child, port: 0, cgroup: None };
        let deadline = Instant::now() + START_LIMIT;
        while server.cpu().unwrap().is_zero() {
            assert!(Instant::now() < deadline, "a process that has been started took no CPU");
        }
        assert!(server.cpu().unwrap() < START_LIMIT);
        assert_ne!(server.cpu().unwrap().subsec_nanos() % 10_000_000, 0);
    }

    #[test]
    fn resident_memory() {
        assert_eq!(parse_resident("00-ff rollup\nRss:      1024 kB\n"), Some(1_048_576.0));
        assert_eq!(parse_resident("Pss: 1 kB\n"), None);
    }
}
