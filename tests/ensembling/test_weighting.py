"""Weights of members against expectation maximisation, brute force and scikit-learn."""

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import approx_fprime, minimize
from scipy.special import softmax
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold

from ferlab.ensembling import weighting
from ferlab.errors import FerlabError
from ferlab.metrics import temperature
from ferlab.predictors import predictor


def made(members=4, n=200, seed=0, noise=(0.6, 1.0, 1.4, 2.0)):
    """Probabilities [M,N,7] of members that know the truth but for noise, and the labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 7, n)
    logits = 2.0 * np.eye(7)[labels] + np.array(noise)[:members, None, None] * rng.standard_normal((members, n, 7))
    return softmax(1.5 * logits, axis=2), labels


def recipe(size=3, replacement=True, score="accuracy", bags=0, seed=0):
    return weighting.Recipe(size, replacement, score, bags, seed)


def of_truth(p, labels):
    return np.stack([member[np.arange(len(labels)), labels] for member in p])


def test_the_gradient_is_that_of_the_cross_entropy():
    truth = of_truth(*made())
    w = np.array([0.4, 0.3, 0.2, 0.1])
    numeric = approx_fprime(w, weighting.cross_entropy, 1e-7, truth)
    np.testing.assert_allclose(weighting.gradient(w, truth), numeric, rtol=1e-4)


def test_the_cross_entropy_is_scikit_learns_of_the_weighted_mean():
    p, labels = made()
    w = np.array([0.4, 0.3, 0.2, 0.1])
    expected = log_loss(labels, np.average(p, axis=0, weights=w), labels=range(7))
    assert weighting.cross_entropy(w, of_truth(p, labels)) == pytest.approx(expected, rel=1e-6)


def test_weights_are_those_of_expectation_maximisation():
    """The proportions of a mixture have the same optimum, which EM climbs to without any solver."""
    p, labels = made(n=500, noise=(0.9, 1.0, 1.1, 3.0))
    truth = of_truth(p, labels)
    em = np.full(4, 0.25)
    for _ in range(5000):
        em = (em[:, None] * truth / (em @ truth)).mean(1)
    w = weighting.weighted(truth)
    np.testing.assert_allclose(w, em, atol=2e-3)
    assert w.sum() == pytest.approx(1)
    assert w.min() >= 0
    # and no other parametrisation of the simplex finds a lower one
    free = minimize(lambda z: weighting.cross_entropy(softmax(z), truth), np.zeros(4), method="BFGS")
    assert weighting.cross_entropy(w, truth) <= free.fun + 1e-6


def test_known_optima():
    # Two members that are sure of the truth on 60 and 40 of 100 faces and exclude it elsewhere: weights 0.6 and 0.4.
    truth = np.array([[1.0] * 60 + [1e-9] * 40, [1e-9] * 60 + [1.0] * 40])
    np.testing.assert_allclose(weighting.weighted(truth), [0.6, 0.4], atol=1e-4)
    # One that is better on every face takes all.
    assert weighting.weighted(np.array([[0.9] * 5, [0.5] * 5, [0.2] * 5])).tolist() == [1, 0, 0]


def by_brute_force(p, labels, size, replacement, score):
    """Caruana's loop written as plainly as possible, with means instead of sums."""
    picked = []
    for _ in range(size):
        scores = []
        for m in range(len(p)):
            if not replacement and m in picked:
                scores.append((-1.0, -np.inf))
                continue
            mean = p[[*picked, m]].mean(0)
            likelihood = -log_loss(labels, mean, labels=range(7))
            accuracy = np.mean(mean.argmax(1) == labels)
            scores.append((likelihood,) if score == "cross_entropy" else (accuracy, round(likelihood, 9)))
        picked.append(scores.index(max(scores)))
    return np.bincount(picked, minlength=len(p)) / size


@pytest.mark.parametrize("score", weighting.SCORES)
@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_greedy_picks_what_brute_force_picks(score, replacement, seed):
    p, labels = made(seed=seed, n=60, noise=(1.2, 1.3, 1.4, 1.5))
    expected = by_brute_force(p, labels, 3, replacement, score)
    found = weighting.greedy(p, labels, recipe(3, replacement, score))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_first_pick_is_the_best_member_and_replacement_repeats_it():
    p, labels = made(noise=(2.5, 0.1, 2.5, 2.5))
    assert weighting.greedy(p, labels, recipe(1)).argmax() == 1
    p = np.stack([np.eye(7)[(labels + m) % 7] * 0.9 + 0.1 / 7 for m in range(4)])  # only the first is ever right
    np.testing.assert_allclose(weighting.greedy(p, labels, recipe(5)), [1, 0, 0, 0])
    assert (weighting.greedy(p, labels, recipe(9, replacement=False)) == 0.25).all()  # fewer members than picks


