"""What other makers' libraries say of a release's own files: contents.py FOLDER.

SBOMs against CycloneDX's schema (cyclonedx-python-lib ships it), package URLs (packageurl-python) and
licence expressions (license-expression); the provenance against in-toto's and SLSA's messages
(in-toto-attestation). Everything wrong is printed, a line each; nothing is printed when all is well.
"""

import importlib.resources
import json
import pathlib
import sys
import uuid

import fastjsonschema
import license_expression
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import statement, statement_pb2
from packageurl import PackageURL

SCHEMAS = importlib.resources.files("cyclonedx.schema") / "_res"
LICENCES = license_expression.get_spdx_licensing()


def schema(name):
    """A schema of CycloneDX by the name that another has for it."""
    return json.loads((SCHEMAS / name.rsplit("/", 1)[-1]).read_text())


def sbom(path):
    bom = json.loads(path.read_text())
    validate = fastjsonschema.compile(
        schema("bom-1.6.SNAPSHOT.schema.json"), handlers={"http": schema}, detailed_exceptions=False
    )
    validate(bom)
    assert uuid.UUID(bom["serialNumber"].removeprefix("urn:uuid:")).version == 5
    root = bom["metadata"]["component"]
    every = [root, *bom.get("components", [])]
    refs = [one["bom-ref"] for one in every]
    assert len(set(refs)) == len(refs), "two components have one reference"
    for one in every:
        if "purl" in one:
            purl = PackageURL.from_string(one["purl"])
            assert purl.to_string() == one["purl"], (one["purl"], purl.to_string())
            assert purl.version, one["purl"]
        for licence in one.get("licenses", []):
            LICENCES.parse(licence["expression"], validate=True, strict=True)
    for edge in bom["dependencies"]:
        for ref in [edge["ref"], *edge["dependsOn"]]:
            assert ref in refs, f"{ref} is no component"
    assert [edge["ref"] for edge in bom["dependencies"]] == refs


def provenance(path):
    text = path.read_text()
    # An unknown field is an error.
    message = json_format.Parse(text, statement_pb2.Statement())
    made = statement.Statement([], "", {})
    made.pb = message
    made.validate()
    predicate = json.loads(text)["predicate"]
    slsa = json_format.ParseDict(predicate, provenance_pb2.Provenance())
    # Required (https://slsa.dev/spec/v1.0/provenance).
    definition = slsa.build_definition
    assert definition.build_type.startswith("https://")
    assert slsa.run_details.builder.id.startswith("https://")
    assert len(definition.external_parameters) > 0
    for one in definition.resolved_dependencies:
        assert one.uri or one.digest or one.content, one


def main():
    folder = pathlib.Path(sys.argv[1])
    boms = sorted(folder.glob("*.cdx.json"))
    problems = 0
    for check, path in [*((sbom, path) for path in boms), (provenance, folder / "provenance.json")]:
        try:
            check(path)
        except Exception as error:  # pylint: disable=broad-except
            print(f"{path.name}: {type(error).__name__}: {error}")
            problems += 1
    if not boms:
        print("no SBOM")
    sys.exit(1 if problems or not boms else 0)


main()
