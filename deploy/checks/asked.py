"""Notes what each program asks of the stand-in for AWS, and holds it to the policies that the templates give to its role.

moto lets everybody do everything. So each call is read here as IAM would read it: the action it needs, and on what. A program
signs with a key that is called as its role is, which tells the callers apart.
"""

import io
import json
import re
from collections import defaultdict
from fnmatch import fnmatchcase
from urllib.parse import parse_qs

TABLE, QUEUE = "arn:aws:dynamodb:us-east-1:123456789012:table/{}", "arn:aws:sqs:us-east-1:123456789012:{}"
# A transaction needs what it consists of.
PARTS = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem", "Get": "GetItem"}


def of_tables(operation, asked):
    if "TransactItems" in asked:
        for item in asked["TransactItems"]:
            ((part, inner),) = item.items()
            yield f"dynamodb:{PARTS[part]}", TABLE.format(inner["TableName"])
    elif "RequestItems" in asked:
        for table in asked["RequestItems"]:
            yield f"dynamodb:{operation}", TABLE.format(table)
    else:
        index = f"/index/{asked['IndexName']}" if "IndexName" in asked else ""
        yield f"dynamodb:{operation}", TABLE.format(asked["TableName"] + index)


def of_queues(operation, asked):
    queue = asked.get("QueueName") or asked.get("QueueUrl", "*").rsplit("/", 1)[-1]
    yield f"sqs:{operation.removesuffix('Batch')}", QUEUE.format(queue)


def of_topics(body):
    form = parse_qs(body.decode())
    yield f"sns:{form['Action'][0].removesuffix('Batch')}", form.get("TopicArn", ["*"])[0]


class Asked:
    """The calls of each caller that a role is watched for."""

    def __init__(self):
        self.calls = defaultdict(set)

    def around(self, application):
        """The application, with every call noted before it is answered."""

        def noting(environment, start):
            body = environment["wsgi.input"].read(int(environment.get("CONTENT_LENGTH") or 0))
            environment["wsgi.input"] = io.BytesIO(body)
            signed = re.search(r"Credential=([^/]+)/[^/]+/[^/]+/([^/]+)/", environment.get("HTTP_AUTHORIZATION", ""))
            if signed:
                caller, service = signed.groups()
                operation = environment.get("HTTP_X_AMZ_TARGET", "").rsplit(".", 1)[-1]
                if service == "dynamodb":
                    self.calls[caller].update(of_tables(operation, json.loads(body)))
                elif service == "sqs":
                    self.calls[caller].update(of_queues(operation, json.loads(body)))
                elif service == "sns":
                    self.calls[caller].update(of_topics(body))
            return application(environment, start)

        return noting

    def held_to(self, caller, statements, unseen):
        """What is asked for and not allowed, and what is allowed and not asked for, but for `unseen`: ends of names, each with its reason."""
        calls = self.calls[caller]
        assert calls, f"{caller} asked for nothing"
        # One that is all of a table's indexes reaches them alone.
        covers = lambda statement, call: call[0] in statement["Action"] and any(
            fnmatchcase(call[1], resource) for resource in statement["Resource"]
        )
        faults = [f"IAM would refuse {call}" for call in calls if not any(covers(statement, call) for statement in statements)]
        idle = set()
        for statement in statements:
            for action in statement["Action"]:
                if not any(call[0] == action and covers(statement, call) for call in calls):
                    idle.add(action)
            for resource in statement["Resource"]:
                if not any(call[0] in statement["Action"] and fnmatchcase(call[1], resource) for call in calls):
                    idle.add(resource)
        faults += [f"allowed, and never asked for: {one}" for one in idle if not any(one.endswith(end) for end in unseen)]
        # Some of `unseen` is a matter of time: on a slow machine it is asked for.
        print(f"{caller}: {len(calls)} kinds of calls held to its policies, {len(idle)} parts of which nothing here needs")
        return [f"{caller}: {fault}" for fault in sorted(faults)]
