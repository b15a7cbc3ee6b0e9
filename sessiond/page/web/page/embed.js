// The embeddable player: embed.html?mount=/dj1.ogg, one card and nothing else.

import { Card } from "./card.js";
import { announcer, follow, sentence, tellSystem } from "./following.js";

/** The card, once the session is known; null for a mount that it doesn't have. */
export let card = null;

const place = document.getElementById("mount");
const wanted = new URLSearchParams(location.search).get("mount");
const say = announcer();

function show(session, seen) {
  const mount = session.mounts.find(({ path }) => !wanted || path === wanted);
  if (!mount) {
    place.textContent = `${session.session} has no mount ${wanted}.`;
    return;
  }
  if (card === null) {
    card = new Card(mount, session.streams, { heading: "h1" });
    card.addEventListener("change", () => {
      say(sentence(card));
      tellSystem(card, session.session);
    });
    // Sharing needs room; the whole page has it.
    const page = Object.assign(document.createElement("a"), {
      href: `./#${mount.path.slice(1)}`,
      target: "_blank",
      rel: "noopener",
      className: "more",
      textContent: session.session,
    });
    card.node.querySelector(".share-button").replaceWith(page);
    place.replaceChildren(card.node);
    document.title = `${card.name} · ${session.session}`;
  }
  card.update(mount, seen);
}

setInterval(() => card?.showLevel(), 1000);
follow(show, () => Boolean(card?.player.wanted));
