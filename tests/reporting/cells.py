"""Reports of the cells of the poster's Table 2, made by hand."""

from itertools import product
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from ferlab import compare, config
from ferlab.reporting import reports, table2_markdown
from tests.reporting.written import write

MODELS, DATA, WEIGHTS = ("vgg16", "resnet50", "senet50"), ("fer2013", "fer2013+aux"), ("none", "balanced")


VIEWS = ("none", "views12")


CONF = {"models": MODELS, "data": DATA, "class_weights": WEIGHTS, "rows": "class_weights"}


def info_of(model, data, weights, seed=0):
    kind = {"model": model, "data": data, "class_weights": weights, "seed": seed}
    told = {"seconds": 440.0 + 10 * seed, "epochs": 100, "val_accuracy": 0.72}
    return {**kind, **told, "environment": {"device": "NVIDIA H200"}}


def run(kind, seed=0, views=VIEWS, splits=("val", "test"), name=None, **fields):
    """Reports of one run; told by (split, views)."""
    name = name or f"{'-'.join(kind)}-s{seed}"
    told = {"run": info_of(*kind, seed), "config": {}, "parameters": 23_512_345, "support": {"disgust": 55}}
    told |= dict(zip(("model", "data", "class_weights"), kind, strict=True)) | fields
    right = 0.6 + 0.01 * (sum(map(ord, name)) % 17)
    return {
        (split, tta): write(Path("outputs") / name / f"reports/{split}-{tta}", name, split, tta, right, seed, **told)
        for split in splits
        for tta in views
    }


def ensemble(name, kinds, seed=0, right=0.8, views=VIEWS, splits=("val", "test")):
    members = [f"{'-'.join(kind)}-s{seed}" for kind in kinds]
    told = {"model": "ensemble", "members": members, "parameters": 6 * 23_512_345, "support": {"disgust": 55}}
    told |= {"data": ", ".join(dict.fromkeys(kind[1] for kind in kinds))}
    told["run"] = {member: info_of(*kind, seed) for member, kind in zip(members, kinds, strict=True)}
    folder = Path("outputs/ensembles") / name / "reports"
    return {
        (split, tta): write(folder / f"{split}-{tta}", name, split, tta, right, seed, **told)
        for split in splits
        for tta in views
    }


def row_of(value):
    return [kind for kind in product(MODELS, DATA, WEIGHTS) if value in kind]


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def made(empty):
    told = {kind: run(kind) for kind in product(MODELS, DATA, WEIGHTS)}
    return told | {w: ensemble(f"ensemble-{w}", row_of(w)) for w in WEIGHTS}


def text(split=None, tta=None, **conf):
    return table2_markdown.poster_table(reports.read("outputs/*"), {**CONF, **conf}, split, tta)


def tables(markdown):
    """By the words before it, each table as its head and rows."""
    found, before = {}, ""
    for block in markdown.split("\n\n"):
        if block.startswith("| "):
            cells = [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in block.splitlines()]
            found[before] = [cells[0], *cells[2:]]
        else:
            before = block
    return found


def percent(value):
    return f"{100 * value:.1f}"


def _main(*typed):
    conf = OmegaConf.load(Path(config.CONF) / "compare.yaml")
    conf.pop("defaults")
    compare.main.__wrapped__(config.plain(OmegaConf.merge(conf, OmegaConf.from_dotlist(list(typed)))))
