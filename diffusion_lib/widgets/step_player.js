// The step player: one module for the notebook's widget (through anywidget) and for a page of its own.
// It reads everything from `model`: `get`, `set`, `save_changes`, `on`, `off`. No kernel is needed to play.
// A sheet is one PNG for one sample: a row of pictures for each frame, a column for each panel.

const SPEEDS = [2, 5, 10, 20, 40]; // frames a second
const PANEL_SIZE = 208; // pixels on the screen, rounded down to whole multiples of the picture's

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function render({ model, el }) {
  let stop = build(model, el);
  const rebuild = () => {
    const inside = el.querySelector(":focus"); // keys go on to work: it may be rebuilt while they are used
    stop();
    el.replaceChildren();
    stop = build(model, el);
    if (inside) el.querySelector(".step-player").focus({ preventScroll: true });
  };
  model.on("change:run", rebuild);
  return () => {
    model.off("change:run", rebuild);
    stop();
  };
}

function build(model, el) {
  const captions = model.get("captions");
  const [width, height] = model.get("size");
  const last = captions.length - 1;
  const bitmaps = new Map(); // sample -> its sheet, decoded
  let playing = null; // the timer, while it plays
  let saving = null;
  let waiting = null;

  // ---- what is on the screen
  const scale = Math.max(1, Math.floor(PANEL_SIZE / Math.max(width, height)));
  const canvases = model.get("panels").map(() => {
    const canvas = element("canvas", { width, height });
    canvas.style.width = `${width * scale}px`;
    canvas.style.height = `${height * scale}px`;
    canvas.setAttribute("role", "img");
    return canvas;
  });
  const figures = canvases.map((canvas, i) => {
    const [symbol, words] = model.get("panels")[i];
    const [letter, index] = symbol.split("_");
    const bold = element("b", {}, letter, index ? element("sub", { textContent: index }) : "");
    const name = element("figcaption", {}, bold, ` ${words}`);
    return element("figure", {}, name, canvas);
  });
  const caption = element("p", { className: "caption" });
  const note = element("p", { className: "note", textContent: model.get("note") });
  const button = (text, label, action) => {
    const made = element("button", { type: "button", textContent: text, title: label });
    made.setAttribute("aria-label", label);
    made.addEventListener("click", action);
    return made;
  };
  const play = button("Play", "Play", () => (playing ? pause() : start()));
  play.className = "play";
  const scrub = element("input", { type: "range", min: 0, max: last, step: 1 });
  const speed = element("select");
  speed.append(...SPEEDS.map((n) => element("option", { value: n, textContent: `${n} frames/s` })));
  const sample = element("select");
  for (let i = 0; i < model.get("num_samples"); i++) {
    if (model.get("stored_only") && !model.get("sheets")[i].byteLength) continue;
    sample.append(element("option", { value: i, textContent: `${i + 1}` }));
  }
  const labelled = (text, control, name) => element("label", { className: name }, text, control);
  const root = element(
    "div",
    { className: "step-player" },
    element("div", { className: "panels" }, ...figures),
    caption,
    element(
      "div",
      { className: "controls" },
      button("|◀", "First frame", () => go(0)),
      button("◀", "One frame back", () => go(frame() - 1)),
      play,
      button("▶", "One frame on", () => go(frame() + 1)),
      button("▶|", "Last frame", () => go(last)),
      labelled("Frame ", scrub, "scrub"),
    ),
    element(
      "div",
      { className: "controls" },
      labelled("Speed ", speed),
      sample.options.length > 1 ? labelled("Sample ", sample) : "",
      note,
    ),
  );
  root.style.width = `${canvases.length * (width * scale + 2) + 2 * 16 + 2 * 8}px`; // gaps and padding
  root.tabIndex = 0;
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Step player: left and right arrow step, space plays and pauses");
  el.append(root);

  // ---- from state to picture
  const frame = () => model.get("frame");

  function draw() {
    const at = frame();
    const chosen = model.get("sample");
    const sheet = bitmaps.get(chosen);
    caption.textContent = captions[at];
    scrub.value = at;
    scrub.setAttribute("aria-valuetext", captions[at]);
    sample.value = chosen;
    speed.value = model.get("speed");
    figures.forEach((figure) => figure.classList.toggle("missing", !sheet));
    canvases.forEach((canvas, panel) => {
      const words = model.get("panels")[panel].join(", ");
      canvas.setAttribute("aria-label", `${words}, of sample ${chosen + 1}, ${captions[at]}`);
      if (!sheet) return;
      const context = canvas.getContext("2d");
      context.drawImage(sheet, panel * width, at * height, width, height, 0, 0, width, height);
    });
  }

  async function load() {
    clearTimeout(waiting);
    note.textContent = model.get("note");
    const chosen = model.get("sample");
    const bytes = model.get("sheets")[chosen];
    if (!bitmaps.has(chosen) && bytes && bytes.byteLength) {
      bitmaps.set(chosen, await createImageBitmap(new Blob([bytes], { type: "image/png" })));
    }
    draw();
    if (!bitmaps.has(chosen)) {
      // Only as many samples as stay small are stored; the kernel, if there is one, sends the others.
      const words = `Sample ${chosen + 1} is not stored in this page: run the notebook to see it.`;
      waiting = setTimeout(() => (note.textContent = words), 1500);
    }
  }

  // ---- from a hand to state
  function put(name, value) {
    model.set(name, value);
    clearTimeout(saving); // the kernel hears of the place where it stops, not of each frame
    saving = setTimeout(() => model.save_changes(), 150);
  }

  function go(to, keepPlaying = false) {
    if (!keepPlaying) pause();
    const within = Math.min(last, Math.max(0, to));
    if (within !== frame()) put("frame", within);
    draw();
  }

  function start() {
    if (frame() === last) go(0);
    playing = setInterval(() => {
      go(frame() + 1, true);
      if (frame() === last) pause();
    }, 1000 / model.get("speed"));
    play.textContent = "Pause";
    play.setAttribute("aria-label", "Pause");
  }

  function pause() {
    clearInterval(playing);
    playing = null;
    play.textContent = "Play";
    play.setAttribute("aria-label", "Play");
  }

  scrub.addEventListener("input", () => go(Number(scrub.value)));
  sample.addEventListener("change", () => put("sample", Number(sample.value)));
  speed.addEventListener("change", () => {
    put("speed", Number(speed.value));
    if (playing) {
      pause();
      start();
    }
  });
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 10, PageDown: -10 };
    const onButton = event.target.tagName === "BUTTON";
    const onSelect = event.target.tagName === "SELECT";
    const known = event.key in steps || ["Home", "End", " ", "Enter"].includes(event.key);
    if (!known) return;
    event.stopPropagation(); // or the notebook would move its own cursor
    if (onSelect || event.key === "Enter" || (onButton && event.key === " ")) return;
    event.preventDefault();
    if (event.key === " ") playing ? pause() : start();
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(last);
    else go(frame() + steps[event.key]);
  });

  model.on("change:frame", draw);
  model.on("change:speed", draw);
  model.on("change:sample", load);
  model.on("change:sheets", load);
  load();
  return () => {
    pause();
    clearTimeout(saving);
    clearTimeout(waiting);
    model.off("change:frame", draw);
    model.off("change:speed", draw);
    model.off("change:sample", load);
    model.off("change:sheets", load);
    bitmaps.forEach((bitmap) => bitmap.close());
  };
}

export default { render };
