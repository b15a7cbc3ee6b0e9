// The dialog with a mount's addresses and its code for a camera.

import { anchor } from "./card.js";
import { qrCode, qrPicture } from "./qr.js";

const part = (name) => document.getElementById(name);

let shared = null;

/** Open the dialog for one card. */
export function share(card, streams) {
  const { mount, name } = card;
  const page = new URL(`./#${anchor(mount)}`, location.href).href;
  const player = new URL("embed.html", location.href);
  player.searchParams.set("mount", mount.path);
  shared = { title: name, url: page };
  part("share-heading").textContent = `Share ${name}`;
  part("share-link").value = page;
  part("share-stream").value = new URL(`${streams}${mount.path}`, location.href).href;
  part("share-embed").value =
    `<iframe src="${player.href}" title="${quoted(name)}" width="420" height="260"` +
    ` allow="autoplay" loading="lazy"></iframe>`;
  const code = qrCode(page);
  part("share-code").hidden = code === null;
  part("share-code").setAttribute("aria-label", `QR code of ${page}`);
  part("share-code").replaceChildren(...(code ? [qrPicture(code)] : []));
  part("share").showModal();
}

const quoted = (text) =>
  text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");

/** Have the dialog's buttons do what they say. */
export function prepareShare(say) {
  part("share-send").hidden = !navigator.share;
  part("share-send").addEventListener("click", () => {
    // Whoever thinks better of it has done nothing wrong.
    navigator.share(shared).catch(() => {});
  });
  for (const button of document.querySelectorAll("[data-copies]")) {
    const field = part(button.dataset.copies);
    button.setAttribute("aria-label", `Copy ${field.labels[0].textContent}`);
    field.addEventListener("focus", () => field.select());
    button.addEventListener("click", async () => {
      say((await copied(field)) ? "Copied." : "Copy the marked text by hand.");
    });
  }
  // A click beside the dialog closes it.
  part("share").addEventListener("click", (event) => {
    if (event.target === part("share")) part("share").close();
  });
}

async function copied(field) {
  field.select();
  try {
    // Only pages of https and of this computer have a clipboard of their own.
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    return document.execCommand("copy");
  } finally {
    flash(field);
  }
}

function flash(field) {
  field.classList.add("copied");
  setTimeout(() => field.classList.remove("copied"), 1200);
}
