//! What each SQS action reads and answers.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::queue::{Message, Messages, body_md5};
use super::{Fault, Input, Queue, Queues, move_to, name_of, no_such_queue, now};

/// The attributes that a queue has when nothing was said, as strings of numbers (AWS's defaults).
const DEFAULTS: [(&str, &str); 5] = [
    ("VisibilityTimeout", "30"),
    ("DelaySeconds", "0"),
    ("MaximumMessageSize", "1048576"),
    ("MessageRetentionPeriod", "345600"),
    ("ReceiveMessageWaitTimeSeconds", "0"),
];

/// The largest message and batch, in bytes.
const LARGEST: usize = 1024 * 1024;

impl Queues {
    pub(super) async fn dispatch(&self, action: &str, input: Input) -> Result<Value, Fault> {
        match action {
            "CreateQueue" => self.create_queue(&input),
            "DeleteQueue" => self.delete_queue(&input),
            "GetQueueUrl" => self.get_queue_url(&input),
            "ListQueues" => Ok(self.list_queues(&input)),
            "GetQueueAttributes" => self.get_queue_attributes(&input),
            "SetQueueAttributes" => self.set_queue_attributes(&input),
            "TagQueue" => self.tag_queue(&input),
            "ListQueueTags" => self.with_queue(&input, |queue| Ok(json!({"Tags": queue.tags}))),
            "SendMessage" => self.send_message(&input),
            "SendMessageBatch" => self.batch(&input, Self::send_message),
            "ReceiveMessage" => self.receive_message(&input).await,
            "DeleteMessage" => self.delete_message(&input),
            "DeleteMessageBatch" => self.batch(&input, Self::delete_message),
            "ChangeMessageVisibility" => self.change_message_visibility(&input),
            "ChangeMessageVisibilityBatch" => self.batch(&input, Self::change_message_visibility),
            "PurgeQueue" => self.purge_queue(&input),
            "ListDeadLetterSourceQueues" => self.list_dead_letter_source_queues(&input),
            "StartMessageMoveTask" => self.start_message_move_task(&input),
            "ListMessageMoveTasks" => Ok(json!({"Results": []})),
            _ => Err(Fault::unknown_operation("SQS", action)),
        }
    }

    fn create_queue(&self, input: &Input) -> Result<Value, Fault> {
        let name = input.text("QueueName")?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > 80 || !name.chars().all(allowed) {
            let rule = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
            return Err(Fault::new("InvalidParameterValue", rule));
        }
        let mut attributes: BTreeMap<String, String> = DEFAULTS.map(|(k, v)| (k.into(), v.into())).into();
        attributes.extend(input.map("Attributes"));
        let mut queues = self.lock();
        match queues.get(name) {
            Some(queue) if input.map("Attributes").iter().any(|(k, v)| queue.attributes.get(k) != Some(v)) => {
                let text = "A queue already exists with the same name and a different value for an attribute";
                return Err(Fault::new("QueueNameExists", text));
            }
            Some(_) => {}
            None => {
                let queue = Queue {
                    name: name.to_owned(),
                    attributes,
                    tags: input.map("tags"),
                    created_at: now(),
                    messages: Messages::default(),
                    arrived: Arc::default(),
                };
                queues.insert(name.to_owned(), queue);
            }
        }
        Ok(json!({"QueueUrl": self.url(name)}))
    }

    fn delete_queue(&self, input: &Input) -> Result<Value, Fault> {
        let queue = self.lock().remove(name_of(input.text("QueueUrl")?)).ok_or_else(no_such_queue)?;
        queue.arrived.notify_waiters();
        Ok(json!({}))
    }

    fn get_queue_url(&self, input: &Input) -> Result<Value, Fault> {
        let name = input.text("QueueName")?;
        let known = self.lock().contains_key(name);
        known.then(|| json!({"QueueUrl": self.url(name)})).ok_or_else(no_such_queue)
    }

    fn list_queues(&self, input: &Input) -> Value {
        let prefix = input.maybe("QueueNamePrefix").unwrap_or_default();
        let queues = self.lock();
        let names = queues.keys().filter(|name| name.starts_with(prefix));
        json!({"QueueUrls": names.map(|name| self.url(name)).collect::<Vec<_>>()})
    }

