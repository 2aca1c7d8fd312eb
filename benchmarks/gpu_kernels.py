"""What an operation of a graph is on a GPU: where it runs, in whose memory its tensors lie, how many kernels it starts.

TensorFlow's wheel for Linux knows the GPU's kernels on a machine without one, too. What is said here follows from them,
and from the source of TensorFlow 2.21 where a line says so. Kernels are the least that there are: some operations start
a second one, as reductions of long vectors, which depends on the card. Each operation is placed by itself: that
TensorFlow keeps together what shares a variable is not followed.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

from tensorflow.core.framework.attr_value_pb2 import AttrValue
from tensorflow.core.framework.kernel_def_pb2 import KernelDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.python.framework import kernels, op_def_registry

HOST, DEVICE = "host", "device"
_DEVICES = ("GPU", "CPU", "DEFAULT")  # Types of devices that kernels are registered for; the last is any.

# They hand a buffer on, or keep books; on a GPU they start nothing.
_BUFFERS = ("Bitcast", "ExpandDims", "Identity", "IdentityN", "PreventGradient", "Reshape", "Snapshot", "Squeeze")
_BUFFERS += ("StopGradient", "DestroyTemporaryVariable", "TemporaryVariable", "TensorArrayReadV3", "TensorArrayWriteV3")
_BOOKS = ("Const", "NoOp", "ControlTrigger", "Placeholder", "VariableV2", "VarHandleOp", "ReadVariableOp", "Shape")
_BOOKS += ("ShapeN", "Size", "Rank", "StackV2", "StackPushV2", "StackPopV2", "TensorArrayV3", "TensorArrayGradV3")
_BOOKS += ("TensorArraySizeV3", "TensorArrayCloseV3", "Stage", "Unstage")
_CONTROL_FLOW = ("Switch", "RefSwitch", "Merge", "RefMerge", "Enter", "RefEnter", "Exit", "RefExit", "NextIteration")
_CONTROL_FLOW += ("RefNextIteration", "LoopCond")
WITHOUT_KERNEL = frozenset(_BUFFERS + _BOOKS + _CONTROL_FLOW)
_SLICES = ("Slice", "StridedSlice", "Unpack")
_ALIGNMENT_BYTES = 64  # A row that begins at a multiple of it is handed on without a copy.

# Of `tensorflow/core/kernels/rnn/lstm_ops_gpu.cu.cc`: inputs and h put together, the product, the gates.
_BLOCK_LSTM_STEP = 3
# Of `BlockLSTMGradOp` in `lstm_ops.cc` and `BlockLSTMBprop` in `lstm_ops.h`: two sums of gradients, ten passes for the
# gates, inputs and h put together (2), two products, gradients taken apart (2), the bias's sum and what it is added to.
_BLOCK_LSTM_GRAD_STEP = 20
_BLOCK_LSTM_GRAD_ONCE = 9  # Gradients are set to zero.
# Of others that are known to start several: zeros and the part that is not; the cell as above; its gradient in one, and
# three of peepholes set to zero.
_SEVERAL = {"StridedSliceGrad": 2, "LSTMBlockCell": _BLOCK_LSTM_STEP, "LSTMBlockCellGrad": 4}


@dataclasses.dataclass(frozen=True)
class Tensor:
    """What is known of a tensor: its shape, and the bytes of an element."""

    shape: tuple[int, ...]
    item_bytes: int

    @property
    def num_bytes(self) -> int:
        return math.prod(self.shape) * self.item_bytes


@dataclasses.dataclass(frozen=True)
class Placed:
    """An operation on a machine with a GPU.

    Attributes:
        on_gpu: Whether it runs on the GPU's device. It may be bookkeeping all the same, with all tensors on the host.
        inputs: The memory of each input, HOST or DEVICE.
        outputs: The memory of each output.
    """

    on_gpu: bool
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def is_host_only(self) -> bool:
        """Whether the CPU computes it: there is no kernel for the GPU, or one that works on the host's memory."""
        return not self.on_gpu or set(self.outputs or self.inputs) == {HOST}


def without_onednn(node: NodeDef) -> NodeDef:
    """Returns an operation as it was before a CPU's own took its place: `MatMul` for `_MklMatMul`."""
    if not node.op.startswith("_Mkl"):
        return node
    plain, name = NodeDef(), node.op.removeprefix("_Mkl").removeprefix("Native")
    plain.CopyFrom(node)
    plain.op = f"_{name}" if name.startswith("Fused") else name
    return plain


