// What the station says: mounts.json is what there is to listen to; live.json, beside
// a station that runs with the session, or else Icecast's status page is how it goes.

/**
 * A mount as mounts.json has it.
 * @typedef {{path: string, name: string, description: string, genre: string,
 *   format: string, bitrate_kbps: number|null}} Mount
 */

/**
 * How it goes with one mount.
 * @typedef {{state: "on-air"|"filler"|"off-air", listeners: number, title: string}} Seen
 */

// A station that needs longer is as good as away.
const WITHIN_MS = 4000;

// Whoever writes live.json does so each second; older than this it tells nothing.
const STALE_AFTER_MS = 6000;

/** Return mounts.json; rejects when it can't be had. */
export async function readSession() {
  return JSON.parse(await text("mounts.json"));
}

let beat = { value: null, since: 0 };

/**
 * Return how it goes with each mount of a session, by path.
 * @returns {Promise<Map<string, Seen>>} rejects when nobody tells
 */
export async function readSeen({ live, streams }) {
  if (live) {
    const document = JSON.parse(await text("live.json").catch(() => "{}"));
    const now = performance.now();
    if (document.beat !== beat.value) beat = { value: document.beat, since: now };
    if (document.mounts && now - beat.since < STALE_AFTER_MS)
      return new Map(Object.entries(document.mounts));
  }
  return parseStatus(await text(`${streams}/status-json.xsl`));
}

async function text(address) {
  const answer = await fetch(address, {
    cache: "no-store",
    signal: AbortSignal.timeout(WITHIN_MS),
  });
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.text();
}

/**
 * Return the mounts in a status-json.xsl, by path.
 *
 * Its source is absent, one object or an array. A name or title such as 007 breaks
 * the JSON, because Icecast writes it as a number: then each source's members are
 * picked out one by one, and only what is broken is missing.
 */
export function parseStatus(page) {
  let found;
  try {
    found = JSON.parse(page)?.icestats?.source ?? [];
  } catch {
    found = [...picked(page)];
  }
  const seen = new Map();
  for (const source of Array.isArray(found) ? found : [found]) {
    const path = pathOf(source?.listenurl);
    if (path) seen.set(path, asSeen(source));
  }
  return seen;
}

function asSeen(source) {
  const words = [source.artist, source.title].filter((word) => word || word === 0);
  return {
    // A mount without a source is listed too while its fallback has one.
    state: source.stream_start_iso8601 ? "on-air" : "filler",
    listeners: Number(source.listeners) || 0,
    title: words.map(String).join(" – "),
  };
}

function pathOf(address) {
  try {
    return new URL(String(address)).pathname;
  } catch {
    return "";
  }
}

const MEMBER = /"([a-z0-9_-]+)":(?:("(?:[^"\\]|\\.)*")|([^",{}[\]]*))/g;

function* picked(page) {
  // Every source ends with this member in Icecast 2.4.
  for (const part of page.split('"dummy":null')) {
    const source = {};
    for (const [, name, quoted, bare] of part.matchAll(MEMBER))
      source[name] = unquoted(quoted ?? bare);
    yield source;
  }
}

function unquoted(word) {
  try {
    return String(JSON.parse(word));
  } catch {
    return word.replace(/^"|"$/g, "");
  }
}
