"""Which machines train together: what flags and TF_CONFIG may say, and what is said of what they may not."""

import json

import pytest

from pipelines.training.cluster import addresses
from pipelines.training.cluster.addresses import Cluster, Machine

A, B, C, D = (f"10.0.0.{number}:2222" for number in range(1, 5))


def of_tf_config(cluster, task=None) -> Cluster | None:
    given = {"cluster": cluster} | ({} if task is None else {"task": task})
    return addresses.find({"TF_CONFIG": json.dumps(given)})


def task(job: str, index: int) -> dict:
    return {"type": job, "index": index}


def test_flags_name_the_cluster():
    assert addresses.find({}, f"{A},{B}", task=1) == Cluster((A, B), (), "worker", 1)
    assert addresses.find({}, f"{A}, {B},", f" {C}", "ps", 0) == Cluster((A, B), (C,), "ps", 0)
    assert addresses.find({}, A, C, task=0) == Cluster((A,), (C,), "worker", 0)


def test_flags_come_before_tf_config():
    given = {"TF_CONFIG": "not even JSON"}
    assert addresses.find(given, f"{A},{B}", task=0).workers == (A, B)


@pytest.mark.parametrize("environment", [{}, {"TF_CONFIG": ""}, {"TF_CONFIG": " \n"}])
def test_without_either_a_process_trains_alone(environment):
    assert addresses.find(environment) is None
    assert addresses.find(environment, task=2) is None  # Of Magenta's flags.


def test_one_worker_by_itself_is_no_cluster():
    assert addresses.find({}, A, task=0) is None
    assert of_tf_config({"worker": [A]}, task("worker", 0)) is None
    assert of_tf_config({"chief": [A]}, task("chief", 0)) is None


@pytest.mark.parametrize(
    "text", ["{}", '{"cluster": {}}', '{"cluster": null, "task": null}', '{"cluster": {"ps": []}}']
)
def test_a_tf_config_without_workers_is_no_cluster(text):
    assert addresses.find({"TF_CONFIG": text}) is None


def test_tf_config_with_workers_alone():
    for index in range(3):
        cluster = of_tf_config({"worker": [A, B, C]}, task("worker", index))
        assert cluster == Cluster((A, B, C), (), "worker", index)
        assert cluster.this.is_chief == (index == 0)
    assert of_tf_config({"worker": [A, B]}).task == 0
    assert of_tf_config({"worker": [A, B]}, {"type": "worker", "index": "1"}).task == 1  # Some write it as a string.


@pytest.mark.parametrize("name", ["chief", "master"])
def test_a_chief_with_a_job_of_its_own_is_the_first_worker(name):
    jobs = {name: [A], "worker": [B, C], "ps": [D]}
    for index, (job, number) in enumerate([(name, 0), ("worker", 0), ("worker", 1)]):
        cluster = of_tf_config(jobs, task(job, number))
        assert cluster == Cluster((A, B, C), (D,), "worker", index)
        assert cluster.this.is_chief == (job == name)
    assert of_tf_config(jobs, task("ps", 0)) == Cluster((A, B, C), (D,), "ps", 0)


def test_an_evaluator_is_no_part_of_it():
    with pytest.raises(ValueError, match=r"^TF_CONFIG: an evaluator .* start it with --mode=eval$"):
        of_tf_config({"worker": [A, B], "evaluator": [C]}, task("evaluator", 0))
    assert of_tf_config({"worker": [A, B], "evaluator": [C]}, task("worker", 0)).workers == (A, B)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "worker",
        "[]",
        "1",
        "null",
        '"worker"',
        '{"cluster": ["10.0.0.1:2222"]}',
        '{"cluster": {"worker": 1}}',
        '{"cluster": {"worker": ["10.0.0.1:2222"]}, "task": 1}',
        '{"cluster": {"worker": ["10.0.0.1:2222"]}, "task": {"index": "first"}}',
        '{"cluster": {"worker": ["10.0.0.1:2222"]}, "task": {"index": null}}',
    ],
)
def test_a_tf_config_that_is_none_is_told(text):
    with pytest.raises(
        ValueError, match=r"^TF_CONFIG cannot be read \(.+\); it is JSON with cluster\.worker"
    ) as caught:
        addresses.find({"TF_CONFIG": text})
    assert "unset TF_CONFIG trains on this machine alone" in str(caught.value)


def test_a_string_in_place_of_a_list_is_told():
    with pytest.raises(ValueError, match=r"^TF_CONFIG"):
        of_tf_config({"worker": A})


