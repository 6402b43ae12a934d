"""The data that `litmus prepare` left, whatever they are."""

from collections.abc import Sequence
from typing import Any

from litmus.data.images.augment import Augment
from litmus.data.shards.images import ImageShards
from litmus.data.shards.shard_data import ShardData
from litmus.data.shards.tables import TableShards
from litmus.data.shards.texts import TextShards
from litmus.data.texts.tokenizer import Recipe


def prepared_data(
    kind: str,
    stem: str,
    num_classes: int | None,
    image_shape: Sequence[int] | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    augment: Augment,
    columns: Sequence[str] | None,
    length: int | None,
    channels: int | None,
    tokenizer: Recipe,
    vocab_size: int | None,
    vocabulary_texts: int,
    max_length: int | None,
    padding: int | None,
    **shards: Any,
) -> ShardData:
    """Texts, images or tables, by what the manifest says; what does not apply to a kind is None.

    Args:
        kind: `text`, `image` or `table`.
        stem: Stands in the configuration for the networks, as do `num_classes`, `length` and `channels`.
        image_shape: Channels, height, width.
        mean: Of each channel, for values from 0 to 1.
        augment: Of images.
        columns: Of a table.
        tokenizer: Of texts, as are the arguments after it.
        shards: The other arguments of `ShardData`.

    Raises:
        ValueError: If there is no such kind, or something that applies is None.
    """
    if kind == "text" and max_length is not None and padding is not None:
        return TextShards(tokenizer, vocab_size, vocabulary_texts, max_length, padding, **shards)
    if kind == "image" and image_shape is not None and mean is not None and std is not None:
        return ImageShards(image_shape, mean, std, augment, **shards)
    if kind == "table" and columns is not None:
        return TableShards(columns, **shards)
    raise ValueError(f"data.kind={kind} lacks what it takes: leave it, and what goes with it, to the manifest")
