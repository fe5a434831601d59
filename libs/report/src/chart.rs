//! Bars over a scale of amounts.

use domain::{
    money::{Cents, Currency},
    words::money,
};

use crate::{
    look::{FAINT, INK, QUIET, RULE, TINY},
    page::{Align, Color, Page},
    text::{encode, width},
};

/// Lines of the scale above the ground, at most.
const STEPS: i64 = 4;

/// One bar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bar {
    /// What stands below it; empty for nothing.
    pub(crate) label: String,
    pub(crate) amount: Cents,
}

/// Where a chart is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) x: f32,
    pub(crate) y: f32,
    pub(crate) width: f32,
    pub(crate) height: f32,
}

/// The distance of two lines of the scale, in cents, and how many there are: 1, 2 or 5 times a power of ten, so that the
/// highest bar ends below the last.
pub(crate) fn scale(highest: Cents) -> (i64, i64) {
    let highest = highest.0.max(1);
    let steps = (2..).flat_map(|zeros| [1, 2, 5].map(|digit| digit * 10i64.saturating_pow(zeros)));
    let step = steps.into_iter().find(|step| step.saturating_mul(STEPS) >= highest).unwrap_or(i64::MAX);
    (step, (highest + step - 1) / step)
}

/// Draws bars, the highest darker, over a scale at the left. The labels stand below the place.
pub(crate) fn draw(page: &mut Page<'_>, place: Place, bars: &[Bar], currency: Currency) {
    let highest = bars.iter().map(|bar| bar.amount).max().unwrap_or_default();
    let (step, steps) = scale(highest);
    let (left, ground) = (place.x + 52.0, place.y + place.height);
    let points = place.height / (step * steps) as f32;
    for line in 0..=steps {
        let y = ground - (line * step) as f32 * points;
        page.line(left, y, place.x + place.width - left, if line == 0 { FAINT } else { RULE });
        let amount = money(Cents(line * step), currency);
        let amount = amount.strip_suffix(".00").unwrap_or(&amount);
        page.text(left - 6.0, y + 2.5, 46.0, Align::Right, TINY, amount);
    }
    let pitch = (place.x + place.width - left) / bars.len().max(1) as f32;
    let (wide, mut free_from) = ((pitch * 0.68).min(34.0), 0.0);
    for (i, bar) in bars.iter().enumerate() {
        let middle = left + pitch * (i as f32 + 0.5);
        // What was sold is seen, however little it is.
        let high = (bar.amount.0 as f32 * points).max(if bar.amount > Cents::ZERO { 0.75 } else { 0.0 });
        let color: Color = if bar.amount == highest { INK } else { QUIET };
        if high > 0.0 {
            page.rect(middle - wide / 2.0, ground - high, wide, high, color);
        }
        // A label that would run into the one before it is left out.
        let half = width(&encode(&bar.label), TINY.font, TINY.size) / 2.0;
        if middle - half > free_from {
            page.text(middle, ground + 11.0, 2.0 * half + 1.0, Align::Center, TINY, &bar.label);
            free_from = middle + half + 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_is_of_round_amounts_and_reaches_above_the_highest() {
        let scale = |cents| super::scale(Cents(cents));
        assert_eq!(scale(0), (100, 1));
        assert_eq!(scale(400), (100, 4));
        assert_eq!(scale(401), (200, 3));
        assert_eq!(scale(482_675), (200_000, 3));
        for highest in (0..63).map(|bit| 1i64 << bit) {
            let (step, steps) = scale(highest);
            assert!((1..=STEPS).contains(&steps) && step.saturating_mul(steps) >= highest, "{highest}");
        }
    }
}
