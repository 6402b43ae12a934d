"""Recurrent layers in a form that can be exported for texts of any length: torch's own are unrolled to one length."""

import copy
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

KINDS = (nn.LSTM, nn.GRU, nn.RNN)
GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}  # those of ONNX, by their places in torch's
PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
State = tuple[Tensor, Tensor]
Rolled = Callable[[nn.RNNBase, int], nn.Module]


def replaced(network: nn.Module, rolled: Rolled) -> nn.Module:
    """A copy of a network in which all recurrent layers of one direction are `rolled`, which takes some, and the place
    of one among them, and gives what does the same."""
    network = copy.deepcopy(network)
    for part in list(network.modules()):
        for name, child in list(part.named_children()):
            if isinstance(child, KINDS) and not child.bidirectional:
                setattr(part, name, Layers(rolled(child, place) for place in range(child.num_layers)))
    return network


class Layers(nn.Module):
    """One after the other, as in torch's own, from a state of zero."""

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(
        self, sequence: Float[Tensor, "batch length inputs"], state: None = None
    ) -> tuple[Float[Tensor, "batch length hidden"], None]:
        """The outputs, and no state."""
        for layer in self.layers:
            sequence = layer(sequence)
        return sequence, None


class OnnxRecurrent(nn.Module):
    """One layer, in one direction and batch first, as ONNX's own operator, from a state of zero.

    Args:
        layer: Of torch, which may be several.
        place: Of the one that is meant.
    """

    weight_ih: Tensor
    weight_hh: Tensor
    bias: Tensor

    def __init__(self, layer: nn.RNNBase, place: int) -> None:
        super().__init__()
        self.name, self.hidden = layer.mode.partition("_")[0], layer.hidden_size
        ordered = {name: self._ordered(layer.get_parameter(f"{name}_l{place}")) for name in PARAMETERS}
        self.register_buffer("weight_ih", ordered["weight_ih"][None])
        self.register_buffer("weight_hh", ordered["weight_hh"][None])
        self.register_buffer("bias", torch.cat([ordered["bias_ih"], ordered["bias_hh"]])[None])

    def forward(self, sequence: Float[Tensor, "batch length inputs"]) -> Float[Tensor, "batch length hidden"]:
        """The outputs."""
        steps = sequence.transpose(0, 1)
        length, batch = steps.shape[:2]
        more = {"linear_before_reset": 1} if self.name == "GRU" else {}
        (outputs,) = torch.onnx.ops.symbolic_multi_out(
            self.name,
            [steps, self.weight_ih, self.weight_hh, self.bias],
            {"hidden_size": self.hidden, **more},
            dtypes=[sequence.dtype],
            shapes=[[length, 1, batch, self.hidden]],
            version=None,
        )
        return outputs[:, 0].transpose(0, 1)

    def _ordered(self, parameter: Tensor) -> Tensor:
        """The rows of the gates in the order of ONNX."""
        gates = parameter.detach().chunk(len(GATES[self.name]))
        return torch.cat([gates[place] for place in GATES[self.name]])


class ScannedRecurrent(nn.Module):
    """The same as a loop over the steps that an exported program keeps.

    Args:
        layer, place: As above.
    """

    weight_ih: Tensor
    weight_hh: Tensor
    bias_ih: Tensor
    bias_hh: Tensor

    def __init__(self, layer: nn.RNNBase, place: int) -> None:
        super().__init__()
        self.name, self.hidden = layer.mode.partition("_")[0], layer.hidden_size
        for name in PARAMETERS:
            self.register_buffer(name, layer.get_parameter(f"{name}_l{place}").detach())

    def forward(self, sequence: Float[Tensor, "batch length inputs"]) -> Float[Tensor, "batch length hidden"]:
        """The outputs."""
        from torch._higher_order_ops.scan import scan

        inputs = F.linear(sequence, self.weight_ih, self.bias_ih).transpose(0, 1)
        zeros = sequence.new_zeros(sequence.shape[0], self.hidden)
        name, weight, bias = self.name, self.weight_hh, self.bias_hh

        def step(state: State, now: Tensor) -> tuple[State, Tensor]:
            hidden, cell = state
            before = F.linear(hidden, weight, bias)
            if name == "LSTM":
                enter, forget, new, out = (now + before).chunk(4, 1)
                cell = forget.sigmoid() * cell + enter.sigmoid() * new.tanh()
                hidden = out.sigmoid() * cell.tanh()
            elif name == "GRU":
                (a, b, c), (d, e, f) = now.chunk(3, 1), before.chunk(3, 1)
                update = (b + e).sigmoid()
                hidden = (1 - update) * (c + (a + d).sigmoid() * f).tanh() + update * hidden
                cell = cell.clone()  # there is none: what is handed on must not be what came
            else:
                hidden, cell = (now + before).tanh(), cell.clone()
            return (hidden, cell), hidden.clone()

        outputs: Tensor = scan(step, (zeros, zeros.clone()), inputs)[1]
        return outputs.transpose(0, 1)
