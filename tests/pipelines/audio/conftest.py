"""The soundfont that tests play with."""

import pytest

from pipelines.audio import soundfont


@pytest.fixture(scope="module")
def font():
    return soundfont.find()
