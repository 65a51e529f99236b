"""Creates CloudFormation templates on moto, a stand-in for AWS, and runs the programs on the tables and queues that come of it.

What its CloudFormation does not know of a template is made by the calls that CloudFormation would make: see made.py. What the
programs ask for is held to the policies of their roles: see asked.py.
"""

import base64
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
from moto.moto_server import threaded_moto_server
from moto.server import ThreadedMotoServer

from asked import Asked
from made import Stack
from template import FOLDER

# What is started in a folder of its own needs a whole path.
PROGRAMS = Path(sys.argv[1]).resolve()
# moto's CloudFormation has nearly nothing of what is in it.
BY_CALLS = {"page.yaml"}
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
os.environ.update(KEYS, AWS_DEFAULT_REGION="us-east-1")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def client(service):
    return boto3.client(service, endpoint_url=ENDPOINT)


def create(name, file, **parameters):
    """Creates one stack, and what moto's CloudFormation leaves out of it by the calls that it is made of."""
    # Of the images that AWS keeps names for, moto knows Amazon's own.
    text = (FOLDER / file).read_text(encoding="utf-8").replace(
        "/aws/service/debian/release/12/latest/amd64",
        "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
    )
    stack = Stack(ENDPOINT, name, text, parameters)
    if file not in BY_CALLS:
        formation = client("cloudformation")
        formation.create_stack(
            StackName=name,
            TemplateBody=text,
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        )
        status = formation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        assert status == "CREATE_COMPLETE", f"{file}: {status}"
        stack.ids = {
            resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for page in formation.get_paginator("list_stack_resources").paginate(StackName=name)
            for resource in page["StackResourceSummaries"]
            if resource.get("PhysicalResourceId")
        }
    wanted = stack.wanted()
    for logical in wanted:
        stack.id(logical)
    assert set(stack.ids) == set(wanted), set(stack.ids) ^ set(wanted)
    calls = f"; by calls of their own {', '.join(sorted(set(stack.made)))}" if stack.made else ""
    only = f"; only held to AWS's description {', '.join(sorted(stack.forgotten))}" if stack.forgotten else ""
    print(f"{file}: {len(wanted)} resources{calls}{only}")
    return stack


def ask(port, method, path, body=None):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        method=method,
        data=json.dumps(body).encode() if body else None,
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


def until(what, done):
    deadline = time.monotonic() + 180
    while not done():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def answers(port):
    try:
        return ask(port, "GET", "/readyz")[0] == 200
    except OSError:
        return False


