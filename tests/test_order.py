"""The order of a data set is a function of (seed, epoch), shared out exactly over ranks."""

import pytest
import torch

from litmus.data.order import PlainBatches, ShuffledBatches


def epoch(seed: int, epoch: int, rank: int = 0, ranks: int = 1) -> list[torch.Tensor]:
    batches = ShuffledBatches(103, 10, seed, rank, ranks)
    batches.set_epoch(epoch)
    return list(batches)


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    torch.manual_seed(1)
    first = torch.cat(epoch(0, 3))
    torch.manual_seed(2)
    assert torch.equal(first, torch.cat(epoch(0, 3)))
    assert not torch.equal(first, torch.cat(epoch(0, 4)))
    assert not torch.equal(first, torch.cat(epoch(1, 3)))


def test_an_epoch_has_whole_batches_of_different_examples() -> None:
    batches = epoch(0, 0)
    assert [len(batch) for batch in batches] == [10] * 10
    assert len(torch.cat(batches).unique()) == 100


def test_two_ranks_see_the_halves_of_the_batch_that_one_rank_sees() -> None:
    whole, left, right = epoch(0, 2), epoch(0, 2, 0, 2), epoch(0, 2, 1, 2)
    for batch, a, b in zip(whole, left, right, strict=True):
        assert torch.equal(batch, torch.cat([a, b]))


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_evaluation_sees_every_example_exactly_once(ranks: int) -> None:
    shares = [PlainBatches(103, 8, rank, ranks) for rank in range(ranks)]
    seen = [batch for share in shares for number, batch in enumerate(share) if share.counts(number)]
    assert torch.equal(torch.cat(seen).sort().values, torch.arange(103))
    assert len({len(list(share)) for share in shares}) == 1  # or those with more would wait for the others for ever


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_evaluation_has_the_same_batches_on_any_number_of_ranks(ranks: int) -> None:
    alone = {tuple(batch.tolist()) for batch in PlainBatches(103, 8, 0, 1)}
    assert alone == {tuple(batch.tolist()) for rank in range(ranks) for batch in PlainBatches(103, 8, rank, ranks)}


def test_a_batch_that_is_too_large_or_uneven_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size=104 is larger than the training set, which has 103"):
        ShuffledBatches(103, 104, 0, 0, 1)
    with pytest.raises(ValueError, match=r"batch_size=10 can't be shared equally by 3 devices, .* give 9 or 12"):
        ShuffledBatches(103, 10, 0, 0, 3)
    with pytest.raises(ValueError, match=r"batch_size=2 can't be shared equally by 3 devices, .* give 3$"):
        ShuffledBatches(103, 2, 0, 0, 3)
