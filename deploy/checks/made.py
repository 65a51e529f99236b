"""Makes of a template what moto's CloudFormation leaves out, by the calls that CloudFormation makes of it on AWS.

A call's members are held to AWS's own description of it, which boto3 carries: a property that AWS does not know, a missing one or
one of another kind ends the check. What moto keeps is read back, and has to be what the template says.
"""

import json

import boto3
from botocore.validate import validate_parameters
from cfnlint.decode import cfn_yaml

ACCOUNT, REGION = "123456789012", "us-east-1"
PSEUDO = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}
NOTHING = object()


def plain(node):
    """The template's nodes know their lines; JSON and boto3 want them without."""
    if isinstance(node, dict):
        return {str(key): plain(value) for key, value in node.items()}
    return [plain(value) for value in node] if isinstance(node, list) else node


class Stack:
    """A template with its parameters, what is there of it, and what its functions mean there."""

    def __init__(self, endpoint, name, text, parameters):
        self.endpoint, self.name = endpoint, name
        template = plain(cfn_yaml.loads(text))
        self.resources, self.conditions = template["Resources"], template.get("Conditions", {})
        defaults = {key: parameter.get("Default") for key, parameter in template.get("Parameters", {}).items()}
        self.parameters = defaults | parameters
        self.ids, self.attributes, self.made = {}, {}, []
        self.forgotten = set()

    def client(self, service):
        return boto3.client(service, endpoint_url=self.endpoint)

    def wanted(self):
        """The resources that the conditions let through."""
        wants = lambda resource: "Condition" not in resource or self.holds({"Condition": resource["Condition"]})
        return [logical for logical, resource in self.resources.items() if wants(resource)]

    def holds(self, condition):
        ((kind, given),) = condition.items()
        if kind == "Condition":
            return self.holds(self.conditions[given])
        if kind == "Fn::Not":
            return not self.holds(given[0])
        assert kind == "Fn::Equals", kind
        one, other = (self.value(each) for each in given)
        return one == other

    def value(self, node):
        """What stands there once all functions have been called."""
        if isinstance(node, list):
            return [value for value in map(self.value, node) if value is not NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((kind, given),) = node.items()
            if kind == "Ref":
                return self.reference(given)
            if kind.startswith("Fn::"):
                return getattr(self, f"fn_{kind[4:].lower()}")(given)
        values = {key: self.value(value) for key, value in node.items()}
        return {key: value for key, value in values.items() if value is not NOTHING}

    def reference(self, name):
        if name == "AWS::NoValue":
            return NOTHING
        if name == "AWS::StackName":
            return self.name
        known = PSEUDO | self.parameters
        return known[name] if name in known else self.id(name)

    def id(self, logical):
        if logical not in self.ids:
            self.make(logical)
        return self.ids[logical]

    def fn_getatt(self, given):
        logical, name = given if isinstance(given, list) else given.split(".", 1)
        physical, kind = self.id(logical), self.resources[logical]["Type"]
        if (logical, name) in self.attributes:
            return self.attributes[logical, name]
        # The end of an ARN, or of a queue's address.
        last = physical.rsplit("/", 1)[-1]
        return {
            ("AWS::SQS::Queue", "Arn"): f"arn:aws:sqs:{REGION}:{ACCOUNT}:{last}",
            ("AWS::ECS::Service", "Name"): last,
            ("AWS::S3::Bucket", "Arn"): f"arn:aws:s3:::{physical}",
            ("AWS::S3::Bucket", "RegionalDomainName"): f"{physical}.s3.{REGION}.amazonaws.com",
            ("AWS::ElasticLoadBalancingV2::LoadBalancer", "LoadBalancerFullName"): physical.split(":loadbalancer/")[-1],
            ("AWS::ElasticLoadBalancingV2::TargetGroup", "TargetGroupFullName"): physical.split(":")[-1],
        }[kind, name]

    def fn_sub(self, given):
        text, own = given if isinstance(given, list) else (given, {})
        parts = text.split("${")
        for place, part in enumerate(parts[1:], 1):
            name, rest = part.split("}", 1)
            value = self.value(own[name]) if name in own else (self.fn_getatt(name) if "." in name else self.reference(name))
            parts[place] = f"{value}{rest}"
        return "".join(parts)

    def fn_if(self, given):
        condition, one, other = given
        return self.value(one if self.holds({"Condition": condition}) else other)

    def fn_split(self, given):
        return self.value(given[1]).split(given[0])

    def fn_importvalue(self, given):
        exports = self.client("cloudformation").get_paginator("list_exports").paginate()
        # moto exports what its CloudFormation did not make as well, without a value.
        values = {export["Name"]: export.get("Value") for page in exports for export in page["Exports"]}
        value = values[self.value(given)]
        assert value, f"{given} has no value"
        return value

    def make(self, logical):
        resource = self.resources[logical]
        properties = self.value(resource.get("Properties", {}))
        self.ids[logical] = MAKERS[resource["Type"]](self, logical, properties)
        self.made.append(resource["Type"])

    def call(self, service, operation, members):
        """Asks for it and answers with what comes back; with what was asked, for it to be looked for."""
        client = self.client(service)
        shape = client.meta.service_model.operation_model(operation).input_shape
        members = as_described(members, shape, operation)
        report = validate_parameters(members, shape)
        assert report is None, report
        method = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).strip("_")
        return members, getattr(client, method)(**members)

    def only_described(self, service, operation, members):
        """For what moto has not: held to AWS's description, and no more."""
        shape = self.client(service).meta.service_model.operation_model(operation).input_shape
        validate_parameters(as_described(members, shape, operation), shape)
        self.forgotten.add(operation)
        return operation


