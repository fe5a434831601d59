//! The payment pages. Plain HTML that fetches nothing: they must work on an aeroplane.

use serde_json::Value;

use super::money::shown;

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1c2733;--soft:#5b6876;--line:#d9dfe6;--paper:#fff;--ground:#f3f5f8;--accent:#2f5bea;--bad:#b3261e;--good:#1b7f4b}
@media(prefers-color-scheme:dark){:root{--ink:#e8edf3;--soft:#9aa7b5;--line:#33404e;--paper:#18212b;--ground:#0f151c;--accent:#6f8ffa;--bad:#ff8a80;--good:#6fd3a0}}
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}
main{max-width:27rem;margin:6vh auto;padding:0 1rem}main.wide{max-width:60rem}
.card{background:var(--paper);border:1px solid var(--line);border-radius:14px;padding:1.6rem;margin-bottom:1rem;box-shadow:0 1px 2px rgb(0 0 0/.04),0 8px 24px rgb(0 0 0/.05)}
h1{font-size:1.05rem;margin:0 0 .2rem;font-weight:600}.amount{font-size:2.2rem;font-weight:650;letter-spacing:-.02em;margin:.1rem 0 1rem}
.item{display:flex;justify-content:space-between;gap:1rem;border-top:1px solid var(--line);padding:.7rem 0}.soft{color:var(--soft);font-size:.9rem}
label{display:block;font-size:.85rem;font-weight:550;margin:.9rem 0 .3rem}
input{width:100%;font:inherit;color:inherit;background:transparent;border:1px solid var(--line);border-radius:8px;padding:.6rem .7rem;font-variant-numeric:tabular-nums}
input:focus,button:focus-visible,a:focus-visible{outline:2px solid var(--accent);outline-offset:1px}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:.8rem}
button{width:100%;font:inherit;font-weight:600;border:0;border-radius:8px;padding:.75rem;margin-top:1.2rem;background:var(--accent);color:#fff;cursor:pointer}
@media(prefers-color-scheme:dark){button{color:#0f151c}}button.plain{background:transparent;color:var(--ink);border:1px solid var(--line);margin-top:.6rem}
.bad{color:var(--bad);border:1px solid currentColor;border-radius:8px;padding:.6rem .8rem;margin:0 0 1rem}.good{color:var(--good)}
a{color:var(--accent)}ul{padding-left:1.1rem;margin:.4rem 0 0}table{width:100%;border-collapse:collapse;font-size:.9rem}td,th{text-align:left;padding:.4rem .6rem .4rem 0;border-top:1px solid var(--line)}
";

fn document(title: &str, class: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <link rel=\"icon\" href=\"data:,\"><title>{}</title><style>{STYLE}</style></head><body><main class=\"{class}\">{body}\
         <p class=\"soft\">A stand-in for Stripe. No card is charged.</p></main></body></html>",
        escaped(title)
    )
}

/// The page of a session: the card form while it is open, else how it ended.
pub fn session(session: &Value, card: &str, error: Option<&str>) -> String {
    match session["status"].as_str() {
        Some("complete") => notice(
            "Paid",
            "Thank you. This order is paid.",
            session["success_url"]
                .as_str()
                .map(|url| url.replace("{CHECKOUT_SESSION_ID}", text(session, "id")))
                .as_deref(),
        ),
        Some("expired") => {
            notice("Expired", "This payment page has expired. Nothing was charged.", session["cancel_url"].as_str())
        }
        _ => open_session(session, card, error),
    }
}

fn open_session(session: &Value, card: &str, error: Option<&str>) -> String {
    let currency = text(session, "currency");
    let total = shown(session["amount_total"].as_i64().unwrap_or_default(), currency);
    let items: String = session["_expandable"]["line_items"]["data"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| line(item, currency))
        .collect();
    let error =
        error.map(|error| format!("<p class=\"bad\" role=\"alert\">{}</p>", escaped(error))).unwrap_or_default();
    let back = session["cancel_url"]
        .as_str()
        .map(|url| format!("<p><a href=\"{}\">← Back to the shop</a></p>", escaped(url)))
        .unwrap_or_default();
    let body = format!(
        "{back}<section class=\"card\"><h1>Pay</h1><p class=\"amount\">{total}</p>{items}</section>\
         <section class=\"card\">{error}<form method=\"post\" action=\"/c/pay/{id}\">\
         <label for=\"email\">E-mail</label><input id=\"email\" value=\"{email}\" readonly>\
         <label for=\"number\">Card number</label><input id=\"number\" name=\"number\" inputmode=\"numeric\" autocomplete=\"cc-number\" value=\"{card}\" required>\
         <div class=\"pair\"><div><label for=\"expiry\">Expiry</label><input id=\"expiry\" name=\"expiry\" value=\"12 / 34\"></div>\
         <div><label for=\"cvc\">CVC</label><input id=\"cvc\" name=\"cvc\" value=\"123\"></div></div>\
         <label for=\"name\">Name on card</label><input id=\"name\" name=\"name\" autocomplete=\"cc-name\" value=\"Alex Visitor\">\
         <button>Pay {total}</button></form></section>\
         <section class=\"card soft\">Fill in another test card:<ul>{cards}</ul></section>",
        id = escaped(text(session, "id")),
        email = escaped(text(session, "customer_email")),
        card = escaped(&grouped(card)),
        cards = test_cards(text(session, "id")),
    );
    document(&format!("Pay {total}"), "", &body)
}

fn line(item: &Value, currency: &str) -> String {
    let detail = item["_detail"]
        .as_str()
        .map(|detail| format!("<br><span class=\"soft\">{}</span>", escaped(detail)))
        .unwrap_or_default();
    let quantity = item["quantity"].as_i64().unwrap_or(1);
    let each = shown(item["price"]["unit_amount"].as_i64().unwrap_or_default(), currency);
    format!(
        "<div class=\"item\"><span>{}{detail}<br><span class=\"soft\">{quantity} × {each}</span></span><span>{}</span></div>",
        escaped(text(item, "description")),
        shown(item["amount_total"].as_i64().unwrap_or_default(), currency)
    )
}

fn test_cards(session: &str) -> String {
    let cards = [
        ("4242424242424242", "succeeds"),
        ("4000000000000002", "declined"),
        ("4000002760003184", "needs a second step"),
        ("4000000000009995", "insufficient funds"),
    ];
    let id = escaped(session);
    cards
        .iter()
        .map(|(number, label)| {
            format!("<li><a href=\"/c/pay/{id}?card={number}\">{label}</a> ({})</li>", grouped(number))
        })
        .collect()
}

/// The bank's page for the second step.
pub fn second_step(intent: &Value) -> String {
    let amount = shown(intent["amount"].as_i64().unwrap_or_default(), text(intent, "currency"));
    if intent["status"] != "requires_action" {
        let state = text(intent, "status").replace('_', " ");
        return notice("Nothing to confirm", &format!("This payment of {amount} has the status “{state}”."), None);
    }
    let body = format!(
        "<section class=\"card\"><h1>Your bank asks</h1><p class=\"amount\">{amount}</p>\
         <p>Is this payment yours? A real bank would ask for a code or a fingerprint here.</p>\
         <form method=\"post\" action=\"/c/authenticate/{}\"><button name=\"outcome\" value=\"complete\">Complete</button>\
         <button class=\"plain\" name=\"outcome\" value=\"fail\">Fail</button></form></section>",
        escaped(text(intent, "id"))
    );
    document("Confirm the payment", "", &body)
}

/// The page on which a business introduces itself by this link.
pub fn onboarding(account: &Value, link: &str) -> String {
    let body = format!(
        "<section class=\"card\"><h1>Introduce your business</h1>\
         <p class=\"soft\">Stripe would ask for addresses, dates of birth and documents here.</p>\
         <form method=\"post\" action=\"/setup/{id}/{link}\">\
         <label for=\"name\">Business name</label><input id=\"name\" name=\"businessName\" maxlength=\"100\" value=\"{name}\" required>\
         <label for=\"bank\">Bank account, last four digits</label><input id=\"bank\" name=\"bankLast4\" inputmode=\"numeric\" pattern=\"[0-9]{{4}}\" value=\"6789\" required>\
         <button name=\"outcome\" value=\"complete\">Agree and submit</button>\
         <button class=\"plain\" name=\"outcome\" value=\"without_bank\">Submit without the bank account</button>\
         <button class=\"plain\" name=\"outcome\" value=\"in_review\">Submit, and be reviewed</button></form></section>",
        id = escaped(text(account, "id")),
        link = escaped(link),
        name = escaped(account["business_profile"]["name"].as_str().unwrap_or_default()),
    );
    document("Introduce your business", "", &body)
}

/// The billing portal, for a customer with a subscription or without.
pub fn portal(session: &Value, subscription: Option<&Value>, card: Option<&Value>, error: Option<&str>) -> String {
    let error =
        error.map(|error| format!("<p class=\"bad\" role=\"alert\">{}</p>", escaped(error))).unwrap_or_default();
    let back = session["return_url"]
        .as_str()
        .map(|url| format!("<p><a href=\"{}\">← Back</a></p>", escaped(url)))
        .unwrap_or_default();
    let Some(subscription) = subscription else {
        return document(
            "Billing",
            "",
            &format!("{back}<section class=\"card\"><h1>Billing</h1><p>No subscription.</p></section>"),
        );
    };
    let price = &subscription["items"]["data"][0]["price"];
    let monthly = shown(price["unit_amount"].as_i64().unwrap_or_default(), text(price, "currency"));
    let card = card.map_or("no card".to_owned(), |card| {
        format!("{} ending in {}", escaped(text(&card["card"], "brand")), escaped(text(&card["card"], "last4")))
    });
    let ends = subscription["cancel_at_period_end"] == true;
    let (action, label) =
        if ends { ("resume", "Resume the subscription") } else { ("cancel", "Cancel at the period's end") };
    let state = if ends { "ends with its period".to_owned() } else { text(subscription, "status").replace('_', " ") };
    let body = format!(
        "{back}{error}<section class=\"card\"><h1>{name}</h1><p class=\"amount\">{monthly}</p><p class=\"soft\">a month, {state}</p>\
         <form method=\"post\"><button class=\"plain\" name=\"action\" value=\"{action}\">{label}</button></form></section>\
         <section class=\"card\"><h1>Paid by</h1><p>{card}</p><form method=\"post\">\
         <label for=\"number\">Another card</label><input id=\"number\" name=\"number\" inputmode=\"numeric\" value=\"4242 4242 4242 4242\" required>\
         <button name=\"action\" value=\"card\">Change the card</button></form></section>",
        name = escaped(price["_name"].as_str().unwrap_or("Plan")),
        state = escaped(&state),
    );
    document("Billing", "", &body)
}

/// An invoice.
pub fn invoice(invoice: &Value) -> String {
    let total = shown(invoice["total"].as_i64().unwrap_or_default(), text(invoice, "currency"));
    let line = escaped(text(&invoice["lines"]["data"][0], "description"));
    let number = escaped(text(invoice, "number"));
    let body = format!(
        "<section class=\"card\"><h1>Invoice {number}</h1><p class=\"amount\">{total}</p><p>{line}</p><p class=\"soft\">{}</p></section>",
        escaped(text(invoice, "status"))
    );
    document("Invoice", "", &body)
}

/// A page that says one thing.
pub fn notice(title: &str, words: &str, next: Option<&str>) -> String {
    let link = next.map(|url| format!("<p><a href=\"{}\">Continue</a></p>", escaped(url))).unwrap_or_default();
    let body = format!("<section class=\"card\"><h1>{}</h1><p>{}</p>{link}</section>", escaped(title), escaped(words));
    document(title, "", &body)
}

/// What happened lately.
pub fn overview(sessions: &[Value], events: &[Value]) -> String {
    let sessions: String = sessions
        .iter()
        .map(|session| {
            format!(
                "<tr><td><a href=\"/c/pay/{}\">{}</a></td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(text(session, "id")),
                escaped(session["client_reference_id"].as_str().unwrap_or("session")),
                shown(session["amount_total"].as_i64().unwrap_or_default(), text(session, "currency")),
                escaped(text(session, "status")),
                escaped(text(session, "payment_status"))
            )
        })
        .collect();
    let events: String = events
        .iter()
        .map(|event| {
            format!("<tr><td>{}</td><td>{}</td></tr>", escaped(text(event, "type")), escaped(text(event, "id")))
        })
        .collect();
    let body = format!(
        "<section class=\"card\"><h1>Checkout sessions</h1><table><tr><th>Order</th><th>Total</th><th>Status</th><th>Payment</th></tr>{sessions}</table></section>\
         <section class=\"card\"><h1>Events</h1><table>{events}</table><p class=\"soft\"><a href=\"/_local/events\">all, as JSON</a> · <a href=\"/_local/deliveries\">webhook deliveries</a></p></section>"
    );
    document("Stripe stand-in", "wide", &body)
}

fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_default()
}

/// `4242 4242 4242 4242`.
fn grouped(number: &str) -> String {
    let digits: Vec<char> = number.chars().filter(|digit| !digit.is_whitespace()).collect();
    digits.chunks(4).map(String::from_iter).collect::<Vec<_>>().join(" ")
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

/// For a query's value.
pub fn url_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_buyers_write_is_text() {
        let session_json = json!({"id": "cs_1", "status": "open", "currency": "usd", "amount_total": 1250,
            "customer_email": "\"><script>x</script>", "cancel_url": "http://shop/?a=1&b='",
            "_expandable": {"line_items": {"data": [{"description": "<b>Gate</b>", "quantity": 1, "amount_total": 1250,
                "price": {"unit_amount": 1250}}]}}});
        let html = session(&session_json, "<4242>", Some("<i>no</i>"));
        for raw in ["<script>x", "<b>Gate", "<i>no", "<4242", "b='\""] {
            assert!(!html.contains(raw), "{raw}");
        }
        assert!(html.contains("Pay $12.50") && html.contains("&lt;b&gt;Gate"));
        assert_eq!(url_encoded("a b&ü"), "a%20b%26%C3%BC");
        assert_eq!(grouped("4242424242424242"), "4242 4242 4242 4242");
    }
}
