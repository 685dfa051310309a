"""dlib's face recognition net as a timm backbone, `dlib_resnet29`: faces [B,3,S,S] -> features [B,256].

King 2017, "High Quality Face Recognition with Deep Metric Learning" (dlib.net, dnn_face_recognition_ex.cpp): a ResNet
with 29 convolutions and half the filters of ResNet-34 (He et al. 2016, arXiv:1512.03385), trained to distinguish
the persons of some three million faces; its weights are in the public domain. 5.58 M parameters, 150 pixels a side.

Deliberate differences: batch norms where dlib's published net has their constants (`training.pretrained.weights.unfold`
gives them statistics), no biases before them, and the last dense layer to 128 numbers left out.
"""

from typing import Any

import torch
from timm.models import register_model
from torch import Tensor, nn
from torch.nn import functional as F

# of each residual block its filters, and whether it halves the sides
BLOCKS = (
    *[(32, False)] * 3,
    *[(64, True), *[(64, False)] * 3],
    *[(128, True), *[(128, False)] * 2],
    *[(256, True), *[(256, False)] * 2, (256, True)],
)


class Block(nn.Module):
    """Two 3x3 convolutions beside an identity, or beside a 2x2 mean where the block halves its input."""

    def __init__(self, inputs: int, filters: int, halves: bool):
        super().__init__()
        stride, padding = (2, 0) if halves else (1, 1)
        self.halves = halves
        self.conv1 = nn.Conv2d(inputs, filters, 3, stride, padding, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.halves:  # dlib's add_prev fills whichever is the smaller with zeros, in filters and sides
            x = F.avg_pool2d(x, 2, 2)
            size = [max(a, b) for a, b in zip(x.shape[1:], y.shape[1:], strict=True)]
            x, y = (_fill(part, *size) for part in (x, y))
        return F.relu(x + y)


def _fill(x: Tensor, filters: int, height: int, width: int) -> Tensor:
    return F.pad(x, (0, width - x.shape[3], 0, height - x.shape[2], 0, filters - x.shape[1]))


class DlibResNet(nn.Module):
    """RGB faces [B,in_chans,S,S] -> averaged features [B,256], or logits [B,num_classes] where there are classes."""

    num_features = 256

    def __init__(self, in_chans: int = 3, num_classes: int = 0):
        super().__init__()
        self.conv1 = nn.Conv2d(in_chans, 32, 7, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        inputs = [32, *(filters for filters, _ in BLOCKS)]
        self.blocks = nn.Sequential(*(Block(i, *block) for i, block in zip(inputs, BLOCKS, strict=False)))
        self.fc = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        """timm's: which parameters are of the stem, and which of which block."""
        return {"stem": r"^conv1|bn1", "blocks": r"^blocks\.(\d+)"}

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(self.blocks(x), 1), 1))


@register_model
def dlib_resnet29(pretrained: bool = False, in_chans: int = 3, num_classes: int = 0, **kwargs: Any) -> DlibResNet:
    """timm.create_model("dlib_resnet29"); its weights are dlib's file (tools/convert_weights.py)."""
    if pretrained:
        raise RuntimeError("no hub has dlib_resnet29's weights; convert dlib's file by tools/convert_weights.py")
    return DlibResNet(in_chans, num_classes)
