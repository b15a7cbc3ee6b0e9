// A mount as people see it: its card in the document, and what it says.

import { Meter } from "./meter.js";
import { Player, State } from "./player.js";

const FORMATS = { vorbis: "Ogg Vorbis", opus: "Opus", flac: "FLAC", mp3: "MP3" };

// While hosts change over a mount has no source for a moment, and plays on.
const CHANGE_OVER_MS = 10000;

const SVG = "http://www.w3.org/2000/svg";

/** Return an element with attributes and children; text is never markup. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function glyph() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  for (const [kind, path] of [
    ["starts", "M7 4.2v15.6L20 12z"],
    ["stops", "M6 6h12v12H6z"],
  ]) {
    const shape = document.createElementNS(SVG, "path");
    shape.setAttribute("class", kind);
    shape.setAttribute("d", path);
    svg.append(shape);
  }
  return svg;
}

/** Return the name of a mount's card, for links to it: /dj1.ogg is #dj1.ogg. */
export const anchor = (mount) => mount.path.slice(1);

/**
 * One mount's card. Fires "play" before it plays, "change" when what it says has
 * changed, and "share".
 */
export class Card extends EventTarget {
  #onAirAt = -Infinity;
  #seen = null;
  #reachable = true;
  #said = "";

  constructor(mount, streams, { heading = "h2" } = {}) {
    super();
    this.mount = mount;
    this.player = new Player(`${streams}${mount.path}`, mount.format);
    this.#build(heading);
    this.#meter = new Meter(this.#parts.canvas, this.player);
    this.player.addEventListener("change", () => this.#show());
    this.#show();
  }

  #meter;
  #parts;

  get name() {
    return this.mount.name || anchor(this.mount);
  }

  get title() {
    return this.#seen?.title ?? "";
  }

  get listeners() {
    return this.#seen?.listeners ?? 0;
  }

  /** One of on-air, filler, silent, off-air, unknown. */
  get condition() {
    if (!this.#reachable) return "unknown";
    if (this.player.silent) return "silent";
    if (performance.now() - this.#onAirAt < CHANGE_OVER_MS) return "on-air";
    return this.#seen?.state ?? "off-air";
  }

  /** Take in what the station says now; seen: null is no answer. */
  update(mount, seen) {
    this.mount = mount;
    this.#reachable = seen !== null;
    if (seen) {
      const before = this.#seen?.state;
      this.#seen = seen.get(mount.path) ?? null;
      const state = this.#seen?.state;
      if (state === "on-air") this.#onAirAt = performance.now();
      if (state !== before && state !== "off-air") this.player.hasten();
    }
    this.#show();
  }

  toggle() {
    if (this.player.wanted) {
      this.player.stop();
      return;
    }
    this.dispatchEvent(new Event("play"));
    this.player.play();
  }

  // --- the document -----------------------------------------------------------

  #build(heading) {
    const id = anchor(this.mount).replace(".", "-");
    const parts = {
      state: element("span", { class: "state" }),
      listeners: element("span", { class: "listeners" }),
      heading: element(heading, { id: `${id}-name` }),
      title: element("p", { class: "title" }),
      button: element("button", { type: "button", class: "play" }, glyph()),
      verb: element("span", { class: "verb" }),
      canvas: element("canvas", { "aria-hidden": "true" }),
      level: element("div", {
        class: "level",
        role: "meter",
        "aria-label": "Level",
        "aria-valuemin": "-60",
        "aria-valuemax": "0",
        "aria-valuenow": "-60",
      }),
      note: element("p", { class: "note" }),
      facts: element("p", { class: "facts" }),
      share: element("button", { type: "button", class: "plain share-button" }, "Share"),
      description: element("p", { class: "description" }),
    };
    parts.level.append(parts.canvas);
    parts.button.append(parts.verb);
    parts.button.addEventListener("click", () => this.toggle());
    parts.share.addEventListener("click", () => this.dispatchEvent(new Event("share")));
    parts.share.setAttribute("aria-haspopup", "dialog");
    this.#parts = parts;
    this.node = element(
      "article",
      { class: "card", "aria-labelledby": `${id}-name` },
      element("p", { class: "status" }, parts.state, parts.listeners),
      element("div", { class: "words" }, parts.heading, parts.description, parts.title),
      element("div", { class: "console" }, parts.button, parts.level),
      parts.note,
      element("div", { class: "foot" }, parts.facts, parts.share),
    );
  }

  #show() {
    const { player, mount } = this;
    const parts = this.#parts;
    this.node.dataset.condition = this.condition;
    this.node.dataset.player = player.state;
    parts.state.textContent = STATES[this.condition];
    parts.listeners.textContent = counted(this.listeners);
    parts.heading.textContent = this.name;
    parts.description.textContent = mount.description;
    parts.description.hidden = !mount.description;
    parts.title.textContent = this.title;
    parts.title.hidden = !this.title;
    parts.verb.textContent = player.wanted ? "Stop" : "Listen";
    const verb = player.wanted ? "Stop" : "Play";
    parts.button.setAttribute("aria-label", `${verb} ${this.name}`);
    parts.button.disabled = player.state === State.UNPLAYABLE;
    parts.share.setAttribute("aria-label", `Share ${this.name}`);
    parts.note.textContent = note(player.state, this.condition);
    parts.facts.replaceChildren(...facts(mount));
    parts.level.hidden = player.state === State.UNPLAYABLE;
    this.#meter.run();
    this.#tell();
  }

  /** Show the level as words, too; call it about once a second. */
  showLevel() {
    const levels = this.player.wanted ? this.player.levels() : [];
    const db = Math.max(-60, ...levels.map(({ peak }) => Math.round(peak)));
    this.#parts.level.setAttribute("aria-valuenow", String(Math.min(db, 0)));
    const words = this.player.wanted ? (db > -60 ? `${db} decibels` : "silent") : "not playing";
    this.#parts.level.setAttribute("aria-valuetext", words);
  }

  #tell() {
    const said = [this.player.state, this.condition, this.title, this.listeners].join("\n");
    if (said === this.#said) return;
    this.#said = said;
    this.dispatchEvent(new Event("change"));
  }
}

const STATES = {
  "on-air": "On air",
  filler: "Filler",
  silent: "Silent",
  "off-air": "Off air",
  unknown: "No word",
};

function note(state, condition) {
  switch (state) {
    case State.CONNECTING:
      return "Connecting …";
    case State.RETRYING:
      return condition === "off-air"
        ? "Nobody is on the air. It starts by itself."
        : "Interrupted; coming back by itself …";
    case State.BLOCKED:
      return "Your browser wants a press of the button first.";
    case State.UNPLAYABLE:
      return "This browser can't play this format; another player can.";
    default:
      return "";
  }
}

function counted(listeners) {
  return listeners === 1 ? "1 listener" : `${listeners} listeners`;
}

function facts(mount) {
  const rate = mount.bitrate_kbps ? `${mount.bitrate_kbps} kbit/s` : "lossless";
  const words = [FORMATS[mount.format] ?? mount.format, rate, mount.genre];
  return words.filter(Boolean).map((word) => element("span", {}, word));
}
