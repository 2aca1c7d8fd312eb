"""Variables on their way to several machines: which copy each tower reads."""

from models.magenta import tf
from pipelines.training import fetching
from pipelines.training.placement import Tower

TWO_BY_TWO = [f"/job:worker/task:{task}/device:CPU:{device}" for task in (0, 1) for device in (0, 1)]


def products(devices: list[str], holders: list[str]) -> tuple[list[Tower], list[tf.Variable], dict[str, list]]:
    """Returns towers, a variable on each holder, and, by device, each variable's double there."""
    towers = [Tower(device, number, 1) for number, device in enumerate(devices)]
    variables = []
    for number, holder in enumerate(holders):
        with tf.device(holder):
            variables.append(tf.get_variable(f"v{number}", initializer=tf.constant(number + 1.0)))
    doubles = {}
    for device in devices:
        with tf.device(device):
            doubles[device] = [2 * variable for variable in variables]
    return towers, variables, doubles


def read_by(product: tf.Tensor, variable: tf.Variable) -> tf.Tensor:
    return next(tensor for tensor in product.op.inputs if variable.op.name in tensor.name)


def test_another_machine_reads_one_copy_that_its_devices_fetch_in_turn():
    with tf.Graph().as_default():
        towers, variables, doubles = products(TWO_BY_TWO, TWO_BY_TWO[:2])
        fetching.once_a_machine(towers, variables)
        for device in TWO_BY_TWO[:2]:
            assert [read_by(*pair) for pair in zip(doubles[device], variables, strict=True)] == [
                variable.value() for variable in variables
            ]
        for device in TWO_BY_TWO[2:]:
            copies = [read_by(*pair) for pair in zip(doubles[device], variables, strict=True)]
            assert [copy.device for copy in copies] == TWO_BY_TWO[2:]
            assert [copy.op.inputs[0] for copy in copies] == [variable.value() for variable in variables]


def test_machines_with_one_device_and_one_machine_alone_stay_as_they_are():
    for devices in (TWO_BY_TWO[::2], TWO_BY_TWO[:2], ["/device:CPU:0", "/device:CPU:1"]):
        with tf.Graph().as_default() as graph:
            towers, variables, _ = products(devices, devices)
            before = len(graph.get_operations())
            fetching.once_a_machine(towers, variables)
            assert len(graph.get_operations()) == before
