/** One message: an article, from its draft to its deletion the same element. */

import { fullTime, timeOf } from "../clock.js";
import { nameOf } from "../emoji.js";
import { hueOf, inWords } from "../people.js";
import { excerpt, isJumbo } from "../text.js";
import { make, paintAvatar, textFragment } from "./dom.js";

/** Messages of one author within that time stand together. */
const TOGETHER_MS = 5 * 60_000;

export class MessageView {
  /** @type {HTMLElement} */
  element;
  /** @type {number | null} null while it is not stored */
  offset = null;
  /** @type {string} */
  nonce;
  #store;
  #room;
  #author;
  #at;
  #parts = {};
  #text = null;

  /**
   * @param {HTMLTemplateElement} template @param {import("../store.js").Store} store
   * @param {import("../room.js").Room} room
   */
  constructor(template, store, room) {
    this.#store = store;
    this.#room = room;
    this.element = template.content.firstElementChild.cloneNode(true);
    for (const name of ["avatar", "author", "edited", "quote", "text", "reactions", "replies", "state", "failed"]) {
      this.#parts[name] = this.element.querySelector(`.${name}`);
    }
    this.#parts.time = this.element.querySelector("time");
  }

  /** Whether it is by the one who reads. */
  get mine() {
    return this.#author.id === this.#store.me.id;
  }

  get at() {
    return this.#at;
  }

  get author() {
    return this.#author;
  }

  /** Show a draft that is on its way. @param {import("../outbox.js").Draft} draft */
  showDraft(draft) {
    this.nonce = draft.nonce;
    this.element.dataset.nonce = draft.nonce;
    this.#sign(this.#store.me, draft.at);
    this.#write(draft.text, false);
    this.#quote(draft.reply_to ?? null);
    const failed = draft.state === "failed";
    this.#busy(!failed);
    this.#fail(failed ? draft : null);
    this.#state(failed ? "" : "sending…");
    this.#name(failed ? "not sent" : "sending");
    this.#tools(false);
  }

  /** Show a stored message. @param {import("../timeline.js").Message} stored */
  show(stored) {
    const { message, busy, failed } = this.#store.shown(this.#room, stored);
    this.offset = message.offset;
    this.nonce = message.nonce;
    this.element.dataset.offset = String(message.offset);
    this.#sign(message.author, message.at);
    this.#write(message.text, message.deleted);
    this.#quote(message.deleted ? null : message.reply_to);
    this.#react(message.reactions);
    const edited = message.edited_at !== null && !message.deleted;
    say(this.#parts.edited, edited ? "edited" : "");
    if (edited) this.#parts.edited.title = `Edited ${fullTime(message.edited_at)}`;
    say(
      this.#parts.replies,
      message.replies === 0 ? "" : message.replies === 1 ? "1 reply" : `${message.replies} replies`,
    );
    this.#busy(busy);
    this.#fail(failed);
    if (this.element.dataset.state === "sending") this.#state("");
    this.#name(message.deleted ? "deleted" : message.edited_at !== null ? "edited" : "");
    this.#tools(!message.deleted && !this.#room.archived);
  }

  /**
   * It is in the log, on so many servers. The words stay on one's newest message only.
   * @param {number | null} copies
   */
  stored(copies) {
    this.#busy(false);
    this.#fail(null);
    this.#state(copies !== null && copies > 1 ? `on ${copies} servers` : "stored");
    this.#name("");
  }

  /**
   * Stand together with the message before, when it is of the same author and time.
   * @param {MessageView | undefined} before
   */
  group(before) {
    const together =
      before !== undefined &&
      before.author.id === this.#author.id &&
      this.#at - before.at < TOGETHER_MS &&
      this.#parts.quote.hidden;
    this.element.classList.toggle("cont", together);
  }

  /** Let its buttons be reached with Tab, or not. @param {boolean} reachable */
  activate(reachable) {
    this.element.tabIndex = reachable ? 0 : -1;
    this.element.classList.toggle("active", reachable);
    for (const button of this.element.querySelectorAll(".tools button, .quote")) button.tabIndex = reachable ? 0 : -1;
  }

  // Internal

  #sign(author, at) {
    if (this.#author?.id === author.id && this.#at === at) return;
    this.#author = author;
    this.#at = at;
    this.element.classList.toggle("mine", this.mine);
    this.element.style.setProperty("--hue", String(hueOf(author.id)));
    paintAvatar(this.#parts.avatar, author);
    this.#parts.author.textContent = author.name;
    this.#parts.time.dateTime = new Date(at).toISOString();
    this.#parts.time.textContent = timeOf(at);
    this.#parts.time.title = fullTime(at);
  }

  #write(text, deleted) {
    const key = deleted ? null : text;
    if (this.#text === key && this.#parts.text.hasChildNodes()) return;
    this.#text = key;
    this.element.classList.toggle("deleted", deleted);
    this.element.classList.toggle("jumbo", !deleted && isJumbo(text));
    if (deleted) this.#parts.text.textContent = "This message was deleted.";
    else this.#parts.text.replaceChildren(textFragment(text));
  }

  async #quote(replyTo) {
    const { quote } = this.#parts;
    quote.hidden = replyTo === null;
    if (replyTo === null || quote.dataset.offset === String(replyTo)) return;
    quote.dataset.offset = String(replyTo);
    const known = this.#room.messages.get(replyTo);
    this.#fillQuote(known ?? null, known === undefined ? "…" : "");
    if (known === undefined) this.#fillQuote(await this.#store.quoted(this.#room, replyTo), "A message further up");
  }

  #fillQuote(message, otherwise) {
    const { quote } = this.#parts;
    quote.querySelector(".quote-author").textContent = message?.author.name ?? "";
    quote.querySelector(".quote-text").textContent =
      message === null ? otherwise : message.deleted ? "deleted" : excerpt(message.text);
    quote.setAttribute(
      "aria-label",
      message === null
        ? "In reply to a message further up"
        : `In reply to ${message.author.name}: ${excerpt(message.text, 60)}`,
    );
  }

