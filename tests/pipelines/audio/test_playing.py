"""MIDI to samples: what is heard and when, what comes before it, what rings on, and loops that fit together."""

import concurrent.futures
import threading

import mido
import numpy as np
import pytest

from pipelines.audio import clicks, libfluidsynth, loudness, playing, score
from tests import midi_files
from tests.sounds import CRASH, needs_library, write_midi

RATE = 48_000  # A bar of 4/4 at 120 is 1500 blocks of FluidSynth's: bars are alike to the sample.
BAR = 2 * RATE


def play(path, font, rate=44_100, **how):
    return playing.play(score.read(path), font, rate, **how)


def rms(samples):
    return float(np.sqrt(np.mean(np.square(samples, dtype=float))))


def write_bars(path, hits, num_bars=1, **how):
    """Writes the same bar, its hits as (sixteenth, pitch, velocity), several times."""
    return midi_files.write(path, [(16 * bar + step, *hit) for bar in range(num_bars) for step, *hit in hits], **how)


@needs_library
def test_velocity_is_heard(tmp_path, font):
    soft = play(write_midi(tmp_path / "a.mid", [0], velocity=30), font)
    loud = play(write_midi(tmp_path / "b.mid", [0], velocity=120), font)
    assert np.abs(loud).max() > 4 * np.abs(soft).max()


@needs_library
def test_channel_ten_is_the_drum_kit_and_other_channels_have_their_programs(tmp_path, font):
    drum = play(write_midi(tmp_path / "a.mid", [0]), font)
    piano = play(write_midi(tmp_path / "b.mid", [0], channel=0), font)
    path = write_midi(tmp_path / "c.mid", [0], channel=0)
    midi = mido.MidiFile(path)
    midi.tracks[0].insert(0, mido.Message("program_change", channel=0, program=56))
    midi.save(path)
    trumpet = play(path, font)
    assert not np.array_equal(drum[:4096], piano[:4096])
    assert not np.array_equal(piano[:4096], trumpet[:4096])


@needs_library
def test_a_key_that_is_never_released_ends(tmp_path, font):
    midi = mido.MidiFile()
    track = midi.add_track()
    track.append(mido.Message("program_change", program=16))  # An organ sounds as long as its key is held.
    track.append(mido.Message("control_change", control=64, value=127))
    track.append(mido.Message("note_on", note=60))
    track.append(mido.MetaMessage("end_of_track", time=480))
    midi.save(tmp_path / "a.mid")
    samples = play(tmp_path / "a.mid", font)
    assert len(samples) / 44100 < 0.5 + playing.MAX_TAIL_SECS - 0.1


@needs_library
@pytest.mark.parametrize("end_secs", [0, 3])
def test_sound_is_as_long_as_the_midi_plus_its_tail(tmp_path, font, end_secs):
    samples = play(write_midi(tmp_path / "a.mid", [0], end_secs=end_secs or None), font)
    tail_secs = len(samples) / 44100 - end_secs
    assert playing.TAIL_QUIET_SECS - 0.01 <= tail_secs < 1.5
    assert np.abs(samples[-1]).max() == 0


@needs_library
def test_a_crash_rings_until_it_has_died_away(tmp_path, font):
    samples = play(write_midi(tmp_path / "a.mid", [0], pitch=CRASH), font)
    samples /= np.abs(samples).max()
    assert len(samples) / 44100 > 0.7
    assert np.abs(samples[-int(0.1 * 44100) :]).max() < 0.002


@needs_library
def test_hits_of_no_time_at_all_sound(tmp_path, font):
    """All of them at once, in a tempo of a microsecond a quarter."""
    midi = mido.MidiFile(tracks=[mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=1)])])
    for pitch in (36, 38, 42):
        midi.tracks[0].append(mido.Message("note_on", channel=9, note=pitch, time=480_000))
    midi.save(tmp_path / "a.mid")
    assert rms(play(tmp_path / "a.mid", font)) > 1e-3
    with pytest.raises(
        ValueError, match=r"its 751 bars last 2.99 ms, and a loop lasts 100 at least; is its tempo wrong\?"
    ):
        play(tmp_path / "a.mid", font, loop=True)


