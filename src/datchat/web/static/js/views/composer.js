/** Where one writes: a new message, a reply, or a change to one's own message. */

import { excerpt } from "../text.js";
import { lengthOf } from "../wire.js";
import { byId } from "./dom.js";

/** From so many characters below the limit on, the count is shown. */
const COUNT_FROM = 300;

export class ComposerView {
  #store;
  #onMark;
  #form = byId("composer");
  #text = byId("composer-text");
  #send = byId("composer-send");
  #count = byId("composer-count");
  #context = byId("composer-context");
  /** @type {{kind: "reply" | "edit", message: object} | null} */
  #about = null;
  #before = "";
  #room = null;
  #limit;

  /** @param {import("../store.js").Store} store @param {{onMark: (offset: number | null) => void}} parts */
  constructor(store, { onMark }) {
    this.#store = store;
    this.#onMark = onMark;
    this.#limit = store.limits.text;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("keydown", (event) => this.#key(event));
    this.#text.addEventListener("input", () => this.#typed());
    window.addEventListener("resize", () => this.#measure());
    byId("composer-cancel").addEventListener("click", () => this.#leave());
    store.addEventListener("open", (event) => this.#open(event.detail.room));
    store.addEventListener("room", (event) => event.detail.room === this.#room && this.#allow());
    store.addEventListener("reset", () => this.#about !== null && this.#leave());
  }

  // Actions

  focus() {
    this.#text.focus();
  }

  /** @param {import("../timeline.js").Message} message */
  reply(message) {
    if (this.#about?.kind === "edit") this.#leave();
    this.#about = { kind: "reply", message };
    this.#show("reply", `${message.author.name}: ${excerpt(message.text)}`);
  }

  /** @param {import("../timeline.js").Message} message */
  edit(message) {
    if (this.#about?.kind !== "edit") this.#before = this.#text.value;
    this.#about = { kind: "edit", message };
    this.#show("edit", `Editing: ${excerpt(message.text)}`);
    this.#set(message.text);
  }

  /** Put something where the caret is. @param {string} text */
  insert(text) {
    this.#text.focus();
    this.#text.setRangeText(text, this.#text.selectionStart, this.#text.selectionEnd, "end");
    this.#text.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // Internal

  #open(room) {
    if (room !== this.#room) {
      if (this.#room !== null) this.#leave();
      this.#room = room;
      this.#set(recall(room.id));
    }
    this.#allow();
  }

  /** With every message that comes: nothing that measures the layout. */
  #allow() {
    const { archived, title } = this.#room;
    this.#text.disabled = archived;
    const placeholder = archived ? "This room is archived." : `Write to ${title}`;
    if (this.#text.placeholder !== placeholder) this.#text.placeholder = placeholder;
    this.#judge();
  }

  #show(kind, text) {
    this.#context.hidden = false;
    byId("composer-context-icon").setAttribute("href", `#i-${kind}`);
    byId("composer-context-text").textContent = text;
    this.#onMark(this.#about.message.offset);
    this.#text.focus();
  }

  /** Neither reply nor edit any more. */
  #leave() {
    const edited = this.#about?.kind === "edit";
    this.#about = null;
    this.#context.hidden = true;
    this.#onMark(null);
    if (edited) this.#set(this.#before);
    this.#text.focus({ preventScroll: true });
  }

  #submit() {
    const text = this.#text.value;
    if (text.trim() === "" || lengthOf(text) > this.#limit || this.#room.archived) return;
    const about = this.#about;
    if (about?.kind === "edit") {
      if (text !== about.message.text) this.#store.edit(about.message.offset, text);
      this.#leave();
      return;
    }
    this.#about = null;
    this.#context.hidden = true;
    this.#onMark(null);
    this.#set("");
    keep(this.#room.id, "");
    this.#store.post(text, about?.message.offset ?? null);
  }

  #key(event) {
    // While an input method composes, its keys are its own. Safari ends a composition with keyCode 229.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "Escape" && this.#about !== null) {
      event.preventDefault();
      this.#leave();
    } else if (event.key === "ArrowUp" && this.#text.value === "" && this.#about === null) {
      const last = this.#room.lastOwn;
      if (last === undefined) return;
      event.preventDefault();
      this.edit(this.#store.shown(this.#room, last).message);
    }
  }

  #typed() {
    this.#measure();
    if (this.#about?.kind !== "edit") keep(this.#room.id, this.#text.value);
    if (this.#text.value.trim() !== "") this.#store.typing();
  }

  #set(text) {
    this.#text.value = text;
    this.#measure();
  }

  /** As high as what is written. */
  #measure() {
    const { style } = this.#text;
    style.height = "auto";
    style.height = `${this.#text.scrollHeight}px`;
    this.#judge();
  }

  /** Whether it can be sent, and how much more fits in. */
  #judge() {
    const { value } = this.#text;
    const left = this.#limit - lengthOf(value);
    this.#count.hidden = left > COUNT_FROM;
    this.#count.textContent = left >= 0 ? `${left} left` : `${-left} too many`;
    this.#count.classList.toggle("over", left < 0);
    this.#send.disabled = value.trim() === "" || left < 0 || (this.#room?.archived ?? false);
  }
}

// What was typed and not sent stays with its room, in this tab.

function recall(room) {
  try {
    return sessionStorage.getItem(`datchat.text.${room}`) ?? "";
  } catch {
    return "";
  }
}

function keep(room, text) {
  try {
    if (text === "") sessionStorage.removeItem(`datchat.text.${room}`);
    else sessionStorage.setItem(`datchat.text.${room}`, text);
  } catch {
    // Without a storage it stays as long as the page.
  }
}
