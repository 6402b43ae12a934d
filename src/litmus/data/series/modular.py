"""Arithmetic modulo a prime from part of all pairs (Power et al. 2022, "Grokking"): four tokens and a class."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from litmus.data.fingerprint import fingerprint
from litmus.data.loaders import Indexed, InMemory, check_batching
from litmus.data.order import seed_of
from litmus.data.series.numbers import parse, read_lines
from litmus.limits import Seed, Workers

Batch = tuple[Tensor, Tensor]
LENGTH = 4  # a, operation, b, equals
SIGNS = {"add": "+", "divide": "/"}


class ModularArithmetic(InMemory):
    """All pairs of residues as tokens [a, operation, b, =]; the class is the result.

    The tokens are the residues, then the operation, the sign of equality, and padding, which never occurs.

    Args:
        modulus: A prime, so that every number but 0 divides.
        train: Share of the pairs to train on, by `split_seed`.
        validation: Share of the pairs to validate on; the others are for testing.
        train_size: Train on the first so many pairs only; None for all.

    Raises:
        ValueError: If the tokens are not as many as declared.
    """

    def __init__(
        self,
        operation: Literal["add", "divide"],
        modulus: int,
        train: float,
        validation: float,
        num_classes: int,
        vocab_size: int,
        max_length: int,
        padding: int,
        batch_size: int,
        split_seed: int,
        seed: Seed,
        workers: Workers,
        train_size: int | None,
    ) -> None:
        super().__init__(batch_size, seed, workers)
        check_batching(batch_size, train_size, validation, split_seed)
        if not 0 < train < 1 - validation:
            raise ValueError(
                f"data.train={train} and data.validation={validation} leave no pairs for testing: take 0.5 and 0.25"
            )
        if modulus < 2 or any(modulus % factor == 0 for factor in range(2, int(modulus**0.5) + 1)):
            raise ValueError(f"data.modulus={modulus} is not a prime: take one such as 97")
        declared, found = (vocab_size, max_length, padding), (modulus + 3, LENGTH, modulus + 2)
        if declared != found:
            raise ValueError(
                f"data.vocab_size, max_length and padding are {declared}, and tokens modulo {modulus} need {found}"
            )
        if num_classes != modulus:
            raise ValueError(f"data.num_classes={num_classes}, and there are {modulus} residues")
        self.operation, self.modulus, self.train, self.validation = operation, modulus, train, validation
        self.split_seed, self.train_size = split_seed, train_size
        self.classes = [str(residue) for residue in range(modulus)]

    def setup(self, stage: str) -> None:
        if self.train_set is not None:
            return
        tokens, results = equations(self.operation, self.modulus)
        order = torch.randperm(len(tokens), generator=torch.Generator().manual_seed(seed_of(self.split_seed)))
        sizes = [round(share * len(order)) for share in (self.train, self.train + self.validation)]
        train, val, test = order.tensor_split(sizes)
        self.train_set = Indexed(tokens, results, train[: self.train_size])
        self.val_set, self.test_set = Indexed(tokens, results, val), Indexed(tokens, results, test)
        self.fingerprints = {
            name: fingerprint(results[chosen].numpy(), tokens[chosen].numpy())
            for name, chosen in (("train", train), ("test", test))
        }

    def examples(self, path: Path) -> Iterator[tuple[str, Tensor]]:
        """Place and tokens [4] of each line `a,b` of a CSV, for prediction.

        Raises:
            ValueError: For a line that is no pair of residues.
        """
        for where, cells in read_lines(path, 2):
            numbers = parse(cells, where, ["a", "b"])
            yield where, self.example(numbers, where)

    def example(self, numbers: Sequence[float | None], where: str = "the example") -> Tensor:
        """Tokens [4] of a pair of residues.

        Raises:
            ValueError: If it is none.
        """
        if len(numbers) != 2 or not all(number in range(self.modulus) for number in numbers):
            raise ValueError(f"{where} is no pair of whole numbers from 0 to {self.modulus - 1}")
        a, b = (int(number or 0) for number in numbers)
        return torch.tensor([a, self.modulus, b, self.modulus + 1])

    def preprocessing(self) -> dict[str, Any]:
        """What the network takes, in plain values: as many tokens [a, operation, b, equals], as their ids."""
        return {"kind": "tokens", "length": LENGTH}

    def batch(self, examples: Sequence[Tensor]) -> Tensor:
        """Tokens [batch, 4], ready for the network."""
        return torch.stack(list(examples))

    def words(self, tokens: Tensor) -> str:
        """The equation behind a row of tokens."""
        return f"{tokens[0]} {SIGNS[self.operation]} {tokens[2]} ="


def equations(operation: Literal["add", "divide"], modulus: int) -> tuple[Tensor, Tensor]:
    """Tokens [pairs, 4] and results [pairs]; a / b = c is made from a = b c, with b from 1 on."""
    first, second = torch.arange(modulus), torch.arange(modulus)
    if operation == "add":
        a, b = torch.cartesian_prod(first, second).T
        result = (a + b) % modulus
    else:
        result, b = torch.cartesian_prod(first, second[1:]).T
        a = result * b % modulus
    sign, equals = torch.full_like(a, modulus), torch.full_like(a, modulus + 1)
    return torch.stack([a, sign, b, equals], 1), result
