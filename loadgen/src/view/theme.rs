//! Colours, of which there are few: what has to be told apart differs without them, too.

use ratatui::style::{Color, Modifier, Style};

/// What is read first.
pub(super) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
/// What is read last.
pub(super) const QUIET: Style = Style::new().add_modifier(Modifier::DIM);
/// What is plain.
pub(super) const PLAIN: Style = Style::new();
/// What has been done, and what came back.
pub(super) const DONE: Style = Style::new().fg(Color::Cyan);
/// What is not as it should be.
pub(super) const WARNING: Style = Style::new().fg(Color::Yellow);
/// What must not be.
pub(super) const WRONG: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
