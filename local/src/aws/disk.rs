//! Where the stand-ins keep what must survive a restart.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::de::DeserializeOwned;

/// Where a stand-in keeps its state.
#[derive(Debug, Clone, Default)]
pub enum Data {
    /// Nowhere: gone with the process. For tests.
    #[default]
    Memory,
    /// In files under this directory, which is created when missing.
    Dir(PathBuf),
}

impl Data {
    /// A path under the directory; None when nothing is kept.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        match self {
            Self::Memory => None,
            Self::Dir(dir) => Some(dir.join(name)),
        }
    }
}

/// Writes a file whole or not at all: a process killed half-way leaves the old one.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    std::fs::write(&fresh, content)?;
    std::fs::rename(fresh, path)
}

/// Reads a JSON file; None when there is none yet.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    match std::fs::read(path) {
        Ok(content) => Ok(Some(
            serde_json::from_slice(&content)
                .with_context(|| format!("{} cannot be read; --reset starts over", path.display()))?,
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}
