//! Pages, and the few things that are drawn on them. All lengths are points; the origin is a page's upper left corner.

use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

use crate::text::{Font, encode, fit, width};

/// A4.
pub(crate) const WIDTH: f32 = 595.28;
/// A4.
pub(crate) const HEIGHT: f32 = 841.89;

/// Red, green and blue, each 0 to 1.
pub(crate) type Color = [f32; 3];

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) font: Font,
    pub(crate) size: f32,
    pub(crate) color: Color,
}

/// Which point of a text is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Center,
    Right,
}

/// A file that is being drawn, page after page.
pub(crate) struct Document {
    pages: Vec<Content>,
}

impl Document {
    /// A file with one empty page.
    pub(crate) fn new() -> Self {
        Document { pages: vec![Content::new()] }
    }

    pub(crate) fn add_page(&mut self) {
        self.pages.push(Content::new());
    }

    pub(crate) fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// The last page.
    pub(crate) fn page(&mut self) -> Page<'_> {
        self.page_at(self.pages.len() - 1)
    }

    /// A page by its number, from 0.
    pub(crate) fn page_at(&mut self, number: usize) -> Page<'_> {
        Page(&mut self.pages[number])
    }

    /// The file. The same pages are the same bytes: it carries neither a date nor an id. Streams are not compressed, since
    /// a report is some ten kilobytes.
    pub(crate) fn finish(self, title: &str) -> Vec<u8> {
        let mut pdf = Pdf::new();
        let mut next = Ref::new(1);
        let (catalog, tree, info, regular, bold) = (next.bump(), next.bump(), next.bump(), next.bump(), next.bump());
        let pages: Vec<(Ref, Ref, Content)> =
            self.pages.into_iter().map(|page| (next.bump(), next.bump(), page)).collect();
        pdf.catalog(catalog).pages(tree).lang(TextStr("en"));
        pdf.document_info(info).title(TextStr(title)).producer(TextStr("Fairground"));
        pdf.pages(tree).kids(pages.iter().map(|(page, ..)| *page)).count(pages.len() as i32);
        for (font, name) in [(regular, "Helvetica"), (bold, "Helvetica-Bold")] {
            let mut font = pdf.type1_font(font);
            font.base_font(Name(name.as_bytes())).encoding_predefined(Name(b"WinAnsiEncoding"));
        }
        for (id, content, drawn) in pages {
            let mut page = pdf.page(id);
            page.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT)).parent(tree).contents(content);
            page.resources().fonts().pair(Name(b"F1"), regular).pair(Name(b"F2"), bold);
            page.finish();
            pdf.stream(content, &drawn.finish());
        }
        pdf.finish()
    }
}

/// A page.
pub(crate) struct Page<'a>(&'a mut Content);

impl Page<'_> {
    /// A filled rectangle, by its upper left corner.
    pub(crate) fn rect(&mut self, x: f32, y: f32, width: f32, height: f32, color: Color) {
        let [red, green, blue] = color;
        self.0.set_fill_rgb(red, green, blue);
        self.0.rect(round(x), round(HEIGHT - y - height), round(width), round(height)).fill_nonzero();
    }

    /// A thin horizontal line.
    pub(crate) fn line(&mut self, x: f32, y: f32, width: f32, color: Color) {
        self.rect(x, y - 0.25, width, 0.5, color);
    }

    /// One line of text, its baseline at `y`, cut where it would be wider than `room`.
    pub(crate) fn text(&mut self, x: f32, y: f32, room: f32, align: Align, style: Style, text: &str) {
        let text = fit(encode(text), style.font, style.size, room);
        let wide = width(&text, style.font, style.size);
        let x = match align {
            Align::Left => x,
            Align::Center => x - wide / 2.0,
            Align::Right => x - wide,
        };
        let font = match style.font {
            Font::Regular => Name(b"F1"),
            Font::Bold => Name(b"F2"),
        };
        let [red, green, blue] = style.color;
        self.0.set_fill_rgb(red, green, blue);
        self.0.begin_text().set_font(font, style.size);
        self.0.next_line(round(x), round(HEIGHT - y)).show(Str(&text)).end_text();
    }

    /// The same, drawn smaller where it would be too wide.
    pub(crate) fn text_shrunk(&mut self, x: f32, y: f32, room: f32, style: Style, text: &str) {
        let wide = width(&encode(text), style.font, style.size);
        let size = if wide > room { round(style.size * room / wide - 0.05) } else { style.size };
        self.text(x, y, room, Align::Left, Style { size, ..style }, text);
    }
}

/// A hundredth of a point is finer than any reader draws.
fn round(length: f32) -> f32 {
    (length * 100.0).round() / 100.0
}