  #react(reactions) {
    const { reactions: list } = this.#parts;
    list.hidden = reactions.size === 0;
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.emoji : null;
    list.replaceChildren(...[...reactions].map(([emoji, users]) => this.#reaction(emoji, users)));
    if (focused !== null) list.querySelector(`[data-emoji="${CSS.escape(focused)}"]`)?.focus();
  }

  #reaction(emoji, users) {
    const names = [...users].map((id) => this.#store.nameOf(this.#room, id));
    const known = names.filter((name) => name !== null);
    const who =
      known.length === names.length ? inWords(known) : inWords([...known, `${names.length - known.length} more`]);
    const button = make(
      "button",
      { class: "reaction" },
      make("span", { text: emoji }),
      make("b", { text: String(users.size) }),
    );
    button.type = "button";
    button.dataset.act = "toggle";
    button.dataset.emoji = emoji;
    button.title = who;
    button.setAttribute("aria-pressed", String(users.has(this.#store.me.id)));
    button.setAttribute("aria-label", `${nameOf(emoji)}: ${who}`);
    return button;
  }

  #busy(busy) {
    if (busy) this.element.setAttribute("aria-busy", "true");
    else this.element.removeAttribute("aria-busy");
    if (busy) this.element.dataset.state = "sending";
    else delete this.element.dataset.state;
  }

  #fail(draft) {
    const { failed } = this.#parts;
    failed.hidden = draft === null;
    this.element.classList.toggle("not-sent", draft !== null);
    failed.replaceChildren();
    if (draft === null) return;
    failed.dataset.nonce = draft.nonce;
    const reason = draft.type === "edit" ? `Not changed: ${draft.reason}` : `Not sent: ${draft.reason}`;
    failed.append(make("span", { text: reason }), this.#way("Try again", "retry"), this.#way("Discard", "discard"));
  }

  #way(text, act) {
    const button = make("button", { class: "link", text });
    button.type = "button";
    button.dataset.act = act;
    return button;
  }

  #state(text) {
    say(this.#parts.state, text);
  }

  #name(state) {
    const name = `${this.#author.name}, ${timeOf(this.#at)}${state ? `, ${state}` : ""}`;
    this.element.setAttribute("aria-label", name);
  }

  #tools(shown) {
    const tools = this.element.querySelector(".tools");
    tools.hidden = !shown;
    tools.querySelector('[data-act="edit"]').hidden = !this.mine;
    tools.querySelector('[data-act="delete"]').hidden = !this.mine && !this.#room.moderator;
  }
}

/** Text where there is some, nothing where there isn't. */
function say(element, text) {
  element.hidden = text === "";
  element.textContent = text;
}
