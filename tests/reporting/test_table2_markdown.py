"""The poster's Table 2 as Markdown."""

from pathlib import Path

from ferlab.reporting import table2_markdown
from tests.reporting.cells import (
    _main,
    empty,  # noqa: F401
    made,  # noqa: F401
    percent,
    run,
    tables,
    text,
)


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
