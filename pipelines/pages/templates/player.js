/* The page around the loops: samples with their pictures, the transport below them, and the keyboard.

   A sample is an article with one picture or with two, the original and what was made of it; the latter are its sides. */

const isCalm = matchMedia("(prefers-reduced-motion: reduce)");
const transport = document.querySelector(".transport");
const inTransport = (name) => transport.querySelector(name);
const hint = matchMedia("(hover: none)").matches ? "" : "Space starts the loop";
const loops = new Loops();
const samples = [...document.querySelectorAll("article.sample")].map(makeSample).filter((sample) => sample.sides.length);
let current = samples[0];
let isFollowing = false;

function makeSample(article) {
  const sides = [...article.querySelectorAll(".roll[data-sound]")].map((roll) => {
    const { left, right, secs, bars, beats, sound, side } = roll.dataset;
    return {
      ...{ roll, left: +left, width: right - left, bars: +bars, beats: +beats, name: side ?? "" },
      ...{ picture: roll.querySelector(".picture"), head: roll.querySelector(".head"), section: roll.closest(".side") },
      track: { url: sound, secs: +secs, bars: +bars },
      audio: article.querySelector(`audio[data-sound="${CSS.escape(sound)}"]`),
    };
  });
  return { article, sides, label: article.dataset.label, side: sides.length - 1, button: article.querySelector(".hear") };
}

const sideOf = (sample) => sample.sides[sample.side];
const nameOf = (sample) => [sample.label, sideOf(sample).name].filter(Boolean).join(", ");

/* Makes a sample the current one, and lets it be heard if `play`; from `bars` on, or from where the music is. */
async function choose(sample, { side = sample.side, play = loops.isPlaying, bars = null } = {}) {
  current = sample;
  sample.side = side;
  if (!play) {
    loops.stop();
    return show(`Chosen: ${nameOf(sample)}`);
  }
  show();
  document.querySelectorAll("audio").forEach((audio) => audio.pause());
  transport.classList.add("loading");
  try {
    if (!await loops.hear(sideOf(sample).track, bars)) return;
    show(`Looping: ${nameOf(sample)}`);
    prefetch();
    if (!isFollowing) follow();
  } catch (error) {
    loops.stop();
    show(`${nameOf(sample)} cannot be heard: ${error.message}`);
    inTransport(".note").textContent = `Cannot be heard: ${error.message}`;
    inTransport(".note").classList.add("failed");
  } finally {
    transport.classList.remove("loading");
  }
}

function stop() {
  loops.stop();
  show("Stopped");
}

/* What is likely to be heard next is loaded while the current one sounds. */
function prefetch() {
  const at = samples.indexOf(current);
  const near = [...current.sides, ...[at - 1, at + 1].filter((i) => samples[i]).map((i) => sideOf(samples[i]))];
  for (const { track } of near) loops.load(track).catch(() => {});
}

/* Shows what is current and whether it is heard; what is said is for screen readers too. */
function show(said) {
  for (const sample of samples) {
    const isCurrent = sample === current, isHeard = isCurrent && loops.isPlaying;
    sample.article.classList.toggle("current", isCurrent);
    sample.article.classList.toggle("heard", isHeard);
    sample.button?.setAttribute("aria-pressed", isHeard);
    sample.sides.forEach(({ section, head, picture }, side) => {
      section.classList.toggle("chosen", side === sample.side);
      if (!isHeard && !picture.classList.contains("once")) head.hidden = true;
    });
    showSides(sample.article, sample);
  }
  inTransport(".toggle").setAttribute("aria-pressed", loops.isPlaying);
  inTransport(".name").textContent = current.label;
  inTransport(".note").textContent = loops.isPlaying ? current.article.dataset.note : hint;
  inTransport(".note").classList.remove("failed");
  inTransport(".sides").hidden = current.sides.length < 2;
  showSides(transport, current);
  if (said !== undefined) inTransport(".said").textContent = said;
  document.dispatchEvent(new Event("shown"));
}

function showSides(element, sample) {
  for (const button of element.querySelectorAll(".sides button")) {
    button.setAttribute("aria-pressed", +button.dataset.side === sample.side);
  }
}

