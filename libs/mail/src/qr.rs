//! The ticket's QR code as a picture (contract §6).

use domain::tickets::{number::OrderNumber, secret::TicketSecret};
use png::{BitDepth, ColorType, Encoder, EncodingError};
use qrcode::{Color, EcLevel, QrCode, Version, bits::Bits, types::QrError};
use serde_json::json;

/// Width and height, pixels.
pub const SIZE: usize = 300;

/// The quiet zone on each side, in modules, at least.
pub const MARGIN: usize = 2;

/// Palette: light `#F5F0E8`, then dark `#0d1f1a`.
const PALETTE: [u8; 6] = [0xf5, 0xf0, 0xe8, 0x0d, 0x1f, 0x1a];

/// The largest code: 69 modules, so that with its quiet zone a module is still 4 pixels wide. Larger ones are slow to scan.
const LARGEST: i16 = 13;

/// How many characters of each name the code carries: the most that fit. A scanner needs neither name.
const NAME_LENGTHS: [usize; 6] = [usize::MAX, 60, 40, 24, 12, 6];

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The payload fits no code.
    #[error("QR code: {0}")]
    Code(QrError),
    /// The picture could not be written.
    #[error("PNG: {0}")]
    Png(#[from] EncodingError),
}

/// A ticket's QR code as a PNG: the JSON object of contract §6, error level H.
pub fn ticket_png(
    number: OrderNumber,
    secret: &TicketSecret,
    event: &str,
    tier: &str,
) -> Result<Vec<u8>, PictureError> {
    let payload = |length: usize| {
        let cut = |name: &str| name.chars().take(length).collect::<String>();
        json!({"id": number, "qr": secret.reveal(), "event": cut(event), "tier": cut(tier)}).to_string()
    };
    let code = NAME_LENGTHS.iter().find_map(|length| encode(payload(*length).as_bytes()).ok());
    draw(&code.ok_or(PictureError::Code(QrError::DataTooLong))?)
}

/// The smallest code that holds `data`, as bytes: the encoder's own choice of modes would take some UTF-8 for kanji.
fn encode(data: &[u8]) -> Result<QrCode, QrError> {
    let of_version = |version| {
        let mut bits = Bits::new(Version::Normal(version));
        bits.push_byte_data(data)?;
        bits.push_terminator(EcLevel::H)?;
        QrCode::with_bits(bits, EcLevel::H)
    };
    (1..=LARGEST).map(of_version).find(Result::is_ok).unwrap_or(Err(QrError::DataTooLong))
}

/// Draws modules of a whole number of pixels in the middle of the picture, so that none is blurred or wider than another.
fn draw(code: &QrCode) -> Result<Vec<u8>, PictureError> {
    let modules = code.width();
    let pixels = SIZE / (modules + 2 * MARGIN);
    let offset = (SIZE - pixels * modules) / 2;
    let mut rows = vec![[0u8; SIZE.div_ceil(8)]; SIZE];
    for (i, _) in code.to_colors().iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
        let (top, left) = (offset + i / modules * pixels, offset + i % modules * pixels);
        for row in &mut rows[top..top + pixels] {
            (left..left + pixels).for_each(|x| row[x / 8] |= 0x80 >> (x % 8));
        }
    }
    let mut png = Vec::new();
    let mut encoder = Encoder::new(&mut png, SIZE as u32, SIZE as u32);
    encoder.set_color(ColorType::Indexed);
    encoder.set_depth(BitDepth::One);
    encoder.set_palette(PALETTE.as_slice());
    encoder.write_header()?.write_image_data(rows.as_flattened())?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::tickets::secret::Scan;
    use jiff::Timestamp;
    use serde_json::Value;

    const SECRET: &str = "0123456789ABCDEF0123456789ABCDEF";

    fn number() -> OrderNumber {
        OrderNumber::new(Timestamp::from_second(1_800_000_000).unwrap(), 1 << 40)
    }

    fn picture(event: &str, tier: &str) -> Vec<u8> {
        ticket_png(number(), &TicketSecret::parse(SECRET).unwrap(), event, tier).unwrap()
    }

    /// The pixels as colours, and what a scanner reads in them.
    fn scan(png: &[u8]) -> (Vec<[u8; 3]>, String) {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut bytes).unwrap();
        assert_eq!((frame.width, frame.height, frame.color_type), (300, 300, ColorType::Rgb));
        let pixels: Vec<[u8; 3]> = bytes.as_chunks::<3>().0.to_vec();
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(300, 300, |x, y| pixels[y * 300 + x][1]);
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        let (meta, text) = grids[0].decode().unwrap();
        assert_eq!(meta.ecc_level, 2, "level H");
        (pixels, text)
    }

    #[test]
    fn a_scanner_reads_the_ticket() {
        let png = picture("Noche de \"São João\" — 夏祭り", "Señor <VIP>");
        let (pixels, text) = scan(&png);
        let json: Value = serde_json::from_str(&text).unwrap();
        let expected = json!({"id": number().to_string(), "qr": SECRET,
            "event": "Noche de \"São João\" — 夏祭り", "tier": "Señor <VIP>"});
        assert_eq!(json, expected);
        assert_eq!(Scan::parse(&text), Scan::Secret(TicketSecret::parse(SECRET).unwrap(), Some(number())));
        assert!(png.len() < 3000, "{} bytes", png.len());
        assert!(pixels.iter().all(|p| [[0xf5, 0xf0, 0xe8], [0x0d, 0x1f, 0x1a]].contains(p)));
    }

    #[test]
    fn names_of_any_length_leave_a_code_that_is_read() {
        for (event, tier) in [("x".repeat(300), "y".repeat(300)), ("🎪".repeat(200), "\"\\".repeat(100))] {
            let (_, text) = scan(&picture(&event, &tier));
            let json: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(json["qr"], SECRET);
            let carried = json["event"].as_str().unwrap();
            assert!(carried.chars().count() >= 6 && event.starts_with(carried));
        }
    }

    #[test]
    fn the_quiet_zone_is_two_modules_on_each_side() {
        let (pixels, _) = scan(&picture("Summer Night", "General"));
        let dark = |i: &usize| pixels[*i][0] == 0x0d;
        let columns: Vec<usize> = (0..pixels.len()).filter(dark).map(|i| i % SIZE).collect();
        let (left, right) = (*columns.iter().min().unwrap(), SIZE - 1 - columns.iter().max().unwrap());
        assert!(left.abs_diff(right) <= 1 && left >= 2 * 4, "{left} {right}");
    }
}
