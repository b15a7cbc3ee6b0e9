// The listener page: a card for each mount of the session.

import { Card, anchor, element } from "./card.js";
import { announcer, follow, sentence, tellSystem } from "./following.js";
import { prepareShare, share } from "./share.js";

/** The cards by their mounts' paths, in the session's order. */
export const cards = new Map();

const list = document.getElementById("mounts");
const say = announcer();
let session = null;
let opened = false;

// What this browser's window was listening to; a reload goes on with it.
const KEPT = "sessiond.playing";

function show(now, seen) {
  session = now;
  document.title = `${now.session} · live`;
  document.getElementById("session").textContent = now.session;
  const paths = now.mounts.map((mount) => mount.path);
  for (const path of [...cards.keys()].filter((path) => !paths.includes(path))) drop(path);
  for (const mount of now.mounts) {
    if (!cards.has(mount.path)) add(mount);
    cards.get(mount.path).update(mount, seen);
  }
  summarize(seen);
  if (!opened && cards.size) open();
}

function add(mount) {
  const card = new Card(mount, session.streams);
  cards.set(mount.path, card);
  card.addEventListener("play", () => {
    for (const other of cards.values()) if (other !== card) other.player.stop();
  });
  card.addEventListener("change", () => changed(card));
  card.addEventListener("share", () => share(card, session.streams));
  const item = element("li", { id: anchor(mount) }, card.node);
  list.append(item);
}

function drop(path) {
  const card = cards.get(path);
  card.player.stop();
  card.node.parentElement.remove();
  cards.delete(path);
}

function changed(card) {
  say(sentence(card));
  const playing = [...cards.values()].find((each) => each.player.wanted);
  if (playing === card || !playing) tellSystem(card, session.session);
  keep(playing?.mount.path ?? "");
}

function summarize(seen) {
  const all = [...cards.values()];
  const live = all.filter((card) => ["on-air", "silent"].includes(card.condition));
  const listeners = all.reduce((sum, card) => sum + card.listeners, 0);
  const words = [
    seen === null
      ? "The station does not answer"
      : live.length === all.length
        ? "On the air"
        : live.length
          ? `${live.length} of ${all.length} on the air`
          : "Not on the air just now",
    listeners === 1 ? "one listener" : `${listeners} listeners`,
  ];
  document.getElementById("summary").textContent = words.join(" · ");
  document.body.dataset.live = String(live.length > 0 && seen !== null);
}

// --- the first look -------------------------------------------------------------

function open() {
  opened = true;
  point();
  const kept = cards.get(lastPlayed());
  // Browsers refuse this where nobody has clicked yet; then the card says so.
  if (kept) kept.toggle();
}

/** Go to the card that the address names. */
function point() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target || !list.contains(target)) return;
  target.scrollIntoView({ block: "center" });
  target.querySelector("button")?.focus({ preventScroll: true });
}

function keep(path) {
  if (!opened) return;
  try {
    sessionStorage.setItem(KEPT, path);
  } catch {
    // A browser that keeps nothing plays all the same.
  }
}

function lastPlayed() {
  try {
    return sessionStorage.getItem(KEPT) ?? "";
  } catch {
    return "";
  }
}

addEventListener("hashchange", point);
addEventListener("online", () => {
  for (const card of cards.values()) card.player.hasten();
});
setInterval(() => {
  for (const card of cards.values()) card.showLevel();
}, 1000);
prepareShare(say);
follow(show, () => [...cards.values()].some((card) => card.player.wanted));
