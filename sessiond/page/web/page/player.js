// One mount being played: an audio element that starts again by itself, and the
// level of what it plays.

/** What a player is at; `play` leads out of STOPPED, BLOCKED and UNPLAYABLE only. */
export const State = Object.freeze({
  STOPPED: "stopped",
  CONNECTING: "connecting",
  PLAYING: "playing",
  // The stream ended or went silent; it is asked for again and again.
  RETRYING: "retrying",
  // The browser wants a click first.
  BLOCKED: "blocked",
  // The browser has no decoder for this format.
  UNPLAYABLE: "unplayable",
});

const KINDS = {
  vorbis: 'audio/ogg; codecs="vorbis"',
  opus: 'audio/ogg; codecs="opus"',
  flac: 'audio/ogg; codecs="flac"',
  mp3: "audio/mpeg",
};

// A takeover is bridged by what the player has in hand, 5 s; longer than this
// without progress means that the connection is dead.
const STALLED_AFTER_MS = 8000;

// Icecast's own first Vorbis page takes 2.4 s; a phone's radio some more.
const CONNECTED_WITHIN_MS = 12000;

const RETRY_MS = [300, 1000, 2000, 4000, 8000];

// Whoever plays that long has not come back for a moment only.
const SETTLED_AFTER_MS = 10000;

const LOOK_EVERY_MS = 500;

// Below this (RMS) nobody hears anything, and after this long it is no pause.
const SILENCE_DB = -60;
const SILENT_AFTER_MS = 5000;

// On Apple's engine a live stream through Web Audio is mute, and ends with the
// screen: there it plays without a meter.
const METERED = !/^Apple/.test(navigator.vendor) && "AudioContext" in globalThis;

let context = null;

/** Fires "change" when its state has changed, or when it has become silent or not. */
export class Player extends EventTarget {
  /**
   * @param {string} address of the mount
   * @param {string} format as mounts.json calls it
   */
  constructor(address, format) {
    super();
    this.address = address;
    this.silent = false;
    /** One AnalyserNode a channel; empty until it plays, and where there is no meter. */
    this.analysers = [];
    this.audio = new Audio();
    this.audio.crossOrigin = "anonymous";
    this.audio.preload = "none";
    this.state = this.audio.canPlayType(KINDS[format] ?? "") ? State.STOPPED : State.UNPLAYABLE;
    this.#listen();
  }

  #tries = 0;
  #asked = 0;
  #retry = null;
  #watch = null;
  #progress = { at: 0, position: 0 };
  #quietSince = null;

  get wanted() {
    return [State.CONNECTING, State.PLAYING, State.RETRYING].includes(this.state);
  }

