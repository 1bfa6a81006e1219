//! A lake in a folder of its own, and the binary that works on it.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

/// The hand-made shop: a folder that the order system's replay can read.
pub const SHOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/shop");

/// Text that a run makes new each time, and what stands for it; as wide as before, so that tables keep their form.
const FILTERS: [(&str, &str); 4] = [
    (r"20[2-9]\d-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?", "[time of the test] "),
    (r"(\d{6}-(?:ingest|summary|features)-)\d{8}T\d{6}", "${1}YYYYMMDDThhmmss"),
    (r"in \d+\.\d\d s", "in [seconds] s"),
    (r#""seconds": [\d.e-]+"#, r#""seconds": "[seconds]""#),
];

/// A lake that is deleted at the end of its story.
pub struct Lake {
    folder: TempDir,
    models: Option<PathBuf>,
}

impl Lake {
    /// A place for a lake; nothing is there yet.
    pub fn nowhere() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), models: None }
    }

    /// A lake without drops.
    pub fn empty() -> Self {
        let lake = Self::nowhere();
        std::fs::create_dir_all(lake.path()).unwrap();
        std::fs::write(lake.path().join("_entrega.json"), r#"{"format": 1, "made_by": "a story"}"#).unwrap();
        lake
    }

    /// A lake with the fixture shop's drops, not yet taken; the arguments are those of `replay`.
    pub fn replayed(arguments: &str) -> Self {
        let lake = Self::nowhere();
        lake.replay(arguments);
        lake
    }

    /// A lake with the fixture shop as one drop, taken and summarised.
    pub fn ready() -> Self {
        let lake = Self::replayed("--as one-drop");
        lake.ok("run all");
        lake
    }

    /// Delivers the fixture shop.
    pub fn replay(&self, arguments: &str) -> String {
        let words: Vec<&str> = ["replay", "--source", SHOP].into_iter().chain(arguments.split_whitespace()).collect();
        self.start(&words).succeeded()
    }

    /// The same lake worked on with other models.
    pub fn with_models(mut self, models: &Path) -> Self {
        self.models = Some(models.to_owned());
        self
    }

    /// Where it lies.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    /// The folder in which the binary is started; the lake is `lake` in it.
    pub fn home(&self) -> &Path {
        self.folder.path()
    }

    /// The binary, about to be started on this lake with nothing else from the environment.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_entrega"));
        for variable in ["ENTREGA_LAKE", "ENTREGA_MODELS", "ENTREGA_LOG", "COLUMNS"] {
            command.env_remove(variable);
        }
        command.current_dir(self.home()).args(["--lake", "lake"]);
        if let Some(models) = &self.models {
            command.arg("--models").arg(models);
        }
        command.args(words);
        command
    }

    /// Starts the binary and waits for its end.
    pub fn start(&self, words: &[&str]) -> Outcome {
        Outcome::of(words, self.command(words).output().unwrap())
    }

    /// As [`Self::start`], for arguments without blanks.
    pub fn run(&self, line: &str) -> Outcome {
        self.start(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs what must succeed; gives standard output.
    pub fn ok(&self, line: &str) -> String {
        self.run(line).succeeded()
    }

    /// The rows of a query.
    pub fn rows(&self, query: &str) -> Vec<Value> {
        let text = self.start(&["sql", "--output", "json", query]).succeeded();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The one value of a query, as text; `NULL` where there is none.
    pub fn value(&self, query: &str) -> String {
        let rows = self.rows(query);
        assert_eq!(rows.len(), 1, "one row expected from: {query}");
        match rows[0].as_object().unwrap().values().next() {
            None => "NULL".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    /// Names of the published batches, oldest first. Asked in SQL, which reads nothing of the landing zone.
    pub fn batches(&self) -> Vec<String> {
        let outcome = self.start(&["sql", "--output", "csv", "select batch_id from ops.batches order by sequence"]);
        if outcome.err.contains("nothing was published") {
            return Vec::new();
        }
        outcome.succeeded().lines().skip(1).map(str::to_owned).collect()
    }

    /// Folders of the drops in the landing zone, in the order of their names.
    pub fn drops(&self) -> Vec<String> {
        let found: Value = serde_json::from_str(&self.ok("status --json")).unwrap();
        found["waiting"].as_array().unwrap().iter().map(|folder| folder.as_str().unwrap().to_owned()).collect()
    }

    /// Settings under which snapshots of this lake's texts hold on any day and machine.
    pub fn snapshots(&self) -> insta::Settings {
        let mut settings = insta::Settings::clone_current();
        settings.set_omit_expression(true);
        settings.add_filter(&regex::escape(&self.home().canonicalize().unwrap().to_string_lossy()), "[home]");
        settings.add_filter(&regex::escape(&self.home().to_string_lossy()), "[home]");
        settings.add_filter(&regex::escape(SHOP), "[shop]");
        for (pattern, replacement) in FILTERS {
            settings.add_filter(pattern, replacement);
        }
        settings
    }
}

/// How a command ended and what it said.
pub struct Outcome {
    line: String,
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Outcome {
    pub fn of(words: &[&str], output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
        Self { line: words.join(" "), code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Standard output of a command that must have succeeded.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "{self}");
        self.out
    }

    /// What a command that must have failed with this code says.
    #[track_caller]
    pub fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self}");
        assert_eq!(self.out, "", "a failure says nothing on standard output: {self}");
        assert!(!self.err.contains("panicked"), "{self}");
        self.err
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A query over all tables has several pages.
        let line: String = self.line.chars().take(200).collect();
        write!(formatter, "entrega {line}\nexit code {:?}\n{}\n{}", self.code, self.out, self.err)
    }
}

/// Several commands and what they said, as one text for a snapshot.
#[derive(Default)]
pub struct Transcript(String);

impl Transcript {
    /// Runs what must succeed and writes it down.
    pub fn ok(&mut self, lake: &Lake, words: &[&str]) -> &mut Self {
        let outcome = lake.start(words);
        let shown: Vec<String> = words
            .iter()
            .map(|word| if word.contains(' ') { format!("\"{word}\"") } else { (*word).to_owned() })
            .collect();
        let _ = writeln!(self.0, "$ entrega {}", shown.join(" "));
        let said = outcome.succeeded();
        let _ = writeln!(self.0, "{said}\n");
        self
    }

    /// The text.
    pub fn text(&self) -> &str {
        self.0.trim_end()
    }
}