def run_on_the_tables(program):
    """An event, a booking, and both in the tables that the template made: the program may make none by itself."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/log", "w+", encoding="utf-8") as log:
        environment = KEYS | {
            "AWS_ACCESS_KEY_ID": "myevents-ec2",
            "MYEVENTS_DATABASETYPE": "dynamodb",
            "MYEVENTS_DBCONNECTION": ENDPOINT,
            "MYEVENTS_CREATE_TABLES": "false",
            "MYEVENTS_DATA": folder,
        }
        arguments = ["serve", "--listen", f"127.0.0.1:{port}"]
        arguments += ["--event-listen", "none", "--booking-listen", "none", "--metrics-listen", "none"]
        with subprocess.Popen([program, *arguments], env=environment, stdout=log, stderr=log) as process:
            try:
                until("myevents does not start", lambda: process.poll() is not None or answers(port))
                assert process.poll() is None, "myevents ended"
                hall = {"name": "hall", "Hall": {"name": "hall", "capacity": 3}}
                event = {"name": "aws", "startdate": 4000000000, "enddate": 4000003600, "location": hall}
                status, stored = ask(port, "POST", "/events", event)
                assert status == 201, stored
                bookings = f"/events/{stored['ID']}/bookings"
                booked = []
                until(
                    "the event can't be booked",
                    lambda: booked.append(ask(port, "POST", bookings, {"seats": 2})) or booked[-1][0] == 201,
                )
                status, refusal = ask(port, "POST", bookings, {"seats": 2})
                assert status == 409, refusal
            except BaseException:
                log.seek(0)
                print(log.read()[-3000:])
                raise
            finally:
                process.terminate()
        assert process.returncode == 0, process.returncode
    dynamodb = client("dynamodb")
    for table, count in (("events", 1), ("booking-bookings", 1), ("booking-inventory", 1)):
        found = dynamodb.scan(TableName=table)["Count"]
        assert found >= count, f"{table} holds {found}"
    print("myevents served an event and a booking on the created tables")


def settings_of_task(stack, name, topic):
    """What ECS would hand to the service, by the task definition that the template made; only addresses are ours."""
    definition = client("ecs").describe_task_definition(taskDefinition=f"{stack}-{name}")["taskDefinition"]
    (container,) = definition["containerDefinitions"]
    # moto leaves a gap where CloudFormation leaves a variable out.
    given = {pair["name"]: pair["value"] for pair in container["environment"] if pair}
    assert given["MYEVENTS_CREATE_TABLES"] == "false" and given["MYEVENTS_SQS_CREATE_QUEUES"] == "false", given
    assert given.get("MYEVENTS_SQS_TOPIC") == topic, given
    addresses = ("MYEVENTS_DBCONNECTION", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_SNS")
    # Whoever asks is told apart by the key.
    return given | KEYS | {"AWS_ACCESS_KEY_ID": f"{stack}-{name}"} | dict.fromkeys(addresses, ENDPOINT)


def takes_sign_in(programs, stack):
    """With an issuer, nobody writes without a token: the programs take it so, and nothing else lets them listen to all."""
    for name in ("eventservice", "bookingservice"):
        given = settings_of_task(stack, name, None)
        assert given["MYEVENTS_OTEL_ENDPOINT"] == "http://collector:4318", given
        assert given["MYEVENTS_ALLOW_ANONYMOUS"] == "false", given
        said = subprocess.run([programs / name, "check-config"], env=given, check=False, capture_output=True, text=True)
        assert said.returncode == 0, said.stderr
        for key in ("AUTH", "AUTH_ISSUER", "AUTH_AUDIENCE"):
            assert f"(environment MYEVENTS_{key})" in said.stdout, said.stdout


def machine_starts(program, stack, signs_in):
    """What the start of a machine writes for `myevents` to read: it takes it, with sign-in and without."""
    (version,) = client("ec2").describe_launch_template_versions(LaunchTemplateId=stack.id("Template"))["LaunchTemplateVersions"]
    script = base64.b64decode(version["LaunchTemplateData"]["UserData"]).decode()
    lines = re.search(r">/etc/myevents.env <<'END'\n(.*?)\nEND\n", script, re.DOTALL)[1].splitlines()
    given = dict(line.split("=", 1) for line in lines)
    assert given["MYEVENTS_SQS_QUEUE"] == "events" and ("MYEVENTS_AUTH_ISSUER" in given) == signs_in, given
    said = subprocess.run([program, "check-config"], env=KEYS | given, check=False, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    for key in given.keys() - {"AWS_REGION"}:
        assert f"(environment {key})" in said.stdout, f"{key}: {said.stdout}"


class Service:
    """One of the two services, as its task runs it."""

    def __init__(self, programs, name, folder, settings):
        self.port = free_port()
        self.log = open(f"{folder}/{name}.log", "w+", encoding="utf-8")
        environment = settings | {
            "MYEVENTS_RESTFULAPI_ENDPOINT": f"127.0.0.1:{self.port}",
            "MYEVENTS_METRICS_ENDPOINT": f"127.0.0.1:{free_port()}",
        }
        self.process = subprocess.Popen(
            [f"{programs}/{name}"], env=environment, cwd=folder, stdout=self.log, stderr=self.log
        )

    def ready(self):
        until("a service does not start", lambda: self.process.poll() is not None or answers(self.port))
        assert self.process.poll() is None, f"ended: {self.said()}"

    def said(self):
        self.log.seek(0)
        return self.log.read()[-3000:]

    def stop(self):
        self.process.terminate()
        status = self.process.wait(timeout=40)
        assert status == 0, f"ended with {status}: {self.said()}"


def policy_of_the_queue(queue):
    url = client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
    attributes = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {})
    return attributes.get("Policy")


# What policies allow and nothing here asks for.
UNSEEN = {
    "state/index/*": "marks of handled messages are forgotten after a week",
    "dynamodb:DeleteItem": "keys that are revoked, parked messages that are dropped, messages that are given up",
    "dynamodb:BatchGetItem": "an import, and many records at once",
}
UNSEEN_EVENT = UNSEEN | {"dynamodb:ConditionCheckItem": "an import of what was exported elsewhere"}
UNSEEN_EVENT_TOPIC = {
    **dict.fromkeys(("sqs:GetQueueUrl", "sqs:SendMessage", ":more.fifo"), "of a service that sends to no topic"),
}
UNSEEN_BOOKING = UNSEEN | {"sqs:GetQueueAttributes": "with a topic a start looks at the queue's policy, and metrics count dead letters"}
UNSEEN_BOOKING_TOPIC = {
    **dict.fromkeys(("sqs:ChangeMessageVisibility", "sqs:SendMessage", ":more-dead.fifo"), "no message is given up there"),
    **dict.fromkeys(("sqs:GetQueueUrl", ":more-mail-dead.fifo"), "nobody looks at what was given up there"),
    "sns:ListSubscriptionsByTopic": "a look at a topic that nobody seems to hear",
}

# What an operator does with each service while it does not run.
OPERATORS = {
    "eventservice": [["check-store"], ["outbox"], ["republish"], ["export", "--without-messages"]],
    "bookingservice": [["check-store"], ["outbox"], ["reconcile", "--repair"], ["export", "--without-messages"]],
}


def operator(program, settings, *words):
    done = subprocess.run([program, *words], env=settings, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"{program.name} {words}: {done.stdout}{done.stderr}"
    return done.stdout


def everything_else(events, bookings, event):
    """The other paths of both services, each of which does something else to the tables."""

    def done(port, method, path, body=None):
        status, answer = ask(port, method, path, body)
        assert status < 300, f"{method} {path}: {status} {answer}"
        return answer

    place = done(events, "POST", "/locations", {"name": "place", "halls": [{"name": "hall", "capacity": 5}]})
    renamed = done(events, "GET", f"/events/{event}") | {"name": "renamed"}
    done(events, "PUT", f"/events/{event}", renamed)
    for path in ("/events", f"/locations/{place['ID']}", "/locations", "/events/name/renamed"):
        done(events, "GET", path)
    user = done(bookings, "POST", "/users", {"first": "A", "last": "B", "age": 30})
    later = {"name": "later", "startdate": 4000000000, "enddate": 4000003600, "location": {"name": "hall", "Hall": {"name": "hall", "capacity": 9}}}
    other = done(events, "POST", "/events", later)["ID"]
    path = f"/events/{other}/bookings"
    until("another event does not come", lambda: ask(bookings, "GET", f"/events/{other}/availability")[0] == 200)
    booked = done(bookings, "POST", path, {"seats": 1, "userId": user["ID"], "name": "A B"})
    for read in (f"/bookings/{booked['ID']}", f"/users/{user['ID']}", f"/users/{user['ID']}/bookings", path, f"/availability?ids={other}"):
        done(bookings, "GET", read)
    done(bookings, "DELETE", f"/bookings/{booked['ID']}")
    done(events, "DELETE", f"/events/{other}")
    until("a deleted event is sold", lambda: ask(bookings, "POST", path, {"seats": 1})[0] in (404, 409, 410))


def a_dead_letter(program, settings, queue):
    """A message that says nothing under a name that it knows is given up, listed, sent back and given up again, dropped."""
    url = client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
    named = {"event_name": {"DataType": "String", "StringValue": "event.created"}}
    client("sqs").send_message(QueueUrl=url, MessageBody="{}", MessageAttributes=named)
    letters = lambda: "event.created" in operator(program, settings, "dead-letters", "list")
    until("the message is no dead letter", letters)
    said = operator(program, settings, "dead-letters", "resend", "--all")
    assert "1 sent back" in said, said
    until("the message does not come back", letters)
    said = operator(program, settings, "dead-letters", "drop", "--all")
    assert "1 deleted" in said, said
    assert not letters(), "the letter is still there"


def run_the_services(programs, stack, topic):
    """An event that one service announces over the created queue and the other sells, each on the tables made for it."""
    settings = {name: settings_of_task(stack, name, topic) for name in ("eventservice", "bookingservice")}
    queue = topic or "events"
    policy = policy_of_the_queue(queue)
    assert bool(policy) == bool(topic), policy
    with tempfile.TemporaryDirectory() as folder:
        services = [Service(programs, name, folder, given) for name, given in settings.items()]
        try:
            for service in services:
                service.ready()
            events, bookings = (service.port for service in services)
            hall = {"name": "hall", "Hall": {"name": "hall", "capacity": 3}}
            event = {"name": "over SQS", "startdate": 4000000000, "enddate": 4000003600, "location": hall}
            status, stored = ask(events, "POST", "/events", event)
            assert status == 201, stored
            path = f"/events/{stored['ID']}/bookings"
            booked = []
            until(
                "the event does not come over the queue",
                lambda: booked.append(ask(bookings, "POST", path, {"seats": 2})) or booked[-1][0] == 201,
            )
            status, refusal = ask(bookings, "POST", path, {"seats": 2})
            assert status == 409, refusal
            until("the broker is not there", lambda: ask(bookings, "GET", "/readyz")[1]["broker"] == "connected")
            everything_else(events, bookings, stored["ID"])
            if not topic:
                a_dead_letter(programs / "bookingservice", settings["bookingservice"], queue)
            for service in services:
                service.stop()
            for name, given in settings.items():
                for command in OPERATORS[name]:
                    operator(programs / name, given, *command)
        except BaseException:
            for service in services:
                print(service.said())
            raise
        finally:
            for service in services:
                service.process.kill()
                service.log.close()
    made = {url.rsplit("/", 1)[1] for url in client("sqs").list_queues()["QueueUrls"]}
    assert made == {"events", "events-dead", "more.fifo", "more-dead.fifo"}, made
    # A service that changed it would need the right to, and each start would wait until the change is in force.
    assert policy_of_the_queue(queue) == policy, policy_of_the_queue(queue)
    if topic:
        (subscription,) = client("sns").list_subscriptions()["Subscriptions"]
        assert subscription["TopicArn"].endswith(f":{topic}") and subscription["Endpoint"].endswith(f":{topic}"), subscription
    over = f", by way of the topic {topic}" if topic else ""
    print(f"eventservice and bookingservice served an event and a booking on the created tables and queue{over}")


def queue_and_its_dead_letters():
    sqs = client("sqs")
    url = sqs.get_queue_url(QueueName="events")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    dead = json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"]
    assert dead.endswith(":events-dead"), dead
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def actions_of_tables():
    """What the page of DynamoDB says that a service does, but for making tables, which the stack has done."""
    page = (FOLDER.parent.parent / "docs" / "dynamodb.md").read_text(encoding="utf-8")
    told = page.split("Permissions on the tables")[1].split("\n\n")[0]
    return set(re.findall(r"`(?:dynamodb:)?([A-Z]\w+)`", told)) - {"CreateTable", "UpdateTable"}


def statements(stack, policies):
    """What the policies of this stack allow, as moto keeps them."""
    iam, found = client("iam"), []
    for logical in policies:
        arn = stack.ids[logical]
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        found += document["Statement"]
    return found


def least_privilege(stack):
    """No policy of ours names every resource, and a service's policy names only tables with its prefix, and what is done to them."""
    for logical in ("EventAccess", "BookingAccess", "EventTopicAccess", "BookingTopicAccess"):
        for statement in statements(stack, [logical]) if logical in stack.ids else []:
            for resource in statement["Resource"]:
                # There is no narrower way to find a topic by its name.
                assert ":" in resource or statement["Action"] == ["sns:ListTopics"], f"{logical}: {resource}"
                if ":table/" in resource:
                    table = resource.split(":table/")[1]
                    assert ("booking-" in table) == logical.startswith("Booking"), f"{logical}: {resource}"
            assert not any("*" in action for action in statement["Action"]), statement
            tables = {action.split(":")[1] for action in statement["Action"] if action.startswith("dynamodb:")}
            assert not tables or tables == actions_of_tables(), tables ^ actions_of_tables()


