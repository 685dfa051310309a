"""timm's weights from a hub, from the cache, and from a hub that does not answer."""

import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import huggingface_hub
import pytest
import safetensors.torch
import timm
import torch
from timm.models import PretrainedCfg

from ferlab.errors import FerlabError
from ferlab.training.pretrained import hub
from ferlab.training.pretrained.found import Normalisation
from ferlab.training.pretrained.weights import open_weights
from tests.training.pretrained.conftest import SMALL, same_features


class Hub(BaseHTTPRequestHandler):
    """As much of a Hugging Face hub as a download of one file needs."""

    files: dict[str, bytes]

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body: bool):
        content = self.files.get(self.path.rpartition("/")[2])
        self.send_response(200 if content else 404)
        if content:
            self.send_header("ETag", '"0123456789abcdef"')
        else:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if body and content:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def a_hub(tmp_path, monkeypatch):
    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    at = f"http://127.0.0.1:{server.server_port}"
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "ENDPOINT", at)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", at + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_the_hub_gives_timms_weights(name, small, small_file, a_hub, monkeypatch):
    safe = safetensors.torch.save({k: v.contiguous() for k, v in small.state_dict().items()})
    monkeypatch.setattr(Hub, "files", {name: safe if name.endswith("s") else small_file.read_bytes()}, raising=False)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    found = open_weights("hub", SMALL, 3)
    assert torch.equal(torch.rand(2), expected)  # building a net to fill has drawn nothing that training would
    assert same_features(found, small)
    config = timm.get_pretrained_cfg(SMALL)
    assert found.input == Normalisation(list(config.mean), list(config.std), 1.0)
    assert found.source == f"hub: timm {SMALL}.{config.tag}"
    assert "not known" not in found.summary
    monkeypatch.setattr(Hub, "files", {})
    assert same_features(open_weights("hub", SMALL, 3), small)  # the second time from the cache


def test_weights_at_a_plain_address_are_fetched_once(small_file, a_hub, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(Hub, "files", {"small.pth": small_file.read_bytes()}, raising=False)
    config = PretrainedCfg(url=f"http://127.0.0.1:{a_hub.server_port}/small.pth")
    for _ in range(2):
        assert hub._fetch(config).read_bytes() == small_file.read_bytes()
        monkeypatch.setattr(Hub, "files", {})


def test_a_hub_with_another_net_is_no_success(small, a_hub, monkeypatch):
    state = {k: v for k, v in small.state_dict().items() if not k.startswith("layer4")}
    monkeypatch.setattr(Hub, "files", {"model.safetensors": safetensors.torch.save(state)}, raising=False)
    with pytest.raises(FerlabError, match="cannot be fetched"):
        open_weights("hub", SMALL, 3)


@pytest.mark.parametrize("backbone", [SMALL, "legacy_seresnet50"])  # on the hub, and at a plain address
def test_no_hub_is_reported_at_once(backbone, monkeypatch, tmp_path):
    nowhere = "http://127.0.0.1:9"
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", nowhere + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))

    def refuse(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr(hub.urllib.request, "urlopen", refuse)
    started = time.monotonic()
    with pytest.raises(FerlabError, match=r"cannot be fetched .*give the file, weights=PATH"):
        open_weights("hub", backbone, 3)
    assert time.monotonic() - started < 20


def test_a_net_without_pretrained_weights_is_reported():
    with pytest.raises(FerlabError, match="timm has no pretrained weights of resnetblur18; use weights=none or a file"):
        open_weights("hub", "resnetblur18", 3)
