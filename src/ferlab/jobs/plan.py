"""The steps of a paper (conf/paper) in, its jobs out: one command line each.

A step's name is the set of runs that it makes or measures, and the steps below refer to it by that name:

train     a run of each combination of the lists; `teacher` names the steps that teach it, `weights` a file, or the
          step that holds the run of the same model from which it starts
evaluate  `runs`, each by itself or as one ensemble called `name`; with `by: data` a job or an ensemble a data set
ensemble  an ensemble called `name`, chosen on val among `runs`
compare   a table of the reports of `runs`
select    those of `runs` whose facts are as the other keys say; it runs nothing

All other keys are overrides of the command. `after` names steps that must have ended before.
"""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ferlab.errors import FerlabError
from ferlab.files import Config
from ferlab.jobs.overrides import flat, listed, words
from ferlab.jobs.scheduler import Job

FOLDER = "reproduce"  # in outputs, for logs and records
KINDS = ("train", "evaluate", "ensemble", "compare", "select")

Node = Mapping[str, Any]  # a part of a config, resolved
Compose = Callable[[str, list[str]], Node]


@dataclass(frozen=True)
class Subject:
    """A run, an ensemble or a file of a run, and the job that makes or measures it.

    Attributes:
        job: name of that job.
        folder: the directory, unless the training recorded another number: NAME-2 where NAME was taken.
        record: JSON file of the training; None for an ensemble.
        file: inside the directory; empty for the directory itself.
        facts: `model`, `data`, `class_weights`, `seed` and what the step says; empty for an ensemble.
    """

    job: str
    folder: Path
    record: Path | None = None
    file: str = ""
    facts: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        """The path as far as it is known now."""
        name = self.folder.name
        if self.record and self.record.is_file():
            name = Path(json.loads(self.record.read_text()).get("run") or name).name
        return (self.folder.with_name(name) / self.file).as_posix()


@dataclass
class Step:
    """What a step stands for, and the names of its jobs: a training that an earlier step has too is the same job."""

    subjects: list[Subject] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)


@dataclass
class Plan:
    """All jobs in the order of the steps, and the steps by name."""

    jobs: list[Job] = field(default_factory=list)
    steps: dict[str, Step] = field(default_factory=dict)

    def only(self, steps: str | Sequence[str] | None) -> list[Job]:
        """The jobs of one or several steps; None: all.

        Raises:
            FerlabError: no such step.
        """
        if steps is None:
            return self.jobs
        for name in listed(steps):
            if name not in self.steps:
                raise FerlabError(f"only is {name!r}, which is no step; choose from {', '.join(self.steps)}")
        names = {job for step in listed(steps) for job in self.steps[step].jobs}
        return [job for job in self.jobs if job.name in names]


def plan(config: Node, compose: Compose) -> Plan:
    """The jobs of a paper.

    Args:
        config: conf/reproduce.yaml with a paper, resolved.
        compose: gives the config of a command (`train`) with its overrides, or refuses them with a FerlabError.

    Raises:
        FerlabError: a step that cannot be understood, or a command that refuses its overrides; the step is named.
    """
    if not config["steps"]:
        raise FerlabError("paper is not given; type paper=table2 or paper=readme")
    planner = _Planner(config, compose)
    for name, node in config["steps"].items():
        try:
            planner.add(name, node)
        except FerlabError as error:
            raise FerlabError(f"step {name}: {error}") from error
    return planner.made