def as_described(value, shape, path):
    """A template's value as the call wants it: other cases of letters, lists with their length beside them."""
    kind = shape.type_name
    if kind == "structure":
        if isinstance(value, list):
            assert "Items" in shape.members, f"{path} is a list"
            value = {"Items": value}
        if "Quantity" in shape.members:
            value = {"Quantity": len(value["Items"])} | value
        names = {name.lower(): name for name in shape.members}
        unknown = [key for key in value if key.lower() not in names]
        assert not unknown, f"AWS knows no {unknown} in {path}"
        named = {names[key.lower()]: inner for key, inner in value.items()}
        return {name: as_described(inner, shape.members[name], f"{path}.{name}") for name, inner in named.items()}
    if kind == "list":
        return [as_described(inner, shape.member, path) for inner in value]
    if kind == "boolean":
        assert value in (True, False, "true", "false"), f"{path}: {value}"
        return value in (True, "true")
    if kind in ("integer", "long", "float", "double"):
        return float(value) if kind in ("float", "double") else int(value)
    if kind == "blob":
        return value.encode()
    if kind == "string":
        assert not shape.enum or value in shape.enum, f"{path}: {value} is none of {shape.enum}"
        return json.dumps(value) if isinstance(value, (dict, list)) else str(value)
    return value


def differences(wanted, there, path=""):
    """What of `wanted` is missing or another in `there`, which may hold more."""
    if isinstance(wanted, dict):
        if not isinstance(there, dict):
            return [path]
        return [
            fault
            for key, value in wanted.items()
            for fault in (differences(value, there[key], f"{path}.{key}") if key in there else [f"{path}.{key}"])
        ]
    if isinstance(wanted, list):
        if not isinstance(there, list) or len(wanted) != len(there):
            return [path]
        return [fault for one, other in zip(wanted, there) for fault in differences(one, other, path)]
    return [] if wanted == there else [f"{path}: {wanted!r} is {there!r}"]


def kept(wanted, there, what):
    faults = differences(wanted, there)
    assert not faults, f"{what}: {faults}"


def alarm(stack, logical, properties):
    name = f"{stack.name}-{logical}"
    asked, _ = stack.call("cloudwatch", "PutMetricAlarm", {"AlarmName": name} | properties)
    (there,) = stack.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    kept(asked, there, logical)
    return name


