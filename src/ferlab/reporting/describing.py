"""`python -m ferlab.describe`: a model card of each run, and with data= a data card of each prepared store.

Nothing is run, counted or opened but what other commands wrote.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferlab import files
from ferlab.data import leaks, preparing
from ferlab.data.store import STORES
from ferlab.data.store_folder import CARD
from ferlab.errors import FerlabError
from ferlab.evaluation import ledger
from ferlab.files import refuse_name, write_text
from ferlab.reporting import data_card, model_card, model_fitness, records
from ferlab.runs import shapes
from ferlab.studies.mistakes_record import MistakesRecord

log = logging.getLogger(__name__)


def describe(config: Mapping[str, Any]) -> list[Path]:
    """Write the cards that `config` (conf/describe.yaml, resolved) asks for; returns their paths.

    Raises:
        FerlabError: neither runs nor data; no such run; a store that was not prepared.
    """
    if not config["runs"] and config.get("data") is None:
        raise FerlabError("nothing to describe; type runs=outputs/NAME for model cards, data=fer2013 for data cards")
    found = records.find(config["runs"]) if config["runs"] else []
    looks = ledger.known(config["ledger"], [record.path for record in found])
    found = [records.portable(record) for record in found]
    in_scenes = model_fitness.scenes(config["scenes"])
    cards = {}
    for record in found:
        cards[f"{record.name}.md"] = model_card.render(record, looks, config["split"], config["tta"], in_scenes)
    analyses = [(study.content, analysis) for record in found for study, analysis in record.found(MistakesRecord)]
    for card in _prepared(config["data"]) if config.get("data") else []:
        votes = {of["split"]: a.ferplus for of, a in analyses if a.ferplus and of["data"].split("+")[0] == card["name"]}
        cards[f"data-{card['name']}.md"] = data_card.render(card, config["data"]["name"], votes)
    folder = Path(config["out"])
    for name, text in cards.items():
        write_text(folder / name, text)
    return [folder / name for name in cards]


def _prepared(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """card.json of each store of a data config; an auxiliary one that is not there is left out."""
    names = [(entry["name"], False) for entry in data["sources"]]
    names += [(f"{entry['name']}-train", True) for entry in data["auxiliary"]]
    cards = []
    for name, auxiliary in names:
        place = Path(data["root"]) / STORES / name / CARD
        if not place.is_file() and auxiliary:
            log.info("auxiliary %s: no %s, left out", name, place)
            continue
        mend = f"type python -m ferlab.prepare data={data['name']} first"
        try:
            shapes.read(preparing.Card, card := files.read_json(place, mend), place, mend)
            shapes.read(leaks.Leaks, card["duplicates"], place, mend)
            refuse_name(card["name"], f"the name in {place}", found=True)  # its data card is called so
        except FerlabError as error:
            raise FerlabError(f"{name} has no readable card: {error}") from None
        cards.append(card)
    return cards
