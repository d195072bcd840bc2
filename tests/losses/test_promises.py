"""What a module's own loss promises: torch's losses, functions and strangers, and a candidate in their place."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812, as everybody calls it

from glo_lightning.errors import ModelError
from glo_lightning.losses import (
    CrossEntropyLoss,
    HeadsLoss,
    Loss,
    MeanSquaredErrorLoss,
    ScaledLoss,
    SigmoidLoss,
    TaylorLoss,
    cross_entropy_taylor,
)
from glo_lightning.losses.promises import Promises, Replacement, replacement, with_reduction

LOGITS = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TARGET = torch.tensor([0, 2, -100, 1, 255, 2])
IMAGE = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
MASK = torch.arange(32).reshape(2, 4, 4) % 4  # class 3 is the void
WEIGHT = torch.tensor([1.0, 2.0, 3.0])


def focal(logits: Tensor, target: Tensor, gamma: float = 2.0, reduction: str = "none", ignore_index: int = 7) -> Tensor:
    raise AssertionError("not asked")


class Stranger(nn.Module):
    """A loss with a weight of its own, as metric learning has them."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(logits * self.weight, target, reduction="none")


class Masked(nn.Module):
    """As torchmetrics and libraries for segmentation name it."""

    ignore_index = 255

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(logits, target, ignore_index=255)


def step(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits, target)


READ: dict[str, tuple[Callable[..., Any], str | None, int | None, tuple[str, ...]]] = {
    "CrossEntropyLoss": (nn.CrossEntropyLoss(), "mean", -100, ()),
    "with options": (
        nn.CrossEntropyLoss(WEIGHT, ignore_index=255, reduction="sum", label_smoothing=0.1),
        "sum", 255, ("weight", "label_smoothing=0.1"),
    ),
    "compiled": (torch.compile(nn.CrossEntropyLoss(ignore_index=3), backend="eager"), "mean", 3, ()),
    "NLLLoss": (nn.NLLLoss(WEIGHT, reduction="none"), "none", -100, ("weight",)),
    "BCEWithLogitsLoss": (nn.BCEWithLogitsLoss(pos_weight=WEIGHT), "mean", None, ("pos_weight",)),
    "MSELoss": (nn.MSELoss(reduction="sum"), "sum", None, ()),
    "KLDivLoss": (nn.KLDivLoss(reduction="batchmean"), "mean", None, ()),
    "ours": (CrossEntropyLoss(reduction="sum", label_smoothing=0.2), "sum", None, ("label_smoothing=0.2",)),
    "ours, wrapped": (SigmoidLoss(CrossEntropyLoss(reduction="none")), "none", None, ()),
    "function": (F.cross_entropy, "mean", -100, ()),
    "partial": (functools.partial(F.cross_entropy, ignore_index=9, weight=WEIGHT), "mean", 9, ("weight",)),
    "partial of a module": (functools.partial(nn.CrossEntropyLoss(reduction="sum")), "sum", -100, ()),
    "function with options": (focal, "none", 7, ()),
    "module of a stranger": (Stranger(), None, None, ("the parameters",)),
    "mask alone": (Masked(), None, 255, ()),
    "function without options": (step, None, None, ()),
    "function that Python cannot look into": (torch.cross, None, None, ()),
}  # fmt: skip


@pytest.mark.parametrize(("own", "reduction", "index", "lacking"), READ.values(), ids=READ)
def test_what_can_be_read_off_a_loss(
    own: Callable[..., Any], reduction: str | None, index: int | None, lacking: tuple[str, ...]
) -> None:
    found = Promises.of(own)
    assert (found.reduction, found.ignore_index, found.lacking) == (reduction, index, lacking)
    assert found.are_known == (reduction is not None)
    assert "\n" not in found.caveat
    assert bool(found.caveat) == bool(lacking or not found.are_known)
    assert all(each in found.caveat for each in (lacking if found.are_known else ()))


def test_a_caveat_names_the_loss_and_what_is_lost() -> None:
    assert Promises.of(nn.CrossEntropyLoss(WEIGHT, label_smoothing=0.1)).caveat == (
        "Candidates do without weight and label_smoothing=0.1 of CrossEntropyLoss, which they replace."
    )
    assert Promises.of(step).caveat == (
        "Candidates replace step, whose options cannot be known: "
        "class weights and ignored labels, if it has them, they do without."
    )
    assert "ignored" not in Promises.of(Masked()).caveat


