"""A CloudFormation template's YAML, whose short functions become what they are given."""

from pathlib import Path

import yaml

FOLDER = Path(__file__).parent.parent / "aws"


class Loader(yaml.SafeLoader):
    """YAML with `!Ref`, `!Sub` and their like."""


def given(loader, _suffix, node):
    if isinstance(node, yaml.ScalarNode):
        return node.value
    construct = loader.construct_sequence if isinstance(node, yaml.SequenceNode) else loader.construct_mapping
    return construct(node, deep=True)


Loader.add_multi_constructor("!", given)


def resources(text):
    return yaml.load(text, Loader)["Resources"]


def of(file):
    return resources((FOLDER / file).read_text(encoding="utf-8"))
