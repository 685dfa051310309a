"""`python -m ferlab.summarise`: the files of one or several runs in, one self-contained page of them out.

It runs and measures nothing, so it never adds a look at a test split.
"""

import time
from pathlib import Path

from rich.console import Console

from ferlab.cli import Config, command
from ferlab.errors import FerlabError


@command("summarise")
def main(config: Config) -> None:
    from ferlab.evaluation import ledger
    from ferlab.pages import links
    from ferlab.reporting import records, site

    started, out = time.perf_counter(), Path(config["out"])
    if out.suffix != ".html" or out.name == links.PAGE:  # which is the index, and written by other commands too
        raise FerlabError(f"out is {config['out']!r}; expected the name of a page, as outputs/summary.html")
    found = records.find(config["runs"])
    looks = ledger.known(config["ledger"], [record.path for record in found])
    homes = [record.path for record in found if links.pages_of(record.path)]
    found = [records.portable(record) for record in found]
    reports, studies = sum(len(r.reports) for r in found), sum(len(r.studies) for r in found)
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{len(found)} runs, {reports} reports, {studies} studies")
    from ferlab.reporting import summary_page  # the figures of a run take seconds, and matplotlib one

    page = summary_page.write(out, found, looks, config["split"], config["tta"], config["against"])
    site.refresh(homes)
    took = time.perf_counter() - started
    console.print(f"  {page}, {page.stat().st_size / 1e6:.1f} MB in {took:.1f} s", style="dim")


if __name__ == "__main__":
    main()
