"""What the files of a run, an ensemble or an exported model say: nothing is run or measured, no data are opened.

They lie in its directory (reports/SPLIT-VIEWS/, elsewhere/DATA-SPLIT-VIEWS/, KIND/PLACE/KIND.json, log/N/metrics.csv),
or were published (results/).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, TypeVar

from ferlab import commandline
from ferlab.errors import FerlabError
from ferlab.evaluation.report import ELSEWHERE
from ferlab.files import refuse_name
from ferlab.pages.links import GROUPS
from ferlab.reporting import markdown, published, written_studies
from ferlab.reporting.markdown import Report
from ferlab.reporting.published import Entry
from ferlab.reporting.reports import homes, load_report
from ferlab.reporting.written_studies import WrittenStudy
from ferlab.runs import directory, shapes
from ferlab.studies.kinds import KINDS, Kind

R = TypeVar("R")
_INFO = ("model", "data", "class_weights", "seed", "commit", "best_epoch", "parameters", "environment")


@dataclass(frozen=True)
class Record:
    """One directory and what is in it.

    Attributes:
        run: config and run.json; None of an ensemble or an exported model.
        path: its directory; of what was published none, but a name in the folder of all.
        reports: as `reports.load_report` gives them, val first.
        studies: those on the run's own val first.
        curves: gives the rows of metrics.csv.
        weights_file: of what was published, where the weights lie on the machine that measured them.
        elsewhere: reports of the same weights on other data than its own; none of what was published.
    """

    path: Path
    name: str
    run: directory.Run | None
    reports: Sequence[Report]
    studies: Sequence[WrittenStudy]
    curves: Callable[[], Sequence[Mapping[str, str]]]
    weights_file: PurePath | None = None
    elsewhere: Sequence[Report] = ()

    @property
    def frozen(self) -> str | None:
        """The views that an ensemble was chosen with, in which alone it is measured; None of all else."""
        return self.reports[0]["tta"] if self.reports and "ensemble_sha256" in self.reports[0] else None

    @property
    def typed(self) -> str:
        """The path to type after runs= to measure it; the weights of what was published lie in outputs, if anywhere."""
        if self.exported:
            return Path("outputs", self.reports[0].get("members", [self.name])[0]).as_posix()
        if self.weights_file:
            return (self.weights_file.parents[1] if self.run else self.weights_file.parent).as_posix()
        return self.path.as_posix()

    @property
    def runs(self) -> str:
        """The word that is typed to measure it."""
        return commandline.typed("runs", self.typed)

    @property
    def exported(self) -> bool:
        """Whether it is an exported model, which evaluate alone can measure."""
        return bool(self.reports) and "export" in self.reports[0]

    @property
    def info(self) -> Mapping[str, Any]:
        """run.json; of an ensemble or an exported model what its first report repeats of that."""
        return self.run.info if self.run else {k: v for k, v in self.reports[0].items() if k in _INFO}

    @property
    def weights_sha256(self) -> set[str]:
        """Checksums of all weights that anything here was measured with."""
        return {
            sha for of in (*self.reports, *(s.content for s in self.studies)) for sha in of.get("weights_sha256", ())
        }

    def report(self, split: str, tta: str) -> Report | None:
        """The report on that split in those views, or in the frozen ones; None where there is none.

        Raises:
            FerlabError: it lacks what a page shows.
        """
        wanted = (split, self.frozen or tta)
        return next((self._whole(r) for r in self.reports if (r["split"], r["tta"]) == wanted), None)

    def whole_reports(self) -> list[Report]:
        """All reports; raises as `report`."""
        return [self._whole(report) for report in self.reports]

    def whole_elsewhere(self) -> list[Report]:
        """All reports on other data; raises as `report`."""
        return [self._whole(report, f" data={report.get('data')}") for report in self.elsewhere]

    def _whole(self, report: Report, data: str = "") -> Report:
        typed = f"runs={self.typed} split={report['split']} tta={report['tta']}{data}"
        shapes.read(
            shapes.Measured,
            report,
            report["folder"] / "report.json",
            f"write it again with python -m ferlab.evaluate {typed}",
        )
        return report

    def of_kind(self, kind: str) -> list[WrittenStudy]:
        """The studies of one kind."""
        return [study for study in self.studies if study.kind == kind]

    def found(self, record: type[R]) -> list[tuple[WrittenStudy, R]]:
        """The studies whose record is of one class, each with its record."""
        return [(study, study.record) for study in self.studies if isinstance(study.record, record)]

    def lacks(self, kind: Kind[Any]) -> bool:
        """True if this kind of study applies to it but has not been run."""
        return not (self.of_kind(kind.name) or self.exported or (self.run is None and not kind.of_ensembles))

    def command(self, kind: Kind[Any]) -> str:
        """What to type for a study of that kind, of an ensemble's member if the ensemble itself cannot have one."""
        member = self.run is None and not kind.of_ensembles
        path = Path("outputs", self.reports[0]["members"][0]).as_posix() if member else self.typed
        return f"python -m ferlab.{kind.command} {commandline.typed('runs', path)}"


