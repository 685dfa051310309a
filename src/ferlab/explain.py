"""`python -m ferlab.explain`: which parts of a face carry a prediction, by five methods that are checked themselves."""

from rich.console import Console

from ferlab.cli import Config, command


@command("explain")
def main(config: Config) -> None:
    from ferlab.reporting import site
    from ferlab.studies.explanation import KIND, check, explain
    from ferlab.studies.opening import lines

    check(config)  # before an evaluation on test is counted
    console = Console(soft_wrap=True, highlight=False)
    for line in lines(config, KIND, explain):
        console.print(line)
    site.refresh_runs(config["runs"])


if __name__ == "__main__":
    main()
