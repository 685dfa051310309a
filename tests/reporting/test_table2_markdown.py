"""The poster's Table 2 as Markdown."""

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


def test_details_give_intervals_both_splits_and_the_faces_without_twins(made):
    (head, *body) = tables(text())["PrivateTest, views12, in detail, percent (95 % interval):"]
    assert head[2:] == ["PublicTest", "PrivateTest", "without training twins", "macro recall", "disgust missed"]
    assert len(body) == 14
    told = made["resnet50", "fer2013+aux", "balanced"]

    def cell(measured):
        return f"{percent(measured['accuracy'])} ({'–'.join(map(percent, measured['interval95']))})"

    here = told["test", "views12"]
    assert body[9] == [
        *("ResNet50 + aux", "class weights", cell(told["val", "views12"]), cell(here)),
        *(cell(here["without_train_twins"]), "61.0", "34.5"),
    ]
    assert body[12][:2] == ["ensemble", "no class weights"]
    (head, *_) = tables(text(split="val"))["PublicTest, single view, in detail, percent (95 % interval):"]
    assert head[2:4] == ["PublicTest", "without training twins"]


def test_cost_and_start_come_from_what_the_run_recorded(empty):
    run(("vgg16", "fer2013", "none"))
    run(("resnet50", "fer2013", "none"), config={"weights": "none", "teacher": ["outputs/x"]})
    run(("senet50", "fer2013", "none"), config={"weights": "hub", "teacher": None}, run=None, parameters=None)
    run(("vgg16", "fer2013+aux", "balanced"), config={"weights": "a.pkl", "teacher": "x.npz"})
    (head, *body) = tables(text())["How each was trained, and what it took:"]
    assert head[2:] == ["start", "parameters", "seeds", "epochs", "seconds", "device", "PublicTest, best epoch"]
    assert body[0] == [
        *("VGG16", "no class weights", "from scratch", "23.5 M", "1", "100", "440.0", "NVIDIA H200", "72.0")
    ]
    assert [line[2] for line in body] == ["from scratch", "distilled", "pretrained", "pretrained, distilled"]
    assert body[2][3:] == ["–", "1", "–", "–", "–", "–"]
    assert "without those of its teachers" in text()


def _main(*typed):
    conf = OmegaConf.load(Path(config.CONF) / "compare.yaml")
    conf.pop("defaults")
    compare.main.__wrapped__(config.plain(OmegaConf.merge(conf, OmegaConf.from_dotlist(list(typed)))))


def test_the_command_writes_the_grid_of_conf_once(made, capsys):
    Path("README.md").write_text("a\n<!-- table:table2 -->\nold\n<!-- /table -->\nb\n")
    typed = (
        "runs=outputs/*",
        "layout=table2",
        "table2.rows=class_weights",
        "tta=views12",
        "into=README.md",
        "name=table2",
        "out=outputs/table2.md",
    )
    _main(*typed)
    expected = text(tta="views12")
    assert capsys.readouterr().out == expected + "\n"
    assert Path("README.md").read_text() == f"a\n<!-- table:table2 -->\n{expected}\n<!-- /table -->\nb\n"
    assert Path("outputs/table2.md").read_text() == expected + "\n"
    before = [Path(p).stat().st_mtime_ns for p in ("README.md", "outputs/table2.md")]
    _main(*typed)
    assert [Path(p).stat().st_mtime_ns for p in ("README.md", "outputs/table2.md")] == before


def test_lines_stay_readable(made):
    shown = [line for line in text().splitlines() if line.startswith("| ") and "---" not in line]
    assert max(map(len, shown)) <= 120


def test_how_trained_reads_old_and_new_configs():
    assert table2_markdown.how_trained({}) == "from scratch"
    assert table2_markdown.how_trained({"weights": None, "teacher": []}) == "from scratch"
    assert table2_markdown.how_trained({"weights": "hub"}) == "pretrained"
    assert table2_markdown.how_trained({"weights": "vggface2/best.ckpt"}) == "pretrained"
    own = {"weights": "outputs/table2/backbone-vgg16-s0/checkpoints/best.ckpt", "teacher": "outputs/table2/resnet18*"}
    assert table2_markdown.how_trained(own) == "from backbone-vgg16-s0, distilled"
