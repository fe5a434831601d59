//! Text as the readers' own Helvetica can show it: one byte per character, in `WinAnsiEncoding` (Windows' code page 1252).

use deunicode::deunicode_char;

use crate::widths::{BOLD, REGULAR};

/// A weight of Helvetica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Font {
    Regular,
    Bold,
}

/// `…`.
const ELLIPSIS: u8 = 0x85;

/// Codes 0x80 to 0x9f; a space where there is no character.
const WINDOWS: [char; 32] = [
    '€', ' ', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', ' ', 'Ž', ' ', ' ', '‘', '’', '“', '”', '•', '–',
    '—', '˜', '™', 'š', '›', 'œ', ' ', 'ž', 'Ÿ',
];

/// A text as one line. What the font does not have is spelled in Latin letters (`Кофе` is `Kofe`, `茶` is `Cha`); what cannot
/// be is a question mark.
pub(crate) fn encode(text: &str) -> Vec<u8> {
    let mut line = Vec::with_capacity(text.len());
    for c in text.chars() {
        match code(c) {
            Some(byte) => line.push(byte),
            None => line.extend_from_slice(deunicode_char(c).unwrap_or("?").as_bytes()),
        }
    }
    let words = line.split(|byte| !is_visible(*byte)).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b' ')
}

/// The character's own code, if it has one; a space for control characters.
fn code(c: char) -> Option<u8> {
    match c {
        c if c.is_control() => Some(b' '),
        ' '..='~' | '\u{a0}'..='\u{ff}' => u8::try_from(u32::from(c)).ok(),
        c => WINDOWS.iter().position(|known| *known == c && c != ' ').map(|place| 0x80 + place as u8),
    }
}

/// Neither a space nor a soft hyphen, which readers show as they like.
fn is_visible(byte: u8) -> bool {
    byte > b' ' && byte != 0x7f && byte != 0xa0 && byte != 0xad
}

/// How wide an encoded text is, in points.
pub(crate) fn width(text: &[u8], font: Font, size: f32) -> f32 {
    let widths = match font {
        Font::Regular => &REGULAR,
        Font::Bold => &BOLD,
    };
    let of = |byte: &u8| byte.checked_sub(32).map_or(0, |place| u32::from(widths[usize::from(place)]));
    text.iter().map(of).sum::<u32>() as f32 * size / 1000.0
}

/// As much of an encoded text as fits, with an ellipsis where it was cut.
pub(crate) fn fit(mut text: Vec<u8>, font: Font, size: f32, room: f32) -> Vec<u8> {
    if width(&text, font, size) <= room {
        return text;
    }
    let room = room - width(&[ELLIPSIS], font, size);
    while !text.is_empty() && (width(&text, font, size) > room || text.ends_with(b" ")) {
        text.pop();
    }
    text.push(ELLIPSIS);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_the_font_has_is_kept() {
        assert_eq!(encode("Café crème – 5 €"), b"Caf\xe9 cr\xe8me \x96 5 \x80");
        assert_eq!(encode("O’Neill (ŠŽ) \\"), b"O\x92Neill (\x8a\x8e) \\");
    }

    #[test]
    fn what_it_does_not_have_is_spelled() {
        let shown = |text: &str| String::from_utf8(encode(text)).unwrap();
        assert_eq!(shown("Кофе"), "Kofe");
        assert_eq!(shown("北京烤鸭 x2"), "Bei Jing Kao Ya x2");
        assert_eq!(shown("e\u{301}clair"), "eclair", "a combining accent");
        assert_eq!(shown("🍋 Limo"), "lemon Limo");
        assert_eq!(shown("a\r\nb\u{0}\t c\u{200b}\u{202e}d"), "a b c d");
        assert_eq!(shown("\u{e000}"), "?", "a private character");
    }

    #[test]
    fn a_long_text_is_cut() {
        let name = encode("A very long name of a product that nobody can read");
        let cut = fit(name.clone(), Font::Regular, 9.0, 80.0);
        assert!(width(&cut, Font::Regular, 9.0) <= 80.0 && cut.ends_with(&[ELLIPSIS]) && !cut.ends_with(b" \x85"));
        assert_eq!(fit(name.clone(), Font::Regular, 9.0, 1000.0), name);
        assert!(width(b"iii", Font::Regular, 10.0) < width(b"WWW", Font::Regular, 10.0));
        assert_eq!(width(b"0123456789", Font::Bold, 10.0), 55.6);
    }

    proptest! {
        #[test]
        fn any_text_has_an_encoding_that_fits(text in any::<String>(), room in 0.0f32..300.0) {
            let line = encode(&text);
            prop_assert!(line.iter().all(|byte| *byte >= b' '));
            let cut = fit(line, Font::Bold, 9.0, room);
            prop_assert!(cut == [ELLIPSIS] || width(&cut, Font::Bold, 9.0) <= room);
        }
    }
}