    fn get_queue_attributes(&self, input: &Input) -> Result<Value, Fault> {
        let asked = input.texts("AttributeNames");
        self.with_queue(input, |queue| {
            let counts = queue.messages.counts(now());
            let created = (queue.created_at / 1000).to_string();
            let mut attributes = queue.attributes.clone();
            attributes.extend([
                ("QueueArn".into(), self.arn(&queue.name)),
                ("CreatedTimestamp".into(), created.clone()),
                ("LastModifiedTimestamp".into(), created),
                ("SqsManagedSseEnabled".into(), "true".into()),
                ("ApproximateNumberOfMessages".into(), counts.visible.to_string()),
                ("ApproximateNumberOfMessagesNotVisible".into(), counts.in_flight.to_string()),
                ("ApproximateNumberOfMessagesDelayed".into(), counts.delayed.to_string()),
            ]);
            if !asked.iter().any(|name| name == "All") {
                attributes.retain(|name, _| asked.contains(name));
            }
            Ok(json!({"Attributes": attributes}))
        })
    }

    fn set_queue_attributes(&self, input: &Input) -> Result<Value, Fault> {
        self.with_queue(input, |queue| {
            for (name, value) in input.map("Attributes") {
                // An empty policy takes the policy away.
                if value.is_empty() {
                    queue.attributes.remove(&name);
                } else {
                    queue.attributes.insert(name, value);
                }
            }
            Ok(json!({}))
        })
    }

    fn tag_queue(&self, input: &Input) -> Result<Value, Fault> {
        self.with_queue(input, |queue| {
            queue.tags.extend(input.map("Tags"));
            Ok(json!({}))
        })
    }

    fn send_message(&self, input: &Input) -> Result<Value, Fault> {
        let body = input.text("MessageBody")?;
        let now = now();
        self.with_queue(input, |queue| {
            let largest = usize::try_from(queue.number("MaximumMessageSize", 0)).unwrap_or(LARGEST);
            if body.is_empty() || body.len() > largest {
                let text = format!("One or more parameters are invalid. Reason: Message must be 1 to {largest} bytes.");
                return Err(Fault::new("InvalidParameterValue", text));
            }
            if !body.chars().all(is_of_xml) {
                let text = "The message contains characters outside the allowed set.";
                return Err(Fault::new("InvalidMessageContents", text));
            }
            let delay = input.number("DelaySeconds").unwrap_or_else(|| queue.number("DelaySeconds", 0));
            at_most("DelaySeconds", delay, 900)?;
            let message = Message::new(body.to_owned(), input.get("MessageAttributes").clone(), now);
            let answer = json!({"MessageId": message.id, "MD5OfMessageBody": body_md5(body)});
            queue.messages.add(message, now + delay * 1000);
            queue.arrived.notify_waiters();
            Ok(answer)
        })
    }

    async fn receive_message(&self, input: &Input) -> Result<Value, Fault> {
        let most = input.number("MaxNumberOfMessages").unwrap_or(1);
        if !(1..=10).contains(&most) {
            let text = format!(
                "Value {most} for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."
            );
            return Err(Fault::new("InvalidParameterValue", text));
        }
        let most = usize::try_from(most).unwrap_or(1);
        let name = name_of(input.text("QueueUrl")?);
        let received =
            self.receive(name, most, input.number("VisibilityTimeout"), input.number("WaitTimeSeconds")).await?;
        if received.is_empty() {
            return Ok(json!({}));
        }
        let mut system = input.texts("MessageSystemAttributeNames");
        system.extend(input.texts("AttributeNames"));
        let custom = input.texts("MessageAttributeNames");
        let messages: Vec<Value> = received.iter().map(|message| on_the_wire(message, &system, &custom)).collect();
        Ok(json!({"Messages": messages}))
    }

    fn delete_message(&self, input: &Input) -> Result<Value, Fault> {
        let receipt = input.text("ReceiptHandle")?;
        self.with_queue(input, |queue| queue.messages.delete(receipt))?;
        Ok(json!({}))
    }

    fn change_message_visibility(&self, input: &Input) -> Result<Value, Fault> {
        let receipt = input.text("ReceiptHandle")?;
        let hidden = input.number("VisibilityTimeout").unwrap_or(0);
        at_most("VisibilityTimeout", hidden, 43_200)?;
        let now = now();
        self.with_queue(input, |queue| {
            queue.messages.hide(receipt, now, now + hidden * 1000)?;
            queue.arrived.notify_waiters();
            Ok(json!({}))
        })
    }

    /// Does an action once per entry. An entry that fails is reported, and the others are done all the same.
    fn batch(&self, input: &Input, action: impl Fn(&Self, &Input) -> Result<Value, Fault>) -> Result<Value, Fault> {
        let url = input.text("QueueUrl")?;
        if !self.lock().contains_key(name_of(url)) {
            return Err(no_such_queue());
        }
        let entries = input.list("Entries");
        check_batch(entries)?;
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in entries {
            let mut one = entry.clone();
            one["QueueUrl"] = url.into();
            match action(self, &Input::parse(one.to_string().as_bytes())?) {
                Ok(mut done) => {
                    done["Id"] = entry["Id"].clone();
                    successful.push(done);
                }
                Err(fault) => failed.push(
                    json!({"Id": entry["Id"], "SenderFault": true, "Code": fault.code, "Message": fault.message}),
                ),
            }
        }
        Ok(json!({"Successful": successful, "Failed": failed}))
    }

