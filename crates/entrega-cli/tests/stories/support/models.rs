//! Models and contracts that a story may change.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

/// The project's own models.
pub const MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models");

/// A copy of the models that a story may change.
pub struct Models(TempDir);

impl Models {
    pub fn copy() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for layer in fs::read_dir(MODELS).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
            let target = folder.path().join(layer.file_name().unwrap());
            fs::create_dir(&target).unwrap();
            for file in fs::read_dir(&layer).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
                fs::copy(&file, target.join(file.file_name().unwrap())).unwrap();
            }
        }
        Self(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Replaces a piece of text that must be there.
    pub fn change(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.file(file)).unwrap();
        assert!(text.contains(from), "{file} does not hold: {from}");
        fs::write(self.file(file), text.replace(from, to)).unwrap();
    }
}