@needs_library
@pytest.mark.parametrize("qpm", [120, 97.3])
def test_a_bar_before_moves_all_of_it_by_that_bar(tmp_path, font, qpm):
    """To the sample, whatever the bar is in blocks: what comes first leaves hits where they are to each other."""
    path = write_bars(tmp_path / "a.mid", [(0, 36, 100), (3.4, 38, 80), (10.7, 42, 110)], tempos=[(0, qpm)])
    counted = clicks.of_score(score.read(path), font, count_in=True, metronome=False)
    alone, after = play(path, font), play(path, font, clicks=counted)
    num_before = round(240 / qpm * 44100)
    num_compared = round(1.5 * 44100)
    found = [
        rms(after[num_before + moved :][:num_compared] - alone[:num_compared]) / rms(alone) for moved in (-1, 0, 1)
    ]
    assert found[1] < 0.1
    assert found[1] < found[0] / 2
    assert found[1] < found[2] / 2
    assert np.abs(after[0]).max() < 1e-6  # The first click has its attack.
    for beat in range(4):
        place = num_before * beat // 4
        around = np.abs(after[max(0, place - 64) : place + 2000])
        assert around.max() > 0.01
        assert np.argmax(around.max(axis=1) > 0.1 * around.max()) / 44100 < 0.006
    assert np.abs(after[: num_before - 4410][-4410:]).max() < 0.01  # Nothing but sticks.


