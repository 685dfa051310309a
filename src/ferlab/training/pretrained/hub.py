"""A timm backbone's name in, its pretrained weights from timm's hub or from the cache out."""

import urllib.request
from pathlib import Path

import huggingface_hub as hub
import timm
from huggingface_hub.errors import EntryNotFoundError
from timm.models import PretrainedCfg
from timm.models._hub import check_cached_file, download_cached_file

from ferlab.errors import FerlabError
from ferlab.training.pretrained.found import Found, Normalisation, reason

_SECONDS = 10  # until a hub must respond


def from_hub(backbone: str) -> Found:
    """timm's pretrained weights of a backbone.

    Raises:
        FerlabError: timm has none, the hub does not respond, or its file does not fit the net.
    """
    config = timm.get_pretrained_cfg(backbone)
    if config is None or not config.has_weights:
        raise FerlabError(f"timm has no pretrained weights of {backbone}; use weights=none or a file, weights=PATH")
    try:
        file = _fetch(config)
        overlay = {"file": str(file), "custom_load": file.suffix == ".npz"}
        net = timm.create_model(backbone, pretrained=True, pretrained_cfg_overlay=overlay)  # strict: all or an error
    except Exception as error:  # of sockets, HTTP, the hub, a damaged file or its names
        raise FerlabError(
            f"timm's weights of {backbone} cannot be fetched ({reason(error)}); check the network, or fetch them "
            "elsewhere and give the file, weights=PATH"
        ) from error
    tagged = f"{config.architecture or backbone.split('.')[0]}.{config.tag}".removesuffix(".")
    return Found(net.state_dict(), f"hub: timm {tagged}", timms_input(config))


def timms_input(config: PretrainedCfg) -> Normalisation:
    return Normalisation(list(config.mean), list(config.std))


def _fetch(config: PretrainedCfg) -> Path:
    """The file of timm's weights, downloaded if it is not in the cache."""
    if not config.hf_hub_id:
        if not isinstance(config.url, str):
            raise FileNotFoundError("timm names no single file")
        if not check_cached_file(config.url):
            # torch's download waits without end; this finds out whether anyone responds.
            urllib.request.urlopen(config.url, timeout=_SECONDS).close()  # noqa: S310
        return Path(download_cached_file(config.url))
    place, _, revision = config.hf_hub_id.partition("@")
    files = [config.hf_hub_filename] if config.hf_hub_filename else ["model.safetensors", "pytorch_model.bin"]
    for file in files:
        cached = hub.try_to_load_from_cache(place, file, revision=revision or None)
        if isinstance(cached, str):
            return Path(cached)
    for file in files:
        try:
            # One question; a download would ask five times and wait 47 s where there is no network.
            hub.get_hf_file_metadata(hub.hf_hub_url(place, file, revision=revision or None), timeout=_SECONDS)
        except EntryNotFoundError:
            continue
        return Path(hub.hf_hub_download(place, file, revision=revision or None))
    raise FileNotFoundError(f"{place} holds no {' or '.join(files)}")
