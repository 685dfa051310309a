"""`python -m ferlab.publish`: what was measured of runs in, the files of results/, tables and pictures out."""

from pathlib import Path

from ferlab.cli import Config, command
from ferlab.errors import FerlabError


@command("publish")
def main(config: Config) -> None:
    from ferlab.evaluation.exported import FOLDER
    from ferlab.reporting import generated, model_figures, publishable

    if not config["runs"] and not config["tables"]:
        raise FerlabError("nothing to publish; type runs=outputs/NAME for its measurements, tables=true for tables")
    if config["runs"]:
        into = Path(config["into"])
        new, entries = publishable.publish(config["runs"], into, config["dirty"], config["replace"])
        measured = sum(len(entry.reports) for entry in entries)
        print(f"{len(new)} published; {into} holds {len(entries)} runs and ensembles with {measured} measurements")
    if config["tables"]:
        written = model_figures.record_elsewhere(Path(config["outputs"], FOLDER))
        written += [*model_figures.record(Path(config["into"])), *generated.write(config["written"])]
        for path in dict.fromkeys(written):
            print(path)


if __name__ == "__main__":
    main()
