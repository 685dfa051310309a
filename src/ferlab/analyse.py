"""`python -m ferlab.analyse`: which errors of a run are its own, and which are due to the data?"""

from rich.console import Console

from ferlab.cli import Config, command


@command("analyse")
def main(config: Config) -> None:
    from ferlab.reporting import site
    from ferlab.studies.mistakes import KIND, analyse
    from ferlab.studies.opening import lines

    console = Console(soft_wrap=True, highlight=False)
    for line in lines(config, KIND, analyse):
        console.print(line)
    site.refresh_runs(config["runs"])


if __name__ == "__main__":
    main()
