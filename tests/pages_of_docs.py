"""What the pages of README and docs/ hold: blocks of code, words between backticks, lines to type.

A block that is not run says why in an HTML comment above it: <!-- not run: REASON -->.
"""

import re
from pathlib import Path

import jupytext

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / f"{place}README.md" for place in ("", "data/", "web/", "zoo/", "results/", "examples/")]
PAGES += [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "docs").rglob("*.py"))]
PAGES = [page for page in PAGES if page.is_file()]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
FENCED = re.compile(r"(?P<why><!-- not run: [^>]+ -->\n+)?^```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```$", re.M | re.S)
LINE = re.compile(
    r"(\w+=\S+ )*(python -m (ferlab|benchmarks|tools)\.|ferlab(-\w+)? |make |pip install |torchrun |srun )"
)
# Words in the place of others that every reader has to replace: no command of that name, another machine's plugin.
FREE = re.compile(r"python -m \w+\.(NAME|X)\b|ferlab NAME|hydra/launcher=ray")


def text_of(name: str) -> str:
    """A page in Markdown; of a tutorial its cells."""
    page = ROOT / name
    return page.read_text() if page.suffix == ".md" else jupytext.writes(jupytext.read(page), "md")


def blocks(name: str, *languages: str) -> list[str]:
    """Blocks of code of a page in these languages, without those that say why they are not run."""
    found = FENCED.finditer(text_of(name))
    return [match["text"] for match in found if match["language"] in languages and not match["why"]]


def prose(name: str) -> str:
    return FENCED.sub("", text_of(name))


def spans(name: str) -> list[str]:
    """What stands between backticks."""
    return [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose(name))]


def commands(name: str) -> list[str]:
    """Each line of a page that is typed into a shell: of fenced and indented blocks, and between backticks."""
    lines = [line for block in blocks(name, "", "bash") for line in block.splitlines()]
    lines += [line.strip() for line in re.findall(r"^    [^\n]*", prose(name), re.M)] + spans(name)
    return [line for line in dict.fromkeys(lines) if LINE.match(line) and not FREE.search(line)]
