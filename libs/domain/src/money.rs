//! Money is integer minor units. Decimal numbers exist only on the wire.

use std::{fmt, iter::Sum, ops, str::FromStr};

use serde::{Deserialize, Serialize};

/// An amount in the smallest unit of its currency (US cents).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cents(pub i64);

/// The largest amount accepted from outside: 10 million in major units, far below where arithmetic could overflow.
pub const MAX_AMOUNT: Cents = Cents(1_000_000_000);

/// Why a number from outside is not an amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not finite, or below zero.
    #[error("must be zero or more")]
    Negative,
    /// Above [`MAX_AMOUNT`].
    #[error("must be at most 10000000")]
    TooLarge,
}

impl Cents {
    /// Nothing.
    pub const ZERO: Cents = Cents(0);

    /// From major units as they stand in JSON, rounded half up: `19.99` is 1999 although `19.99 * 100.0` is not.
    pub fn from_major(major: f64) -> Result<Self, AmountError> {
        if !major.is_finite() || major < 0.0 {
            return Err(AmountError::Negative);
        }
        let cents = (major * 100.0 + 0.5).floor();
        if cents > MAX_AMOUNT.0 as f64 {
            return Err(AmountError::TooLarge);
        }
        Ok(Cents(cents as i64))
    }

    /// Major units for JSON. Exact for every amount below 2^53 minor units.
    pub fn to_major(self) -> f64 {
        self.0 as f64 / 100.0
    }

    /// The price of `quantity` pieces.
    pub fn times(self, quantity: u32) -> Cents {
        Cents(self.0.saturating_mul(i64::from(quantity)))
    }

    /// True for nothing to pay.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:02}", self.0.unsigned_abs() / 100, self.0.unsigned_abs() % 100)
    }
}

impl ops::Add for Cents {
    type Output = Cents;
    fn add(self, other: Cents) -> Cents {
        Cents(self.0 + other.0)
    }
}

impl ops::Sub for Cents {
    type Output = Cents;
    fn sub(self, other: Cents) -> Cents {
        Cents(self.0 - other.0)
    }
}

impl ops::Neg for Cents {
    type Output = Cents;
    fn neg(self) -> Cents {
        Cents(-self.0)
    }
}

impl Sum for Cents {
    fn sum<I: Iterator<Item = Cents>>(amounts: I) -> Cents {
        amounts.fold(Cents::ZERO, ops::Add::add)
    }
}

/// A currency by its three-letter code, upper case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// Text that is not three letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a three-letter currency code")]
pub struct CurrencyError;

impl Currency {
    /// The contract's default.
    pub const USD: Currency = Currency(*b"USD");

    /// The code, `USD`.
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("USD")
    }
}

impl Default for Currency {
    fn default() -> Self {
        Currency::USD
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        let letters: [u8; 3] = text.as_bytes().try_into().map_err(|_| CurrencyError)?;
        if !letters.iter().all(u8::is_ascii_alphabetic) {
            return Err(CurrencyError);
        }
        Ok(Currency(letters.map(|letter| letter.to_ascii_uppercase())))
    }
}

impl TryFrom<String> for Currency {
    type Error = CurrencyError;
    fn try_from(text: String) -> Result<Self, CurrencyError> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> String {
        currency.code().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_amount_survives_the_wire(cents in 0..=MAX_AMOUNT.0) {
            let major = Cents(cents).to_major();
            prop_assert_eq!(Cents::from_major(major), Ok(Cents(cents)));
            let text: f64 = Cents(cents).to_string().parse().unwrap();
            prop_assert_eq!(Cents::from_major(text), Ok(Cents(cents)));
        }

        #[test]
        fn a_total_is_the_sum_of_its_pieces(unit in 0..1_000_000i64, quantity in 0..1000u32) {
            let sum: Cents = (0..quantity).map(|_| Cents(unit)).sum();
            prop_assert_eq!(Cents(unit).times(quantity), sum);
        }
    }

    #[test]
    fn the_famous_one() {
        assert_eq!(Cents::from_major(19.99), Ok(Cents(1999)));
        assert_eq!(Cents::from_major(-0.01), Err(AmountError::Negative));
        assert_eq!(Cents::from_major(f64::NAN), Err(AmountError::Negative));
        assert_eq!(Cents::from_major(1e12), Err(AmountError::TooLarge));
    }

    #[test]
    fn currencies_are_three_letters() {
        assert_eq!("usd".parse(), Ok(Currency::USD));
        for bad in ["", "us", "usdd", "u$d", "€"] {
            assert_eq!(bad.parse::<Currency>(), Err(CurrencyError), "{bad}");
        }
    }
}
