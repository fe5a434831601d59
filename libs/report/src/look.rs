//! Colors and letters: those of the e-mails.

use crate::{
    page::{Color, Style},
    text::Font::{Bold, Regular},
};

const fn rgb(red: u8, green: u8, blue: u8) -> Color {
    [red as f32 / 255.0, green as f32 / 255.0, blue as f32 / 255.0]
}

pub(crate) const INK: Color = rgb(0x0d, 0x1f, 0x1a);
/// Text of second rank.
pub(crate) const SOFT: Color = rgb(0x4c, 0x5a, 0x55);
/// Bars.
pub(crate) const QUIET: Color = rgb(0x8f, 0xa3, 0x9b);
/// Axes.
pub(crate) const FAINT: Color = rgb(0xc9, 0xbf, 0xa9);
/// Lines between rows.
pub(crate) const RULE: Color = rgb(0xe3, 0xdd, 0xd1);
pub(crate) const CREAM: Color = rgb(0xf5, 0xf0, 0xe8);

const fn style(font: crate::text::Font, size: f32, color: Color) -> Style {
    Style { font, size, color }
}

/// The organization, in the heading.
pub(crate) const TITLE: Style = style(Bold, 22.0, CREAM);
pub(crate) const SUBTITLE: Style = style(Regular, 11.0, CREAM);
pub(crate) const KICKER: Style = style(Bold, 8.0, FAINT);
pub(crate) const SECTION: Style = style(Bold, 12.0, INK);
pub(crate) const FIGURE: Style = style(Bold, 17.0, INK);
pub(crate) const BODY: Style = style(Regular, 9.0, INK);
pub(crate) const STRONG: Style = style(Bold, 9.0, INK);
pub(crate) const SMALL: Style = style(Regular, 8.0, SOFT);
pub(crate) const COLUMN: Style = style(Bold, 8.0, SOFT);
pub(crate) const TINY: Style = style(Regular, 7.0, SOFT);
