"""Augmentation: albumentations' own results where it is batched, and the same draws wherever it runs."""

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy import stats

from ferlab.data.affine import AffineForm
from ferlab.data.augment import Augment, ErasingForm
from ferlab.data.uniforms import uniforms
from ferlab.errors import FerlabError
from tests.data.test_affine import AFFINES, Replayed

import albumentations as A  # isort: skip  # after ferlab, which keeps it from asking the network for its version

POLICIES = {
    **{name: [A.Affine(**kwargs)] for name, kwargs in AFFINES.items()},
    "contrast": [A.RandomBrightnessContrast(0.3, 0.4, p=0.8)],
    "contrast by mean": [A.RandomBrightnessContrast(0.3, 0.4, brightness_by_max=False, p=1.0)],
    "erasing": [A.Erasing(p=0.6)],
    "erasing wide": [A.Erasing(scale=(0.1, 0.9), ratio=(0.2, 4.0), fill=128, p=1.0)],
    "gamma": [A.RandomGamma((40, 250), p=0.8)],
    "blur": [A.GaussianBlur(0, (0.3, 2.2), p=0.9)],
    "blur always": [A.GaussianBlur(0, (0.1, 0.9), p=1.0)],
    "low resolution": [A.Downscale((0.2, 0.9), {"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_LINEAR}, p=0.9)],
    "jpeg": [A.ImageCompression("jpeg", (3, 97), p=0.9)],
    "several": [
        A.Affine(**AFFINES["all"]),
        A.HorizontalFlip(p=0.5),
        A.Erasing(fill=200, p=0.5),
        A.RandomBrightnessContrast(p=0.5),
        A.Affine(**AFFINES["poster"]),
    ],
}


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).integers(0, 256, (64, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def smooth(noise):
    """As smooth as photographs are: noise blurred over 2 px and spread to the whole range."""
    blurred = np.stack([cv2.GaussianBlur(face, (0, 0), 2).astype(np.float32) for face in noise])
    low, high = blurred.min((1, 2), keepdims=True), blurred.max((1, 2), keepdims=True)
    return ((blurred - low) / (high - low) * 255).astype(np.uint8)


def by_albumentations(augment, pixels, index, epoch):
    """The policy run by albumentations itself, image by image, on the uniforms that `augment` draws."""
    u = uniforms(index, epoch, augment.seed, np.arange(1, augment._width + 1)).astype(np.float64)
    out = []
    for face, row in zip(pixels, u.tolist(), strict=True):
        start = 0
        for t, form in zip(augment.policy, augment._forms, strict=True):
            t.set_random_state(np.random.default_rng(0), Replayed(row[start : start + form.columns], t.p))
            face = t(image=face)["image"]
            start += form.columns
        out.append(face)
    return np.stack(out)


@pytest.mark.parametrize("name", POLICIES)
def test_host_faces_are_albumentations_own(name, noise):
    augment = Augment(POLICIES[name], seed=3)
    assert augment.path == "batched"
    kept = noise.copy()
    for epoch in range(4):
        index = np.arange(64) + 1000 * epoch
        np.testing.assert_array_equal(
            augment.on_host(noise, index, epoch), by_albumentations(augment, noise, index, epoch)
        )
    np.testing.assert_array_equal(noise, kept)


# Grey levels between device and host, measured on 2,000 faces and rounded up: a warp is rounded on the host (0.501),
# contrast and gamma are cut (1.000), a blur is rounded twice, low resolution too; the rest is exact. Noise shows any
# difference of a coordinate whole: neighbours differ by 85. test_camera has JPEG, which leaps from step to step.
_LIMITS = {"gamma": 1.001, "blur": 1.001, "blur always": 1.001, "low resolution": 1.6}


@pytest.mark.parametrize("name", [name for name in POLICIES if name not in ("several", "jpeg")])
def test_device_faces_equal_the_hosts_within_rounding(name, smooth, noise):
    augment, index = Augment(POLICIES[name], seed=5), np.arange(64)
    limit = _LIMITS.get(name, 0.51 if name in AFFINES else 1.001 if "contrast" in name else 0)
    for pixels in (smooth, noise):
        host = augment.on_host(pixels, index, 2).astype(np.float32)
        device = augment.on_device(torch.from_numpy(pixels)[:, None], torch.from_numpy(index), torch.tensor(2))
        assert device.shape == (64, 1, 48, 48)
        assert device.dtype == torch.float32
        assert np.abs(device[:, 0].numpy() - host).max() <= limit


def test_several_transforms_on_the_device_follow_the_hosts_order(smooth):
    augment, index = Augment(POLICIES["several"], seed=5), np.arange(64)
    device = augment.on_device(torch.from_numpy(smooth)[:, None].float(), torch.from_numpy(index), 2)[:, 0].numpy()
    host = augment.on_host(smooth, index, 2).astype(np.float32)
    assert np.abs(device - host).max() <= 2.5  # 0.5, 1 and 0.5, each up to contrast 1.2


@pytest.mark.parametrize("policy", [POLICIES["several"], [A.ElasticTransform(p=0.9), A.HorizontalFlip()]])
def test_a_face_depends_on_seed_epoch_and_index_alone(policy, noise):
    augment, index = Augment(policy, seed=7), np.arange(64)
    faces = augment.on_host(noise, index, 1)
    order = np.random.default_rng(2).permutation(64)
    augment.on_host(noise[:5], index[:5], 9)  # what ran before leaves nothing behind
    for part in np.array_split(order, 5):
        np.testing.assert_array_equal(augment.on_host(noise[part], index[part], 1), faces[part])
    np.testing.assert_array_equal(Augment(policy, seed=7).on_host(noise, index, 1), faces)
    same = np.repeat(noise[:1], 64, 0)
    results = [
        augment.on_host(same, index, 1),
        augment.on_host(same, index, 2),
        Augment(policy, seed=8).on_host(same, index, 1),
    ]
    for first, second in pairwise(results):
        assert (first != second).any((1, 2)).mean() > 0.9
    assert len(np.unique(results[0].reshape(64, -1), axis=0)) > 55


@pytest.mark.parametrize("p", [0.0, 0.2, 0.5, 1.0])
def test_p_is_honoured(p):
    pixels = np.tile(np.arange(48, dtype=np.uint8), (2000, 48, 1))
    for t in (A.HorizontalFlip(p=p), A.Affine(rotate=(5, 10), p=p), A.Erasing(fill=255, p=p)):
        changed = (Augment([t], seed=0).on_host(pixels, np.arange(2000), 0) != pixels).any((1, 2)).mean()
        assert abs(changed - p) < 0.05


def test_parameters_fill_their_ranges():
    u = uniforms(np.arange(20_000), 0, 0, np.arange(1, 9)).astype(np.float64)
    t = A.Affine(**AFFINES["poster"])
    _, (a, b, c, d, e, f) = AffineForm(t).matrices(u, (48, 48), np)
    assert stats.kstest(np.rad2deg(np.arctan2(b, e)), stats.uniform(-10, 20).cdf).pvalue > 1e-3
    assert stats.kstest(np.hypot(a, d), stats.uniform(0.9, 0.2).cdf).pvalue > 1e-3
    for shift in (a * 23.5 + b * 23.5 + c - 23.5, d * 23.5 + e * 23.5 + f - 23.5):
        assert sorted(set(np.round(shift, 6) + 0.0)) == list(range(-4, 5))  # whole pixels, as albumentations cuts them
    applied, left, top, right, bottom = ErasingForm(A.Erasing(scale=(0.02, 0.2), p=0.5))._holes(u, (48, 48), np)
    area, ratio = (right - left) * (bottom - top) / 48**2, (right - left) / (bottom - top)
    assert 0.015 < area.min() < 0.025
    assert 0.19 < area.max() < 0.21
    assert 0.25 < ratio.min() < 0.35
    assert 2.9 < ratio.max() < 3.9  # sides are rounded to whole pixels
    assert (left.min(), top.min(), right.max(), bottom.max()) == (0, 0, 48, 48)
    assert abs(applied.mean() - 0.5) < 0.02


def test_an_empty_policy_changes_nothing(noise):
    augment = Augment([], seed=0)
    np.testing.assert_array_equal(augment.on_host(noise, np.arange(64), 0), noise)
    faces = torch.from_numpy(noise)[:, None]
    out = augment.on_device(faces, torch.arange(64), 0)
    assert out.dtype == torch.float32
    assert torch.equal(out, faces.float())


@pytest.mark.parametrize(
    ("transform", "why"),
    [
        (A.ElasticTransform(), "ElasticTransform has no"),
        (A.Affine(balanced_scale=True), "balanced_scale"),
        (A.Affine(interpolation=cv2.INTER_CUBIC), "interpolation"),
        (A.Affine(border_mode=cv2.BORDER_REFLECT_101), "border_mode"),
        (A.Erasing(fill="random"), "Erasing with a fill"),
        (A.RandomBrightnessContrast(ensure_safe_range=True), "ensure_safe_range"),
        (A.GaussianBlur((3, 7)), "blur_limit"),
        (A.Downscale((0.5, 0.5)), "interpolation"),
        (A.Downscale((0.5, 1), {"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_LINEAR}), "does not shrink"),
        (A.ImageCompression("webp", (50, 90)), "other than jpeg"),
    ],
)
def test_other_transforms_run_image_by_image_and_not_on_the_device(transform, why, noise):
    augment = Augment([A.HorizontalFlip(), transform], seed=0)
    assert augment.path == "albumentations"
    assert why in augment.reason
    assert augment.on_host(noise[:4], np.arange(4), 0).shape == (4, 48, 48)
    with pytest.raises(FerlabError, match=why):
        augment.on_device(torch.from_numpy(noise[:4])[:, None], torch.arange(4), 0)


def test_a_policy_that_changes_size_or_type_is_refused(noise):
    with pytest.raises(FerlabError, match="resizes, crops or normalises"):
        Augment([A.RandomCrop(40, 40)], seed=0).on_host(noise[:1], np.arange(1), 0)
    with pytest.raises(FerlabError, match="expected albumentations transforms"):
        Augment(["HorizontalFlip"], seed=0)


@pytest.mark.parametrize("name", [p.stem for p in sorted(Path("conf/augment").glob("*.yaml"))])
def test_policies_in_conf_run_batched(name, noise):
    from omegaconf import OmegaConf

    from ferlab.config import build

    nodes = OmegaConf.load(f"conf/augment/{name}.yaml").policy
    augment = Augment([build(node) for node in nodes], seed=0)
    assert augment.path == "batched"
    assert (augment.on_host(noise, np.arange(64), 0) != noise).any() == (name != "none")


def compiled_equals_eager(backend, noise, policy):
    torch._dynamo.reset()  # another policy is another graph
    augment = Augment(policy, seed=5)
    faces, index = torch.from_numpy(noise)[:, None], torch.arange(64)
    compiled = torch.compile(augment.on_device, fullgraph=True, dynamic=False, backend=backend)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for epoch in (0, 3):
            as_tensor = torch.tensor(epoch)
            torch.testing.assert_close(
                compiled(faces, index, as_tensor), augment.on_device(faces, index, as_tensor), rtol=0, atol=0.05
            )


CAMERA = [*POLICIES["gamma"], *POLICIES["blur"], *POLICIES["low resolution"], *POLICIES["jpeg"]]


@pytest.mark.parametrize("policy", [POLICIES["several"], CAMERA])
def test_on_device_compiles_to_one_graph(noise, policy):
    compiled_equals_eager("aot_eager", noise, policy)


@pytest.mark.slow
def test_on_device_compiles_with_inductor(noise):
    compiled_equals_eager("inductor", noise, POLICIES["several"])


@pytest.mark.gpu
@pytest.mark.parametrize("policy", [POLICIES["several"], POLICIES["blur"]])
def test_on_device_can_be_captured_in_a_cuda_graph(noise, policy):
    augment = Augment(policy, seed=5)
    faces, index = torch.from_numpy(noise)[:, None].cuda(), torch.arange(64).cuda()
    epoch = torch.zeros((), dtype=torch.int64, device="cuda")
    augment.on_device(faces, index, epoch)  # warm-up: libraries may not load during capture
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = augment.on_device(faces, index, epoch)
    for e in (0, 4):
        epoch.fill_(e)
        graph.replay()
        expected = augment.on_device(faces.cpu(), index.cpu(), e)
        torch.testing.assert_close(out.cpu(), expected, rtol=0, atol=0.05)
