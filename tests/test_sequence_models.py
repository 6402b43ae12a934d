"""Networks for sequences: they agree with torch's, transformers' and the papers', padding never counts, and language
models never look ahead."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hydra.utils import instantiate
from omegaconf import OmegaConf
from test_models import GOLDEN as IMAGES
from torch import Tensor, nn

from litmus.models.attention import Attention, Block, FeedForward, Rotary
from litmus.models.cct import StochasticDepth
from litmus.models.decay import decay_matrices
from litmus.models.dlinear import DLinear
from litmus.models.pooling import Pooling
from litmus.models.stems import Frames, Patches, Pixels, Rows, Stem, Tokens

CONF = Path(__file__).parents[1] / "conf"
MODELS = sorted(path.stem for path in (CONF / "model").rglob("*.yaml"))
FACTS = {  # what data say of themselves
    "text": {"vocab_size": 50, "max_length": 24, "padding": 0},
    "series": {"channels": 3, "length": 30},
    "forecast": {"channels": 3, "length": 96, "horizon": 24},
    "corpus": {"vocab_size": 65, "context": 64},
}
STEMS = {"text": "text", "series": "series", "forecast": "series", "corpus": "corpus"}
OUTPUTS = {"text": 4, "series": 4, "forecast": 72}
GOLDEN = {  # first training loss, seed 0, on 8 examples, CPU, one thread
    ("mlp", "text"): 1.38504,
    ("cnn", "text"): 1.49621,
    ("lstm", "text"): 1.38433,
    ("transformer", "text"): 1.32871,
    ("text_cnn", "text"): 1.39044,
    ("hf", "text"): 1.49462,
    ("mlp", "series"): 1.36194,
    ("cnn", "series"): 1.61242,
    ("lstm", "series"): 1.40209,
    ("transformer", "series"): 1.24424,
    ("fcn", "series"): 1.36007,
    ("lstm_fcn", "series"): 1.49583,
    ("mnist1d", "series"): 1.38239,
    ("mlp", "forecast"): 0.45660,
    ("cnn", "forecast"): 0.30329,
    ("lstm", "forecast"): 0.06593,
    ("transformer", "forecast"): 0.16735,
    ("dlinear", "forecast"): 10.59050,
    ("nlinear", "forecast"): 126.06440,
    ("patchtst", "forecast"): 36.08355,
    ("gpt", "corpus"): 4.19634,
    ("lstm_lm", "corpus"): 4.17346,
}
TEXT_MODELS = [model for model, kind in GOLDEN if kind == "text"]
VARIANTS = [
    *[(model, ()) for model in TEXT_MODELS],
    *[("lstm", (f"cell={cell}", f"layers={layers}")) for cell in ("gru", "rnn") for layers in (1, 2)],
    *[("lstm", (f"pooling={pooling}",)) for pooling in ("mean", "first", "last", "attention")],
    ("lstm", ("pooling=last", "bidirectional=false")),
    *[("transformer", ("positions=rotary", f"pooling={pooling}")) for pooling in ("max", "last", "attention")],
]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A BERT of 16 wide and 2 deep that has learned nothing."""
    from transformers import BertConfig, BertModel

    folder = str(tmp_path_factory.mktemp("bert"))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def repeatable() -> None:
    torch.manual_seed(0)


def build(model: str, kind: str, checkpoint: str, *settings: str, **facts: Any) -> Any:
    """The network of conf/model for data of a kind, without the rest of a configuration."""
    file = OmegaConf.load(CONF / "model" / f"{model}.yaml")
    config = OmegaConf.create(
        {
            "model": file.model if "model" in file else file,
            "stem": OmegaConf.load(CONF / "stem" / f"{STEMS[kind]}.yaml"),
            "data": {**FACTS[kind], **facts},
            "tokenizer": {"checkpoint": "${model.checkpoint}"},
            "outputs": OUTPUTS.get(kind),
        }
    )
    if model == "hf":
        config.model.checkpoint = checkpoint
    for setting in settings:
        name, _, value = setting.partition("=")
        OmegaConf.update(config, f"model.{name}", OmegaConf.create(f"x: {value}").x)
    torch.manual_seed(0)
    return instantiate(config.model, _convert_="all")


def inputs(kind: str) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    if kind == "text":
        tokens = torch.randint(1, 50, (8, 20), generator=generator)
        return tokens * (torch.arange(20) < torch.tensor([20, 1, 2, 3, 7, 10, 15, 19])[:, None])
    if kind == "corpus":
        return torch.randint(65, (8, 64), generator=generator)
    return torch.randn(8, FACTS[kind]["length"], 3, generator=generator).cumsum(1)


