"""What mkdocs does not know of ferlab; mkdocs.yml names this file under `hooks`.

Pages are made from files outside docs/, from conf/ and from the scripts of docs/tutorials. A link that leaves docs/
leads to the page of that file or to a copy of it, so that the site works from its folder alone.
"""

import os
import re
from pathlib import Path

import jupytext
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tools import command_pages

ROOT = Path(__file__).resolve().parents[1]
# A page, and the file outside docs/ that it shows.
SHOWN = {
    "data.md": "data/README.md",
    "web.md": "web/README.md",
    "results.md": "results/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
}
# Files whose links lead to a page that says the same.
INSTEAD = {"README.md": "index.md", "zoo/README.md": "zoo.md", "conf": "commands/index.md"}
ICON = "web/public/icon.svg"
_PAGES = {source: page for page, source in SHOWN.items()} | INSTEAD
_LINK = re.compile(r"(?<=\]\()(?P<target>[^)#\s:]+)(?P<anchor>#[^)\s]*)?(?=\))")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add a page for each command to the navigation."""
    commands = next(entry["Commands"] for entry in config.nav if "Commands" in entry)
    commands += [f"commands/{name}" for name in command_pages.pages()]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, the notebooks, and a copy of each file outside docs/ that a page links to."""
    made = {page: (ROOT / source).read_text() for page, source in SHOWN.items()}
    made |= {f"commands/{name}": text for name, text in command_pages.pages().items()}
    for script in sorted((ROOT / "docs/tutorials").glob("*.py")):
        page, notebook = tutorial(script)
        made |= {f"tutorials/{script.stem}.md": page, f"tutorials/{script.stem}.ipynb": notebook}
    for path, text in made.items():
        files.append(File.generated(config, path, content=text))
    files.append(File.generated(config, "assets/icon.svg", abs_src_path=str(ROOT / ICON)))
    for page in list(files.documentation_pages()):
        for link in _LINK.finditer(page.content_string):
            target = _named(page.src_uri, link["target"])
            if target and (place := _place(target)) not in files.src_uris:
                files.append(File.generated(config, place, abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead each link that leaves docs/ to its page or copy; one that leads nowhere stays, and the build fails."""
    home = os.path.dirname(page.file.src_uri) or "."

    def led(match: re.Match[str]) -> str:
        target = _named(page.file.src_uri, match["target"])
        if target is None:
            return match[0]
        return os.path.relpath(_place(target), home) + ("" if target in INSTEAD else match["anchor"] or "")

    return _LINK.sub(led, markdown)


def tutorial(script: Path) -> tuple[str, str]:
    """Page and notebook of a tutorial, which is a script in the percent format."""
    notebook = jupytext.read(script)
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"  # jupytext draws them at random
    page = re.sub("^---\n.*?\n---\n+", "", jupytext.writes(notebook, "md"), flags=re.S)
    page = re.sub(r"^```python\n%%writefile (\S+)", r'```python title="\1"', page, flags=re.M)
    taken = f"As a [script]({script.name}){{ download }}, as a [notebook]({script.stem}.ipynb){{ download }}."
    title, _, rest = page.partition("\n")
    return f"{title}\n\n{taken}\n{rest}", jupytext.writes(notebook, "ipynb")


def _named(page: str, link: str) -> str | None:
    """The file that a page's link names, from the root; None where there is none."""
    source = SHOWN.get(page, f"docs/{page}")
    target = os.path.normpath(os.path.join(os.path.dirname(source), link))
    if (ROOT / target / "README.md").is_file():
        target = os.path.join(target, "README.md")
    return target if target in INSTEAD or (ROOT / target).is_file() else None


def _place(target: str) -> str:
    """Where the site has a file."""
    if target in _PAGES:
        return _PAGES[target]
    return target.removeprefix("docs/") if target.startswith("docs/") else f"files/{target}"
