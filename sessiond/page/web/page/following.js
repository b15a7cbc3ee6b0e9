// What both pages do: follow the session, say aloud what changes, tell the system.

import { readSeen, readSession } from "./status.js";

// A new title must be seen within 3 s: a station writes it within 0.75 s, and a proxy
// may keep the answer before for 1 s.
const POLL_MS = 1000;

// Mounts come and go rarely: they are asked for each so many polls.
const SESSION_EVERY = 9;

// A page that nobody sees or hears needs no news.
const HIDDEN_POLL_MS = 15000;

/**
 * Follow the session for ever.
 * @param {(session: object, seen: Map|null) => void} show seen is null when the station
 *   does not answer
 * @param {() => boolean} heard whether something is being played
 */
export async function follow(show, heard) {
  let session = null;
  for (let round = 0; ; round += 1) {
    // The last one will do; without one there is nothing to show yet.
    if (!session || round % SESSION_EVERY === 0)
      session = await readSession().catch(() => session);
    if (session) show(session, await readSeen(session).catch(() => null));
    const hidden = document.hidden && !heard();
    await pause(session && hidden ? HIDDEN_POLL_MS : POLL_MS);
  }
}

function pause(ms) {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      for (const [target, name] of wakers) target.removeEventListener(name, over);
      resolve();
    };
    const wakers = [
      [document, "visibilitychange"],
      [window, "online"],
    ];
    const timer = setTimeout(over, ms);
    for (const [target, name] of wakers) target.addEventListener(name, over);
  });
}

/** Return a function that says a sentence to screen readers, each once. */
export function announcer() {
  const place = document.getElementById("announcer");
  let last = "";
  return (sentence) => {
    if (!sentence || sentence === last) return;
    last = sentence;
    place.textContent = sentence;
  };
}

/** Return what is to be said of a card that is being played. */
export function sentence(card) {
  switch (card.player.state) {
    case "playing":
      if (card.player.silent) return `${card.name} is silent.`;
      return card.title ? `${card.name}: ${card.title}` : `Playing ${card.name}.`;
    case "retrying":
      return `${card.name} is interrupted and comes back by itself.`;
    case "blocked":
      return `Press the button to play ${card.name}.`;
    default:
      return "";
  }
}

/** Show what plays where the system has such a place: lock screens, headphones. */
export function tellSystem(card, session) {
  const media = navigator.mediaSession;
  if (!media) return;
  if (!card.player.wanted) {
    media.playbackState = "none";
    return;
  }
  media.metadata = new MediaMetadata({
    title: card.title || card.name,
    artist: card.title ? card.name : session,
    album: session,
    artwork: [{ src: "page/icon.svg", sizes: "any", type: "image/svg+xml" }],
  });
  media.playbackState = "playing";
  for (const action of ["stop", "pause"]) media.setActionHandler(action, () => card.player.stop());
  media.setActionHandler("play", () => card.player.play());
}
