"""One page of several runs: its numbers are those of the files, and nothing is opened but these."""

import html
import json
import re
import shutil
import subprocess
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from ferlab.data import store
from ferlab.errors import FerlabError
from ferlab.evaluation import ledger
from ferlab.expressions import EXPRESSIONS
from ferlab.pages import figures
from ferlab.reporting import model_card, records, reports, site, summary_page
from ferlab.studies.kinds import KINDS
from tests.conftest import measure
from tests.read_page import Page
from tests.reporting.summaries import (
    NAMES,
    STUDENT,
    page_of,
    several,  # noqa: F401
    shown,
    studied,  # noqa: F401
)
from tests.unpacked import ENTRIES, RESULTS, report_of, unpacked


def test_accuracies_and_their_intervals_are_those_of_the_reports(several):
    ranked = several.table("run", "PublicTest, single view")
    on_val = {"resnet18-fer2013-none": NAMES[1:], STUDENT: [STUDENT]}
    means = {row: np.mean([report_of(name, "val-none")["accuracy"] for name in of]) for row, of in on_val.items()}
    assert [row["run"] for row in ranked] == sorted(means, key=means.get, reverse=True)
    alone, seeds = ({row["run"]: row for row in ranked}[name] for name in (STUDENT, "resnet18-fer2013-none"))
    low, high = proportion_confint(report_of(STUDENT)["correct"], 3589, method="wilson")
    assert alone["PrivateTest, single view"] == f"{shown(report_of(STUDENT)['accuracy'])} ({shown(low)}–{shown(high)})"
    accuracies = [report_of(name)["accuracy"] for name in NAMES[1:]]
    mean, spread = shown(np.mean(accuracies)), shown(np.std(accuracies, ddof=1))
    assert seeds["PrivateTest, single view"].startswith(f"{mean} ± {spread} (")


def test_the_runs_are_tested_against_each_other(several):
    best = max(NAMES, key=lambda name: report_of(name, "val-none")["accuracy"])
    rows = several.table(f"against {best}", "p")
    assert [row[f"against {best}"] for row in rows] == [name for name in NAMES if name != best]
    ours = reports.right(report_of(best))
    for row in rows:
        other = reports.right(report_of(row[f"against {best}"]))
        table = [[(ours & other).sum(), (ours & ~other).sum()], [(~ours & other).sum(), (~ours & ~other).sum()]]
        assert [row["only it right"], row["only the other right"]] == [str(table[0][1]), str(table[1][0])]
        assert row["p"] == f"{mcnemar(table, exact=True).pvalue:.3g}"


def test_recall_by_expression_has_wilson_intervals(several):
    rows = {row["run"]: row for row in several.table("run", *EXPRESSIONS) if "clean %" not in row}
    assert list(rows) == NAMES
    for name in NAMES:
        matrix = np.array(report_of(name)["confusion_matrix"])
        for k, expression in enumerate(EXPRESSIONS):
            low, high = proportion_confint(matrix[k, k], matrix[k].sum(), method="wilson")
            expected = f"{shown(matrix[k, k] / matrix[k].sum())} ({shown(low)}–{shown(high)})"
            assert rows[name][expression] == expected


def test_training_is_told_from_run_json_and_metrics_csv(several):
    rows = {row["run"]: row for row in several.table("run", "best epoch")}
    alt = next(image["alt"] for image in several.images if image["alt"].startswith("Training curves on fer2013"))
    for name in NAMES:
        info, rows_of = ENTRIES[name].info, ENTRIES[name].curves
        points = [(int(r["epoch"]), float(r["val/accuracy"])) for r in rows_of if "val/accuracy" in r]
        assert rows[name]["best val accuracy %"] == shown(max(value for _, value in points))
        assert rows[name]["parameters"] == f"{info['parameters']:,}"
        assert rows[name]["epochs"] == str(info["epochs"])
        assert f"{name} {points[-1][1]:.3f} in epoch {points[-1][0]}" in alt