def metric_filter(stack, logical, properties):
    asked, _ = stack.call("logs", "PutMetricFilter", {"filterName": logical} | properties)
    (there,) = stack.client("logs").describe_metric_filters(logGroupName=asked["logGroupName"])["metricFilters"]
    kept(asked, there, logical)
    return logical


def scalable_target(stack, logical, properties):
    asked, _ = stack.call("application-autoscaling", "RegisterScalableTarget", properties)
    stack.attributes[logical, "target"] = {key: asked[key] for key in ("ServiceNamespace", "ResourceId", "ScalableDimension")}
    described = stack.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="ecs", ResourceIds=[asked["ResourceId"]]
    )
    kept(asked, described["ScalableTargets"][0], logical)
    return logical


def target_policy(stack, logical, properties):
    target = stack.attributes[properties.pop("ScalingTargetId"), "target"]
    asked, _ = stack.call("application-autoscaling", "PutScalingPolicy", target | properties)
    described = stack.client("application-autoscaling").describe_scaling_policies(
        ServiceNamespace="ecs", ResourceId=asked["ResourceId"]
    )
    (there,) = [policy for policy in described["ScalingPolicies"] if policy["PolicyName"] == asked["PolicyName"]]
    kept(asked, there, logical)
    return asked["PolicyName"]


def group_policy(stack, logical, properties):
    asked, _ = stack.call("autoscaling", "PutScalingPolicy", {"PolicyName": logical} | properties)
    (there,) = stack.client("autoscaling").describe_policies(PolicyNames=[logical])["ScalingPolicies"]
    kept(asked, there, logical)
    return logical


def subscription(stack, logical, properties):
    raw = properties.pop("RawMessageDelivery")
    attributes = {"RawMessageDelivery": str(raw).lower()}
    _, answer = stack.call("sns", "Subscribe", properties | {"Attributes": attributes})
    arn = answer["SubscriptionArn"]
    there = stack.client("sns").get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    kept(properties | attributes, there, logical)
    return arn


def queue_policy(stack, logical, properties):
    for queue in properties["Queues"]:
        stack.call("sqs", "SetQueueAttributes", {"QueueUrl": queue, "Attributes": {"Policy": json.dumps(properties["PolicyDocument"])}})
    return logical


def security_group(stack, logical, properties):
    members = {"GroupName": f"{stack.name}-{logical}", "Description": properties.pop("GroupDescription")}
    return stack.call("ec2", "CreateSecurityGroup", members | properties)[1]["GroupId"]


def gateway(operation, given_id, lookup):
    """A part of an API Gateway, and how it is read back."""

    def maker(stack, logical, properties):
        asked, answer = stack.call("apigatewayv2", operation, properties)
        physical = answer[given_id]
        members = {"ApiId": properties["ApiId"]} if "ApiId" in properties else {}
        there = getattr(stack.client("apigatewayv2"), lookup)(**members, **{given_id: physical})
        kept({key: value for key, value in asked.items() if key != "ApiId"}, there, logical)
        return physical

    return maker


def bucket(stack, logical, properties):
    name = f"{stack.name}-{logical}".lower()
    stack.call("s3", "CreateBucket", {"Bucket": name})
    closed = properties.pop("PublicAccessBlockConfiguration")
    assert not properties, properties
    asked, _ = stack.call("s3", "PutPublicAccessBlock", {"Bucket": name, "PublicAccessBlockConfiguration": closed})
    there = stack.client("s3").get_public_access_block(Bucket=name)
    kept(asked["PublicAccessBlockConfiguration"], there["PublicAccessBlockConfiguration"], logical)
    return name


def bucket_policy(stack, logical, properties):
    document = properties["PolicyDocument"]
    stack.call("s3", "PutBucketPolicy", {"Bucket": properties["Bucket"], "Policy": document})
    there = stack.client("s3").get_bucket_policy(Bucket=properties["Bucket"])["Policy"]
    kept(document, json.loads(there), logical)
    # CloudFront reads the files and writes none, and nobody else has a word in it.
    (statement,) = document["Statement"]
    assert statement["Action"] == "s3:GetObject" and statement["Principal"] == {"Service": "cloudfront.amazonaws.com"}, statement
    return logical


