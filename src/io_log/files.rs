//! The files of one server's log: `NAME.log`, and `NAME.log.1` (the newest) and up behind it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use super::LogOptions;

/// Lines that could not be written, and why.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) lines: u64,
    pub(super) error: io::Error,
}

/// An open log. No file grows past the size at which it is rotated, unless by a single line.
#[derive(Debug)]
pub(super) struct LogFiles {
    path: PathBuf,
    file: File,
    size: u64,
    rotate_at: u64,
    /// Files behind the current one, at most.
    rotated: u64,
    /// The last write ended within a line.
    mid_line: bool,
}

impl LogFiles {
    pub(super) fn open(name: &str, options: &LogOptions) -> io::Result<Self> {
        fs::create_dir_all(&options.directory)?;
        let path = options.directory.join(format!("{name}.log"));
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let size = file.metadata()?.len();
        let rotated = (options.keep / options.rotate_at.max(1)).saturating_sub(1);
        Ok(Self { path, file, size, rotate_at: options.rotate_at, rotated, mid_line: false })
    }

    /// Appends whole lines, beginning new files where they are due.
    pub(super) fn write(&mut self, mut lines: &[u8]) -> Result<(), Lost> {
        while !lines.is_empty() {
            let written = self.write_some(lines);
            match written {
                Ok(written) => lines = &lines[written..],
                Err(error) => {
                    let lost = lines.iter().filter(|&&byte| byte == b'\n').count();
                    return Err(Lost { lines: lost as u64, error });
                }
            }
        }
        Ok(())
    }

    /// Writes lines as far as the current file has room, or one that has none anywhere.
    fn write_some(&mut self, lines: &[u8]) -> io::Result<usize> {
        if self.mid_line {
            self.put(b"\n")?;
        }
        let room = usize::try_from(self.rotate_at.saturating_sub(self.size)).unwrap_or(usize::MAX);
        let fitting = &lines[..lines.len().min(room)];
        let end = if fitting.len() == lines.len() { Some(lines.len()) } else { behind_last_line(fitting) };
        match end {
            Some(end) => self.put(&lines[..end]),
            None if self.size > 0 => self.rotate().map(|()| 0),
            None => self.put(&lines[..behind_first_line(lines)]),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.size += written as u64;
        self.mid_line = bytes[written - 1] != b'\n';
        Ok(written)
    }

    /// `NAME.log` becomes `.1`, `.1` becomes `.2` and so on; the last one goes.
    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.rotated).rev() {
            rename_if_there(&self.numbered(number), &self.numbered(number + 1))?;
        }
        if self.rotated > 0 {
            fs::rename(&self.path, self.numbered(1))?;
        }
        self.file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        self.file.set_len(0)?;
        self.size = 0;
        Ok(())
    }

    fn numbered(&self, number: u64) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }
}

fn rename_if_there(from: &PathBuf, to: &PathBuf) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn behind_last_line(bytes: &[u8]) -> Option<usize> {
    memchr::memrchr(b'\n', bytes).map(|end| end + 1)
}

fn behind_first_line(lines: &[u8]) -> usize {
    memchr::memchr(b'\n', lines).map_or(lines.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(folder: &std::path::Path) -> Vec<(String, u64)> {
        let mut sizes: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
            .collect();
        sizes.sort();
        sizes
    }

    fn open(folder: &std::path::Path) -> LogFiles {
        let options = LogOptions { directory: folder.into(), rotate_at: 100, keep: 300, bodies: false };
        LogFiles::open("Clark", &options).unwrap()
    }

    #[test]
    fn files_are_rotated_at_line_ends_and_capped_in_total() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = open(folder.path());
        let lines: String = (0..100).map(|n| format!("line number {n:08}\n")).collect();
        files.write(lines.as_bytes()).unwrap();
        let expected = [("Clark.log", 84), ("Clark.log.1", 84), ("Clark.log.2", 84)];
        assert_eq!(sizes(folder.path()), expected.map(|(name, size)| (name.to_string(), size)));
        let newest = fs::read_to_string(folder.path().join("Clark.log")).unwrap();
        assert!(newest.ends_with("line number 00000099\n"), "{newest}");
        let before = fs::read_to_string(folder.path().join("Clark.log.1")).unwrap();
        assert!(before.ends_with("line number 00000095\n"), "{before}");
    }

    #[test]
    fn a_line_longer_than_a_file_gets_one_for_itself() {
        let folder = tempfile::tempdir().unwrap();
        let long = format!("{}\n", "x".repeat(150));
        open(folder.path()).write(format!("a\n{long}b\n").as_bytes()).unwrap();
        let expected = [("Clark.log", 2), ("Clark.log.1", 151), ("Clark.log.2", 2)];
        assert_eq!(sizes(folder.path()), expected.map(|(name, size)| (name.to_string(), size)));
    }

    #[test]
    fn a_log_that_exists_is_continued() {
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).write(b"first\n").unwrap();
        open(folder.path()).write(b"second\n").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("Clark.log")).unwrap(), "first\nsecond\n");
    }

    #[test]
    fn a_full_disk_loses_lines_by_number() {
        let folder = tempfile::tempdir().unwrap();
        let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let mut files = LogFiles { file: full, ..open(folder.path()) };
        let lost = files.write(b"one\ntwo\nthree\n").unwrap_err();
        assert_eq!((lost.lines, lost.error.kind()), (3, io::ErrorKind::StorageFull));
    }

    #[test]
    fn a_line_that_was_cut_by_a_full_disk_is_ended_before_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = open(folder.path());
        files.put(b"mutila").unwrap();
        files.write(b"whole\n").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("Clark.log")).unwrap(), "mutila\nwhole\n");
    }
}
