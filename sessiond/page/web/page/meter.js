// A level meter like the dial of a radio: one row of strokes a channel.

const LOWEST_DB = -60;
const HOT_DB = -6;

// From one stroke to the next, in the page's pixels.
const PITCH = 5;
const THICK = 2;

// Each tenth decibel has a longer stroke.
const MARK_DB = 10;

// Often enough for an eye, and half the work of a screen's own pace.
const DRAW_EVERY_MS = 30;

// How fast a meter falls, dB a second: as most peak meters do.
const FALL_DB = 24;

/** Draws the level of one player on a canvas while it plays. */
export class Meter {
  #canvas;
  #player;
  #shown = [LOWEST_DB, LOWEST_DB];
  #frame = null;
  #last = 0;

  constructor(canvas, player) {
    this.#canvas = canvas;
    this.#player = player;
    new ResizeObserver(() => this.#draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  /** Draw as long as the player plays; call it whenever that may have changed. */
  run() {
    this.#frame ??= requestAnimationFrame((now) => this.#step(now));
  }

  #step(now) {
    this.#frame = null;
    if (now - this.#last >= DRAW_EVERY_MS) this.#advance(now);
    if (this.#player.wanted || this.#shown.some((db) => db > LOWEST_DB)) this.run();
  }

  #advance(now) {
    const levels = this.#player.wanted ? this.#player.levels() : [];
    const fall = (FALL_DB * Math.min(now - this.#last, 100)) / 1000;
    this.#last = now;
    this.#shown = this.#shown.map((shown, channel) =>
      Math.max(levels[channel]?.peak ?? LOWEST_DB, shown - fall, LOWEST_DB),
    );
    this.#draw();
  }

  #draw() {
    const canvas = this.#canvas;
    const ratio = devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height)
      Object.assign(canvas, { width, height });
    const look = getComputedStyle(canvas);
    const [off, on, hot] = ["--rule", "--ink", "--signal"].map((name) =>
      look.getPropertyValue(name),
    );
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, width, height);
    const strokes = Math.max(1, Math.floor(canvas.clientWidth / PITCH));
    const db = (stroke) => LOWEST_DB - (stroke * LOWEST_DB) / strokes;
    const marked = (stroke) => Math.ceil(db(stroke) / MARK_DB) < Math.ceil(db(stroke + 1) / MARK_DB);
    const gap = Math.round(2 * ratio);
    const tall = Math.floor((height - gap) / 2);
    for (let stroke = 0; stroke < strokes; stroke += 1) {
      const x = Math.round(stroke * PITCH * ratio);
      this.#shown.forEach((shown, channel) => {
        const lit = shown > db(stroke);
        const length = lit || marked(stroke) ? tall : Math.round(tall * 0.5);
        pen.fillStyle = lit ? (db(stroke) >= HOT_DB ? hot : on) : off;
        pen.fillRect(x, channel ? tall + gap : tall - length, Math.round(THICK * ratio), length);
      });
    }
  }
}