def test_what_no_file_holds_is_named_with_the_command_that_measures_it(several):
    names = ",".join(f"outputs/{name}" for name in NAMES[1:])
    for command in ("calibrate", "robustness", "analyse", "explain"):
        assert f"python -m ferlab.{command} 'runs=[{names}]'" in several.code
        assert f"python -m ferlab.{command} runs=outputs/{NAMES[1]}" in several.code
        assert f"python -m ferlab.{command} runs=outputs/{STUDENT}" not in several.code
    # Reports that were published have no pictures of faces; on test they are not made again.
    assert f"python -m ferlab.evaluate runs=outputs/{STUDENT} split=val tta=none" in several.code
    assert not any("split=test" in command for command in several.code[:-1])  # the last wrote this page


def test_looks_are_those_of_these_weights(several):
    lines = [json.loads(line) for line in (RESULTS / "ledger.jsonl").read_text().splitlines()]
    ours = {report_of(name)["weights_sha256"][0] for name in NAMES}
    expected = [look["time"] for look in lines if ours & set(look["weights_sha256"])]
    assert [row["time"] for row in several.table("time", "by anything")] == expected
    assert f"{len(expected)} of the ledger's {len(lines)} looks" in several.text


def test_the_page_is_self_contained_and_every_picture_is_told_in_words(several):
    assert not [r for r in several.references if not r.startswith(("data:image/", "data:text/csv;", "#run-"))]
    assert "url(" not in several.styles[0]
    assert "@import" not in several.styles[0]
    assert all(image["alt"].strip() for image in several.images)
    assert "prefers-color-scheme: dark" in several.styles[0]
    assert {r for r in several.references if r.startswith("#")} == {"#run-1", "#run-2"}  # of two rows, the first seed


def test_environment_and_provenance_are_told(several):
    for name in NAMES:
        report = report_of(name)
        assert report["weights_sha256"][0] in several.text
        assert report["faces_sha256"] in several.text
        assert report["commit"] in several.text
        assert f"torch {report['environment']['torch']}" in several.text