@pytest.mark.parametrize(
    "address",
    [
        *("", "10.0.0.1", "10.0.0.1:", ":2222", "10.0.0.1:port", "10.0.0.1:٣", "10.0.0.1: 2222", "10.0.0 .1:2222"),
        *("10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:-1", "10.0.0.1:9999999999", "grpc://10.0.0.1:2222"),
        *("::1", "fe80::1:2222", "[::1]", "[::1:2222", "[]:2222"),
    ],
)
def test_what_is_no_address_is_told(address):
    message = f"{address!r} is no address; accepted: host:port, as in 10.0.0.1:2222 or [2001:db8::1]:2222"
    with pytest.raises(ValueError) as caught:
        Cluster((A, address))
    assert str(caught.value) == message
    with pytest.raises(ValueError) as caught:
        of_tf_config({"worker": [A, address]}, task("worker", 0))
    assert str(caught.value) == f"TF_CONFIG: {message}"


def test_two_processes_with_one_address_are_told():
    for workers, servers in ((f"{A},{B},{A}", ""), (f"{A},{B}", A)):
        with pytest.raises(ValueError, match=f"^{A}: two processes of the cluster cannot have one address$"):
            addresses.find({}, workers, servers, task=0)


def test_a_place_that_nobody_has_is_told():
    for number in (-1, 2):
        with pytest.raises(ValueError, match=f"^there is no worker {number}; those of this cluster are 0 to 1$"):
            addresses.find({}, f"{A},{B}", task=number)
    with pytest.raises(ValueError, match=r"^there is no ps 0; those of this cluster are none, as no address is given$"):
        addresses.find({}, f"{A},{B}", job="ps", task=0)


@pytest.mark.parametrize("given", [("worker", 1), ("worker", -1), ("chief", 1), ("ps", 1)])
def test_a_place_that_nobody_has_in_tf_config_is_told_by_its_number_there(given):
    job, number = given
    with pytest.raises(ValueError, match=f"^TF_CONFIG: there is no {job} {number}; those of this cluster are 0 to 0$"):
        of_tf_config({"chief": [A], "worker": [B], "ps": [C]}, task(job, number))
    with pytest.raises(ValueError, match=r"^TF_CONFIG: there is no chief 0; those of this cluster are none"):
        of_tf_config({"worker": [A, B]}, task("chief", 0))


def test_a_job_that_nobody_has_is_told():
    with pytest.raises(ValueError, match=r"^there is no job 'boss' here; accepted: worker, ps$"):
        Cluster((A, B), job="boss")
    with pytest.raises(ValueError, match=r"^TF_CONFIG: there is no job 'boss' here"):
        of_tf_config({"worker": [A, B]}, task("boss", 0))


def test_flags_that_lack_another_are_told():
    with pytest.raises(ValueError, match=r"^--worker_hosts needs --task=N, the place of this machine's address in it"):
        addresses.find({}, f"{A},{B}")
    for flags in ({"ps_hosts": C}, {"job": "worker"}):
        with pytest.raises(ValueError, match=r"^--ps_hosts and --job go with --worker_hosts"):
            addresses.find({}, task=0, **flags)


def test_a_cluster_knows_its_machines():
    cluster = Cluster((A, B), (C,), "worker", 1)
    assert cluster.machines == [Machine("worker", 0, A), Machine("worker", 1, B), Machine("ps", 0, C)]
    assert cluster.this == Machine("worker", 1, B)
    assert cluster.others == [Machine("worker", 0, A), Machine("ps", 0, C)]
    assert cluster.spec() == {"worker": [A, B], "ps": [C]}
    assert Cluster((A, B)).spec() == {"worker": [A, B]}


def test_a_machine_is_read_by_people_and_by_tensorflow():
    assert str(Machine("worker", 0, A)) == "worker 0 (the chief) at 10.0.0.1:2222"
    assert str(Machine("worker", 1, B)) == "worker 1 at 10.0.0.2:2222"
    assert str(Machine("ps", 0, C)) == "ps 0 at 10.0.0.3:2222"
    assert Machine("ps", 3, C).device == "/job:ps/task:3"


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [(A, "10.0.0.1", 2222), ("drums.example:1", "drums.example", 1), ("[::1]:2222", "::1", 2222)],
)
def test_the_host_and_the_port_of_an_address(address, host, port):
    machine = addresses.find({}, f"{address},{B}", task=0).this
    assert (machine.host, machine.port, machine.address) == (host, port, address)
