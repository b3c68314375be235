from __future__ import annotations

import pytest
import torch

from text2face.training.objectives import energy_score


def test_the_energy_score_by_hand() -> None:
    target, drawn, twin = torch.zeros(1, 4), torch.full((1, 4), 2.0), torch.full((1, 4), -1.0)
    # ½(4 + 2 - 6) / 2, and ½(4 + 4 - 0) / 2
    assert energy_score(target, drawn, twin).item() == pytest.approx(0)
    assert energy_score(target, drawn, drawn).item() == pytest.approx(2)


@pytest.mark.parametrize(("shift", "spread"), [(0.5, 1.0), (0.0, 0.6), (0.0, 1.6)])
def test_the_energy_score_is_least_for_draws_of_the_targets_distribution(
    shift: float, spread: float
) -> None:
    target, first, second = torch.randn(3, 20_000, 8, generator=torch.Generator().manual_seed(0))
    best = energy_score(target, first, second)
    assert energy_score(target, shift + spread * first, shift + spread * second) > best + 0.01


def test_a_draw_that_is_the_target_has_finite_gradients() -> None:
    target = torch.randn(3, 4)
    drawn = target.clone().requires_grad_()
    energy_score(target, drawn, drawn.detach()).backward()
    assert drawn.grad is not None
    assert drawn.grad.isfinite().all()
