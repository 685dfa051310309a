"""`python -m ferlab.calibrate`: is a run right as often as it is confident, and when should it abstain?

On val we fit and keep a temperature and a threshold; on other faces we apply the kept ones.
"""

from rich.console import Console

from ferlab.cli import Config, command


@command("calibrate")
def main(config: Config) -> None:
    from ferlab.reporting import site
    from ferlab.studies.calibration import KIND, calibrate
    from ferlab.studies.opening import lines

    console = Console(soft_wrap=True, highlight=False)
    for line in lines(config, KIND, calibrate):
        console.print(line)
    site.refresh_runs(config["runs"])


if __name__ == "__main__":
    main()
