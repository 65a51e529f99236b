"""Reads Grafana dashboards with Grafana's own Python types and fails on what they would drop.

The types take what they know and lose the rest, so a member that does not come back is one that Grafana does not know:
a misspelled word, or a value in the wrong place.
"""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def lost(before, after, path):
    """The paths of `before` that are missing or another value in `after`."""
    if isinstance(before, dict):
        if not isinstance(after, dict):
            return [path]
        return [
            fault
            for key, value in before.items()
            for fault in (lost(value, after[key], f"{path}.{key}") if key in after else [f"{path}.{key}"])
        ]
    if isinstance(before, list):
        if not isinstance(after, list) or len(before) != len(after):
            return [path]
        return [
            fault
            for index, (one, other) in enumerate(zip(before, after))
            for fault in lost(one, other, f"{path}[{index}]")
        ]
    return [] if before == after else [f"{path}: {before!r} became {after!r}"]


register_default_plugins()
faults = []
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        before = json.load(file)
    after = json.loads(json.dumps(Dashboard.from_json(before), cls=JSONEncoder))
    # The step that holds below all others has no value; the encoder leaves that null out.
    before = json.loads(json.dumps(before), object_hook=lambda o: {k: v for k, v in o.items() if v is not None})
    faults += [f"{name}: Grafana does not know {fault}" for fault in lost(before, after, "")]
print("\n".join(faults) or f"{len(sys.argv) - 1} dashboards read")
sys.exit(bool(faults))
