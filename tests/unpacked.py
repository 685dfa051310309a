"""What results/ holds of a run, for tests: its reports and studies, and its files as a run directory has them."""

import csv
import json
from pathlib import Path

import numpy as np
import yaml

from ferlab.reporting import published, reports

RESULTS = Path(__file__).resolve().parents[1] / "results"
ENTRIES = {entry.row.name: entry for entry in published.read(RESULTS).entries}
_MADE = ("predicted", "labels", "folder")  # keys that reading adds to what report.json says


def report_of(name, place="test-none"):
    """The report of a published run in SPLIT-VIEWS."""
    (found,) = [r for r in ENTRIES[name].reports if f"{r['split']}-{r['tta']}" == place]
    return found


def study_of(name, kind, place="val-none"):
    """What KIND.json of a published run said."""
    (found,) = [study.content for study in ENTRIES[name].studies if (study.kind, study.place) == (kind, place)]
    return found


def unpacked(name, folder, *parts):
    """A published run as a directory in `folder`: all of its files, or those that begin with one of `parts`."""
    entry, run = ENTRIES[name], folder / name
    contents = (
        {}
        if entry.info is None
        else {
            "run.json": json.dumps(entry.info),
            "config.yaml": yaml.safe_dump(entry.config, sort_keys=False),
            "log/0/metrics.csv": "",
        }
    )
    contents |= {f"{s.kind}/{s.place}/{s.kind}.json": json.dumps(s.content) for s in entry.studies}
    for report in entry.reports:
        told = {key: value for key, value in report.items() if key not in _MADE}
        contents[f"reports/{report['split']}-{report['tta']}/report.json"] = json.dumps(told)
    for file, text in contents.items():
        if not parts or file.startswith(parts):
            (run / file).parent.mkdir(parents=True, exist_ok=True)
            (run / file).write_text(text)
    for report in entry.reports:
        place = run / "reports" / f"{report['split']}-{report['tta']}"
        if place.is_dir():
            for key, array in (("predicted", report["predicted"]), ("labels", report["labels"])):
                np.save(place / f"{key}.npy", array)
            np.save(place / "correct.npy", reports.right(report))
    if (run / "log").is_dir():
        with (run / "log/0/metrics.csv").open("w", newline="") as file:
            rows = csv.DictWriter(file, sorted({column for row in entry.curves for column in row}))
            rows.writeheader()
            rows.writerows(entry.curves)
    return run
