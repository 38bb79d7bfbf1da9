//! The files of a workspace's folder. The only place below the store that reads files.

use std::fs;
use std::io;
use std::path::Path;

use crate::finding::Code;
use crate::model::limit::SOURCE_BYTES;

/// A file that is there and cannot be used.
pub(super) struct Unreadable {
    pub path: String,
    pub code: Code,
    pub message: String,
}

/// Folders of a workspace and the endings of the files in them.
const FOLDERS: [(&str, &[&str]); 5] = [
    ("rules", &["tide"]),
    ("journeys", &["yaml", "yml"]),
    ("lists", &["csv"]),
    ("templates", &["html", "txt"]),
    ("scenarios", &["yaml", "yml"]),
];

/// Deepest nesting of folders.
const DEPTH: usize = 8;

type Files = (Vec<(String, String)>, Vec<Unreadable>);

/// Reads the settings and all files of the folders, by path relative to `dir`, with `/` between folders.
pub(super) fn read(dir: &Path) -> io::Result<Files> {
    fs::read_dir(dir)?;
    let mut found = (Vec::new(), Vec::new());
    let settings = dir.join(super::load::SETTINGS_FILE);
    if settings.exists() {
        file(&settings, super::load::SETTINGS_FILE.to_owned(), &mut found);
    }
    for (folder, endings) in FOLDERS {
        let path = dir.join(folder);
        if path.is_dir() {
            walk(&path, folder, endings, DEPTH, &mut found)?;
        }
    }
    Ok(found)
}

fn walk(dir: &Path, relative: &str, endings: &[&str], depth: usize, found: &mut Files) -> io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(dir)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let (path, relative) = (entry.path(), format!("{relative}/{name}"));
        if path.is_dir() {
            if depth > 0 {
                walk(&path, &relative, endings, depth - 1, found)?;
            }
        } else if path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| endings.contains(&ending)) {
            file(&path, relative, found);
        }
    }
    Ok(())
}

fn file(path: &Path, relative: String, found: &mut Files) {
    let size = fs::metadata(path).map(|metadata| metadata.len());
    if size.as_ref().is_ok_and(|size| *size > SOURCE_BYTES as u64) {
        let message = format!("the file has more than {SOURCE_BYTES} bytes");
        found.1.push(Unreadable { path: relative, code: Code::TooLarge, message });
        return;
    }
    match size.and_then(|_| fs::read(path)) {
        Ok(bytes) => match String::from_utf8(bytes) {
            // Some editors put a mark at the front; it is no part of the text.
            Ok(text) => found.0.push((relative, text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())),
            Err(error) => {
                let message = format!("the file is not UTF-8 text (byte {})", error.utf8_error().valid_up_to() + 1);
                found.1.push(Unreadable { path: relative, code: Code::UnreadableFile, message });
            }
        },
        Err(error) => {
            let message = format!("the file cannot be read: {error}");
            found.1.push(Unreadable { path: relative, code: Code::UnreadableFile, message });
        }
    }
}