@pytest.mark.parametrize("own", [nn.BCELoss(), F.binary_cross_entropy, functools.partial(F.binary_cross_entropy)])
def test_losses_of_probabilities_cannot_be_replaced(own: Callable[..., Any]) -> None:
    with pytest.raises(ModelError, match=r"takes probabilities.*use BCEWithLogitsLoss"):
        Replacement(CrossEntropyLoss(), own)


def same_in_torch(
    logits: Tensor,
    target: Tensor,
    candidate: nn.Module,
    own: Callable[..., Tensor],
    network: Callable[[Tensor], Tensor] = nn.Identity(),  # noqa: B008
) -> None:
    """Cross-entropy in the place of torch's is torch's, in value and gradient."""
    values = []
    for loss in (replacement(candidate, own), own):
        leaf = logits.clone().requires_grad_()
        value = loss(network(leaf), target)
        value.sum().backward()
        values.append((value.detach(), leaf.grad))
    torch.testing.assert_close(values[0], values[1])


CANDIDATES: dict[str, Callable[[], nn.Module]] = {
    "ours": CrossEntropyLoss,
    "wrapped": lambda: ScaledLoss(ScaledLoss(CrossEntropyLoss(), 2.0), 0.5),
    "torch's": nn.CrossEntropyLoss,
}


@pytest.mark.parametrize("candidate", CANDIDATES.values(), ids=CANDIDATES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
class TestInThePlaceOfTorchs:
    def test_labels_of_samples(self, candidate: Callable[[], nn.Module], reduction: str) -> None:
        own = nn.CrossEntropyLoss(ignore_index=255, reduction=reduction)
        target = TARGET.where(TARGET >= 0, 255)
        same_in_torch(LOGITS, target, candidate(), own)
        same_in_torch(LOGITS[:2], target[:2], candidate(), own)

    def test_labels_of_positions(self, candidate: Callable[[], nn.Module], reduction: str) -> None:
        same_in_torch(IMAGE, MASK, candidate(), nn.CrossEntropyLoss(ignore_index=3, reduction=reduction))

    def test_distributions_have_nothing_to_ignore(self, candidate: Callable[[], nn.Module], reduction: str) -> None:
        same_in_torch(LOGITS, LOGITS.softmax(-1), candidate(), nn.CrossEntropyLoss(reduction=reduction))

    def test_functions(self, candidate: Callable[[], nn.Module], reduction: str) -> None:
        own = functools.partial(F.cross_entropy, reduction=reduction, ignore_index=255)
        same_in_torch(LOGITS, TARGET.where(TARGET >= 0, 255), candidate(), own)

    def test_log_probabilities_are_logits(self, candidate: Callable[[], nn.Module], reduction: str) -> None:
        own = nn.NLLLoss(reduction=reduction)
        target = TARGET.where(TARGET < 3, -100)
        same_in_torch(LOGITS, target, candidate(), own, nn.LogSoftmax(-1))

    def test_no_labels_cost_nothing(self, candidate: Callable[[], nn.Module], reduction: str) -> None:
        if candidate is nn.CrossEntropyLoss:
            pytest.skip("torch's mean of nothing is NaN")
        leaf = LOGITS.clone().requires_grad_()
        value = replacement(candidate(), nn.CrossEntropyLoss(reduction=reduction))(leaf, torch.full((6,), -100))
        value.sum().backward()
        assert not value.any()
        assert leaf.grad is not None
        assert not leaf.grad.any()


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_in_the_place_of_binary_cross_entropy(reduction: str) -> None:
    own = nn.BCEWithLogitsLoss(reduction=reduction)
    same_in_torch(LOGITS, (LOGITS > 0).double(), SigmoidLoss(CrossEntropyLoss()), own)
    same_in_torch(LOGITS[:, :1], (LOGITS[:, 1:2] > 0).double(), SigmoidLoss(CrossEntropyLoss()), own)


@pytest.mark.parametrize("heads", [CrossEntropyLoss(), HeadsLoss([CrossEntropyLoss(), MeanSquaredErrorLoss()])])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_all_heads_leave_the_same_labels_out(heads: Loss, reduction: str) -> None:
    found = replacement(heads, nn.CrossEntropyLoss(ignore_index=3, reduction=reduction))((IMAGE, 2 * IMAGE), MASK)
    keep = MASK < 3
    rows = IMAGE.movedim(1, -1)[keep]
    expected = with_reduction(heads, "none")((rows, 2 * rows), MASK[keep])
    if reduction == "none":
        torch.testing.assert_close(found, torch.zeros(2, 4, 4, dtype=torch.float64).masked_scatter(keep, expected))
    else:
        torch.testing.assert_close(found, getattr(expected, reduction)())


def weighted(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits, target, reduction="none")


@pytest.mark.parametrize(
    "own", [weighted, Stranger(), lambda *both: weighted(*both)], ids=["function", "module", "lambda"]
)
def test_a_loss_that_hides_its_reduction_is_asked_once(own: Callable[..., Tensor]) -> None:
    calls: list[Tensor] = []

    def asked(logits: Tensor, target: Tensor) -> Tensor:
        calls.append(logits)
        return own(logits, target)

    candidate = CrossEntropyLoss()
    found = replacement(candidate, asked)
    for _ in range(2):
        torch.testing.assert_close(found(LOGITS, TARGET.clamp(0, 2)), weighted(LOGITS, TARGET.clamp(0, 2)))
    assert len(calls) == 1
    assert not calls[0].requires_grad
    assert candidate.reduction == "mean"


def test_a_loss_that_cannot_be_asked_is_left_in_peace() -> None:
    assert replacement(CrossEntropyLoss(), focal)(LOGITS, TARGET.clamp(0, 2)).shape == (6,)
    found = replacement(CrossEntropyLoss(), lambda logits, target, more: logits)
    assert found(LOGITS, TARGET.clamp(0, 2)).shape == ()


def test_being_asked_draws_no_random_numbers() -> None:
    found = replacement(CrossEntropyLoss(), lambda logits, target: F.dropout(logits).sum())
    state = torch.get_rng_state()
    found(LOGITS, TARGET.clamp(0, 2))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("candidate", "own"),
    [
        (CrossEntropyLoss(), nn.MSELoss(reduction="none")),
        (CrossEntropyLoss(), lambda logits, target: (logits - target) ** 2),
        (nn.CrossEntropyLoss(), weighted),
    ],
    ids=["torch's", "function", "candidate that cannot"],
)
def test_values_of_another_shape_are_refused(candidate: nn.Module, own: Callable[..., Any]) -> None:
    class Single(nn.Module):
        def forward(self, logits: Tensor, target: Tensor) -> Tensor:
            return candidate(logits, target).mean()

    with pytest.raises(ModelError, match=r"return one number, or one for each label"):
        replacement(Single(), own)(LOGITS, LOGITS.softmax(-1))


