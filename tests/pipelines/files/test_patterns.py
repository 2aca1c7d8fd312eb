"""A path that is there is itself, and anything else a glob."""

from pipelines.files import patterns


def test_what_is_there_is_itself_and_the_rest_is_a_glob(tmp_path):
    for name in ("a[1].txt", "a1.txt", "b1.txt"):
        (tmp_path / name).touch()
    assert patterns.matching(f"{tmp_path}/a[1].txt") == [f"{tmp_path}/a[1].txt"]
    assert patterns.matching(f"{tmp_path}/[ab]1.txt") == [f"{tmp_path}/a1.txt", f"{tmp_path}/b1.txt"]
    assert patterns.matching(f"{tmp_path}/c*") == []


def test_beside_a_path_or_a_glob_in_a_folder_with_any_name(tmp_path):
    for folder in ("run [2]", "run 2"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "validation.tfrecord").touch()
    for given, expected in (("run [2]/train.tfrecord", "run [2]"), ("run [!x]/train.tfrecord*", "run 2")):
        found = patterns.matching(patterns.beside(f"{tmp_path}/{given}", "validation.tfrecord*"))
        assert found == [f"{tmp_path}/{expected}/validation.tfrecord"]