def find(patterns: str | Sequence[str] | None) -> list[Record]:
    """The records that paths or globs name, in the order of the patterns, each once.

    What a glob matches besides them (tables, sweeps) is passed over; outputs/ensembles stands for what is in it.

    Raises:
        FerlabError: nothing is given; a pattern matches none; a file is damaged; two of one name.
    """
    if not patterns:
        raise FerlabError("runs is not given; type runs=outputs/NAME, a glob in quotes or runs=[A,B]")
    found: dict[Path, Record] = {}
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        entries = published.named(pattern)
        here = (
            _directories(pattern, found) if entries is None else {record.path: record for record in map(_of, entries)}
        )
        found |= here
    names: dict[str, Path] = {}
    for path, record in found.items():
        refuse_name(record.name, f"the name in {path}", found=True)  # cards and published files are called so
        if (other := names.setdefault(record.name, path)) != path:
            raise FerlabError(f"{other} and {path} are both called {record.name}; give only one of them")
    return list(found.values())


def portable(record: Record) -> Record:
    """The same, so that cards and pages name no place of this machine."""
    if not record.path.is_absolute():
        return record
    if record.path.is_relative_to(Path.cwd()):
        return replace(record, path=record.path.relative_to(Path.cwd()))
    group = () if record.run else GROUPS[:1]
    return replace(record, path=Path("outputs", *group, record.path.name))


def _directories(pattern: str, known: Mapping[Path, Record]) -> dict[Path, Record]:
    here = {path: record for path in homes(pattern) if (record := known.get(path) or _read(path))}
    if not here:
        there = sorted({p.parent.as_posix() for p in Path().glob(f"*/*/{directory.INFO}")})
        raise FerlabError(
            f"runs={pattern!r} matches no directory with {directory.INFO} or a report.json in it; "
            f"there are: {', '.join(there) or 'none'}"
        )
    return here


def _of(entry: Entry) -> Record:
    """What was published, as if it were a directory in the folder of all."""
    path, row = entry.folder / entry.row.name, entry.row
    run = None if entry.config is None or entry.info is None else directory.Run(path, entry.config, entry.info)
    studies = [
        written_studies.of(s.kind, s.content, path / s.kind / s.place, str(entry.folder / published.STUDIES))
        for s in entry.studies
    ]
    studies.sort(key=_own_val_first)
    return Record(path, row.name, run, entry.reports, studies, lambda: entry.curves, PurePath(row.weights_file))


def _read(path: Path) -> Record | None:
    """What is in a directory; None where it is no run's, ensemble's or exported model's."""
    if not path.is_dir():
        return None
    is_run = (path / directory.CONFIG).is_file() or (path / directory.INFO).is_file()
    loaded = _loaded(path, "reports")
    if not is_run and not loaded:
        return None
    run = directory.load(path) if is_run else None
    # An exported file lies in a folder that may be called otherwise.
    name = run.name if run else loaded[0]["name"]
    files = ((kind, file) for kind in KINDS for file in sorted(path.glob(f"{kind}/*/{kind}.json")))
    studies = [written_studies.read(kind, file) for kind, file in files]
    studies.sort(key=_own_val_first)
    weights = loaded[0].get("weights_sha256") if loaded else None
    others = [report for report in _loaded(path, ELSEWHERE) if report.get("weights_sha256") == weights]
    return Record(path, name, run, loaded, studies, run.metrics_rows if run else tuple, elsewhere=others)


def _loaded(path: Path, folder: str) -> list[Report]:
    """The reports in a folder of a directory, val first."""
    found = (load_report(file) for file in sorted(path.glob(f"{folder}/*/report.json")))
    return sorted(found, key=lambda r: markdown.order((r["split"], r["tta"])))


def _own_val_first(study: WrittenStudy) -> tuple[bool, bool]:
    return study.elsewhere, study.content["split"] != "val"