def test_a_candidate_that_keeps_everything_anyway_is_not_wrapped() -> None:
    candidate = CrossEntropyLoss()
    assert replacement(candidate, CrossEntropyLoss()) is candidate
    assert replacement(candidate, nn.BCEWithLogitsLoss()) is candidate
    assert replacement(candidate, nn.CrossEntropyLoss()) is not candidate


def test_a_view_shares_numbers_progress_and_hooks_with_the_candidate() -> None:
    inner = TaylorLoss(torch.zeros(7), inputs=("y", "h", "t"), order=2)
    seen: list[nn.Module] = []
    for candidate in (inner, ScaledLoss(inner, 2.0)):
        view = with_reduction(candidate, "sum")
        candidate.progress = 0.0
        candidate.progress = 0.75
        assert view.progress == 0.75
        handle = candidate.register_forward_pre_hook(lambda module, _: seen.append(module))
        view(LOGITS, TARGET.clamp(0, 2))
        handle.remove()
        assert seen.pop() is view
        assert (view.reduction, candidate.reduction) == ("sum", "mean")


def test_what_stands_for_a_candidate_shows_what_it_has() -> None:
    candidate = cross_entropy_taylor()
    found = replacement(candidate, nn.CrossEntropyLoss())
    assert found.formula() == candidate.formula()
    with pytest.raises(AttributeError, match="no_such"):
        found.no_such  # noqa: B018


def test_a_call_that_does_not_fit_is_the_candidates_to_explain() -> None:
    found = replacement(CrossEntropyLoss(), nn.CrossEntropyLoss())
    for arguments in ((LOGITS,), (LOGITS, TARGET, TARGET)):
        with pytest.raises(TypeError):
            found(*arguments)
    with pytest.raises(TypeError, match="input"):
        found(input=LOGITS, target=TARGET)
    assert found(LOGITS, target=TARGET.clamp(0, 2)).isfinite()
