"""Windows know the style and the tempo of the performance that they were cut out of."""

import numpy as np
import pytest

import configs
from pipelines.generation import labelled


@pytest.mark.parametrize("name", ["groovae_4bar_groove", "hier-drums_4bar_groove"])
def test_windows_come_with_styles_and_tempos(starter_records, tmp_path, name):
    found = labelled.windows(configs.CONFIG_MAP[name], "train", str(starter_records / "train.tfrecord"), str(tmp_path))
    n = len(found.groove.hits)
    assert found.groove.hits.shape == (n, 64, 9)
    assert found.styles.shape == found.qpm.shape == (n,)
    assert {"rock", "funk"} <= set(found.styles.tolist())
    assert not any("/" in style for style in found.styles)
    assert np.all((found.qpm > 40) & (found.qpm < 260))


def test_a_style_is_its_first_word():
    assert labelled.style_of({"style": "funk/groove1"}) == "funk"
    assert labelled.style_of({}) == ""