    fn purge_queue(&self, input: &Input) -> Result<Value, Fault> {
        self.with_queue(input, |queue| {
            queue.messages.drain();
            Ok(json!({}))
        })
    }

    fn list_dead_letter_source_queues(&self, input: &Input) -> Result<Value, Fault> {
        let target = name_of(input.text("QueueUrl")?);
        let queues = self.lock();
        let sources = queues.values().filter(|queue| queue.redrive().is_some_and(|(name, _)| name == target));
        Ok(json!({"queueUrls": sources.map(|queue| self.url(&queue.name)).collect::<Vec<_>>()}))
    }

    /// Moves all messages of a dead-letter queue to the destination, or to the queue whose dead letters they are. On
    /// AWS this takes a while; here it is done when the answer comes.
    fn start_message_move_task(&self, input: &Input) -> Result<Value, Fault> {
        let source = name_of(input.text("SourceArn")?);
        let not_found = |what: &str| {
            Fault::new(
                "ResourceNotFoundException",
                format!("The resource that you specified for the {what} parameter doesn't exist."),
            )
        };
        let mut queues = self.lock();
        let is_source_of = |queue: &&Queue| queue.redrive().is_some_and(|(name, _)| name == source);
        let target = input.maybe("DestinationArn").map(|arn| name_of(arn).to_owned());
        let target = target.or_else(|| queues.values().find(is_source_of).map(|queue| queue.name.clone()));
        let target = target.filter(|name| queues.contains_key(name)).ok_or_else(|| not_found("DestinationArn"))?;
        let messages = queues.get_mut(source).ok_or_else(|| not_found("SourceArn"))?.messages.drain();
        if let Some(queue) = queues.get_mut(&target) {
            move_to(queue, messages, now());
        }
        Ok(json!({"TaskHandle": uuid::Uuid::new_v4().to_string()}))
    }
}

/// Is it a character of XML 1.0? SQS takes no others.
fn is_of_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn at_most(name: &str, value: u64, limit: u64) -> Result<(), Fault> {
    if value <= limit {
        return Ok(());
    }
    let text =
        format!("Value {value} for parameter {name} is invalid. Reason: Must be >= 0 and <= {limit}, if provided.");
    Err(Fault::new("InvalidParameterValue", text))
}

fn check_batch(entries: &[Value]) -> Result<(), Fault> {
    let ids: HashSet<_> = entries.iter().filter_map(|entry| entry["Id"].as_str()).collect();
    let size: usize = entries.iter().filter_map(|entry| entry["MessageBody"].as_str()).map(str::len).sum();
    match entries.len() {
        0 => Err(Fault::new("EmptyBatchRequest", "There should be at least one entry in the request.")),
        11.. => Err(Fault::new("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10.")),
        count if ids.len() < count => {
            Err(Fault::new("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id."))
        }
        _ if size > LARGEST => {
            Err(Fault::new("BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes."))
        }
        _ => Ok(()),
    }
}

/// A message as ReceiveMessage shows it: only the attributes that were asked for.
fn on_the_wire(message: &Message, system: &[String], custom: &[String]) -> Value {
    let mut shown = json!({
        "MessageId": message.id,
        "ReceiptHandle": message.receipt(),
        "MD5OfBody": body_md5(&message.body),
        "Body": message.body,
    });
    let attributes: Map<String, Value> = [
        ("SenderId", "AIDALOCAL".to_owned()),
        ("SentTimestamp", message.sent_at.to_string()),
        ("ApproximateReceiveCount", message.receives.to_string()),
        ("ApproximateFirstReceiveTimestamp", message.first_received_at.unwrap_or_default().to_string()),
    ]
    .into_iter()
    .filter(|(name, _)| asked_for(system, name))
    .map(|(name, value)| (name.to_owned(), value.into()))
    .collect();
    if !attributes.is_empty() {
        shown["Attributes"] = attributes.into();
    }
    let sent = message.attributes.as_object().into_iter().flatten();
    let sent: Map<String, Value> =
        sent.filter(|(name, _)| asked_for(custom, name)).map(|(k, v)| (k.clone(), v.clone())).collect();
    if !sent.is_empty() {
        shown["MessageAttributes"] = sent.into();
    }
    shown
}

fn asked_for(names: &[String], name: &str) -> bool {
    names.iter().any(|asked| asked == "All" || asked == ".*" || asked == name)
}