class _Planner:
    """Takes one step after another."""

    def __init__(self, config: Node, compose: Compose):
        self.config, self.compose, self.made = config, compose, Plan()
        self._trained: dict[str, tuple[Subject, Node, Subject | None]] = {}  # by the run's name: its config and start
        taught = [body for node in config["steps"].values() for body in listed(node.get("train", []))]
        # Kept answers stand in for all steps that would teach.
        self._dropped = {name for body in taught for name in listed(body.get("teacher"))} if config["teacher"] else ()
        self._outputs, self._shared = Path(config["outputs"]), {"outputs": config["outputs"]}

    def add(self, name: str, node: Node) -> None:
        kinds = [key for key in node if key != "after"]
        if len(kinds) != 1 or kinds[0] not in KINDS:
            raise FerlabError(f"expected one of {', '.join(KINDS)}, found {', '.join(kinds) or 'none of them'}")
        after = frozenset(job for step in listed(node.get("after")) for job in self._step(step).jobs)
        take = {"train": self._train, "evaluate": self._evaluate, "ensemble": self._ensemble}
        take |= {"compare": self._compare, "select": self._select}
        made = self.made.steps.setdefault(name, Step())
        for body in [] if name in self._dropped else listed(node[kinds[0]]):
            take[kinds[0]](name, made, dict(body), after)

    def _train(self, step: str, made: Step, body: Config, after: frozenset[str]) -> None:
        lesson: dict[str, Any] = {key: body.pop(key) for key in ("teacher", "teacher_tta") if key in body}
        file = Path(str(body.get("weights", ""))).suffix  # FILE.safetensors, which no step makes
        starts = self._runs(body, "weights") if "weights" in body and not file else []
        if "teacher" in lesson and self.config["teacher"]:
            lesson = {key: self.config[key] for key in ("teacher", "teacher_tta")}
        elif "teacher" in lesson:
            lesson = {"teacher": _alone_or_all(self._runs(lesson, "teacher")), **lesson}
        for choice in itertools.product(*map(listed, body.values())):
            self._training(step, made, dict(zip(body, choice, strict=True)), lesson, starts, after)

    def _training(
        self, step: str, made: Step, typed: Node, lesson: Node, starts: Sequence[Subject], after: frozenset[str]
    ) -> None:
        how = {"skip_finished": True, "ckpt": "last", "trainer.enable_progress_bar": False}  # it prints to a file
        options = {**typed, **lesson, **how, **self._shared, **flat(self.config["training"])}
        config = self.compose("train", words(options))
        facts = {key: str(value) for key, value in typed.items()}
        facts |= {"model": config["model"]["name"], "data": config["data"]["name"]}
        facts |= {key: str(config[key]) for key in ("class_weights", "seed")}
        start = _of_model(starts, facts["model"]) if starts else None
        job = f"{step}/{config['name']}"
        subject = Subject(job, self._outputs / config["name"], self._outputs / FOLDER / f"{job}.json", facts=facts)
        first, *same = self._trained.setdefault(config["name"], (subject, config, start))
        if same != [config, start]:
            raise FerlabError(f"{first.job} trains another run of the name {config['name']}; give one of them a name")
        made.subjects.append(first)
        made.jobs.append(first.job)
        if first is subject:
            options |= {"weights": replace(start, file="checkpoints/best.ckpt")} if start else {}
            self._job(job, "train", options, after)

    def _evaluate(self, step: str, made: Step, body: Config, after: frozenset[str]) -> None:
        runs, name, by = self._runs(body), body.pop("name", None), body.pop("by", None)
        own = {**body, "skip_measured": True, "ledger": self.config["ledger"]}
        own |= {**self._shared, **flat(self.config["evaluation"])}
        for value, members in _grouped(runs, by).items():
            called = "-".join(part for part in (name, value) if part)
            job = f"{step}/{called}" if by else step
            options = {"runs": _alone_or_all(members), **own}
            if body.get("each") or len(members) == 1:
                made.subjects += [replace(one, job=job) for one in members]
            elif name:
                options["name"] = called
                made.subjects.append(Subject(job, self._outputs / "ensembles" / called))
            else:
                raise FerlabError("several runs are one ensemble, which needs a name; give name, or each: true")
            self._checked(job, made, "evaluate", options, after)

    def _ensemble(self, step: str, made: Step, body: Config, after: frozenset[str]) -> None:
        folder = self._outputs / "ensembles" / str(body.get("name"))
        # Sorted, so that the choice does not depend on the order of the steps.
        runs = sorted(self._runs(body), key=lambda one: one.folder)
        options = {"runs": _alone_or_all(runs), **body, **self._shared, **flat(self.config["evaluation"])}
        made.subjects.append(Subject(step, folder))
        # An ensemble stays with what it was first chosen from.
        self._checked(step, made, "ensemble", options, after, folder / "members.json")

    def _compare(self, step: str, made: Step, body: Config, after: frozenset[str]) -> None:
        runs = _alone_or_all(self._runs(body))
        self._checked(step, made, "compare", {"runs": runs, **flat(body)}, after)

    def _select(self, step: str, made: Step, body: Config, after: frozenset[str]) -> None:
        runs = self._runs(body)
        wanted = {key: [str(value) for value in listed(values)] for key, values in body.items()}
        made.subjects += [one for one in runs if all(one.facts.get(key) in wanted[key] for key in wanted)]
        if not made.subjects:
            raise FerlabError(f"none of {len(runs)} runs has {', '.join(words(body))}; correct these keys")

    def _checked(
        self, job: str, made: Step, command: str, options: Node, after: frozenset[str], makes: Path | None = None
    ) -> None:
        self.compose(command, words(options))  # a wrong override is refused now, not after hours of training
        made.jobs.append(job)
        self._job(job, command, options, after, makes)

    def _job(self, job: str, command: str, options: Node, after: frozenset[str], makes: Path | None = None) -> None:
        needs = {one.job for value in options.values() for one in listed(value) if isinstance(one, Subject)}
        self.made.jobs.append(Job(job, lambda: [f"ferlab.{command}", *words(options)], after | needs, makes))

    def _runs(self, body: Config, key: str = "runs") -> list[Subject]:
        """Takes the names of steps out of a step, and gives what they stand for."""
        found = [one for step in listed(body.pop(key, None)) for one in self._step(step).subjects]
        if not found:
            raise FerlabError(f"{key} names no run; name steps above it that make some")
        return list(dict.fromkeys(found))

    def _step(self, name: str) -> Step:
        if name not in self.made.steps:
            raise FerlabError(f"{name!r} is no step above it; choose from {', '.join(self.made.steps) or 'none'}")
        return self.made.steps[name]


def _of_model(starts: Sequence[Subject], model: str) -> Subject:
    found = [start for start in starts if start.facts.get("model") == model]
    if len(found) != 1:
        raise FerlabError(f"weights needs one run of model {model} to start from, found {len(found)}; add or name it")
    return found[0]


def _grouped(runs: Sequence[Subject], by: str | None) -> dict[str, list[Subject]]:
    """Runs by a fact, in the order in which its values come; all together under an empty value without one."""
    groups: dict[str, list[Subject]] = {}
    for one in runs:
        if by and by not in one.facts:
            raise FerlabError(f"by is {by!r}; choose from {', '.join(one.facts) or 'none: these are ensembles'}")
        groups.setdefault(one.facts[by] if by else "", []).append(one)
    return groups


def _alone_or_all(runs: Sequence[Subject]) -> Subject | list[Subject]:
    return runs[0] if len(runs) == 1 else list(runs)
