"""Records of runs, ensembles and exported models in outputs/ -> entries to publish; what must not be, is refused."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from ferlab.errors import FerlabError
from ferlab.reporting import published, published_choices, publishing, records
from ferlab.reporting.markdown import Report
from ferlab.reporting.published import SHORT, Entry, Json, Published, Study
from ferlab.reporting.publishing import row_of
from ferlab.reporting.records import Record
from ferlab.runs import directory
from ferlab.runs.provenance import portable


def publish(
    runs: str | Sequence[str], into: Path, dirty: bool = False, replace: bool = False
) -> tuple[list[Record], list[Entry]]:
    """Publish runs, ensembles and exported models, whole or not at all; returns them and all that the folder holds.

    Args:
        runs: paths or globs of directories that were measured.
        into: the folder; what an ensemble was chosen from goes into its `ensembles`.
        dirty, replace: as `merged`.

    Raises:
        FerlabError: as `merged`; no such directory; the disk refuses.
    """
    found = records.find(runs)
    entries = merged(published.read(into), found, dirty, replace)
    chosen = {record.name: record.path for record in found if record.frozen and not record.weights_file}
    publishing.write(into, entries, published_choices.files(into, chosen))
    return found, entries


def merged(known: Published, records: Sequence[Record], dirty: bool = False, replace: bool = False) -> list[Entry]:
    """What a folder holds after these records are published into it; the same weights are replaced.

    Args:
        dirty: take what uncommitted code trained or measured.
        replace: let a name that stands for other weights stand for the new ones.

    Raises:
        FerlabError: a record is not measured, was trained on since, is dirty, or has the name of other weights.
    """
    new = [entry_of(record, known.labels, dirty) for record in records]
    checksums = {entry.row.sha256 for entry in new}
    kept = [entry for entry in known.entries if entry.row.sha256 not in checksums]
    names = {entry.row.name: entry.row.sha256 for entry in new}
    if taken := [entry.row for entry in kept if entry.row.name in names]:
        row = taken[0]
        if not replace:
            raise FerlabError(
                f"{row.name} is published with the weights of sha256 {row.sha256[:SHORT]}, and these have "
                f"{names[row.name][:SHORT]}; type replace=true to take the old ones out, or give the run another name"
            )
        kept = [entry for entry in kept if entry.row.name not in names]
    return [*kept, *new]


def entry_of(record: Record, labels: Mapping[str, np.ndarray], dirty: bool = False) -> Entry:
    """What is published of a record.

    Args:
        labels: as `Published.labels`, for reports from before they held the labels.

    Raises:
        FerlabError: as `merged`.
    """
    _refuse_unmeasured(record)
    if not dirty:
        _refuse_dirty(record)
    reports = [portable(report, report.get("config")) | _answers(report, labels, record) for report in record.reports]
    info = portable(record.run.info, record.run.config) if record.run else None
    config = portable(record.run.config, record.run.config) if record.run else None
    for report in reports if record.run else ():
        report |= {"config": config, "run": info}
    studies = [Study(study.kind, study.folder.name, dict(study.content)) for study in record.studies]
    row = row_of(record.name, reports, info, _weights_file(record))
    return Entry(row, reports, config, info, studies, source=record.curves())


def _refuse_unmeasured(record: Record) -> None:
    typed = f"python -m ferlab.evaluate {record.runs} split=val"
    if not record.reports:
        raise FerlabError(f"{record.name} was never measured; type {typed}")
    if record.run and record.info.get("status", "finished") != "finished":
        raise FerlabError(f"{record.name} is not finished; train it with ckpt=last, then type {typed}")
    weights = record.reports[0]["weights_sha256"]
    current = record.run.weights_sha256 if record.run and record.run.weights.is_file() else weights[0]
    for what, content in [
        *((f"its report on {r['split']}, tta={r['tta']}", r) for r in record.reports),
        *((f"its {s.kind} on {s.title}", s.content) for s in record.studies),
    ]:
        if sorted(content["weights_sha256"]) != sorted(weights) or (record.run and current != weights[0]):
            raise FerlabError(
                f"{record.name} was trained on, or anew, since it was measured: {what} is of other weights; "
                "remove what is old and measure it again"
            )


def _refuse_dirty(record: Record) -> None:
    """A number that no commit's code gives again is not published by oversight; of a foreign file we have the file."""
    foreign = record.exported and record.info.get("commit") is None
    for what, commit in [
        *([] if foreign else [("trained", record.info.get("commit"))]),
        *((f"measured ({r['split']}, tta={r['tta']})", r.get("evaluated_commit")) for r in record.reports),
        *((f"studied ({s.kind})", s.content.get("evaluated_commit")) for s in record.studies),
    ]:
        if any(str(one).endswith("+") or one in (None, "unknown") for one in _several(commit)):
            raise FerlabError(
                f"{record.name} was {what} by code that no commit holds ({commit}); commit it and do that again, or "
                "type dirty=true to publish it all the same"
            )


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _answers(report: Report, labels: Mapping[str, np.ndarray], record: Record) -> Json:
    """The predicted class and the label of each face, uint8 [N]."""
    if "predicted" in report:  # it was published elsewhere
        return {"predicted": report["predicted"], "labels": report["labels"]}
    folder = report["folder"]
    again = f"type python -m ferlab.evaluate {record.runs} split={report['split']} tta={report['tta']}"
    try:
        predicted, correct = np.load(folder / "predicted.npy"), np.load(folder / "correct.npy")
        own = np.load(folder / "labels.npy") if (folder / "labels.npy").is_file() else None
    except (OSError, ValueError) as error:
        raise FerlabError(f"{folder} lacks predictions ({error}); {again}") from None
    found = own if own is not None else labels.get(report["faces_sha256"][:SHORT])
    if found is None:
        raise FerlabError(f"{folder} has no labels.npy, which older reports lack; {again}")
    if not np.array_equal(predicted == found, correct):
        raise FerlabError(f"{folder}: predicted.npy and correct.npy are not of the same faces and labels; {again}")
    return {"predicted": predicted.astype(np.uint8), "labels": found.astype(np.uint8)}


def _weights_file(record: Record) -> str:
    if record.exported:
        return str(record.reports[0]["export"]["file"])
    group = () if record.run else (published_choices.FOLDER,)
    path = PurePath("outputs", *group, record.path.name) if record.path.is_absolute() else record.path
    return path.joinpath(*(directory.WEIGHTS if record.run else (directory.MEMBERS,))).as_posix()


def _trained(report: Report, record: Record) -> Json:
    """Config and run.json, of an ensemble those of each member, without the places of the machine."""
    if record.run:
        config = record.run.config
        return {"config": portable(config, config), "run": portable(record.run.info, config)}
    configs, infos = report.get("config", {}), report.get("run", {})
    return (
        {
            "config": {name: portable(config, config) for name, config in configs.items()},
            "run": {name: portable(info, configs[name]) for name, info in infos.items()},
        }
        if configs
        else {}
    )
