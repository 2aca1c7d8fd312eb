"""Which soundfont is found, and what is said of one that is none."""

import pytest

from pipelines.audio import soundfont


@pytest.fixture
def no_usual_places(monkeypatch, tmp_path):
    monkeypatch.setattr(soundfont, "FOLDERS", (str(tmp_path / "first"), str(tmp_path / "second")))


@pytest.fixture
def shipped():
    """pretty_midi's own soundfont: the last resort."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(soundfont, "FOLDERS", ())
        return soundfont.find()


def test_last_resort_is_pretty_midis(shipped):
    assert shipped.parent.name == "pretty_midi"


def test_soundfonts_are_found_in_order(tmp_path, no_usual_places, shipped):
    assert soundfont.find() == shipped
    for name in ("second/FluidR3_GM.sf2", "first/any.sf2", "first/any.sf3", "first/default-GM.sf2"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(shipped)
    places = [path.relative_to(tmp_path).as_posix() for path in list(soundfont.candidates())[:-1]]
    assert places == ["first/default-GM.sf2", "first/any.sf2", "first/any.sf3", "second/FluidR3_GM.sf2"]
    assert soundfont.find() == tmp_path / "first/default-GM.sf2"
    assert soundfont.find(tmp_path / "second/FluidR3_GM.sf2") == tmp_path / "second/FluidR3_GM.sf2"
    assert all(path.suffix == ".sf2" for path in soundfont.candidates((".sf2",)))


def test_a_soundfont_without_drums_or_a_damaged_one_is_passed_over(tmp_path, no_usual_places, shipped):
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "default-GM.sf2").write_bytes(b"RIFF\0\0\0\0sfbkLIST")
    (tmp_path / "first" / "FluidR3_GM.sf2").write_bytes(b"nothing")
    piano = b"Piano".ljust(20, b"\0") + bytes(18) + b"EOP".ljust(38, b"\0")
    phdr = b"pdtaphdr" + len(piano).to_bytes(4, "little") + piano
    (tmp_path / "first" / "piano.sf2").write_bytes(b"RIFF\0\0\0\0sfbkLIST" + len(phdr).to_bytes(4, "little") + phdr)
    assert not soundfont.has_drums(tmp_path / "first" / "piano.sf2")
    assert soundfont.has_drums(shipped)
    assert soundfont.find() == shipped


def test_no_soundfont_at_all_says_what_to_install(no_usual_places, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OSError, match=r"no soundfont found; .*apt-get install fluid-soundfont-gm"):
        soundfont.find()


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing.sf2", "no such file"), ("folder", "this is a folder"), ("text.sf2", "not a soundfont")],
)
def test_a_wrong_soundfont_is_named(tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.sf2").write_text("hello")
    with pytest.raises(ValueError, match=f"--soundfont=.*{name}: {message}"):
        soundfont.find(tmp_path / name)