def loss(net: nn.Module, kind: str) -> Tensor:
    out = net(inputs(kind))
    if kind == "corpus":
        return F.cross_entropy(out[0][:, :-1].flatten(0, 1), inputs(kind)[:, 1:].flatten())
    if kind == "forecast":
        return F.mse_loss(out, torch.zeros_like(out))
    return F.cross_entropy(out, torch.arange(8) % OUTPUTS[kind])


def parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_a_golden_loss_here_or_with_the_images(model: str) -> None:
    if model not in {model for model, _ in GOLDEN} | IMAGES.keys():
        pytest.skip(f"model={model} has none yet: when it is what it should be, add its first loss to GOLDEN")


@pytest.mark.parametrize(("model", "kind"), GOLDEN)
def test_first_loss_is_golden_and_every_parameter_gets_a_gradient(model: str, kind: str, checkpoint: str) -> None:
    net = build(model, kind, checkpoint)
    found = loss(net, kind)
    found.backward()
    without = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []
    assert found.item() == pytest.approx(GOLDEN[model, kind], abs=2e-4)


@pytest.mark.parametrize(("model", "kind"), GOLDEN)
def test_an_output_ignores_the_rest_of_its_batch(model: str, kind: str, checkpoint: str) -> None:
    net = build(model, kind, checkpoint).eval()
    together, alone = net(inputs(kind)), net(inputs(kind)[3:4])
    if kind == "corpus":
        together, alone = together[0], alone[0]
    torch.testing.assert_close(together[3:4], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("model", "settings"), VARIANTS)
