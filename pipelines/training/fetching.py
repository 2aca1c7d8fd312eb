"""How variables come to the towers of several machines: once a machine, and from there from device to device.

TensorFlow sends a variable to each device that reads it, over the network as often as another machine has devices.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.magenta import tf
from pipelines.training import placement
from pipelines.training.placement import Tower


def once_a_machine(towers: Sequence[Tower], variables: Sequence[tf.Variable]) -> None:
    """Lets the towers of each machine read one copy of each variable that lies elsewhere.

    Args:
        towers: Those of the step, which have been built, with their gradients.
        variables: What they read.
    """
    machines = {members[0].machine: members for members in placement.by_machine(towers) if len(members) > 1}
    for number, variable in enumerate(variables):
        value = variable.value()
        users = [each for each in value.consumers() if _machine(each.device) != _machine(variable.device)]
        for machine, members in machines.items():
            here = [user for user in users if _machine(user.device) == machine]
            if not here:
                continue
            with tf.device(placement.leader(members, number, variable.device).device):
                copy = tf.identity(value, name=f"{variable.op.name}/copy")
            for user in here:
                for place, tensor in enumerate(user.inputs):
                    if tensor is value:
                        user._update_input(place, copy)


def _machine(device: str) -> str:
    return Tower(device, 0, 0).machine
