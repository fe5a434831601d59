//! Amounts as people read them: on the page and in error texts.

/// Currencies whose smallest unit is the whole one. <https://docs.stripe.com/currencies#zero-decimal>
const WHOLE: &[&str] =
    &["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"];

/// True for yen and their like.
pub fn has_no_minor_unit(currency: &str) -> bool {
    WHOLE.contains(&currency)
}

/// `$12.50`, `€3.00`, `12.50 GTQ`, `¥900`.
pub fn shown(amount: i64, currency: &str) -> String {
    let number = if has_no_minor_unit(currency) {
        amount.to_string()
    } else {
        format!("{}.{:02}", amount / 100, amount.abs() % 100)
    };
    match currency {
        "usd" => format!("${number}"),
        "eur" => format!("€{number}"),
        "gbp" => format!("£{number}"),
        "jpy" => format!("¥{number}"),
        other => format!("{number} {}", other.to_ascii_uppercase()),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn amounts_read_well() {
        assert_eq!(super::shown(1250, "usd"), "$12.50");
        assert_eq!(super::shown(900, "jpy"), "¥900");
        assert_eq!(super::shown(5, "gtq"), "0.05 GTQ");
    }
}
