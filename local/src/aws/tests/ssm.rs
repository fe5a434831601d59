use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::ParameterType;

use super::start;

#[tokio::test]
async fn secrets_are_read_by_path_in_pages_of_ten_and_decrypted_on_demand() {
    let (_endpoint, config) = start().await;
    let client = Client::new(&config);
    for number in 0..12 {
        let put =
            client.put_parameter().name(format!("/fairground/test/S{number:02}")).value(format!("secret {number}"));
        put.r#type(ParameterType::SecureString).send().await.unwrap();
    }
    let mut pages =
        client.get_parameters_by_path().path("/fairground/test/").with_decryption(true).into_paginator().send();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        sizes.push(page.unwrap().parameters().len());
    }
    assert_eq!(sizes, [10, 2]);

    let one = client.get_parameter().name("/fairground/test/S03");
    let sealed = one.clone().send().await.unwrap().parameter.unwrap();
    assert_ne!(sealed.value(), Some("secret 3"));
    let open = one.with_decryption(true).send().await.unwrap().parameter.unwrap();
    assert_eq!((open.value(), open.version()), (Some("secret 3"), 1));
    let again = client.put_parameter().name("/fairground/test/S03").value("other");
    assert!(again.clone().send().await.unwrap_err().into_service_error().is_parameter_already_exists());
    assert_eq!(again.overwrite(true).send().await.unwrap().version(), 2);
}
