/** The node: which one made the page, which one holds the socket, and what happens to the line and to the store. */

import { byId } from "./dom.js";

/** Shorter interruptions are nobody's business. */
const PATIENCE_MS = 1_000;
const BACK_SHOWN_MS = 12_000;

export class BannerView {
  #store;
  #banner = byId("node");
  #socket = byId("node-socket");
  #news = byId("node-news");
  #timer = null;

  /** @param {import("../store.js").Store} store */
  constructor(store) {
    this.#store = store;
    store.addEventListener("connection", () => this.#draw());
    this.#draw();
  }

  #draw() {
    clearTimeout(this.#timer);
    const { connection, health } = this.#store;
    const waited = Date.now() - connection.since;
    const state = connection.state;
    if (state === "open") set(this.#socket, ` · socket on ${described(connection.node)}`);
    else if (waited >= PATIENCE_MS) set(this.#socket, "");
    if (state !== "open" && waited < PATIENCE_MS) {
      this.#timer = setTimeout(() => this.#draw(), PATIENCE_MS - waited + 10);
      return;
    }
    const back = state === "open" && waited < BACK_SHOWN_MS ? connection.back : null;
    if (back !== null) this.#timer = setTimeout(() => this.#draw(), BACK_SHOWN_MS - waited + 10);
    this.#banner.dataset.state = state === "open" && health.state !== "ok" ? health.state : state;
    set(this.#news, news(state, health, back));
  }
}

function news(state, health, back) {
  if (state === "connecting") return "Connecting…";
  if (state === "offline") return "Offline. What you write is kept and will be sent.";
  if (state === "ended") return "Not connected any more.";
  if (health.state === "failing_over") return "The store is failing over. What you write is kept and will be sent.";
  if (health.state === "degraded") return "The store is degraded: messages are kept on one server only.";
  if (back === null) return "";
  const { node, caughtUp, sent } = back;
  return `Back on ${node.name}, ${counted(caughtUp, "message")} caught up, ${sent} sent.`;
}

function described(node) {
  return node.addresses.length > 0 ? `${node.name} (${node.addresses.join(", ")})` : node.name;
}

function counted(count, word) {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

/** A live region speaks on every change: what is the same is left alone. */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
