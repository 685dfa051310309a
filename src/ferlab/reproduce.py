"""`python -m ferlab.reproduce paper=table2`: trains, measures and tabulates what a paper declares, if it is missing.

Every job is a command that can be typed alone. What is finished or measured is left alone, so the same line goes on
where a stopped one ended.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from ferlab.cli import Config, command
from ferlab.errors import FerlabError, in_a_line
from ferlab.jobs import plan, scheduler

log = logging.getLogger(__name__)


def compose(name: str, words: list[str]) -> Config:
    """The config of a command with these overrides.

    Raises:
        FerlabError: the command refuses them.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from ferlab.config import typed

    try:
        composed: Config = typed(name, hydra.compose(name, overrides=words))
    except (HydraException, OmegaConfBaseException) as error:
        raise FerlabError(f"python -m ferlab.{name} refuses {' '.join(words)}: {in_a_line(error)}") from error
    return composed


def summary(ended: Sequence[scheduler.Ended]) -> str:
    """One line with the counts, and one for each job that did not end well."""
    states = [one.status for one in ended]
    lines = [", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)) or "nothing to do"]
    return "\n".join([*lines, *(f"  {one.name}: {one.status}, {one.reason}" for one in ended if not one.good)])


@command("reproduce")
def main(config: Config) -> None:
    jobs = plan.plan(config, compose).only(config["only"])
    if config["dry"]:
        for job in jobs:
            print(job.typed())
        return
    there = scheduler.devices_there(None if config["devices"] == "auto" else config["devices"])
    ended = scheduler.run(jobs, Path(config["outputs"]) / plan.FOLDER, there, config["jobs"])
    log.info("%s", summary(ended))
    if not all(one.good for one in ended):
        raise FerlabError("not all is done, for the reasons above; type the same command again for the rest")


if __name__ == "__main__":
    main()
