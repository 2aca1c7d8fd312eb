/* Loops that are in time with each other: one is heard, and whichever is heard next goes on where it was.

   A track is {url, secs, bars}: the script that has its sound, and how long so many bars last. A position is a number of
   bars and fractions of one: bar 2.5 of a slow track is bar 2.5 of a fast one. */

const FADE_SECS = 0.005;  // Long enough that a switch does not click, short enough that no hit is missed.
const AHEAD_SECS = 0.02;  // What is scheduled so far ahead begins on time.
const KEPT_BYTES = 200e6;  // Of decoded loops; the one that was heard longest ago goes first.

/* Called by the script of a sound with FLAC as base64. */
function addSound(text) {
  document.currentScript.sound = text;
}

/* Loads a sound from its script: a page from the disk may not fetch a file, but it may load scripts. */
function loadSound(url) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    const end = () => {
      script.remove();
      if (!script.sound) return reject(new Error(`${decodeURIComponent(url)} is missing or damaged`));
      resolve(bytesOf(script.sound));
    };
    script.onload = script.onerror = end;
    script.src = url;
    document.head.append(script);
  });
}

function bytesOf(base64) {
  const letters = atob(base64), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes.buffer;
}

/* Folds the tail of a sound, what it has beyond its last bar, onto its beginning; returns whole frames of one pass. */
function fold(context, sound, secs) {
  const length = Math.max(1, Math.round(secs * context.sampleRate));
  const loop = context.createBuffer(sound.numberOfChannels, length, context.sampleRate);
  const channels = [...Array(sound.numberOfChannels).keys()];
  let peak = 1;
  for (const channel of channels) {
    const from = sound.getChannelData(channel), to = loop.getChannelData(channel);
    for (let i = 0, at = 0; i < from.length; i++, at = at + 1 < length ? at + 1 : 0) to[at] += from[i];
    for (let at = 0; at < length; at++) peak = Math.max(peak, Math.abs(to[at]));
  }
  if (peak > 1) channels.forEach((channel) => loop.getChannelData(channel).forEach((x, i, all) => { all[i] = x / peak; }));
  return loop;
}

const modulo = (x, n) => ((x % n) + n) % n;

class Loops {
  constructor(makeContext = () => new AudioContext()) {
    this.makeContext = makeContext;
    this.loaded = new Map();  // By URL, the one heard longest ago first: promises of loops.
    this.now = null;  // What is heard: {track, source, gain, when, bars}.
    this.asked = 0;
    this.volume = 1;
  }

  /* Made when something is to be heard first: before a click or a key, browsers let nothing sound. */
  get context() {
    if (!this.made) {
      this.made = this.makeContext();
      this.master = this.made.createGain();
      this.analyser = this.made.createAnalyser();
      this.master.gain.value = this.volume;
      this.master.connect(this.analyser).connect(this.made.destination);
    }
    return this.made;
  }

  setVolume(volume) {
    this.volume = volume;
    if (this.made) this.master.gain.value = volume;
  }

  /* Returns the promise of a track's loop. */
  load(track) {
    const loading = this.loaded.get(track.url) ?? this.decode(track);
    this.loaded.delete(track.url);
    this.loaded.set(track.url, loading);
    return loading;
  }

  decode(track) {
    const loading = loadSound(track.url)
      .then((bytes) => this.context.decodeAudioData(bytes))
      .then((sound) => fold(this.context, sound, track.secs));
    loading.then((loop) => {
      loading.size = 4 * loop.length * loop.numberOfChannels;
      this.forget();
    }, () => this.loaded.delete(track.url));
    return loading;
  }

  get size() {
    return [...this.loaded.values()].reduce((sum, loading) => sum + (loading.size ?? 0), 0);
  }

  /* Whether something can be loaded before it is asked for without that anything is forgotten. */
  get hasRoom() {
    return this.size < KEPT_BYTES / 2;
  }

  forget() {
    let { size } = this;
    for (const [url, loading] of this.loaded) {
      if (size <= KEPT_BYTES || this.loaded.size <= 2) return;
      this.loaded.delete(url);
      size -= loading.size ?? 0;
    }
  }

  get isPlaying() {
    return this.now !== null;
  }

  /* Where the music is at a time of the context, in bars since it was started. */
  barsAt(time) {
    const { track, source, when, bars } = this.now;
    return bars + (time - when) / source.buffer.duration * track.bars;
  }

  /* Where the music is that comes out of the loudspeakers now. */
  get bars() {
    const time = this.context.currentTime - (this.context.outputLatency || 0);
    return this.barsAt(Math.max(time, this.began));
  }

  /* Lets a track be heard in place of another: from `bars` on or, without them, from where the music is.

     Returns whether it is; it is not if something else was asked for while it was loaded. */
  async hear(track, bars = null) {
    const asked = ++this.asked;
    const { context } = this;
    if (context.state === "suspended" && context.resume && !(context instanceof OfflineAudioContext)) context.resume();
    const loop = await this.load(track).catch((error) => {
      if (asked === this.asked) throw error;
    });
    if (asked !== this.asked) return false;
    const when = Math.ceil((context.currentTime + AHEAD_SECS) * context.sampleRate) / context.sampleRate;
    const start = bars ?? (this.now ? this.barsAt(when) : 0);
    // Whole frames, so that nothing is interpolated and the samples are those of the loop.
    const offset = Math.round(modulo(start, track.bars) / track.bars * loop.length) % loop.length;
    const gain = context.createGain(), source = context.createBufferSource();
    source.buffer = loop;
    source.loop = true;
    if (this.now || offset) {
      gain.gain.setValueAtTime(0, when);
      gain.gain.linearRampToValueAtTime(1, when + FADE_SECS);
    }
    source.connect(gain).connect(this.master);
    source.start(when, offset / context.sampleRate);
    if (this.now) this.fadeOut(when);
    if (!this.now || bars !== null) this.began = when;  // Before it nothing is shown to be heard.
    this.now = { track, source, gain, when, bars: start };
    return true;
  }

  stop() {
    this.asked++;
    if (this.now) this.fadeOut(this.context.currentTime);
    this.now = null;
  }

  fadeOut(when) {
    const { gain, source } = this.now;
    gain.gain.setValueAtTime(1, when);
    gain.gain.linearRampToValueAtTime(0, when + FADE_SECS);
    source.stop(when + FADE_SECS);
  }

  /* How loud it is just now: the root mean square of the last samples. */
  get level() {
    if (!this.made) return 0;
    const samples = new Float32Array(this.analyser.fftSize);
    this.analyser.getFloatTimeDomainData(samples);
    return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
  }
}