def test_nothing_is_opened_or_written_but_the_page(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("this opens data or weights, or writes to the ledger")

    for module, name in ((store, "open_faces"), (store, "open_each"), (torch, "load"), (ledger, "look")):
        monkeypatch.setattr(module, name, refuse)
    before = sorted(RESULTS.rglob("*"))
    page = page_of(tmp_path, RESULTS / STUDENT)
    assert page.headings[0] == STUDENT
    assert "type ledger=FILE" in page.text
    assert sorted(RESULTS.rglob("*")) == before
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["page.html"]


def test_a_run_without_reports_shows_its_curves_and_what_to_type(tmp_path):
    folder = unpacked(STUDENT, tmp_path, "run.json", "config.yaml", "log")
    page = page_of(tmp_path, folder)
    assert "No run has a report yet." in page.text
    assert f"python -m ferlab.evaluate runs={folder.as_posix()} split=val tta=none" in page.code
    on_val = [row for row in ENTRIES[STUDENT].curves if "val/accuracy" in row]
    best = max(on_val, key=lambda row: float(row["val/accuracy"]))
    assert page.table("run", "best epoch")[0]["best epoch"] == best["epoch"]
    assert any(image["alt"].startswith("Training curves on fer2013") for image in page.images)
    beside = page_of(tmp_path, folder, RESULTS / NAMES[1], split="val", tta="none")
    assert f"python -m ferlab.evaluate runs={folder.as_posix()} split=val tta=none" in beside.code
    assert len(beside.table("run", *EXPRESSIONS)) == 1


def test_a_class_without_faces_is_a_dash(tmp_path):
    folder = unpacked(STUDENT, tmp_path, "run.json", "config.yaml", "reports/val-none")
    path = folder / "reports" / "val-none" / "report.json"
    report = json.loads(path.read_text())
    report["confusion_matrix"][1] = [0] * 7
    for key in ("recall", "precision", "f1"):
        report[key]["disgust"] = None
    report["support"]["disgust"], report["disgust_misclassification"] = 0, None
    path.write_text(json.dumps(report))
    page = page_of(tmp_path, folder, split="val", tta="none")
    assert page.table("run", *EXPRESSIONS)[0]["disgust"] == "–"
    assert {row["expression"]: row for row in page.table("expression", "F1 %")}["disgust"] == {
        "expression": "disgust", "recall %": "–", "precision %": "–", "F1 %": "–", "faces": "0",
    }  # fmt: skip


def test_detail_that_nobody_measured_is_refused(tmp_path):
    with pytest.raises(FerlabError, match=r"no report has split=test tta=flip; there are .*split=test tta=none"):
        page_of(tmp_path, RESULTS / STUDENT, split="test", tta="flip")
    with pytest.raises(FerlabError, match=f"against='typo' has no such report; choose {STUDENT}"):
        page_of(tmp_path, RESULTS / STUDENT, against="typo")


def test_a_runs_own_directory_has_galleries_and_pictures(studied, tmp_path):
    page = page_of(tmp_path, studied)
    assert not (studied.parent / "ledger.jsonl").exists()
    place = studied / "reports" / "val-none"
    p, right = np.load(place / "probabilities.npy").astype(float), np.load(place / "correct.npy")
    wrong = np.flatnonzero(~right)
    surest = wrong[np.argsort(-p.max(1)[wrong], kind="stable")][:24]
    kept = json.loads((place / "galleries.json").read_text())["mistakes"]
    assert [m["predicted"] for m in kept] == [EXPRESSIONS[k] for k in p.argmax(1)[surest]]
    faces = [image["src"] for image in page.images if image["alt"].startswith("Face labelled")]
    assert faces[: len(kept)] == [m["image"] for m in kept]
    own = {"corruptions.png": studied / "robustness/val-none", "mean_maps.png": studied / "explain/val"}
    for name, folder in own.items():
        uri = figures.data_uri((folder / name).read_bytes(), "png")
        assert any(image["src"] == uri for image in page.images)
    ambiguous = json.loads((studied / "analysis/val-none/galleries.json").read_text())["ambiguous"]
    assert {m["image"] for m in ambiguous} <= set(faces)
    assert "Not measured" not in page.headings


def test_an_ensemble_stands_beside_its_members(studied, tmp_path):
    outputs = tmp_path / "outputs"
    for seed in (0, 1):
        shutil.copytree(studied, outputs / f"small-s{seed}")
    shutil.rmtree(outputs / "small-s1" / "reports")
    both = [str(outputs / f"small-s{seed}") for seed in (0, 1)]
    measure(both, "none", "val", name="both", outputs=outputs)
    for kind in KINDS:
        shutil.rmtree(outputs / "small-s0" / kind)
    page = page_of(tmp_path, outputs / "*")
    assert page.headings[0] == "3 runs compared"
    assert [row["run"] for row in page.table("run", *EXPRESSIONS)] == ["both", "small-s0"]
    assert f"python -m ferlab.evaluate runs={(outputs / 'small-s1').as_posix()} split=val tta=none" in page.code
    both = [command.split()[2] for command in page.code[:-1] if "ensembles/both" in command]
    assert sorted(set(both)) == [
        "ferlab.analyse",
        "ferlab.calibrate",
        "ferlab.robustness",
    ]  # its members are explained
    card = model_card.render(records.find(str(outputs / "ensembles" / "both"))[0], None, None, None)
    assert "Members: small-s0, small-s1" in card
    assert "calibrate runs=" + (outputs / "ensembles" / "both").as_posix() in card
    assert "explain runs=outputs/small-s0" in card


def test_a_chosen_ensemble_is_shown_in_the_views_that_it_was_frozen_with(studied, tmp_path):
    outputs = tmp_path / "outputs"
    for seed in (0, 1, 2):
        shutil.copytree(studied, outputs / f"small-s{seed}")
    both = [str(outputs / f"small-s{seed}") for seed in (0, 1)]
    [folder] = measure(both, "flip", "val", name="best", outputs=outputs)
    report = json.loads((folder / "report.json").read_text())
    (folder / "report.json").write_text(json.dumps(report | {"ensemble_sha256": "of members.json"}))
    page = page_of(tmp_path, outputs / "*", tta="none")
    rows = {row["run"]: row for row in page.table("run", *EXPRESSIONS)}
    assert set(rows) == {"best, flip", "small-s0", "small-s1", "small-s2"}
    told = json.loads((folder / "report.json").read_text())["confusion_matrix"]
    assert rows["best, flip"]["happy"].startswith(f"{100 * told[3][3] / sum(told[3]):.1f}")
    shutil.rmtree(folder)
    measure(both, "flip", "test", name="other", outputs=outputs, ledger_path=tmp_path / "ledger.jsonl")
    other = outputs / "ensembles/other/reports/test-flip/report.json"
    other.write_text(json.dumps(json.loads(other.read_text()) | {"name": "best", "ensemble_sha256": "of members.json"}))
    shutil.move(other.parent, folder.parent)
    page = page_of(tmp_path, outputs / "*", tta="none", split="val")
    assert f"python -m ferlab.evaluate runs={(outputs / 'ensembles/best').as_posix()} split=val" in page.code


def test_every_kind_of_page_has_title_findings_links_and_words(studied, tmp_path):
    site.write(studied.parent)
    found = [records.portable(r) for r in records.find(str(studied))]
    summary = summary_page.write(studied.parent / "summary.html", found, None)
    pages = [*studied.rglob("index.html"), studied.parent / "index.html", summary]
    assert {path.parts[-3] for path in pages[:-2]} == {"reports", *KINDS}
    for path in pages:
        text = path.read_text()
        page = Page(text)
        assert page.headings[0] in ("small", "All runs"), path
        assert re.search(r'<p class="findings">\w[^<]*\d[^<]*\.</p>', text), path  # words with a number in them
        shown = re.sub(r"\s+", " ", page.text)
        assert not re.search(r'[{}\[\]]\s*"|"\s*:\s*["\d\[{]', shown), path  # no JSON
        local = [r for r in page.references if not r.startswith(("data:", "#"))]
        assert all((path.parent / unquote(r.partition("#")[0])).exists() for r in local), path
        if path.parts[-3] in ("reports", *KINDS):
            assert local[0] == "../../../index.html#run-small", path
            assert page.code[0].startswith("python -m ferlab."), path
    index = Page((studied.parent / "index.html").read_text())
    assert {p.relative_to(studied.parent).as_posix() for p in studied.rglob("index.html")} <= set(index.references)
    (studied.parent / "index.html").unlink()
    summary.unlink()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
def test_nothing_stands_out_at_the_side_of_a_phone(studied, tmp_path):
    found = records.find([str(studied), str(RESULTS / STUDENT)])
    pages = [summary_page.write(tmp_path / "page.html", found, None), *studied.rglob("index.html")]
    assert len(pages) == 6
    for page in pages:
        # A window of Chromium is at least 500 pixels wide; a frame can be a phone.
        frame = f"<iframe width=390 height=3000 srcdoc='{html.escape(page.read_text())}'></iframe>"
        said = "<script>onload = () => { const d = document.querySelector('iframe').contentDocument;"
        said += "d.querySelectorAll('details').forEach(e => e.open = true);"
        said += "document.title = `${d.documentElement.scrollWidth} of ${d.defaultView.innerWidth}` }</script>"
        (tmp_path / "frame.html").write_text(f"<!doctype html><meta charset=utf-8>{frame}{said}")
        words = ["chromium", "--headless", "--no-sandbox", "--dump-dom", (tmp_path / "frame.html").as_uri()]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120)
        wide, of = map(int, re.search(r"<title>(\d+) of (\d+)", done.stdout).groups())
        assert wide <= of == 390, page
