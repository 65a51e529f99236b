"""The scripts inside the CloudFormation templates, read by what runs them: CloudFront's function is called, a machine's start is parsed."""

import json
import re
import subprocess

import template

# What a visitor asks for, and what the bucket is asked for then.
VIEWS = {
    "/": "/index.html",
    "/my": "/index.html",
    "/event/0190-ab": "/index.html",
    "/assets/index-Bq1.js": "/assets/index-Bq1.js",
    "/icon.svg": "/icon.svg",
}

code = template.of("page.yaml")["Views"]["Properties"]["FunctionCode"]
call = f"{code}\nprocess.stdout.write(JSON.stringify({json.dumps(list(VIEWS))}.map((uri) => handler({{request: {{uri}}}}).uri)));"
said = subprocess.run(["node", "-e", call], check=True, capture_output=True, text=True).stdout
assert json.loads(said) == list(VIEWS.values()), said

script, _ = template.of("ec2.yaml")["Template"]["Properties"]["LaunchTemplateData"]["UserData"]["Fn::Base64"]
script = re.sub(r"\$\{[\w:]+\}", "x", script)
assert script.startswith("#!/bin/sh\n") and "systemctl enable --now myevents" in script, script
subprocess.run(["sh", "-n"], input=script, check=True, text=True)
unit = re.search(r">/etc/systemd/system/myevents.service <<'END'\n(.*?)\nEND\n", script, re.DOTALL)[1]
assert "EnvironmentFile=/etc/myevents.env" in unit, unit
print(f"{len(VIEWS)} addresses through the function of page.yaml, {len(script.splitlines())} lines of ec2.yaml's start")