ASKED = Asked()
dispatcher = threaded_moto_server.DomainDispatcherApplication
threaded_moto_server.DomainDispatcherApplication = lambda backend: ASKED.around(dispatcher(backend))
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
try:
    host, port = server.get_host_and_port()
    ENDPOINT = f"http://127.0.0.1:{port}"
    create("myevents-network", "network.yaml")
    data = create("myevents-data", "data.yaml")
    create("myevents-services", "services.yaml", Registry="registry.example/myevents", AlarmTopic="arn:aws:sns:us-east-1:123456789012:alarms")
    create("myevents-page", "page.yaml")
    machines = create("myevents-ec2", "ec2.yaml", Program="bucket/myevents")
    signed = create("signed-ec2", "ec2.yaml", Program="bucket/myevents", AuthIssuer="https://id.example.com")
    fifo = {"QueueName": "more.fifo", "Fifo": "true", "WithTopic": "true"}
    prefixes = {"EventTablePrefix": "more-", "BookingTablePrefix": "more-booking-"}
    more = create("more", "data.yaml", **prefixes, **fifo)
    over_topic = {"DataStack": "more", "WithTopic": "true"}
    create("more-services", "services.yaml", Registry="registry.example/myevents", **prefixes, **over_topic)
    traced = {"AuthIssuer": "https://id.example.com", "TracesEndpoint": "http://collector:4318"}
    create("signed-services", "services.yaml", Registry="registry.example/myevents", **traced)
    takes_sign_in(PROGRAMS, "signed-services")
    machine_starts(PROGRAMS / "myevents", machines, False)
    machine_starts(PROGRAMS / "myevents", signed, True)
    queue_and_its_dead_letters()
    least_privilege(data)
    least_privilege(more)
    run_on_the_tables(PROGRAMS / "myevents")
    run_the_services(PROGRAMS, "myevents-services", None)
    run_the_services(PROGRAMS, "more-services", "more.fifo")
    faults = []
    for caller, stack, policies, unseen in (
        ("myevents-services-eventservice", data, ["EventAccess"], UNSEEN_EVENT),
        ("myevents-services-bookingservice", data, ["BookingAccess"], UNSEEN_BOOKING),
        ("more-services-eventservice", more, ["EventAccess", "EventTopicAccess"], UNSEEN_EVENT | UNSEEN_EVENT_TOPIC),
        ("more-services-bookingservice", more, ["BookingAccess", "BookingTopicAccess"], UNSEEN_BOOKING | UNSEEN_BOOKING_TOPIC),
    ):
        faults += ASKED.held_to(caller, statements(stack, policies), unseen)
    # A machine's role has both policies; its program sent nothing here, so only what it asked for can be held to them.
    everything = {"": "of the two services together"}
    faults += ASKED.held_to("myevents-ec2", statements(data, ["EventAccess", "BookingAccess"]), everything)
    assert not faults, "\n".join(faults)
finally:
    server.stop()
