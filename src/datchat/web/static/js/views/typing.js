/** Who is typing in the open room. */

import { inWords } from "../people.js";
import { byId } from "./dom.js";

export class TypingView {
  #store;
  #line = byId("typing");
  #text = byId("typing-text");
  #timer = null;

  /** @param {import("../store.js").Store} store */
  constructor(store) {
    this.#store = store;
    store.addEventListener("typing", (event) => event.detail.room === store.current && this.#draw());
    store.addEventListener("open", () => this.#draw());
  }

  #draw() {
    clearTimeout(this.#timer);
    const { users, againInMs } = this.#store.current.typing(Date.now());
    this.#line.classList.toggle("on", users.length > 0);
    this.#text.textContent = sentence(users.map((user) => user.name));
    if (againInMs !== null) this.#timer = setTimeout(() => this.#draw(), againInMs + 20);
  }
}

function sentence(names) {
  if (names.length === 0) return "";
  if (names.length > 3) return "Several people are typing…";
  return `${inWords(names)} ${names.length === 1 ? "is" : "are"} typing…`;
}
