"""A page in Markdown for each command, from its file in conf/: every key with its default and its comment."""

import contextlib
import html
import io
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from ferlab import predict, sweeps

CONF = Path(__file__).resolve().parents[1] / "conf"
GROUPS = {
    "model": "Nets",
    "data": "Data sets",
    "augment": "Augmentation policies",
    "experiment": "Recipes",
    "paper": "Papers",
}


@dataclass(frozen=True)
class Key:
    """A key of a command.

    Attributes:
        name: with dots, as it is typed.
        default: its value in conf/, as it stands there; empty for a key that only holds others.
        meaning: its comment.
        note: a comment on this key and those after it.
    """

    name: str
    default: str
    meaning: str
    note: str = ""


def pages() -> dict[str, str]:
    """File name -> text of each page, in the order of the site."""
    parts = {entry for file in CONF.glob("*.yaml") for entry in _defaults(file) if isinstance(entry, str)}
    names = sorted(file.stem for file in CONF.glob("*.yaml") if file.stem not in parts)
    made = {f"{name}.md": of_command(name) for name in names}
    made |= {"predict.md": _of_predict(), "sweeps.md": f"# sweeps\n\n{sweeps.__doc__}"}
    made = {name: made[name] for name in sorted(made, key=lambda name: (name != "train.md", name))}
    return made | {"choices.md": choices()}


def of_command(name: str) -> str:
    """The page of a command that Hydra configures."""
    file = CONF / f"{name}.yaml"
    usage, purpose = head(file)
    lines = [f"# {name}", "", purpose, "", "```bash", usage, "```", ""]
    for key in keys(file):
        lines += [key.note, ""] if key.note else []
        lines += [_term(key), f":   {key.meaning or 'its keys follow'}", ""]
    where = f"From [conf/{name}.yaml](../../conf/{name}.yaml)."
    flags = "`-m` makes a job of each combination, `--cfg job` prints the config of a line."
    return "\n".join([*lines, f"{where} {flags}", ""])


def choices() -> str:
    """The page of what the groups of conf/ hold: a file is a word that can be typed."""
    lines = ["# Choices", "", "A file in a folder of `conf/` is a word to type, as `model=resnet18`.", ""]
    for group, title in GROUPS.items():
        lines += [f"## {title} {{ #{group} }}", ""]
        for file in sorted((CONF / group).glob("[!_]*.yaml")):
            link = f"[`{group}={file.stem}`](../../conf/{group}/{file.name})"
            lines += [link, f":   {_escaped(_comment(file.read_text().splitlines())) or 'see the file'}", ""]
    return "\n".join(lines)


def head(file: Path) -> tuple[str, str]:
    """The lines to type and the purpose, with which a command's file begins."""
    lines = file.read_text().partition("\n\n")[0].splitlines()
    examples = [line.removeprefix("# ") for line in lines if line.startswith("# python -m")]
    return "\n".join(examples), _escaped(_comment(line for line in lines if not line.startswith("# python -m")))


def keys(file: Path) -> Iterator[Key]:
    """The keys of a command's file, in its order: its groups, those of the files that it takes over, its own."""
    text = file.read_text()
    lines = text.splitlines()
    for entry in _defaults(file):
        if isinstance(entry, str):
            yield from () if entry == "command" else keys(CONF / f"{entry}.yaml")
            continue
        for group, default in entry.items():
            comment = re.search(rf"^  - {group}: \S+ *#? ?(.*)$", text, re.M)[1]
            yield Key(group, default or "", f"{_escaped(comment)} ([choices](choices.md#{group}))")
    yield from _below(yaml.compose(text), lines, "")


def _below(node: yaml.MappingNode, lines: list[str], prefix: str) -> Iterator[Key]:
    for key, value in node.value:
        if not prefix and key.value in ("defaults", "hydra"):
            continue
        first = key.start_mark.line
        above = _escaped(_comment(reversed(_before(lines, first))))
        holds_others = isinstance(value, yaml.MappingNode) and not value.flow_style
        short = value.start_mark.line == value.end_mark.line == first
        end = value.end_mark.column if short else key.end_mark.column + 1
        beside = _escaped(lines[first][end:].partition("#")[2].strip())
        default = lines[first][value.start_mark.column : end] if short else "" if holds_others else "..."
        yield Key(prefix + key.value, default, beside or above, above if beside else "")
        if holds_others:
            yield from _below(value, lines, f"{prefix}{key.value}.")


def _before(lines: list[str], first: int) -> list[str]:
    """The comment right above a line, upwards."""
    found = []
    while first and lines[first - 1].lstrip().startswith("# "):
        first -= 1
        found.append(lines[first])
    return found


def _comment(lines: Iterable[str]) -> str:
    """The comment of which lines begin with `#`, up to the first that does not."""
    words = []
    for line in lines:
        if not line.lstrip().startswith("#"):
            break
        line = line.lstrip().removeprefix("#").strip()
        if not line.startswith("@package"):
            words.append(f"`{line}`" if line.startswith("python -m") else line)
    return " ".join(words)


def _defaults(file: Path) -> list[str | dict[str, str | None]]:
    """What stands before the keys of a file: files that it takes over, and groups with the file chosen of each."""
    found = yaml.safe_load(file.read_text()).get("defaults", [])
    return [entry for entry in found if entry != "_self_" and not str(entry).startswith("{'override")]


def _term(key: Key) -> str:
    anchor = f'<span id="{key.name}"></span>'
    return f"{anchor}`{key.name}` `{key.default}`" if key.default else f"{anchor}`{key.name}`"


def _escaped(words: str) -> str:
    return re.sub(r"([*_\[\]|])", r"\\\1", html.escape(words, quote=False))


def _of_predict() -> str:
    out = io.StringIO()
    columns, os.environ["COLUMNS"] = os.environ.get("COLUMNS"), "100"
    try:
        with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
            predict.main(["--help"])
    finally:
        os.environ.pop("COLUMNS") if columns is None else os.environ.update(COLUMNS=columns)
    return f"# predict\n\n[Pictures and videos](../predict.md) explains it.\n\n```text\n{out.getvalue()}```\n"
