use super::*;

const SMALL: &str = r#"
Parameters:
  Stage: { Type: String, Default: prod }
  Origins: { Type: CommaDelimitedList, Default: "https://a.example, https://b.example" }
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
Globals:
  Function:
    Timeout: 15
    Environment:
      Variables:
        TABLE_NAME: !Ref MyTable
        TOKEN_ISSUER: !Sub "https://cognito-idp.${AWS::Region}.amazonaws.com/${Pool}"
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration: { AllowOrigins: !Ref Origins, AllowMethods: [GET], AllowCredentials: true, MaxAge: 5 }
      Auth:
        DefaultAuthorizer: People
        Authorizers:
          People:
            IdentitySource: $request.header.Authorization
            JwtConfiguration: { issuer: !Sub "https://issuer/${Pool}", audience: [!Ref Client] }
          Tokens:
            FunctionArn: !GetAtt PlatformAuthorizerFunction.Arn
            EnableSimpleResponses: true
            Identity: { Headers: [Authorization], ReauthorizeEvery: 60 }
  Pool: { Type: AWS::Cognito::UserPool, Properties: { UserPoolName: people } }
  Client: { Type: AWS::Cognito::UserPoolClient, Properties: { UserPoolId: !Ref Pool, GenerateSecret: true } }
  Staff: { Type: AWS::Cognito::UserPoolGroup, Properties: { UserPoolId: !Ref Pool, GroupName: staff } }
  OnlyProd: { Type: AWS::SQS::Queue, Condition: IsProd }
  MyTable:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Sub "${AWS::StackName}-${Stage}"
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      StreamSpecification: { StreamViewType: NEW_AND_OLD_IMAGES }
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: jobs
      VisibilityTimeout: 30
      RedrivePolicy: { deadLetterTargetArn: !GetAtt JobsDead.Arn, maxReceiveCount: 3 }
  JobsDead: { Type: AWS::SQS::Queue, Properties: { QueueName: jobs-dead } }
  PlatformAuthorizerFunction: { Type: AWS::Serverless::Function, Properties: {} }
  TicketsOrdersFunction:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: 20
      Environment: { Variables: { OWN: !GetAtt Jobs.QueueName } }
      Events:
        Place: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: post, Path: /orders, Auth: { Authorizer: NONE } } }
        List: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: get, Path: "/orders/{id}" } }
        Jobs: { Type: SQS, Properties: { Queue: !GetAtt Jobs.Arn, BatchSize: 5, FunctionResponseTypes: [ReportBatchItemFailures] } }
        Changes: { Type: DynamoDB, Properties: { Stream: !GetAtt MyTable.StreamArn, StartingPosition: TRIM_HORIZON, BisectBatchOnFunctionError: true } }
        Tick: { Type: Schedule, Properties: { Schedule: rate(1 minute) } }
"#;

fn small() -> Template {
    let mut template = Template::parse(SMALL, &BTreeMap::from([("Stage".to_owned(), "local".to_owned())])).unwrap();
    template.set_reference("Pool", "eu-central-1_abc");
    template.set_reference("Client", "client-1");
    template
}

#[test]
fn resources_are_named_and_conditions_kept() {
    let template = small();
    let tables = template.tables().unwrap();
    assert_eq!(tables[0].name, "fairground-local");
    let queues = template.queues().unwrap();
    assert_eq!(queues.iter().map(|queue| queue.name.as_str()).collect::<Vec<_>>(), ["jobs-dead", "jobs"]);
    assert_eq!(queues[1].attributes["VisibilityTimeout"], "30");
    let policy: Value = serde_json::from_str(&queues[1].attributes["RedrivePolicy"]).unwrap();
    assert_eq!(policy["deadLetterTargetArn"], "arn:aws:sqs:eu-central-1:000000000000:jobs-dead");
}

#[test]
fn functions_have_the_globals_and_their_own() {
    let functions = small().functions().unwrap();
    let orders = functions.iter().find(|function| function.name == "tickets-orders").unwrap();
    assert_eq!(orders.timeout, Duration::from_secs(20));
    assert_eq!(orders.environment["TABLE_NAME"], "fairground-local");
    assert_eq!(orders.environment["TOKEN_ISSUER"], "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_abc");
    assert_eq!(orders.environment["OWN"], "jobs");
    let other = functions.iter().find(|function| function.name == "platform-authorizer").unwrap();
    assert_eq!(other.timeout, Duration::from_secs(15));
    assert!(matches!(&orders.sources[0], SourceSpec::Stream(stream) if stream.bisect_batch_on_function_error
        && stream.batch_size == 100));
    assert!(matches!(&orders.sources[1], SourceSpec::Queue(queue) if queue.batch_size == 5
        && queue.queue == "arn:aws:sqs:eu-central-1:000000000000:jobs"));
    assert!(matches!(&orders.sources[2], SourceSpec::Schedule(schedule) if schedule.expression == "rate(1 minute)"));
}

#[test]
fn the_api_has_routes_authorizers_and_cors() {
    let api = small().api().unwrap();
    assert_eq!(api.routes.len(), 2);
    let place = api.routes.iter().find(|route| route.method == "POST").unwrap();
    assert_eq!((place.path.as_str(), &place.authorizer), ("/orders", &None));
    let list = api.routes.iter().find(|route| route.method == "GET").unwrap();
    assert_eq!(list.authorizer.as_deref(), Some("People"));
    assert_eq!(
        api.authorizers["People"],
        AuthorizerSpec::Jwt {
            identity_source: "$request.header.Authorization".to_owned(),
            issuer: "https://issuer/eu-central-1_abc".to_owned(),
            audience: vec!["client-1".to_owned()],
            scopes: Vec::new(),
        }
    );
    assert_eq!(
        api.authorizers["Tokens"],
        AuthorizerSpec::Lambda {
            function: "platform-authorizer".to_owned(),
            identity_sources: vec!["$request.header.Authorization".to_owned()],
            ttl: Duration::from_secs(60),
            simple_responses: true,
        }
    );
    let cors = api.cors.unwrap();
    assert_eq!(cors.allow_origins, ["https://a.example", "https://b.example"]);
    assert!(cors.allow_credentials);
}

#[test]
fn user_pools_bring_their_clients_and_groups() {
    let pools = Template::parse(SMALL, &BTreeMap::new()).unwrap().user_pools().unwrap();
    assert_eq!(pools[0].name, "people");
    assert_eq!(pools[0].clients[0].0, "Client");
    assert_eq!(pools[0].groups, ["staff"]);
}

#[test]
fn the_projects_own_template_is_understood() {
    let parameters = ["StorefrontUrl", "PublicUrl"].map(|name| (name.to_owned(), "http://127.0.0.1".to_owned()));
    let mut parameters = BTreeMap::from(parameters);
    parameters.insert("TicketsOrgId".to_owned(), "x".to_owned());
    let mut template = Template::parse(TEMPLATE, &parameters).unwrap();
    for pool in template.user_pools().unwrap() {
        template.set_reference(&pool.logical_id, "pool");
        for (client, _) in &pool.clients {
            template.set_reference(client, "client");
        }
    }
    assert!(!template.tables().unwrap().is_empty());
    assert!(template.queues().unwrap().len() >= 6);
    assert!(template.functions().unwrap().len() >= 12);
    let api = template.api().unwrap();
    assert!(api.routes.iter().any(|route| route.method == "POST" && route.path == "/tickets/api/orders"));
    assert!(api.cors.is_some());
}
