//! A set of servers of its own: object store, metastore, and Spark behind its Thrift server.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

pub struct Services {
    state: TempDir,
    variables: BTreeMap<String, String>,
}

impl Services {
    /// Starts them; nothing where there is no Java to run them.
    pub fn start() -> Option<Self> {
        let missing: Vec<_> = ["java", "mvn", "python3"].into_iter().filter(|program| !is_in_path(program)).collect();
        if !missing.is_empty() {
            eprintln!("SKIPPED: the tests of the metastore need {} in the PATH", missing.join(" and "));
            return None;
        }
        let mut services = Self { state: tempfile::tempdir().unwrap(), variables: BTreeMap::new() };
        services.control(&["start", "thrift"]);
        let lines = services.control(&["env"]);
        let variables = lines.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        services.variables =
            variables.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect();
        Some(services)
    }

    pub fn variable(&self, name: &str) -> &str {
        &self.variables[name]
    }

    fn control(&self, verb: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../services/services.py");
        let mut command = Command::new("python3");
        command.arg(script).args(verb).arg("--state").arg(self.state.path());
        // Spark 4.2 takes the links of a partitioned table for empty files and passes over them, without a word, unless
        // its context was started so.
        command.env("JDK_JAVA_OPTIONS", "-Dspark.hadoopRDD.ignoreEmptySplits=false");
        text_of(command.output().unwrap())
    }

    /// Runs SQL statements through beeline, in one session, and gives the rows whose first column begins with `#`
    /// (beeline writes its prompt in front of others), values parted by tabs, `#` taken away.
    pub fn beeline(&self, statements: &[String]) -> Vec<String> {
        let script = self.state.path().join("statements.sql");
        std::fs::write(&script, statements.join(";\n") + ";\n").unwrap();
        let programs = self.variable("ENTREGA_SERVICES_BIN");
        let mut command = Command::new(Path::new(programs).join("beeline"));
        // It finds its Spark through the Python that is first in the path.
        command.env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap_or_default()));
        command.args(["--outputformat=tsv2", "--silent=true", "--showHeader=false", "-u"]);
        command.arg(self.variable("ENTREGA_JDBC_URL")).arg("-f").arg(script);
        let output = text_of(command.output().unwrap());
        output.lines().filter_map(|line| Some(line.split_once('#')?.1.to_owned())).collect()
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.control(&["stop"]);
    }
}

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn text_of(output: Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}
