//! Pictures for the demo data, painted here: a night sky with lanterns. Nothing is fetched, and nobody's photograph is used.

use std::sync::OnceLock;

use bytes::Bytes;
use png::{BitDepth, ColorType, Compression, Encoder};

const WIDTH: usize = 480;
const HEIGHT: usize = 300;

type Colour = [u8; 3];

/// Skies, from the top to the horizon.
const SKIES: [(Colour, Colour); 7] = [
    ([0x0d, 0x1f, 0x1a], [0x3d, 0x5a, 0x4c]),
    ([0x10, 0x24, 0x33], [0x8a, 0x6a, 0x5c]),
    ([0x1d, 0x16, 0x2b], [0x6b, 0x3f, 0x55]),
    ([0x22, 0x1c, 0x1a], [0x7d, 0x5b, 0x3a]),
    ([0x0f, 0x1c, 0x2e], [0x3f, 0x5d, 0x7a]),
    ([0x2a, 0x12, 0x18], [0x94, 0x4b, 0x3c]),
    ([0x14, 0x2b, 0x2b], [0xb0, 0x8a, 0x5b]),
];
const LANTERN: Colour = [0xf2, 0xc1, 0x6b];
const GROUND: Colour = [0x08, 0x12, 0x0f];

/// A picture, as PNG; another for each `mood`, of which there are as many as skies. Painted once in a process, however many
/// clouds show it.
pub(super) fn night(mood: usize) -> Result<Bytes, png::EncodingError> {
    static PAINTED: [OnceLock<Bytes>; SKIES.len()] = [const { OnceLock::new() }; SKIES.len()];
    let mood = mood % SKIES.len();
    match PAINTED[mood].get() {
        Some(picture) => Ok(picture.clone()),
        None => {
            let picture = Bytes::from(paint(mood)?);
            Ok(PAINTED[mood].get_or_init(|| picture).clone())
        }
    }
}

fn paint(mood: usize) -> Result<Vec<u8>, png::EncodingError> {
    let mut pixels = sky(SKIES[mood]);
    for n in 0..14 {
        // Scattered by multiples that share no factor with the picture's sides, so that no two moods look alike.
        let (x, y) = ((n * 137 + mood * 61 + 40) % WIDTH, 30 + (n * 71 + mood * 37) % (HEIGHT - 110));
        let radius = 4 + (n * 5 + mood) % 9;
        disc(&mut pixels, (x, y), radius + 5, LANTERN, 5);
        disc(&mut pixels, (x, y), radius, LANTERN, 1);
    }
    for n in 0..9 {
        disc(&mut pixels, (n * 60, HEIGHT + 20), 52 + (n * 13 + mood * 7) % 30, GROUND, 1);
    }
    encode(&pixels)
}

fn sky((top, horizon): (Colour, Colour)) -> Vec<u8> {
    let mix = |y: usize, part: usize| {
        let (from, to) = (usize::from(top[part]), usize::from(horizon[part]));
        ((from * (HEIGHT - y) + to * y) / HEIGHT) as u8
    };
    // Whole rows at a time: an unoptimized build copies them as fast as an optimized one.
    let rows: Vec<Vec<u8>> = (0..HEIGHT).map(|y| [mix(y, 0), mix(y, 1), mix(y, 2)].repeat(WIDTH)).collect();
    rows.concat()
}

/// Paints a disc over what is there; `thin` is 1 for solid paint, more for paint that lets the ground through.
fn disc(pixels: &mut [u8], (x, y): (usize, usize), radius: usize, colour: Colour, thin: usize) {
    for row in y.saturating_sub(radius)..(y + radius).min(HEIGHT) {
        let half = (radius * radius - row.abs_diff(y).pow(2)).isqrt();
        let (left, right) = (x.saturating_sub(half), (x + half).min(WIDTH));
        for pixel in pixels[(row * WIDTH + left) * 3..(row * WIDTH + right) * 3].chunks_exact_mut(3) {
            for (old, new) in pixel.iter_mut().zip(colour) {
                *old = ((usize::from(*old) * (thin - 1) + usize::from(new)) / thin) as u8;
            }
        }
    }
}

fn encode(pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, WIDTH as u32, HEIGHT as u32);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_mood_is_a_png_of_its_own() {
        let pictures: std::collections::BTreeSet<bytes::Bytes> =
            (0..7).map(|mood| super::night(mood).unwrap()).collect();
        assert_eq!(pictures.len(), 7);
        assert!(pictures.iter().all(|file| file.starts_with(b"\x89PNG\r\n\x1a\n") && file.len() < 60_000));
    }
}
