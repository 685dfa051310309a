"""`python -m ferlab.compare`: written reports in, Markdown tables and McNemar's tests out. No model is run."""

from pathlib import Path

from ferlab.cli import Config, command
from ferlab.errors import FerlabError


@command("compare")
def main(config: Config) -> None:
    from ferlab import files
    from ferlab.reporting.markdown import splice
    from ferlab.reporting.reports import compare, read
    from ferlab.reporting.table2_markdown import poster_table

    if config["into"] and not config["name"]:
        raise FerlabError("into needs name; type name=NAME as in <!-- table:NAME -->")
    if config["layout"] not in ("list", "table2"):
        raise FerlabError(f"layout is {config['layout']!r}; choose list or table2")
    if config["layout"] == "table2" and config["against"]:
        raise FerlabError("against is for layout=list: layout=table2 tests its rows; leave out one of them")
    data = config["data"]["name"] if "data" in config else None
    reports, split, tta = read(config["runs"], data), config["split"], config["tta"]
    if config["layout"] == "table2":
        markdown = poster_table(reports, config["table2"], split, tta)
    else:
        markdown = compare(reports, config["against"], split, tta)
    print(markdown)
    if config["out"]:
        files.write_text(Path(config["out"]), markdown + "\n")
    if config["into"]:
        splice(config["into"], config["name"], markdown)


if __name__ == "__main__":
    main()
