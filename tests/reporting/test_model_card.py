"""A model card states the numbers of the reports, and names what was not measured."""

import json
import re

import numpy as np
import yaml
from markdown_it import MarkdownIt

from ferlab.expressions import EXPRESSIONS
from ferlab.reporting import model_fitness
from tests.reporting.cards import (
    card,  # noqa: F401
    cards,
    rows,
    with_interval,
)
from tests.reporting.test_summary_page import NAMES, STUDENT, shown
from tests.unpacked import ENTRIES, RESULTS, report_of, unpacked


def test_the_sections_are_those_of_mitchell(card):
    assert re.findall(r"^## (.*)$", card, re.MULTILINE) == [
        "Model details", "Intended use", model_fitness.TITLE, "Factors", "Metrics", "Evaluation data", "Training data",
        "Quantitative analyses", "Ethical considerations and limits", "Caveats and recommendations",
    ]  # fmt: skip
    assert "\n\n\n" not in card
    assert "None" not in card


def test_accuracies_are_those_of_the_reports_with_wilson_intervals(card):
    table = card.split("## Quantitative analyses")[1]
    found = {(row["split"], row["views"]): row for row in rows(table, "split")}
    assert len(found) == len(ENTRIES[STUDENT].reports)
    report = report_of(STUDENT)
    row, alone = found["fer2013, PrivateTest", "single view"], report["without_train_twins"]
    assert row["accuracy"] == with_interval(report["correct"], report["n"])
    assert row["without training twins"] == with_interval(alone["correct"], alone["n"])
    assert row["calibration error"] == shown(report["ece"])
    assert row["macro recall"] == shown(np.mean(list(report["recall"].values())))


def test_recall_and_precision_by_expression_come_from_the_matrix(card):
    matrix = np.array(report_of(STUDENT)["confusion_matrix"])
    found = rows(card.split("### By expression")[1], "expression")
    assert [row["expression"] for row in found] == list(EXPRESSIONS)
    for k, row in enumerate(found):
        assert row["faces"] == str(matrix[k].sum())
        assert row["recall"] == with_interval(matrix[k, k], matrix[k].sum())
        assert row["precision"] == with_interval(matrix[k, k], matrix[:, k].sum())
        other = np.delete(np.arange(7), k)[np.delete(matrix[k], k).argmax()]
        assert row["most often taken for"] == f"{EXPRESSIONS[other]} ({matrix[k, other]})"


def test_training_data_and_details_are_those_of_run_json(card):
    info = ENTRIES[STUDENT].info
    (row,) = rows(card.split("## Training data")[1], "faces")
    assert {name: float(row[name].replace(",", "")) for name in EXPRESSIONS} == info["class_counts"]
    assert row["faces"] == f"{sum(info['class_counts'].values()):,.0f}"
    for value in (
        f"{info['parameters']:,} parameters",
        info["commit"],
        info["environment"]["device"],
        *info["teacher"]["members"],
    ):
        assert value in card
    assert report_of(STUDENT)["weights_sha256"][0] in card
    assert "/tmp" not in card  # where it was trained is nobody's business


def test_what_was_not_measured_is_said_to_be_not_measured(tmp_path):
    run, text = NAMES[1], cards(tmp_path, RESULTS / NAMES[1])[f"{NAMES[1]}.md"]
    for command in ("calibrate", "robustness", "analyse", "explain"):
        assert re.search(rf"not measured; type `python -m ferlab\.{command} runs=outputs/{run}`", text)
    assert "Looks at the test split: not known" in text
    assert "Who is shown (age, gender, skin, culture): not measured" in text
    folder = unpacked(STUDENT, tmp_path, "run.json", "config.yaml")
    bare = cards(tmp_path, folder)[f"{STUDENT}.md"]
    assert f"Accuracy on val: not measured; type `python -m ferlab.evaluate runs=outputs/{folder.name}`" in bare
    # No ratio without a file that has it: what is left are counts, seeds, versions and names.
    assert not re.search(r"\d\d\.\d \(", bare)


def test_an_expression_without_faces_and_one_that_is_never_said(tmp_path):
    folder = unpacked(STUDENT, tmp_path)
    path = folder / "reports" / "val-none" / "report.json"
    report = json.loads(path.read_text())
    matrix = np.array(report["confusion_matrix"])
    matrix[1] = 0
    matrix[:, 2] = 0
    report |= {"confusion_matrix": matrix.tolist(), "disgust_misclassification": None}
    report["recall"]["disgust"] = None
    path.write_text(json.dumps(report))
    text = cards(tmp_path, folder, split="val", tta="none")[f"{STUDENT}.md"]
    found = {row["expression"]: row for row in rows(text.split("### By expression")[1], "expression")}
    assert (found["disgust"]["recall"], found["disgust"]["most often taken for"]) == ("no face", "–")
    assert found["fear"]["precision"] == "never predicted"
    assert "Disgust: not measured, the split has no such face." in text


def test_an_exported_model_has_a_card_too(tmp_path):
    run = "five_layer_taught-fer2013-none-s0"  # as the file states it; STUDENT is its present name
    (text,) = cards(tmp_path, RESULTS / f"{run}-int8").values()
    assert text.startswith(f"# Model card: {run}-int8")
    assert f"Members: {run}" in text
    assert f"see the card of {run}" in text
    assert "None" not in text


HOSTILE = "x<img src=x onerror=alert(1)><script>1</script> ![a](http://x.org/i.png) [b](javascript:1) | c\n# d\x1b[31m"


def hostile(node):
    """The same with a hostile end of each text that nothing is compared with."""
    if isinstance(node, dict):
        return {key: hostile(value) if key not in KEPT else value for key, value in node.items()}
    if isinstance(node, list):
        return [hostile(value) for value in node]
    return node + HOSTILE if isinstance(node, str) else node


KEPT = ("split", "tta", "status", "name", "expressions", "faces_sha256", "weights_sha256", "members")


def tags(text):
    """Names of the elements that a reader's browser gets of Markdown."""
    return set(re.findall(r"<(\w+)", MarkdownIt("commonmark", {"html": True}).enable("table").render(text)))


def test_texts_of_others_are_no_html_no_link_and_no_line_of_their_own(card, tmp_path):
    folder = unpacked(STUDENT, tmp_path)
    for file in ("run.json", "reports/val-none/report.json", "reports/test-none/report.json"):
        (folder / file).write_text(json.dumps(hostile(json.loads((folder / file).read_text()))))
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["augment"] = {"policy": [{"_target_": HOSTILE}]}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (found,) = cards(tmp_path, folder, split="test", tta="none").values()
    assert found.count("onerror") > 10
    own = {"h1", "h2", "h3", "p", "ul", "li", "code", "table", "thead", "tbody", "tr", "th", "td"}
    assert tags(card) == tags(found) == own
    assert tags(HOSTILE) == {"p", "img", "script", "a", "h1"} - {"a"}  # markdown-it refuses javascript: by itself
    assert "](" not in found
    assert "\x1b" not in found
    headings = [re.findall("^#+ .*$", text, re.MULTILINE) for text in (card, found)]
    assert all(a.startswith(b.partition("x&lt;img")[0]) for a, b in zip(*headings, strict=True))
