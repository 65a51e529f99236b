"""Lists what an image holds, as CycloneDX: the crates of its program, the page's packages, and the system's libraries laid out beside.

Usage: contents.py NAME OUTPUT [ROOT], from the repository's root. NAME is a program or `page`; ROOT holds the image's files, whose
`var/lib/dpkg/status.d` says which of Debian's packages are in it. The list is held to the official schema before it is written.
"""

import base64
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

LICENCE = LicenseFactory()
# What the images are built for; crates of other systems are not in them.
TARGET = "x86_64-unknown-linux-gnu"


def component(kind, name, version, licence=None, sha=None, **qualifiers):
    """One package, known by its address."""
    namespace, _, short = name.rpartition("/")
    url = PackageURL(kind, namespace or ("debian" if kind == "deb" else None), short, version, qualifiers or None)
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        purl=url,
        bom_ref=str(url),
        licenses=[LICENCE.make_from_string(licence)] if licence else [],
        hashes=[HashType(alg=algorithm, content=content) for algorithm, content in (sha or {}).items()],
    )


def crates(bom, program):
    """What cargo links into the program, each crate under whoever asks for it; procedural macros and build scripts are not in it."""
    with open("Cargo.lock", "rb") as file:
        locked = {(each["name"], each["version"]): each.get("checksum") for each in tomllib.load(file)["package"]}
    # All three, as they are built: cargo gives a crate the features that any of them asks for.
    command = ["cargo", "tree", "--locked", "-p", "myevents", "-p", "eventservice", "-p", "bookingservice"]
    command += ["-e", "normal,no-proc-macro", "--target", TARGET, "--prefix", "depth", "--no-dedupe", "-f", "|{p}|{l}"]
    known, asked, above = {}, {}, []
    wanted = False
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        if not line:
            continue
        depth, package, licence = line.split("|")
        name, version = package.split()[:2]
        version = version.removeprefix("v")
        wanted = name == program if depth == "0" else wanted
        if not wanted:
            continue
        if (name, version) not in known:
            checksum = locked[name, version]
            sha = {HashAlgorithm.SHA_256: checksum} if checksum else None
            # Cargo's old way of saying `or`.
            known[name, version] = component("cargo", name, version, licence.replace("/", " OR "), sha)
        del above[int(depth) :]
        if above:
            asked.setdefault(above[-1], set()).add((name, version))
        above.append((name, version))
    for key, each in known.items():
        bom.components.add(each)
        bom.register_dependency(each, [known[other] for other in asked.get(key, ())])
    return known


def packages(bom):
    """What the page is bundled from, by npm's lock file."""
    with open("frontend/package-lock.json", encoding="utf-8") as file:
        for path, each in json.load(file)["packages"].items():
            name = path.rpartition("node_modules/")[2]
            if not path or each.get("dev"):
                continue
            algorithm, _, digest = each["integrity"].partition("-")
            assert algorithm == "sha512", each
            sha = {HashAlgorithm.SHA_512: base64.b64decode(digest).hex()}
            bom.components.add(component("npm", name, each["version"], each.get("license"), sha))


def libraries(bom, root):
    """Debian's packages that files of the image are of."""
    for file in sorted((root / "var/lib/dpkg/status.d").iterdir()):
        said = dict(re.findall(r"^(Package|Version|Architecture): (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE))
        bom.components.add(component("deb", said["Package"], said["Version"], arch=said["Architecture"]))


def main(name, output, root=None):
    with open("Cargo.toml", "rb") as file:
        version = tomllib.load(file)["workspace"]["package"]["version"]
    bom = Bom()
    bom.metadata.component = Component(type=ComponentType.CONTAINER, name=name, version=version, bom_ref="image")
    if name != "page":
        crates(bom, name)
    if name in ("page", "myevents"):
        packages(bom)
    if root:
        libraries(bom, Path(root))
    bom.register_dependency(bom.metadata.component, bom.components)
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert fault is None, fault
    Path(output).write_text(text, encoding="utf-8")
    counted = {}
    for each in bom.components:
        counted[each.purl.type] = counted.get(each.purl.type, 0) + 1
    print(f"{name}: {', '.join(f'{count} {kind}' for kind, count in sorted(counted.items()))}")


main(*sys.argv[1:])
