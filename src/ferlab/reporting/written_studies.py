"""What a study's command wrote -> its record, its title and its page."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from annotated_types import Predicate
from typing_extensions import TypedDict

from ferlab import files
from ferlab.data.faces import split_title
from ferlab.files import Json
from ferlab.pages.figures import data_uri
from ferlab.pages.page import GALLERIES
from ferlab.pages.sections import PageFigure, Section, Shown
from ferlab.reporting import markdown
from ferlab.runs import shapes
from ferlab.studies.kinds import KINDS


class _Study(TypedDict):
    data: str
    split: Literal["val", "test"]
    tta: NotRequired[str | None]
    weights_sha256: list[str]


class _Card(TypedDict):
    """An entry of a gallery, as `page.cards` makes it; another image than one inside the page would be fetched."""

    image: Annotated[str, Predicate(re.compile(r"data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/=]*").fullmatch)]
    label: str
    predicted: str
    bars: list[tuple[str, float]]
    note: str
    origin: str


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
    mend = f"write it again with python -m ferlab.{KINDS[kind].command}, or remove it"
    return of(kind, files.read_json(file, mend), file.parent, str(file))


def of(kind: str, content: Mapping[str, Any], folder: Path, file: str) -> WrittenStudy:
    """The study that a JSON object holds; `file` names it in messages.

    Raises:
        FerlabError: a key is missing or of another type.
    """
    shapes.read(_Study, content, file, f"write it again with python -m ferlab.{KINDS[kind].command}")
    return WrittenStudy(kind, content, KINDS[kind].read(content, file), folder)


def galleries(folder: Path) -> dict[str, list[Json]]:
    """The galleries beside a report or a study; empty where none were kept.

    Raises:
        FerlabError: the file is damaged.
    """
    file, mend = folder / GALLERIES, "have its command write it again, or remove it"
    if not file.is_file():
        return {}
    content: dict[str, list[Json]] = files.read_json(file, mend)
    shapes.read(dict[str, list[_Card]], content, file, mend)
    return content