def test_greedy_is_never_below_the_best_of_all_pairs_by_more_than_its_greed():
    p, labels = made(n=80, noise=(1.2, 1.3, 1.4, 1.5))

    def accuracy(picks):
        return np.mean(p[list(picks)].mean(0).argmax(1) == labels)

    best = max(accuracy(pair) for pair in itertools.combinations_with_replacement(range(4), 2))
    single = max(accuracy([m]) for m in range(4))
    w = weighting.greedy(p, labels, recipe(2))
    assert single <= np.mean(weighting.mix(w, p).argmax(1) == labels) <= best


def test_bags_add_up_the_picks_of_random_halves():
    p, labels = made()
    rng = np.random.default_rng(5)
    total = np.zeros(4)
    for _ in range(6):
        half = np.sort(rng.choice(4, 2, replace=False))
        total[half] += by_brute_force(p[half], labels, 3, True, "accuracy") * 3
    np.testing.assert_allclose(weighting.greedy(p, labels, recipe(bags=6, seed=5)), total / total.sum(), atol=1e-12)
    assert (weighting.greedy(p, labels, recipe(bags=6, seed=5)) != weighting.greedy(p, labels, recipe())).any()


@pytest.mark.parametrize("known", [0.5, 1.0, 1.7, 4.0])
def test_a_known_temperature_is_recovered(known):
    rng = np.random.default_rng(0)
    logits = 2 * rng.standard_normal((20_000, 7))
    labels = (softmax(logits, axis=1).cumsum(1) > rng.random((len(logits), 1))).argmax(1)
    told = softmax(known * logits, axis=1)  # as sure as if the logits had been divided by 1 / known
    assert temperature.best_temperature(told, labels) == pytest.approx(known, rel=0.04)


def test_temperature_is_the_lowest_of_a_grid_and_tempering_is_the_predictors():
    p, labels = made(1)
    grid = np.exp(np.linspace(-2, 0.5, 1251))
    truth = np.arange(len(labels)), labels
    losses = [-np.log(softmax(np.log(p[0]) / t, axis=1)[truth]).mean() for t in grid]
    found = temperature.best_temperature(p[0], labels)
    assert found == pytest.approx(grid[np.argmin(losses)], rel=2e-3)
    tempered = temperature.temper(p, np.array([found]))[0]
    np.testing.assert_allclose(tempered, predictor.temper(torch.from_numpy(p[0]), found).numpy(), atol=1e-9)


def test_folds_deal_out_every_class_and_say_each_face_once():
    labels = np.random.default_rng(0).choice(7, 203, p=[0.02, 0.28, 0.2, 0.2, 0.1, 0.1, 0.1])
    parts = list(weighting.folded(labels, 5, 2, 3))
    assert len(parts) == 10
    for repeat in (parts[:5], parts[5:]):
        assert sorted(np.concatenate([said for _, said in repeat])) == list(range(203))
        theirs = StratifiedKFold(5).split(labels, labels)
        for (chosen_by, said), (_, reference) in zip(repeat, theirs, strict=True):
            assert not set(chosen_by) & set(said)
            assert len(chosen_by) + len(said) == 203
            counts = [np.bincount(labels[part], minlength=7) for part in (said, reference)]
            assert np.abs(counts[0] - counts[1]).max() <= 1
    assert any((a[1] != b[1]).any() for a, b in zip(parts[:5], parts[5:], strict=True) if len(a[1]) == len(b[1]))
    most = np.bincount(labels).max()
    for wrong in ((1, 1), (most + 1, 1), (5, 0)):
        with pytest.raises(FerlabError, match=f"expected 2 to {most} folds"):
            next(weighting.folded(labels, *wrong, 0))


def test_soft_is_the_mean_and_other_names_are_refused():
    p, labels = made()
    np.testing.assert_allclose(weighting.mix(weighting.weigh("soft", p, labels, recipe()), p), p.mean(0))
    with pytest.raises(FerlabError, match="method is 'hard'; choose auto, soft, weighted, greedy"):
        weighting.weigh("hard", p, labels, recipe())
    with pytest.raises(FerlabError, match="choose accuracy or cross_entropy"):
        recipe(score="f1")
    with pytest.raises(FerlabError, match="expected at least 1 and 0"):
        recipe(size=0)
