//! The real servers, for as long as the tests run.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A set of servers of its own, stopped when dropped.
pub struct Servers {
    /// The connection string.
    pub remote: String,
    state: Option<TempDir>,
}

impl Servers {
    /// Starts them; none, and a line that says so, where the machine lacks what they need.
    ///
    /// `ENTREGA_TEST_SPARK` may name a server that is already there, to spare half a minute.
    pub fn start() -> Option<Self> {
        if let Ok(remote) = std::env::var("ENTREGA_TEST_SPARK") {
            return Some(Self { remote, state: None });
        }
        if let Some(missing) = ["java", "mvn"].into_iter().find(|program| !is_in_path(program)) {
            // Not `eprintln!`, which the test harness would swallow.
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: no {missing} in PATH, so no Spark Connect server to test against"
            );
            return None;
        }
        let state = TempDir::new().unwrap();
        let mut servers = Self { remote: String::new(), state: Some(state) };
        servers.services(&["start", "spark"]);
        let environment = servers.services(&["env"]);
        let remote = environment.lines().find_map(|line| line.strip_prefix("export ENTREGA_SPARK_REMOTE=")).unwrap();
        remote.trim_matches('\'').clone_into(&mut servers.remote);
        Some(servers)
    }

    /// `services.py <verb>`, and what it prints.
    fn services(&self, verb: &[&str]) -> String {
        let Some(state) = &self.state else { return String::new() };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../services/services.py");
        let mut command = Command::new("python3");
        command.arg(script).args(verb).arg("--state").arg(state.path()).stderr(Stdio::inherit());
        let output = command.output().unwrap();
        assert!(output.status.success(), "services.py {verb:?}: {}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.services(&["stop"]);
    }
}

fn is_in_path(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).map(|folder: PathBuf| folder.join(program)).any(|path| path.is_file())
}
