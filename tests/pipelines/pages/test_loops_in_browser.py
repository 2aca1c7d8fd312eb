"""The loops of a page in Chromium, sample by sample."""

from __future__ import annotations

import pytest

from pipelines.pages import listening
from tests import sounds

pytestmark = sounds.needs_library


class TestLoops:
    def test_a_tail_is_folded_onto_the_beginning(self, browser, plain):
        browser.open(plain / listening.PAGE_NAME)
        folded = browser.js("""(() => {
            const context = new OfflineAudioContext(1, 1, 8000), sound = context.createBuffer(1, 8, 8000);
            sound.getChannelData(0).set([0.125, 0.25, 0.5, 0.0625, 0.125, 0, 0, 0.25]);
            return [...fold(context, sound, 3 / 8000).getChannelData(0)];
        })()""")
        assert folded == [0.1875, 0.625, 0.5]

    def test_what_would_clip_is_turned_down(self, browser, plain):
        browser.open(plain / listening.PAGE_NAME)
        folded = browser.js("""(() => {
            const context = new OfflineAudioContext(1, 1, 8000), sound = context.createBuffer(1, 4, 8000);
            sound.getChannelData(0).set([0.75, -0.5, 0.5, -0.25]);
            return [...fold(context, sound, 2 / 8000).getChannelData(0)];
        })()""")
        assert folded == pytest.approx([1, -0.6])

    def test_loops_are_as_long_as_their_bars(self, browser, plain):
        browser.open(plain / listening.PAGE_NAME)
        lengths = browser.js(
            "Promise.all(samples.slice(0, 3).map(async ({ sides }) => (await loops.load(sides[0].track)).duration))"
        )
        assert lengths == pytest.approx([8 * 60 / 90, 4, 4], abs=1e-4)

    def test_switching_is_exact_to_the_sample(self, browser, plain):
        """One loop, then from 1.5 s on another: sample by sample what both have there, round their ends too."""
        browser.open(plain / listening.PAGE_NAME)
        worst, loudness = browser.js("""(() => new Promise(async (resolve) => {
            const rate = 44100, context = new OfflineAudioContext(2, 6 * rate, rate);
            const offline = new Loops(() => context);
            const tracks = [samples[1], samples[2]].map((sample) => sample.sides[0].track);
            const [first, second] = await Promise.all(tracks.map((track) => offline.load(track)));
            await offline.hear(tracks[0]);
            const began = Math.round(offline.now.when * rate);
            let switched;
            context.suspend(1.5).then(async () => {
                await offline.hear(tracks[1]);
                switched = Math.round(offline.now.when * rate);
                context.resume();
            });
            const out = (await context.startRendering()).getChannelData(0), fade = 0.01 * rate;
            let worst = 0, sum = 0;
            for (let i = began; i < out.length; i++) {
                if (i >= switched && i < switched + fade) continue;
                const loop = (i < switched ? first : second).getChannelData(0);
                worst = Math.max(worst, Math.abs(out[i] - loop[(i - began) % loop.length]));
                sum += out[i] ** 2;
            }
            resolve([worst, Math.sqrt(sum / out.length)]);
        }))()""")
        assert worst < 1e-6
        assert loudness > 0.01

    def test_what_was_asked_for_last_is_heard(self, browser, plain):
        browser.open(plain / listening.PAGE_NAME)
        heard = browser.js("Promise.all([0, 1, 2].map((i) => loops.hear(samples[i].sides[0].track)))")
        assert heard == [False, False, True]

    def test_what_was_heard_longest_ago_is_forgotten_first(self, browser, plain):
        browser.open(plain / listening.PAGE_NAME)
        urls = browser.js("""(async () => {
            for (const sample of samples.slice(0, 4)) (await loops.load(sample.sides[0].track));
            for (const loading of loops.loaded.values()) loading.size = 90e6;
            await loops.load(samples[0].sides[0].track);
            loops.forget();
            return [...loops.loaded.keys()].map((url) => samples.findIndex((s) => s.sides[0].track.url === url));
        })()""")
        assert urls == [3, 0]