def test_an_output_ignores_padding(model: str, settings: tuple[str, ...], checkpoint: str) -> None:
    net = build(model, "text", checkpoint, *settings).eval()
    together = net(inputs("text"))
    for tokens, expected in zip(inputs("text"), together, strict=True):
        torch.testing.assert_close(net(tokens[tokens > 0][None])[0], expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(net(F.pad(inputs("text"), (0, 3))), together, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("model", TEXT_MODELS)
def test_training_ignores_padding_too(model: str, checkpoint: str) -> None:
    net = build(model, "text", checkpoint, "dropout=0.0").train()
    torch.testing.assert_close(net(F.pad(inputs("text"), (0, 3))), net(inputs("text")), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("model", TEXT_MODELS)
def test_an_empty_text_has_an_output_and_a_gradient(model: str, checkpoint: str) -> None:
    net = build(model, "text", checkpoint)
    out = net(torch.cat([inputs("text"), torch.zeros(1, 20, dtype=torch.long)]))
    out.sum().backward()
    assert out.isfinite().all() and all(p.grad.isfinite().all() for p in net.parameters())


def test_patches_are_those_of_a_convolution_whose_stride_is_its_size() -> None:
    images, kernel = torch.randn(2, 3, 28, 30), torch.randn(5, 3, 8, 8)
    stem = Patches([3, 28, 30], 8)
    patches, mask = stem(images)
    assert (mask, patches.shape) == (None, (2, stem.length, stem.width))
    expected = F.conv2d(F.pad(images, (0, 2, 0, 4)), kernel, stride=8).flatten(2).transpose(1, 2)
    torch.testing.assert_close(patches @ kernel.flatten(1).T, expected, atol=1e-3, rtol=1e-4)


def test_rows_are_read_from_top_to_bottom() -> None:
    images, stem = torch.randn(2, 3, 4, 5), Rows([3, 4, 5])
    rows, _ = stem(images)
    assert rows.shape == (2, stem.length, stem.width)
    assert torch.equal(rows[1, 2], images[1, :, 2].flatten())


def test_frames_join_steps_and_repeat_the_last_to_fill_up() -> None:
    series = torch.arange(14.0).view(1, 7, 2)
    stem = Frames(channels=2, length=7, frames=4)
    frames, _ = stem(series)
    assert frames.shape == (1, stem.length, stem.width)
    assert frames[0].tolist() == [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9, 10, 11, 12, 13, 12, 13]]
    assert torch.equal(Frames(2, 7, 1)(series)[0], series)


def test_token_vectors_start_small_and_that_of_padding_is_zero() -> None:
    vectors = Tokens(vocab_size=50, max_length=7, width=20, padding=3, init_range=0.25).embedding.weight
    assert not vectors[3].any() and vectors[:3].abs().amin(dim=1).gt(0).all()
    assert 0.24 < vectors.max() <= 0.25 and -0.25 <= vectors.min() < -0.24


def test_every_stem_but_pixels_gives_a_sequence() -> None:
    assert isinstance(Tokens(5, 7, 2, 0, 0.1), Stem) and isinstance(Frames(1, 7, 1), Stem)
    assert not isinstance(Pixels([3, 4, 5]), Stem)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_both_directions_are_those_of_torch_with_packed_sequences(cell: str, layers: int, checkpoint: str) -> None:
    net = build("lstm", "text", checkpoint, f"cell={cell}", f"layers={layers}", "pooling=last").eval()
    other = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[cell]
    reference = other(128, 128, layers, batch_first=True, bidirectional=True)
    for index, layer in enumerate(net.layers):
        for rnn, suffix in ((layer.ahead, ""), (layer.back, "_reverse")):
            for name, weight in rnn.named_parameters():
                reference.get_parameter(name.replace("l0", f"l{index}{suffix}")).data.copy_(weight)
    vectors, mask = net.stem(inputs("text"))
    packed = nn.utils.rnn.pack_padded_sequence(vectors, mask.sum(1), batch_first=True, enforce_sorted=False)
    _, state = reference(packed)
    ends = (state[0] if cell == "lstm" else state)[-2:]  # of the last layer, both directions
    torch.testing.assert_close(net(inputs("text")), net.head(torch.cat([*ends], dim=1)), atol=1e-5, rtol=1e-4)


def test_a_block_is_that_of_torch() -> None:
    reference = nn.TransformerEncoderLayer(32, 4, 64, 0.0, F.gelu, batch_first=True, norm_first=True)
    attention = Attention(32, 4, 0.0, qkv_bias=True, bias=True, causal=False, rotary=None)
    block = Block(32, attention, FeedForward(32, 64, 0.0, bias=True, approximate="none"), nn.Identity(), bias=True)
    for own, theirs in (
        (attention.qkv.weight, reference.self_attn.in_proj_weight),
        (attention.qkv.bias, reference.self_attn.in_proj_bias),
        *zip(attention.out.parameters(), reference.self_attn.out_proj.parameters(), strict=True),
        *zip(block.mlp.widen.parameters(), reference.linear1.parameters(), strict=True),
        *zip(block.mlp.narrow.parameters(), reference.linear2.parameters(), strict=True),
    ):
        own.data.copy_(nn.init.normal_(theirs, std=0.3))
    sequence, mask = torch.randn(3, 7, 32), torch.arange(7) < torch.tensor([7, 4, 1])[:, None]
    expected = reference(sequence, src_key_padding_mask=~mask)
    torch.testing.assert_close(block(sequence, mask)[mask], expected[mask], atol=1e-5, rtol=1e-4)


def test_gpt_is_that_of_transformers(checkpoint: str) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    shape = GPT2Config(vocab_size=65, n_positions=64, n_embd=32, n_layer=2, n_head=4, activation_function="gelu_new")
    reference: Any = GPT2LMHeadModel(shape).eval()
    net = build("gpt", "corpus", checkpoint, "width=32", "layers=2", "bias=true")
    for parameter in reference.parameters():
        nn.init.normal_(parameter, std=0.5)
    net.tokens.weight.data.copy_(reference.transformer.wte.weight)
    net.positions.weight.data.copy_(reference.transformer.wpe.weight)
    net.norm.load_state_dict(reference.transformer.ln_f.state_dict())
    for own, theirs in zip(net.blocks, reference.transformer.h, strict=True):
        own.norm1.load_state_dict(theirs.ln_1.state_dict())
        own.norm2.load_state_dict(theirs.ln_2.state_dict())
        for linear, transposed in (
            (own.attention.qkv, theirs.attn.c_attn),
            (own.attention.out, theirs.attn.c_proj),
            (own.mlp.widen, theirs.mlp.c_fc),
            (own.mlp.narrow, theirs.mlp.c_proj),
        ):
            linear.load_state_dict({"weight": transposed.weight.T, "bias": transposed.bias})
    torch.testing.assert_close(net(inputs("corpus"))[0], reference(inputs("corpus")).logits, atol=1e-4, rtol=1e-4)


def test_gpt_starts_as_nanogpt_does(checkpoint: str) -> None:
    net = build("gpt", "corpus", checkpoint)
    stds = {name: parameter.std().item() for name, parameter in net.named_parameters() if parameter.ndim == 2}
    scaled = {name for name in stds if name.endswith(("attention.out.weight", "mlp.narrow.weight"))}
    assert len(scaled) == 2 * 4
    for name, std in stds.items():
        assert std == pytest.approx(0.02 / 8**0.5 if name in scaled else 0.02, rel=0.05), name


@pytest.mark.parametrize(
    ("model", "kind", "facts", "size"),
    [
        ("gpt", "corpus", {}, 804_096),
        ("lstm_lm", "corpus", {"vocab_size": 10_000}, 4_653_200),  # with torch's second bias, 1,600 more than the paper
        ("fcn", "series", {"channels": 1}, 264_962 + 2 * 129),
        ("dlinear", "forecast", {"length": 336, "horizon": 96}, 2 * (336 * 96 + 96)),
        ("patchtst", "forecast", {"length": 336, "horizon": 96}, 81_728 + 32),  # a last norm more than the paper
    ],
)
def test_parameter_counts_are_the_papers(
    model: str, kind: str, facts: dict[str, int], size: int, checkpoint: str
) -> None:
    assert parameters(build(model, kind, checkpoint, **facts)) == size


def test_rotary_positions_know_the_distance_only() -> None:
    rotary = Rotary(50, 8)
    query, key = torch.randn(8).expand(1, 1, 50, 8), torch.randn(8).expand(1, 1, 50, 8)
    scores = (rotary(query) @ rotary(key).transpose(2, 3))[0, 0]
    torch.testing.assert_close(scores[5:, 5:], scores[:-5, :-5], atol=1e-5, rtol=1e-4)
    assert scores[0].std() > 0.1
    torch.testing.assert_close(rotary(query).norm(dim=3), query.norm(dim=3))


@pytest.mark.parametrize("model", [model for model, kind in GOLDEN if kind == "corpus"])
def test_a_language_model_does_not_look_ahead(model: str, checkpoint: str) -> None:
    net = build(model, "corpus", checkpoint).eval()
    tokens = inputs("corpus")
    changed = torch.cat([tokens[:, :40], (tokens[:, 40:] + 1) % 65], dim=1)
    before, after = net(tokens)[0], net(changed)[0]
    torch.testing.assert_close(before[:, :40], after[:, :40])
    assert (before[:, 40:] - after[:, 40:]).abs().amin(dim=(0, 2)).gt(0).any()
    torch.testing.assert_close(net(tokens[:, :40])[0], before[:, :40], atol=1e-5, rtol=1e-4)


def test_a_state_that_is_handed_on_makes_two_halves_a_whole(checkpoint: str) -> None:
    net = build("lstm_lm", "corpus", checkpoint).eval()
    first, state = net(inputs("corpus")[:, :30])
    second, _ = net(inputs("corpus")[:, 30:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), net(inputs("corpus"))[0], atol=1e-5, rtol=1e-4)


def test_pooling_is_over_what_is_there() -> None:
    sequence = torch.tensor([[[1.0], [3.0], [9.0]], [[-5.0], [0.0], [0.0]]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    for kind, expected in {"max": [3, -5], "mean": [2, -5], "first": [1, -5], "last": [3, -5]}.items():
        assert Pooling(kind, 1)(sequence, mask).flatten().tolist() == expected
    attention = Pooling("attention", 1)
    nn.init.constant_(attention.score.weight, 1000.0)
    assert attention(sequence, mask).flatten().tolist() == [3, -5]
    assert Pooling("last", 1)(sequence, None).flatten().tolist() == [9, 0]


def test_rows_of_the_text_cnn_are_capped_while_training(checkpoint: str) -> None:
    net = build("text_cnn", "text", checkpoint)
    nn.init.constant_(net.head.weight, 1.0)
    net.eval()(inputs("text"))
    assert (net.head.weight == 1).all()
    net.train()(inputs("text"))
    torch.testing.assert_close(net.head.weight.norm(dim=1), torch.full((4,), 3.0))


def test_stochastic_depth_leaves_whole_examples_out_and_keeps_the_mean() -> None:
    drop, ones = StochasticDepth(0.25), torch.ones(10_000, 2, 3)
    out = drop(ones)
    assert torch.equal(out, out[:, :1, :1].expand_as(out)) and out.unique().tolist() == [0, pytest.approx(1 / 0.75)]
    assert out.mean().item() == pytest.approx(1, abs=0.05)
    assert drop.eval()(ones) is ones


def test_a_logistic_regression_is_one_linear_layer(checkpoint: str) -> None:
    assert parameters(build("mlp", "series", checkpoint, "hidden=[]")) == 30 * 3 * 4 + 4


def test_dlinear_splits_a_series_into_its_moving_average_and_the_rest() -> None:
    net, series = DLinear(length=60, horizon=60, window=25), inputs("forecast")[:, :60]
    for parameter in net.parameters():
        nn.init.zeros_(parameter)
    nn.init.eye_(net.trend.weight)
    ends = torch.cat([series[:, :1].expand(-1, 12, -1), series, series[:, -1:].expand(-1, 12, -1)], dim=1)
    torch.testing.assert_close(net(series).view_as(series), ends.unfold(1, 25, 1).mean(3), atol=1e-4, rtol=1e-4)
    nn.init.eye_(net.rest.weight)
    torch.testing.assert_close(net(series).view_as(series), series, atol=1e-4, rtol=1e-4)


def test_patchtst_follows_the_scale_of_each_channel_and_keeps_channels_apart(checkpoint: str) -> None:
    net = build("patchtst", "forecast", checkpoint).eval()
    series, scale, shift = inputs("forecast"), torch.tensor([2.0, 0.5, 7.0]), torch.tensor([1.0, -3.0, 10.0])
    forecast = net(series).view(8, 24, 3)
    torch.testing.assert_close(
        net(series * scale + shift).view(8, 24, 3), forecast * scale + shift, atol=1e-2, rtol=1e-3
    )
    torch.testing.assert_close(net(series.flip(2)).view(8, 24, 3), forecast.flip(2), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("model", "kind"), [("transformer", "text"), ("gpt", "corpus"), ("patchtst", "forecast"), ("hf", "text")]
)
def test_every_parameter_is_in_one_group_and_vectors_do_not_decay(model: str, kind: str, checkpoint: str) -> None:
    net = build(model, kind, checkpoint)
    groups = net.parameter_groups()
    ids = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(ids) == sorted(id(parameter) for parameter in net.parameters())
    for group in groups:
        assert all((parameter.ndim < 2) == (group.get("weight_decay") == 0.0) for parameter in group["params"])


def test_the_rate_falls_from_layer_to_layer(checkpoint: str) -> None:
    net = build("hf", "text", checkpoint, "lr_decay=0.5")
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    rates = {names[id(p)]: group.get("lr_scale", 1.0) for group in net.parameter_groups() for p in group["params"]}
    found = [
        {rate for name, rate in rates.items() if part in name}
        for part in ("embeddings", "encoder.layer.0.", "encoder.layer.1.", "head")
    ]
    assert found == [{0.25}, {0.5}, {1.0}, {1.0}]


def test_a_frozen_encoder_stays_as_it_is(checkpoint: str) -> None:
    net = build("hf", "text", checkpoint, "frozen=true").train()
    assert not net.encoder.training and net.head.training
    assert [name for name, p in net.named_parameters() if p.requires_grad] == ["head.weight", "head.bias"]
    assert sum(len(group["params"]) for group in net.parameter_groups()) == 2


def test_what_is_frozen_is_in_no_group() -> None:
    layer = nn.Linear(2, 3)
    assert len(decay_matrices(layer.parameters())) == 2
    layer.bias.requires_grad_(False)
    assert decay_matrices(layer.parameters()) == [{"params": [layer.weight]}]


@pytest.mark.parametrize(
    ("model", "kind", "settings", "facts", "sentence"),
    [
        ("transformer", "text", ("heads=3",), {}, r"model.width=128 is not divisible by model.heads=3"),
        (
            "transformer",
            "text",
            ("width=12", "positions=rotary"),
            {},
            r"model.width=12 is not divisible by twice model.heads=4",
        ),
        ("gpt", "corpus", ("heads=5",), {}, r"model.width=128 is not divisible by model.heads=5"),
        ("dlinear", "forecast", ("window=24",), {}, r"model.window=24 has no middle"),
        ("patchtst", "forecast", (), {"length": 10}, r"model.patch=16 is longer than the series, data.length=10"),
        ("fcn", "series", ("maps=[8]",), {}, r"model.maps has 1 convolutions and model.kernels 3"),
        (
            "hf",
            "text",
            (),
            {"max_length": 41},
            r"data.max_length=41 is more than the 40 tokens .* set data.max_length=40",
        ),
        ("hf", "text", ("checkpoint=/no/such/folder",), {}, r"model.checkpoint=/no/such/folder can't be loaded: give"),
    ],
)
def test_what_can_not_fit_is_one_sentence(
    model: str, kind: str, settings: tuple[str, ...], facts: dict[str, int], sentence: str, checkpoint: str
) -> None:
    with pytest.raises(Exception, match=sentence) as error:
        build(model, kind, checkpoint, *settings, **facts)
    assert isinstance(error.value.__cause__ or error.value, ValueError)


def test_more_tokens_than_the_context_are_refused(checkpoint: str) -> None:
    with pytest.raises(ValueError, match=r"65 tokens are more than the context of 64"):
        build("gpt", "corpus", checkpoint)(torch.zeros(1, 65, dtype=torch.long))
