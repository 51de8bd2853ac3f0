"""What is written about the program is what the program says of itself."""

from __future__ import annotations

import yaml

from outputs import sentences
from outputs.model import PARTS
from settings.kinds import Section
from settings.machines import HostSettings
from settings.projects import ProjectSettings
from settings.sections import HOSTS, KEYS, PROJECTS, SECTIONS
from tests.unit.program import ROOT
from tools import document_outputs
from tools.document_settings import document, schema


def test_settings_are_documented() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == document(), (
        "run: lab/bootstrap.sh --python tools/document_settings.py"
    )


def test_configuration_schema_is_made_from_the_settings() -> None:
    text = (ROOT / "Pulumi.yaml").read_text()
    assert text == schema(text), "run: lab/bootstrap.sh --python tools/document_settings.py"


def test_configuration_schema_has_every_key() -> None:
    """A key that Pulumi.yaml does not declare could not have a type, a description and a default there."""
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    assert set(declared) == set(KEYS)
    for key, entry in declared.items():
        assert set(entry) - {"items"} == {"type", "description", "default"}, key


def test_configuration_schema_names_every_nested_key() -> None:
    declared = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    sections: dict[str, type[Section]] = {**SECTIONS, HOSTS: HostSettings, PROJECTS: ProjectSettings}
    for section, model in sections.items():
        for name, field in model.model_fields.items():
            assert (field.alias or name) in declared[section]["description"], f"{section}.{field.alias or name}"


def test_outputs_are_documented() -> None:
    assert (ROOT / "docs" / "outputs.md").read_text() == document_outputs.document(), (
        "run: lab/bootstrap.sh --python tools/document_outputs.py"
    )


def test_the_reader_in_typescript_is_made_from_the_outputs() -> None:
    assert (ROOT / "outputs" / "typescript" / "platform.ts").read_text() == document_outputs.reader(), (
        "run: lab/bootstrap.sh --python tools/document_outputs.py"
    )


def test_the_reader_in_typescript_has_pythons_sentences() -> None:
    """The same words, with its own variables; nothing of the text ends a template literal."""
    text = (ROOT / "outputs" / "typescript" / "platform.ts").read_text()
    for told in (sentences.empty, sentences.encrypted):
        assert told("${stack}", "${output}").replace("`", "\\`") in text
    assert text.count("pulumi.RunError(`") == 3 + len(PARTS)
