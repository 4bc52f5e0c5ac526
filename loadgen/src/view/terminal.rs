//! The terminal: taken for the view, and given back however the program ends.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal, Stderr, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{self, EnterAlternateScreen, LeaveAlternateScreen};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// On a smaller screen plain lines say more.
const LEAST_SIZE: (u16, u16) = (60, 16);

/// Whether the terminal is taken. A panic of any thread gives it back, so that its words are
/// seen.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Panics are heard of by whoever gives the terminal back, once set.
static HOOK: Once = Once::new();

/// The terminal behind standard error, while the view has it.
pub(super) struct Screen {
    /// There until this is dropped.
    terminal: Option<Terminal<CrosstermBackend<BufWriter<Stderr>>>>,
    /// Whether a signal asked for an end.
    signalled: Arc<AtomicBool>,
    /// Whether signals end the program at once, as they do without a view.
    released: Arc<AtomicBool>,
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").finish_non_exhaustive()
    }
}

impl Screen {
    /// Whether standard error is a terminal that takes more than lines and is large enough.
    pub(super) fn is_possible() -> bool {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        let is_large = terminal::size().is_ok_and(|size| size.0 >= LEAST_SIZE.0 && size.1 >= LEAST_SIZE.1);
        !is_dumb && stderr().is_terminal() && is_large && is_in_foreground()
    }

    /// Takes the terminal. Signals that would end the program ask the view for an end from then on.
    pub(super) fn enter() -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                before(panic);
            }));
        });
        let (signalled, released) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            flag::register_conditional_default(signal, Arc::clone(&released))?;
            flag::register(signal, Arc::clone(&signalled))?;
        }
        let terminal = Terminal::new(CrosstermBackend::new(BufWriter::new(stderr())))?;
        // From here on it is given back when this is dropped.
        let screen = Self { terminal: Some(terminal), signalled, released };
        TAKEN.store(true, Ordering::SeqCst);
        terminal::enable_raw_mode()?;
        execute!(stderr(), EnterAlternateScreen, Hide)?;
        Ok(screen)
    }

    /// Whether a key or a signal has asked for an end since the last time.
    ///
    /// # Errors
    /// If the terminal is gone. Reading keys from one that is would not end.
    pub(super) fn asked_for_end(&mut self) -> io::Result<bool> {
        let mut asked = self.signalled.swap(false, Ordering::SeqCst);
        if is_gone() {
            return if asked { Ok(true) } else { Err(io::ErrorKind::BrokenPipe.into()) };
        }
        while event::poll(Duration::ZERO)? {
            if let Event::Key(key) = event::read()? {
                asked |= is_for_end(key);
            }
        }
        Ok(asked)
    }

    /// Draws a screen.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Buffer)) -> io::Result<()> {
        if !TAKEN.load(Ordering::SeqCst) {
            return Err(io::Error::other("a panic has given the terminal back"));
        }
        if let Some(terminal) = &mut self.terminal {
            terminal.draw(|frame| draw(frame.buffer_mut()))?;
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if is_gone() {
            // When it is dropped it says that it cannot show the cursor, and panics as it cannot say so.
            std::mem::forget(self.terminal.take());
        }
        give_back();
        self.released.store(true, Ordering::SeqCst);
    }
}

/// Whether this program may change the terminal: one in the background would be stopped.
fn is_in_foreground() -> bool {
    tcgetpgrp(stderr()).is_ok_and(|foreground| foreground == getpgrp())
}

/// Whether there is no terminal any more behind standard error.
pub(super) fn is_gone() -> bool {
    let stderr = stderr();
    let mut terminal = [PollFd::new(&stderr, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut terminal, Some(&now)).is_err() || terminal[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

/// Leaves the terminal as it was found.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // Whoever took the terminal away needs nothing back.
        let _ = execute!(stderr(), LeaveAlternateScreen, Show);
        let _ = terminal::disable_raw_mode();
    }
}

fn is_for_end(key: KeyEvent) -> bool {
    let is_ctrl_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press && (is_ctrl_c || matches!(key.code, KeyCode::Char('q' | 'Q')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_and_control_c_ask_for_an_end_and_nothing_else_does() {
        let key = |code, modifiers| is_for_end(KeyEvent::new(KeyCode::Char(code), modifiers));
        assert!(key('q', KeyModifiers::NONE) && key('c', KeyModifiers::CONTROL));
        assert!(!key('c', KeyModifiers::NONE) && !key('x', KeyModifiers::CONTROL));
    }
}