def origin_access(stack, logical, properties):
    asked, answer = stack.call("cloudfront", "CreateOriginAccessControl", properties)
    there = answer["OriginAccessControl"]
    kept(asked["OriginAccessControlConfig"], there["OriginAccessControlConfig"], logical)
    stack.attributes[logical, "Id"] = there["Id"]
    return there["Id"]


def function(stack, logical, properties):
    assert properties.pop("AutoPublish") is True, logical
    asked, answer = stack.call("cloudfront", "CreateFunction", properties)
    there = stack.client("cloudfront").get_function(Name=asked["Name"])["FunctionCode"].read()
    assert there == asked["FunctionCode"], there
    stack.attributes[logical, "FunctionARN"] = answer["FunctionSummary"]["FunctionMetadata"]["FunctionARN"]
    return asked["Name"]


def distribution(stack, logical, properties):
    config = {"CallerReference": stack.name, "Comment": ""} | properties["DistributionConfig"]
    # What CloudFormation puts in by itself.
    for origin in config["Origins"]:
        if "CustomOriginConfig" in origin:
            origin["CustomOriginConfig"] = {"HTTPPort": 80, "HTTPSPort": 443} | origin["CustomOriginConfig"]
    origins = {origin["Id"] for origin in config["Origins"]}
    for behaviour in [config["DefaultCacheBehavior"], *config["CacheBehaviors"]]:
        assert behaviour["TargetOriginId"] in origins, behaviour
    _, answer = stack.call("cloudfront", "CreateDistribution", {"DistributionConfig": config})
    there = answer["Distribution"]
    paths = [behaviour["PathPattern"] for behaviour in config["CacheBehaviors"]]
    assert [each["PathPattern"] for each in there["DistributionConfig"]["CacheBehaviors"]["Items"]] == paths, there
    assert {each["Id"] for each in there["DistributionConfig"]["Origins"]["Items"]} == origins, there
    stack.attributes[logical, "DomainName"] = there["DomainName"]
    return there["Id"]


def described(operation):
    return lambda stack, _logical, properties: stack.only_described("cloudfront", operation, properties)


MAKERS = {
    "AWS::ApiGatewayV2::Api": gateway("CreateApi", "ApiId", "get_api"),
    "AWS::ApiGatewayV2::Integration": gateway("CreateIntegration", "IntegrationId", "get_integration"),
    "AWS::ApiGatewayV2::Route": gateway("CreateRoute", "RouteId", "get_route"),
    "AWS::ApiGatewayV2::Stage": gateway("CreateStage", "StageName", "get_stage"),
    "AWS::ApiGatewayV2::VpcLink": gateway("CreateVpcLink", "VpcLinkId", "get_vpc_link"),
    "AWS::ApplicationAutoScaling::ScalableTarget": scalable_target,
    "AWS::ApplicationAutoScaling::ScalingPolicy": target_policy,
    "AWS::AutoScaling::ScalingPolicy": group_policy,
    "AWS::CloudFront::CachePolicy": described("CreateCachePolicy"),
    "AWS::CloudFront::Distribution": distribution,
    "AWS::CloudFront::Function": function,
    "AWS::CloudFront::OriginAccessControl": origin_access,
    "AWS::CloudFront::ResponseHeadersPolicy": described("CreateResponseHeadersPolicy"),
    "AWS::CloudWatch::Alarm": alarm,
    "AWS::EC2::SecurityGroup": security_group,
    "AWS::Logs::MetricFilter": metric_filter,
    "AWS::S3::Bucket": bucket,
    "AWS::S3::BucketPolicy": bucket_policy,
    "AWS::SNS::Subscription": subscription,
    "AWS::SQS::QueuePolicy": queue_policy,
}
