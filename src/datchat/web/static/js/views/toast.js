/** Short notices that go by themselves. Those of the server are in the page already. */

import { byId, make } from "./dom.js";

const SHOWN_MS = 5_000;

export class ToastView {
  #box = byId("toasts");

  /** @param {import("../store.js").Store} store */
  constructor(store) {
    for (const toast of this.#box.children) this.#leaveLater(toast);
    store.addEventListener("notice", (event) => this.show(event.detail));
  }

  /** @param {{level: "info" | "error", text: string}} notice */
  show({ level, text }) {
    if ([...this.#box.children].some((toast) => toast.textContent === text)) return;
    const toast = make("p", { class: "toast", text });
    toast.dataset.level = level;
    if (level === "error") toast.setAttribute("role", "alert");
    this.#box.append(toast);
    this.#leaveLater(toast);
  }

  #leaveLater(toast) {
    toast.addEventListener("click", () => toast.remove());
    setTimeout(() => toast.remove(), SHOWN_MS);
  }
}
