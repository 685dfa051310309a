"""What the site shows beside docs/: links that leave it, and tutorials."""

import json
import re
from types import SimpleNamespace

import griffe
import pytest

from tools import site


@pytest.mark.parametrize(
    ("source", "link", "expected"),
    [
        ("commands/train.md", "../../conf/train.yaml", "../files/conf/train.yaml"),
        ("export.md", "../web/README.md#speed", "web.md#speed"),
        ("export.md", "../web", "web.md"),
        ("web.md", "../docs/zoo.md", "zoo.md"),
        ("results.md", "../docs/field.yaml", "field.yaml"),
        ("zoo.md", "../README.md#measured", "index.md"),  # other headings
        ("export.md", "field.md#a", "field.md#a"),
        ("export.md", "gone.md", "gone.md"),  # mkdocs refuses it
        ("export.md", "../gone.md", "../gone.md"),
        ("export.md", "https://arxiv.org/abs/1", "https://arxiv.org/abs/1"),
        ("export.md", "#here", "#here"),
    ],
)
def test_a_link_leads_to_a_page_or_a_copy(source, link, expected):
    page = SimpleNamespace(file=SimpleNamespace(src_uri=source))
    assert site.on_page_markdown(f"a [b]({link}) c", page, None, None) == f"a [b]({expected}) c"


def test_a_tutorial_is_a_page_and_the_same_notebook(tmp_path):
    script = tmp_path / "one.py"
    script.write_text('# %% [markdown]\n# # One\n#\n# Say it.\n\n# %% language="bash"\n# echo a\n\n# %%\nb = 1\n')
    page, notebook = site.tutorial(script)
    assert page.splitlines()[0] == "# One"
    assert "one.py" in page
    assert "Say it.\n\n```bash\necho a\n```\n\n```python\nb = 1\n```\n" in page
    cells = json.loads(notebook)["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown", "code", "code"]
    assert "".join(cells[1]["source"]) == "%%bash\necho a"
    assert site.tutorial(script)[1] == notebook  # no random name in it


def test_what_the_site_shows_is_there():
    for path in (*site.SHOWN.values(), *site.INSTEAD, site.ICON):
        assert (site.ROOT / path).exists(), path


SHOWN_MODULES = sorted(
    module
    for page in (site.ROOT / "docs/api").glob("*.md")
    for module in re.findall(r"^::: (\S+)$", page.read_text(), re.M)
)


@pytest.mark.parametrize("module", SHOWN_MODULES)
def test_each_public_name_that_the_reference_shows_has_a_docstring(module):
    """Fields stand in the docstring of their class; a net's `forward` is what its class says."""
    file = site.ROOT / "src" / f"{module.replace('.', '/')}.py"
    loaded = griffe.visit(module, file, file.read_text())
    bare = [] if loaded.docstring else [module]
    for owner in (loaded, *(member for member in loaded.members.values() if not member.is_alias and member.is_class)):
        if owner.name.startswith("_"):
            continue
        for name, member in owner.members.items():
            if name.startswith("_") or name == "forward" or member.is_alias or member.docstring:
                continue
            field = member.is_attribute and owner.is_class and member.annotation is not None
            if not member.is_attribute or (field and not re.search(rf"\b{name}\b", owner.docstring.value)):
                bare.append(member.path)
    assert bare == []


def test_the_reference_has_what_the_library_is_for():
    assert {f"ferlab.{name}" for name in ("inference.predictor", "predictors.zoo", "runs.directory")} <= set(
        SHOWN_MODULES
    )
    assert len(SHOWN_MODULES) > 10
