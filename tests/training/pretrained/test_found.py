"""The record of a converted file: through the metadata and back, and for no other backbone."""

import pytest

from ferlab.errors import FerlabError
from ferlab.training.pretrained.found import Normalisation, Published, reason

MADE = Published("X's net", "resnet50", "model=resnet50", Normalisation([1.0], [2.0], 255.0), True, True)


def test_a_record_comes_back_from_the_metadata():
    assert Published.of(MADE.metadata()) == MADE
    assert Published.of({"format": "pt"}) is Published.of(None) is None


@pytest.mark.parametrize(
    "record",
    ["", "5", "[]", "[" * 200_000, "{}", '{"name": 5, "backbone": "x", "hint": "", "input": {"mean": [], "std": []}}',
     '{"name": "x", "backbone": "x", "hint": "", "input": []}',
     '{"name": "x", "backbone": "x", "hint": "", "input": {"mean": "x", "std": []}}'],
)  # fmt: skip
def test_foreign_metadata_are_one_line(record):
    with pytest.raises(FerlabError, match=r"^the weights' metadata .*; convert them again$"):
        Published.of({"ferlab": record})


def test_another_backbone_is_refused_and_a_tag_does_not_matter():
    MADE.refuse_other("x.safetensors", "resnet50.a1_in1k")
    with pytest.raises(
        FerlabError, match=r"x\.safetensors is X's net, .* resnet50d would not .*: type model=resnet50$"
    ):
        MADE.refuse_other("x.safetensors", "resnet50d")


def test_an_errors_reason_is_its_first_line_without_torchs_advice():
    advice = RuntimeError(
        "Weights only load failed. (1) set weights_only=False\n\tUnsupported global: GLOBAL os.mkdir\nx"
    )
    assert reason(advice) == "Unsupported global: GLOBAL os.mkdir"
    assert reason(KeyError()) == "KeyError"