@needs_library
def test_clicks_are_heard_to_the_end_of_the_last_bar(tmp_path, font):
    path = write_bars(tmp_path / "a.mid", [(0, 36, 100)], num_bars=2)
    played = score.read(path)
    found = clicks.of_score(played, font, count_in=False, metronome=True)
    samples = playing.play(played, font, RATE, clicks=found)
    assert len(samples) > 2 * BAR
    peaks = [np.abs(samples[beat * RATE // 2 :][: RATE // 4]).max() for beat in range(8)]
    assert min(peaks) > 0.01
    assert peaks[4] > 1.5 * max(peaks[5:])  # Beat one is louder.


RINGING = [(0, 36, 60), (4, 38, 60), (12, 51, 110), (14, CRASH, 127)]
CHOKED = [
    (0, 42, 100),
    (4, 38, 100),
    (8, 36, 90),
    (14, 46, 120),
]  # A closed hi-hat ends the open one of the bar before.


@pytest.fixture
def dry(monkeypatch):
    """No reverb: FluidSynth's changes with time, so that of two bars alike no sample is the same."""
    library = libfluidsynth.library()
    make = library.Synth
    monkeypatch.setattr(library, "Synth", lambda *args, **kwargs: make(*args, **kwargs, **{"synth.reverb.active": 0}))


@needs_library
@pytest.mark.parametrize(("hits", "tolerance"), [(RINGING, 0.01), (CHOKED, 0.03)], ids=["ringing", "choked"])
def test_a_loop_is_the_bar_as_it_sounds_among_bars_like_it(tmp_path, font, dry, hits, tolerance):
    loop = play(write_bars(tmp_path / "one.mid", hits), font, RATE, loop=True)
    bars = play(write_bars(tmp_path / "four.mid", hits, num_bars=4), font, RATE)
    assert len(loop) == BAR
    # FluidSynth has a voice's first note begin more softly, for 64 samples, than the notes after it.
    assert rms(np.concatenate([loop, loop]) - bars[2 * BAR : 4 * BAR]) < tolerance * rms(bars[2 * BAR : 4 * BAR])
    first = slice(RATE // 50, RATE // 2)  # After the first hit, what rings on from the bar before is heard.
    assert rms((loop - bars[3 * BAR : 4 * BAR])[first]) < 0.002 * rms(loop)


def jumps(samples, rate):
    """Returns how far it is from sample to sample at the seam of two repeats, and at most in the 20 ms around."""
    around = np.concatenate([samples[-rate // 100 :], samples[: rate // 100]])
    found = np.abs(np.diff(around, axis=0)).max(axis=1)
    seam = rate // 100 - 1
    return found[seam], np.delete(found, seam).max()


LATE_TOM = [(4, 38, 60), (15, midi_files.LOW_TOM, 127)]


@needs_library
@pytest.mark.parametrize("qpm", [120, 97.3, 143.21])
@pytest.mark.parametrize("rate", [22_050, 44_100])
def test_a_loop_has_no_click_at_its_seam(tmp_path, font, qpm, rate):
    loop = play(write_bars(tmp_path / "a.mid", LATE_TOM, tempos=[(0, qpm)]), font, rate, loop=True)
    assert len(loop) == round(4 * mido.bpm2tempo(qpm) / 1e6 * rate)
    at_seam, around = jumps(loop, rate)
    assert at_seam <= around


@needs_library
def test_a_sound_cut_at_the_bar_line_has_one(tmp_path, font):
    """Or the test above would prove nothing."""
    cut = play(write_bars(tmp_path / "a.mid", LATE_TOM), font)[: 2 * 44_100]
    at_seam, around = jumps(cut, 44_100)
    assert at_seam > 2 * around


@needs_library
def test_a_tail_longer_than_its_loop_goes_round_more_than_once(tmp_path, font, dry):
    path = write_bars(tmp_path / "a.mid", [(0, CRASH, 127)], metre=(1, 4))
    crashes = [(4 * beat, CRASH, 127) for beat in range(12)]
    loop = play(path, font, RATE, loop=True)
    bars = play(midi_files.write(tmp_path / "b.mid", crashes, metre=(1, 4)), font, RATE)
    assert len(loop) == RATE // 2
    assert rms(loop - bars[11 * len(loop) : 12 * len(loop)]) < 0.01 * rms(loop)
    assert rms(loop - bars[len(loop) : 2 * len(loop)]) > 0.05 * rms(loop)  # Where it has gone round once.


@needs_library
def test_a_loop_ends_with_its_last_bar_even_if_the_file_goes_on(tmp_path, font):
    path = write_midi(tmp_path / "a.mid", [0, 3.5], end_secs=7.3)  # A quarter a second: one bar.
    assert len(play(path, font, RATE, loop=True)) == 4 * RATE


@needs_library
def test_a_midi_that_the_soundfont_cannot_play_is_an_error(tmp_path, font, monkeypatch):
    monkeypatch.setattr(playing.Synthesizer, "send", lambda *_: None)
    with pytest.raises(ValueError, match=r"a\.mid: silent with .*; try another --soundfont"):
        play(write_midi(tmp_path / "a.mid", [0]), font)


@needs_library
def test_a_last_bar_of_hours_is_an_error(tmp_path, font):
    slow = mido.MetaMessage("set_tempo", tempo=0xFFFFFF)  # Seventeen seconds a quarter.
    metre = mido.MetaMessage("time_signature", numerator=255, denominator=1)
    notes = [mido.Message("note_on", channel=9, note=38), mido.Message("note_off", channel=9, note=38, time=10)]
    mido.MidiFile(tracks=[mido.MidiTrack([slow, metre, *notes])]).save(tmp_path / "a.mid")
    assert loudness.peak(play(tmp_path / "a.mid", font)) > 0.01
    with pytest.raises(ValueError, match="lasts 285 minutes, and 30 at most"):
        play(tmp_path / "a.mid", font, loop=True)


@needs_library
def test_playing_ends_where_it_is_to_stop(tmp_path, font):
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(concurrent.futures.CancelledError):
        play(write_midi(tmp_path / "a.mid", [0], end_secs=1700), font, stopped=stopped)
