/* A grid of samples as pads: they play when they are pressed or dragged over, and arrow keys go from one to the next. */

for (const grid of document.querySelectorAll("[role=grid]")) {
  const pads = [...grid.querySelectorAll("button")];
  const sampleOf = new Map(pads.map((pad) => [pad, samples.find(({ article }) => article.id === pad.dataset.sample)]));
  const rows = [...grid.querySelectorAll("[role=row]")].map((row) =>
    [...row.children].map((cell) => cell.querySelector("button")));
  let shown = pads[0];  // Its sample's picture stands large below the grid.
  let pressed = null;  // The pad that the pointer went down on, and whether it was heard.

  let isPrepared = false;

  /* Loads the other pads' sounds, one after the other, so that none is waited for when pads are dragged over. */
  const prepare = async () => {
    isPrepared = true;
    for (const sample of sampleOf.values()) {
      if (sample && loops.hasRoom) await loops.load(sideOf(sample).track).catch(() => {});
    }
  };
  const isHeard = (pad) => sampleOf.get(pad) === current && loops.isPlaying;
  const mark = () => {
    for (const pad of pads) {
      pad.setAttribute("aria-pressed", isHeard(pad));
      pad.classList.toggle("shown", pad === shown);
      pad.tabIndex = pad === shown ? 0 : -1;
      document.getElementById(pad.dataset.sample).hidden = pad !== shown;
    }
  };
  const choosePad = (pad, options) => {
    shown = pad;
    if (sampleOf.get(pad)) choose(sampleOf.get(pad), options);
    else mark();
  };
  const press = (pad) => isHeard(pad) || choosePad(pad, { play: true });

  grid.addEventListener("pointerdown", (event) => {
    const pad = event.target.closest("button");
    if (!pad || event.button) return;
    pressed = { pad, wasHeard: isHeard(pad) };
    press(pad);
  });
  grid.addEventListener("pointermove", (event) => {
    if (!pressed) return;
    // Not the event's target: for a finger that is the pad where it came down.
    const pad = document.elementFromPoint(event.clientX, event.clientY)?.closest("[role=grid] button");
    if (!pads.includes(pad) || (pad === pressed.pad && !pressed.moved)) return;
    pressed.moved = true;
    press(pad);
  });
  addEventListener("pointerup", () => {
    if (pressed?.wasHeard && !pressed.moved && isHeard(pressed.pad)) stop();
    pressed = null;
  });
  addEventListener("pointercancel", () => { pressed = null; });
  grid.addEventListener("click", (event) => {  // By keyboard or screen reader; a pointer has been heard already.
    const sample = sampleOf.get(event.target.closest("button"));
    if (sample && event.detail === 0) toggle(sample);
  });
  grid.addEventListener("keydown", (event) => {
    const row = rows.findIndex((cells) => cells.includes(event.target)), column = rows[row]?.indexOf(event.target);
    const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (row < 0 || !by) return;
    event.preventDefault();
    const pad = rows[row + by[0]]?.[column + by[1]];
    if (!pad) return;
    pad.focus();
    choosePad(pad);
  });
  document.addEventListener("shown", () => {
    const mine = pads.find((pad) => sampleOf.get(pad) === current);
    shown = mine ?? shown;
    mark();
    if (mine && loops.isPlaying && !isPrepared) prepare();
  });
  mark();
}
