"""The programs in README and the pages of docs/ run, and the lines that end in seconds do what they say."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from torch import nn

from tests.pages_of_docs import NAMES, ROOT, blocks, commands

# Its program takes seconds, for an export; tests/evaluation/test_foreign.py tests what it makes.
LONG = {"docs/field.md"}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with what the pages' programs read, and names that they take for granted."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    people = ROOT / "docs/pictures/people.jpg"
    for name in ("photo.jpg", "a.jpg"):
        shutil.copy(people, name)
    video = cv2.VideoWriter("clip.mp4", cv2.VideoWriter_fourcc(*"mp4v"), 10, (320, 240))
    for _ in range(3):
        video.write(cv2.resize(cv2.imread(str(people)), (320, 240)))
    video.release()
    net = nn.Sequential(nn.Flatten(), nn.Linear(48 * 48, 7))
    rgba = np.zeros((2, 64, 64, 4), np.uint8)
    with people.open("rb") as file, people.open("rb") as upload:
        of_files = {"file": file, "upload": upload, "image": Image.open(people), "pictures": [people]}
        yield {"json": json, "net": net, "rgba": rgba, **of_files}


PROGRAMS = [name for name in NAMES if name.endswith(".md") and blocks(name, "python")]
WITH_A_RUN = [name for name in PROGRAMS if "outputs/NAME" in "".join(blocks(name, "python"))]
WITHOUT = [name for name in PROGRAMS if name not in WITH_A_RUN]


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in WITHOUT])
def test_the_programs_of_a_page_run(name, place):
    for block in blocks(name, "python"):
        exec(compile(block, name, "exec"), place)


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_A_RUN)
def test_the_programs_of_a_page_run_on_a_run(name, place, own_run):
    own_run.rename("outputs/NAME")
    for block in blocks(name, "python"):
        exec(compile(block, name, "exec"), place)


# Commands that end in seconds, and how their words that stand for something are filled in.
QUICK = ("predict", "prepare", "evaluate", "compare", "summarise", "describe", "calibrate", "analyse")
FILLED = {
    "outputs/NAME": "outputs/small",
    "runs='outputs/*'": "runs=outputs/small",
    "'runs=outputs/*'": "runs=outputs/small",
}
NEEDED = re.compile(
    r"fer2013|data=|webcam|weights=|runs=results|outputs/(?!small)|split=test|priors=|NAME|wandb=online"
)


def quick(name: str) -> list[str]:
    """The lines of a page that can be run with one small run of drawn faces and three pictures."""
    found = []
    for line in commands(name):
        for placeholder, instead in FILLED.items():
            line = line.replace(placeholder, instead)
        words = shlex.split(line, comments=True)
        of = words[2].removeprefix("ferlab.") if words[:2] == ["python", "-m"] else ""
        there = of != "predict" or all(Path(word).exists() for word in words[3:] if re.search(r"\.(jpg|mp4)$|/$", word))
        if of in QUICK and there and not NEEDED.search(line) and words[3:]:
            found.append(shlex.join(words))
    return found


@pytest.mark.slow
def test_quick_lines_of_all_pages_end_well(place, own_run):
    Path("photos").mkdir()
    shutil.copy("photo.jpg", "photos")
    found = dict.fromkeys(line for name in NAMES if name.endswith(".md") for line in quick(name))
    lines = sorted(found, key=lambda line: QUICK.index(line.split()[2].removeprefix("ferlab.")))
    assert len(lines) >= 10
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1"}
    for line in lines:
        words = [sys.executable, *shlex.split(line)[1:]]
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}: {done.stderr[-800:]}"
