//! Makes what the template names and the AWS endpoint lacks, through the ordinary clients: the embedded endpoint on a first
//! start, or whatever `AWS_ENDPOINT_URL` names.

mod bucket;
mod identity;
mod table;

use anyhow::Context as _;
use aws_sdk_sqs::types::QueueAttributeName;
use runtime::Aws;

use crate::template::{Template, model::QueueSpec};

/// What functions need besides what the template can refer to.
#[derive(Debug, Clone, Default)]
pub struct Provisioned {
    /// Id of the user pool.
    pub user_pool_id: String,
    /// Secret of the pool's client.
    pub user_pool_client_secret: String,
}

/// Makes everything that is missing, and tells the template what ids and addresses it got.
pub async fn provision(template: &mut Template, aws: &Aws) -> anyhow::Result<Provisioned> {
    let (tables, buckets, pools) = (template.tables()?, template.buckets()?, template.user_pools()?);
    let identities = template.email_identities()?;
    let (dynamodb, cognito) = (aws.dynamodb(), aws.cognito());
    let made_tables = futures_util::future::try_join_all(tables.iter().map(|table| table::ensure(&dynamodb, table)));
    let made_buckets = futures_util::future::try_join_all(buckets.iter().map(|bucket| bucket::ensure(aws, bucket)));
    let made_pools = futures_util::future::try_join_all(pools.iter().map(|pool| identity::ensure(&cognito, pool)));
    let mailing = ensure_email_identities(aws, &identities);
    let (streams, _, pools, (), ()) =
        tokio::try_join!(made_tables, made_buckets, made_pools, ensure_queues(template, aws), mailing)?;
    for (table, stream) in tables.iter().zip(streams) {
        if let Some(arn) = stream {
            template.set_attribute(&table.logical_id, "StreamArn", &arn);
        }
    }
    let mut provisioned = Provisioned::default();
    for pool in pools {
        template.set_reference(&pool.logical_id, &pool.id);
        provisioned.user_pool_id = pool.id;
        for client in pool.clients {
            template.set_reference(&client.logical_id, &client.id);
            template.set_attribute(&client.logical_id, "ClientSecret", &client.secret);
            provisioned.user_pool_client_secret = client.secret;
        }
    }
    Ok(provisioned)
}

/// Dead-letter queues first, since the others name them by an ARN that the endpoint gives.
async fn ensure_queues(template: &mut Template, aws: &Aws) -> anyhow::Result<()> {
    let client = aws.sqs();
    for redrives in [false, true] {
        let queues = template.queues()?;
        let some: Vec<_> =
            queues.iter().filter(|queue| queue.attributes.contains_key("RedrivePolicy") == redrives).collect();
        let made = futures_util::future::try_join_all(some.iter().map(|queue| ensure_queue(&client, queue))).await?;
        for (queue, (url, arn)) in some.into_iter().zip(made) {
            template.set_reference(&queue.logical_id, &url);
            template.set_attribute(&queue.logical_id, "QueueUrl", &url);
            template.set_attribute(&queue.logical_id, "Arn", &arn);
        }
    }
    Ok(())
}

/// URL and ARN of the queue.
async fn ensure_queue(client: &aws_sdk_sqs::Client, queue: &QueueSpec) -> anyhow::Result<(String, String)> {
    let found = client.get_queue_url().queue_name(&queue.name).send().await;
    let url = match found {
        Ok(found) => found.queue_url,
        Err(error) if error.as_service_error().is_some_and(|error| error.is_queue_does_not_exist()) => {
            let mut create = client.create_queue().queue_name(&queue.name);
            for (name, value) in &queue.attributes {
                create = create.attributes(QueueAttributeName::from(name.as_str()), value);
            }
            create.send().await.with_context(|| format!("creating queue {}", queue.name))?.queue_url
        }
        Err(error) => return Err(error).with_context(|| format!("looking for queue {}", queue.name)),
    };
    let url = url.with_context(|| format!("queue {} has no URL", queue.name))?;
    let attributes =
        client.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::QueueArn).send().await?;
    let arn = attributes.attributes.and_then(|mut all| all.remove(&QueueAttributeName::QueueArn));
    Ok((url, arn.with_context(|| format!("queue {} has no ARN", queue.name))?))
}

async fn ensure_email_identities(aws: &Aws, identities: &[String]) -> anyhow::Result<()> {
    let client = aws.ses();
    for identity in identities {
        match client.create_email_identity().email_identity(identity).send().await {
            Ok(_) => {}
            Err(error) if error.as_service_error().is_some_and(|error| error.is_already_exists_exception()) => {}
            Err(error) => return Err(error).with_context(|| format!("creating e-mail identity {identity}")),
        }
    }
    Ok(())
}
