"""What performances are called."""

import note_seq
import pytest

import configs
from grooves import drums, metadata
from pipelines.examples import names, note_sequences
from tests.pipelines.examples.test_loading import write_records


def sequence_of(columns, filename="", identifier=""):
    sequence = note_seq.NoteSequence(filename=filename, id=identifier)
    if columns is not None:
        metadata.write(sequence, columns, drums.ROLAND)
    return sequence


@pytest.mark.parametrize(
    ("sequence", "name"),
    [
        (sequence_of({"id": "drummer1/session1/5", "style": "funk/fast"}, "a/b.mid"), "drummer1/session1/5, funk/fast"),
        (sequence_of({"style": "rock"}, "a/take 7.mid"), "take 7, rock"),
        (sequence_of({}, "a/take 7.mid"), "take 7"),
        (sequence_of(None, "", "/id/drum/1"), "/id/drum/1"),
        (sequence_of(None), ""),
    ],
)
def test_a_name_is_the_id_and_the_style_or_the_files(sequence, name):
    assert names.of_sequence(sequence) == name


def test_styles_are_equal_where_the_first_part_is(tmp_path):
    columns = [{"style": "funk/fast"}, {"style": "rock"}, {}, {"style": "funk"}, {"id": "5"}]
    path = write_records(tmp_path / "a.tfrecord", *map(sequence_of, columns))
    found = note_sequences.find(configs.CONFIG_MAP["groovae_4bar"], "train", str(path))
    styles = names.styles(found).tolist()
    assert (styles[0], styles[2]) == (styles[3], styles[4])
    assert len(set(styles)) == 3


def test_the_names_are_those_of_the_performances_that_examples_count(starter_records):
    config = configs.CONFIG_MAP["groovae_4bar"]
    found = note_sequences.find(config, "validation", str(starter_records / "validation.tfrecord"))
    sequences = [note_sequences.parse(record) for record in found.read()]
    chosen = names.of_performances(found, [0, len(sequences) - 1])
    assert chosen == {number: names.of_sequence(sequences[number]) for number in (0, len(sequences) - 1)}
    assert chosen[0] != chosen[len(sequences) - 1]
