//! Customers: a name and an address that payments can refer to.

use serde_json::{Value, json};

use super::{
    call::{Answer, Call, Verb},
    store::new_id,
};

/// Members that are stored as the request gives them.
const PLAIN: &[&str] = &["name", "email", "phone", "description", "address", "shipping"];

/// `/v1/customers…`
pub fn route(call: &mut Call<'_>, verb: Verb, path: &[&str]) -> Option<Answer> {
    Some(match (verb, path) {
        (Verb::Post, []) => create(call),
        (Verb::Get, [id]) => call.load("customer", id),
        (Verb::Post, [id]) => update(call, id),
        (Verb::Get, []) => {
            let email = call.params.stored("email");
            call.list("customer", "/v1/customers", |row| email.is_null() || row["email"] == email)
        }
        _ => return None,
    })
}

fn create(call: &mut Call<'_>) -> Answer {
    call.params.only(&[PLAIN, &["metadata", "payment_method"]].concat())?;
    let id = new_id("cus_");
    let mut customer = json!({
        "id": id,
        "object": "customer",
        "balance": 0,
        "created": call.now,
        "currency": null,
        "default_source": null,
        "delinquent": false,
        "discount": null,
        "invoice_prefix": id[4..12].to_ascii_uppercase(),
        "invoice_settings": { "custom_fields": null, "default_payment_method": null, "footer": null, "rendering_options": null },
        "livemode": false,
        "metadata": call.params.metadata("metadata", &Value::Null),
        "next_invoice_sequence": 1,
        "preferred_locales": [],
        "tax_exempt": "none",
        "test_clock": null,
    });
    for name in PLAIN {
        customer[*name] = call.params.stored(name);
    }
    call.put(&customer);
    call.emit("customer.created", &customer);
    Ok(customer)
}

fn update(call: &mut Call<'_>, id: &str) -> Answer {
    call.params.only(&[PLAIN, &["metadata"]].concat())?;
    let mut customer = call.load("customer", id)?;
    for name in PLAIN.iter().filter(|name| call.params.node(name).is_some()) {
        customer[*name] = call.params.stored(name);
    }
    customer["metadata"] = call.params.metadata("metadata", &customer["metadata"]);
    call.put(&customer);
    call.emit("customer.updated", &customer);
    Ok(customer)
}