/* Moves the playhead as long as something is heard; from beat to beat where motion is not wanted. */
function follow() {
  isFollowing = loops.isPlaying;
  inTransport(".level i").style.transform = `scaleY(${Math.min(1, 2 * Math.sqrt(loops.level))})`;
  if (!isFollowing) return;
  for (const side of current.sides) {
    const fraction = modulo(loops.bars, side.bars) / side.bars, beat = Math.floor(fraction * side.beats);
    place(side, isCalm.matches ? beat / side.beats : fraction);
    if (side === sideOf(current)) {
      const bar = Math.floor(fraction * side.bars);
      inTransport(".where").textContent = `${bar + 1}.${beat - Math.ceil(bar * side.beats / side.bars) + 1}`;
      inTransport(".progress").style.transform = `scaleX(${fraction})`;
    }
  }
  requestAnimationFrame(follow);
}

/* Puts the playhead where a fraction of the picture's bars is over; where the picture is too wide, it follows. */
function place({ roll, picture, head, left, width }, fraction) {
  const names = left * picture.clientWidth, x = width * picture.clientWidth * fraction, room = roll.clientWidth - names;
  head.hidden = false;
  head.style.transform = `translateX(${names + x}px)`;
  if (picture.clientWidth > roll.clientWidth) {
    roll.scrollLeft = isCalm.matches ? Math.floor(x / room) * room : x - room / 2;
  }
}

function step(by) {
  const at = samples.indexOf(current) + by;
  if (!samples[at]) return;
  const hadFocus = current.article.contains(document.activeElement);
  choose(samples[at]);
  if (hadFocus) samples[at].button?.focus({ preventScroll: true });
  samples[at].article.scrollIntoView({ block: "nearest", behavior: isCalm.matches ? "instant" : "smooth" });
}

const toggle = (sample) => (sample === current && loops.isPlaying ? stop() : choose(sample, { play: true }));

for (const sample of samples) {
  sample.button?.addEventListener("click", () => toggle(sample));
  for (const button of sample.article.querySelectorAll(".sides button")) {
    button.addEventListener("click", () => choose(sample, { side: +button.dataset.side, play: true }));
  }
  sample.sides.forEach((side, number) => {
    side.picture.addEventListener("click", (event) => {
      const box = side.picture.getBoundingClientRect();
      const fraction = ((event.clientX - box.left) / box.width - side.left) / side.width;
      choose(sample, { side: number, play: true, bars: Math.min(Math.max(fraction, 0), 0.999) * side.bars });
    });
    side.audio?.addEventListener("play", () => playOnce(side));
  });
}

/* The browser's own player, which plays a WAV once with its tail, moves the playhead too. */
function playOnce(side) {
  if (loops.isPlaying) stop();
  document.querySelectorAll("audio").forEach((other) => other !== side.audio && other.pause());
  side.picture.classList.add("once");
  const move = () => {
    const isOver = side.audio.paused || side.audio.currentTime > side.track.secs;
    if (isOver) side.head.hidden = true;
    else place(side, side.audio.currentTime / side.track.secs);
    if (!side.audio.paused) return requestAnimationFrame(move);
    side.picture.classList.remove("once");
  };
  move();
}

document.documentElement.classList.add("js");
if (!samples.length) {
  transport?.remove();
} else {
  inTransport(".toggle").addEventListener("click", () => toggle(current));
  inTransport(".previous").addEventListener("click", () => step(-1));
  inTransport(".next").addEventListener("click", () => step(1));
  inTransport(".volume").addEventListener("input", (event) => loops.setVolume(event.target.value ** 2));
  for (const button of transport.querySelectorAll(".sides button")) {
    button.addEventListener("click", () => choose(current, { side: +button.dataset.side }));
  }
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const { target } = event;
    if (target.closest("input, audio")) return;
    if (event.key === " " && !target.closest("button, a, summary")) {
      toggle(samples.find(({ article }) => article.contains(target)) ?? current);
    } else if (event.key === "ArrowLeft" && !canScroll(target)) step(-1);
    else if (event.key === "ArrowRight" && !canScroll(target)) step(1);
    else return;
    event.preventDefault();
  });
  show("");
}

function canScroll(element) {
  return element.matches(".roll") && element.scrollWidth > element.clientWidth;
}
