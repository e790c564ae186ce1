//! The application's files, and the packages that it needs.

use crate::system::ServerError;
use std::path::{Path, PathBuf};

/// The application.
pub(super) const APPLICATION: &str = include_str!("../../../stacks/express/app.js");

/// What it needs, for npm.
const WANTED: [(&str, &str); 2] = [
    ("package.json", include_str!("../../../stacks/express/package.json")),
    ("package-lock.json", include_str!("../../../stacks/express/package-lock.json")),
];

/// The environment variable that names a folder with the packages.
const VARIABLE: &str = "STEADFAST_NODE_MODULES";

/// The folder with the application's packages: the one that the environment names, that of the source tree, or
/// that of the user's cache. If there is none, the cache is prepared so that one command fetches them.
pub fn find_packages() -> Result<PathBuf, ServerError> {
    if let Some(named) = std::env::var_os(VARIABLE).map(PathBuf::from) {
        return if has_all_packages(&named) {
            Ok(named)
        } else {
            Err(ServerError::System(format!(
                "{VARIABLE}={} has no express, or not all else",
                named.display()
            )))
        };
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("stacks/express/node_modules");
    let cache = user_cache_folder();
    let found = [Some(source), cache.as_ref().map(|folder| folder.join("node_modules"))];
    if let Some(found) = found.into_iter().flatten().find(|folder| has_all_packages(folder)) {
        return Ok(found);
    }
    let cache =
        cache.ok_or_else(|| ServerError::System("neither XDG_CACHE_HOME nor HOME is set".to_owned()))?;
    let prepared = std::fs::create_dir_all(&cache)
        .and_then(|()| WANTED.iter().try_for_each(|(name, text)| std::fs::write(cache.join(name), text)));
    prepared.map_err(|why| ServerError::System(format!("{}: {why}", cache.display())))?;
    Err(ServerError::System(format!(
        "the packages of the Express application are missing; fetch them with: npm ci --prefix {}",
        cache.display()
    )))
}

fn has_all_packages(folder: &Path) -> bool {
    ["express", "express-session", "connect-redis", "redis"].iter().all(|name| folder.join(name).is_dir())
}

fn user_cache_folder() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let base = named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    Some(base.join("steadfast/express"))
}