def place(node: NodeDef, is_on_cpu: bool = False) -> Placed:
    """Returns where an operation runs and where its tensors lie.

    Args:
        node: The operation, after its graph was optimized.
        is_on_cpu: Whether the program asks for the CPU (`tf.device`).
    """
    definition = op_def_registry.get(node.op)
    if definition is None:
        return Placed(False, (), ())
    is_on_cpu |= node.op == "_Retval"  # What a step returns is fetched to the host.
    kernel = None if is_on_cpu else _gpu_kernel(node)
    of_host = None if kernel is None else set(kernel.host_memory_arg)

    def memory(arguments) -> tuple[str, ...]:
        return tuple(
            HOST if of_host is None or argument.name in of_host else DEVICE
            for argument in arguments
            for _ in range(_length(node, argument))
        )

    return Placed(kernel is not None, memory(definition.input_arg), memory(definition.output_arg))


def num_kernels(node: NodeDef, placed: Placed, inputs: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> int:
    """Returns how many kernels an operation starts on a GPU, at least.

    Args:
        node: The operation.
        placed: Where it runs.
        inputs: Its inputs, None where nothing is known of one.
        outputs: Its outputs, those that were made.
    """
    if placed.is_host_only or node.op in WITHOUT_KERNEL:
        return 0
    if outputs and not any(each.num_bytes for each in outputs):
        return 0
    if node.op == "BlockLSTM":
        return _BLOCK_LSTM_STEP * outputs[0].shape[0]
    if node.op == "BlockLSTMGrad":
        return _BLOCK_LSTM_GRAD_ONCE + _BLOCK_LSTM_GRAD_STEP * outputs[0].shape[0]
    if node.op in _SLICES and inputs and outputs and inputs[0] and _is_handed_on(inputs[0], outputs[0], node):
        return 0
    return _SEVERAL.get(node.op, 1)


def _is_handed_on(given: Tensor, taken: Tensor, node: NodeDef) -> bool:
    """Whether a slice is all of a tensor, or one row of the first dimension that begins where buffers may."""
    if given.num_bytes == taken.num_bytes:
        return True
    is_first = node.op != "Unpack" or node.attr["axis"].i == 0
    return is_first and taken.shape == given.shape[1:] and taken.num_bytes % _ALIGNMENT_BYTES == 0


def _gpu_kernel(node: NodeDef) -> KernelDef | None:
    """Returns the GPU's kernel for an operation; None where the CPU's is preferred, or the only one.

    Where a device has no kernel of its own, that of any device is taken (`FindKernelRegistration` in TensorFlow's
    `core/framework/op_kernel.cc`).
    """
    fitting = {device: [] for device in _DEVICES}
    for kernel in _kernels(node.op):
        if _fits(kernel, node):
            fitting[kernel.device_type].append(kernel)
    of_gpu = fitting["GPU"] or fitting["DEFAULT"]
    of_cpu = fitting["CPU"] or fitting["DEFAULT"]
    best = max((kernel.priority for kernel in (*of_gpu, *of_cpu)), default=0)
    return next((each for each in of_gpu if each.priority == best), None)


@functools.cache
def _kernels(operation: str) -> list[KernelDef]:
    registered = kernels.get_registered_kernels_for_op(operation).kernel
    return [kernel for kernel in registered if kernel.device_type in _DEVICES and not kernel.label]


def _fits(kernel: KernelDef, node: NodeDef) -> bool:
    for constraint in kernel.constraint:
        value, allowed = _attribute(node, constraint.name), constraint.allowed_values.list
        if value.type not in allowed.type and value.s not in allowed.s:
            return False
    return True


def _attribute(node: NodeDef, name: str) -> AttrValue:
    """Returns an attribute of an operation, or its default where nothing is said."""
    if name in node.attr:
        return node.attr[name]
    return next(attr.default_value for attr in op_def_registry.get(node.op).attr if attr.name == name)


def _length(node: NodeDef, argument) -> int:
    """Returns how many tensors an argument of an operation is."""
    if argument.number_attr:
        return node.attr[argument.number_attr].i
    return len(node.attr[argument.type_list_attr].list.type) if argument.type_list_attr else 1
