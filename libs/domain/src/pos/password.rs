//! What a password must have (contract `pos.md` §1.4): check, reset, invitation and change ask for all of it, signing up for
//! its length alone.

/// The symbols that count as one.
pub const SYMBOLS: &str = "!@#$%^&*()_+-=[]{};':\"\\|,.<>/?";

/// The shortest, in characters.
pub const MIN_CHARS: usize = 8;

/// The longest, in characters: what the user pool keeps.
pub const MAX_CHARS: usize = 256;

/// What a password lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Fault {
    TooShort,
    TooLong,
    SpaceAround,
    Unprintable,
    NoDigit,
    NoLower,
    NoUpper,
    NoSymbol,
}

impl Fault {
    /// Text for a person.
    pub fn text(self) -> &'static str {
        match self {
            Self::TooShort => "Password must be at least 8 characters",
            Self::TooLong => "Password must be at most 256 characters",
            Self::SpaceAround => "Password must not begin or end with a space",
            Self::Unprintable => "Password must not contain control characters",
            Self::NoDigit => "Password must contain a number",
            Self::NoLower => "Password must contain a lowercase letter",
            Self::NoUpper => "Password must contain an uppercase letter",
            Self::NoSymbol => "Password must contain a special character",
        }
    }
}

/// What this password lacks; nothing when it is good.
pub fn faults(password: &str) -> Vec<Fault> {
    let lacks = |is: fn(char) -> bool| !password.chars().any(is);
    let mut faults = shape_faults(password);
    let kinds = [
        (lacks(|c| c.is_ascii_digit()), Fault::NoDigit),
        (lacks(|c| c.is_ascii_lowercase()), Fault::NoLower),
        (lacks(|c| c.is_ascii_uppercase()), Fault::NoUpper),
        (lacks(|c| SYMBOLS.contains(c)), Fault::NoSymbol),
    ];
    faults.extend(kinds.into_iter().filter(|(lacks, _)| *lacks).map(|(_, fault)| fault));
    faults
}

/// The part of it that signing up asks for: a length, and what the user pool can keep.
pub fn shape_faults(password: &str) -> Vec<Fault> {
    let chars = password.chars().count();
    let shape = [
        (chars < MIN_CHARS, Fault::TooShort),
        (chars > MAX_CHARS, Fault::TooLong),
        (password.trim() != password, Fault::SpaceAround),
        (password.contains(char::is_control), Fault::Unprintable),
    ];
    shape.into_iter().filter(|(is_at_fault, _)| *is_at_fault).map(|(_, fault)| fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_part_of_the_rule() {
        for (password, expected) in [
            ("Lantern-1", vec![]),
            ("Ab1?efgh", vec![]),
            ("Ab1?efg", vec![Fault::TooShort]),
            ("Lantern-x", vec![Fault::NoDigit]),
            ("LANTERN-1", vec![Fault::NoLower]),
            ("lantern-1", vec![Fault::NoUpper]),
            ("Lantern11", vec![Fault::NoSymbol]),
            ("Lantern~1", vec![Fault::NoSymbol]),
            ("Läntérn 1", vec![Fault::NoSymbol]),
            (" Lantern-1", vec![Fault::SpaceAround]),
            ("Lantern\n-1", vec![Fault::Unprintable]),
            ("", vec![Fault::TooShort, Fault::NoDigit, Fault::NoLower, Fault::NoUpper, Fault::NoSymbol]),
        ] {
            assert_eq!(faults(password), expected, "{password:?}");
        }
        let longest = format!("Aa1!{}", "x".repeat(252));
        assert_eq!((faults(&longest), faults(&format!("{longest}x"))), (vec![], vec![Fault::TooLong]));
    }

    fn one_of(chars: &'static str) -> impl Strategy<Value = char> {
        prop::sample::select(chars.chars().collect::<Vec<char>>())
    }

    proptest! {
        #[test]
        fn one_of_each_kind_among_anything_is_good_and_without_one_kind_it_lacks_that(
            digit in prop::char::range('0', '9'),
            lower in prop::char::range('a', 'z'),
            upper in prop::char::range('A', 'Z'),
            symbol in one_of(SYMBOLS),
            // Of no kind, so that a kind is missing when its one is.
            rest in prop::collection::vec(one_of("äßçñ日本~`€ЖΩ"), 4..200),
            order in any::<prop::sample::Index>(),
        ) {
            let kinds = [(digit, Fault::NoDigit), (lower, Fault::NoLower), (upper, Fault::NoUpper), (symbol, Fault::NoSymbol)];
            let write = |without: Option<char>| {
                let mut chars: Vec<char> = kinds.iter().map(|(c, _)| *c).filter(|c| Some(*c) != without).collect();
                chars.extend(&rest);
                let start = order.index(chars.len());
                chars.rotate_left(start);
                chars.into_iter().chain("~~~~~~~~".chars()).collect::<String>()
            };
            prop_assert_eq!(faults(&write(None)), vec![]);
            for (c, fault) in kinds {
                prop_assert_eq!(faults(&write(Some(c))), vec![fault]);
            }
        }

        #[test]
        fn whatever_is_good_keeps_the_contracts_words(password in "\\PC{0,20}") {
            let has = |class: &dyn Fn(char) -> bool| password.chars().any(class);
            let good = password.chars().count() >= 8
                && has(&|c| c.is_ascii_digit())
                && has(&|c| c.is_ascii_lowercase())
                && has(&|c| c.is_ascii_uppercase())
                && has(&|c| r#"!@#$%^&*()_+-=[]{};':"\|,.<>/?"#.contains(c));
            if faults(&password).is_empty() {
                prop_assert!(good);
            } else if good {
                prop_assert_eq!(faults(&password), vec![Fault::SpaceAround], "only what the pool cannot keep is refused besides");
            }
        }
    }
}