  /** Play from now on; call it in a click's or key's own event. */
  play() {
    if (this.wanted || this.state === State.UNPLAYABLE) return;
    this.#meter();
    this.#tries = 0;
    this.#ask(State.CONNECTING);
    this.#watch ??= setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  /** Stop, and keep nothing: the next play is live again. */
  stop() {
    if (this.state === State.UNPLAYABLE) return;
    this.#rest(State.STOPPED);
  }

  /** Try at once what would have been tried later. */
  hasten() {
    if (this.#retry !== null) this.#ask(State.RETRYING);
  }

  // --- the element --------------------------------------------------------------

  #listen() {
    const { audio } = this;
    audio.addEventListener("playing", () => this.#playing());
    audio.addEventListener("ended", () => this.#lost());
    audio.addEventListener("error", () => this.#lost());
    audio.addEventListener("pause", () => {
      // Headphones pulled out, or a key of the keyboard: somebody wants silence.
      if (this.state === State.PLAYING && !audio.ended && audio.hasAttribute("src"))
        this.stop();
    });
  }

  #ask(state) {
    clearTimeout(this.#retry);
    this.#retry = null;
    this.#asked += 1;
    this.#progress = { at: performance.now(), position: 0 };
    // A browser would go on from its cache, or ask for the rest of the same file.
    this.audio.src = `${this.address}?again=${Date.now().toString(36)}${this.#asked}`;
    this.#turn(state);
    this.audio.play().catch((error) => {
      if (error.name === "NotAllowedError") this.#rest(State.BLOCKED);
    });
  }

  #playing() {
    this.#progress = { at: performance.now(), position: this.audio.currentTime };
    if (this.wanted) this.#turn(State.PLAYING);
  }

  #lost() {
    if (!this.wanted || this.#retry !== null) return;
    const wait = RETRY_MS[Math.min(this.#tries, RETRY_MS.length - 1)];
    this.#tries += 1;
    // Not everybody at the same moment, after the same failure.
    const later = wait * (0.75 + Math.random() / 2);
    this.#retry = setTimeout(() => this.#ask(State.RETRYING), later);
    this.#turn(State.RETRYING);
  }

  #rest(state) {
    clearTimeout(this.#retry);
    clearInterval(this.#watch);
    this.#retry = this.#watch = null;
    this.#quietSince = null;
    this.silent = false;
    this.#turn(state);
    this.audio.pause();
    this.audio.removeAttribute("src");
    this.audio.load();
  }

  #turn(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("change"));
  }

  // --- twice a second -------------------------------------------------------------

  #look() {
    const now = performance.now();
    const position = this.audio.currentTime;
    if (position !== this.#progress.position) {
      this.#progress = { at: now, position };
      if (position * 1000 > SETTLED_AFTER_MS) this.#tries = 0;
    }
    const patience = this.state === State.PLAYING ? STALLED_AFTER_MS : CONNECTED_WITHIN_MS;
    if (now - this.#progress.at > patience) this.#lost();
    if (context?.state === "suspended" || context?.state === "interrupted") context.resume();
    this.#lookForSilence(now);
  }

  #lookForSilence(now) {
    const sounding =
      this.state !== State.PLAYING ||
      !this.analysers.length ||
      context.state !== "running" ||
      this.levels().some(({ rms }) => rms > SILENCE_DB);
    this.#quietSince = sounding ? null : (this.#quietSince ?? now);
    const silent = !sounding && now - this.#quietSince >= SILENT_AFTER_MS;
    if (silent === this.silent) return;
    this.silent = silent;
    this.dispatchEvent(new Event("change"));
  }

  // --- its level ----------------------------------------------------------------

  #meter() {
    if (!METERED) return;
    context ??= new AudioContext({ latencyHint: "playback" });
    context.resume();
    if (this.analysers.length) return;
    const source = context.createMediaElementSource(this.audio);
    source.connect(context.destination);
    // A mono stream is on both meters: an up-mixing gain stands before the splitter.
    const both = new GainNode(context, {
      channelCount: 2,
      channelCountMode: "explicit",
      channelInterpretation: "speakers",
    });
    const splitter = new ChannelSplitterNode(context, { numberOfOutputs: 2 });
    source.connect(both).connect(splitter);
    this.analysers = [0, 1].map((channel) => {
      const analyser = new AnalyserNode(context, { fftSize: 2048, smoothingTimeConstant: 0 });
      splitter.connect(analyser, channel);
      return analyser;
    });
  }

  /** Return peak and RMS of the last 43 ms on each channel, dBFS. */
  levels() {
    return this.analysers.map((analyser) => {
      const samples = new Float32Array(analyser.fftSize);
      analyser.getFloatTimeDomainData(samples);
      let peak = 0;
      let power = 0;
      for (const sample of samples) {
        peak = Math.max(peak, Math.abs(sample));
        power += sample * sample;
      }
      return { peak: decibels(peak), rms: decibels(Math.sqrt(power / samples.length)) };
    });
  }
}

const decibels = (share) => (share > 0 ? Math.max(-120, 20 * Math.log10(share)) : -120);
