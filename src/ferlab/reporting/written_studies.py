"""What a study's command wrote -> its record, its title and its page."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ferlab.data.faces import split_title
from ferlab.errors import FerlabError
from ferlab.files import Json
from ferlab.pages.figures import data_uri
from ferlab.pages.page import GALLERIES
from ferlab.pages.sections import PageFigure, Section, Shown
from ferlab.reporting import markdown
from ferlab.studies.kinds import KINDS


@dataclass(frozen=True)
class WrittenStudy:
    """One study as it was written.

    Attributes:
        kind: a name in `kinds.KINDS`.
        content: what KIND.json holds, provenance first.
        record: what was found, in the kind's own dataclass.
        folder: of its pictures.
    """

    kind: str
    content: Mapping[str, Any]
    record: Any
    folder: Path

    @property
    def title(self) -> str:
        """On which data and in which views."""
        data, views = self.content["data"], self.content.get("tta")
        title = f"{data}, {split_title(data, self.content['split'])}"
        return title + (f", {markdown.view_title(views)}" if views else "")

    @property
    def elsewhere(self) -> bool:
        """Whether it is of other data than the run's own: its place begins with their name."""
        return self.folder.name.startswith(f"{self.content['data']}-")

    def sections(self) -> list[Section]:
        """Its page, with the pictures and galleries that are still in its folder."""
        page, figures = KINDS[self.kind].page, {}
        for name, alt in page.PICTURES.items():
            if (path := self.folder / name).is_file():
                uri = data_uri(path.read_bytes(), "png")
                figures[name] = PageFigure({"light": uri, "dark": uri}, alt)
        return page.sections(self.record, Shown(figures, galleries(self.folder)))


def read(kind: str, file: Path) -> WrittenStudy:
    """The study in a KIND.json.

    Raises:
        FerlabError: the file is damaged, or as `of`.
    """
    return of(kind, _json(file), file.parent, str(file))


def of(kind: str, content: Mapping[str, Any], folder: Path, file: str) -> WrittenStudy:
    """The study that a JSON object holds; `file` names it in messages.

    Raises:
        FerlabError: a key is missing or of another type.
    """
    if missing := [key for key in ("data", "split", "weights_sha256") if key not in content]:
        raise FerlabError(
            f"{file} lacks {', '.join(missing)}; write it again with python -m ferlab.{KINDS[kind].command}"
        )
    return WrittenStudy(kind, content, KINDS[kind].read(content, file), folder)


def galleries(folder: Path) -> dict[str, list[Json]]:
    """The galleries beside a report or a study; empty where none were kept.

    Raises:
        FerlabError: the file is damaged.
    """
    return _json(folder / GALLERIES) if (folder / GALLERIES).is_file() else {}


def _json(file: Path) -> Json:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("no JSON object")
    except (OSError, ValueError) as error:
        raise FerlabError(f"cannot read {file} ({error}); have its command write it again, or remove it") from None
    return content
