/**
 * The open room's messages. The DOM holds a window of what the store has loaded: messages are added and dropped at its
 * ends, and nothing that stays is drawn again.
 */

import { Scroll } from "../scroll.js";
import { badge, byId } from "./dom.js";
import { Hands } from "./hands.js";
import { Lines } from "./lines.js";
import { MessageView } from "./message.js";

/** Messages that a room opens with, are added at once, and are held at most. */
const OPENING = 80;
const STEP = 50;
const MOST = 300;

export class LogView {
  #store;
  #announcer;
  #actions;
  #log = byId("log");
  #top = byId("log-top");
  #jump = byId("jump");
  #template = byId("message-template");
  #scroll;
  #room = null;
  /** @type {MessageView[]} stored messages in the window, oldest first */
  #shown = [];
  /** @type {Map<string, MessageView>} drafts, by nonce */
  #pending = new Map();
  #lines = new Lines();
  #hands;
  #missed = 0;
  #extending = false;
  #looking = false;
  #archived = false;

  /**
   * @param {import("../store.js").Store} store @param {import("../announcer.js").Announcer} announcer
   * @param {{reply(message: object): void, edit(message: object): void, remove(message: object): void,
   *   react(message: object, button: HTMLElement): void, compose(): void}} actions
   */
  constructor(store, announcer, actions) {
    this.#store = store;
    this.#announcer = announcer;
    this.#actions = actions;
    this.#scroll = new Scroll(this.#log, { onScroll: () => this.#scrolled() });
    store.addEventListener("open", (event) => this.#open(event.detail.room));
    store.addEventListener("messages", (event) => this.#take(event.detail));
    store.addEventListener("reset", () => this.#clear());
    store.addEventListener("draft", (event) => this.#drafted(event.detail));
    store.addEventListener("stored", (event) => this.#confirmed(event.detail));
    store.addEventListener("room", (event) => event.detail.room === this.#room && this.#archive());
    this.#hands = new Hands(this.#log, {
      views: () => this.#all(),
      onAct: (button, view) => this.#act(button, view),
      onQuote: (offset) => this.goTo(offset),
      onLeave: () => this.#actions.compose(),
      // Where there is no hovering the tools take a place of their own below the message.
      onActive: () => this.#scroll.follow(),
    });
    this.#jump.addEventListener("click", () => this.newest());
    document.addEventListener("visibilitychange", () => this.#look());
  }

  // Actions

  /** Go to the newest message. */
  newest() {
    if (!this.#atTail) this.#drawUnread();
    this.#scroll.toEnd({ smooth: this.#scroll.room.below < 4 * this.#scroll.room.screen });
    this.#look();
  }

  /** Show the message at an offset, from as far back as need be. @param {number} offset */
  async goTo(offset) {
    if (!(await this.#store.reach(offset))) return;
    while (this.#find(offset) === undefined && this.#hasAbove()) this.#prependStep();
    const view = this.#find(offset);
    if (view === undefined) return;
    this.#scroll.to(view.element, 0.35);
    view.element.focus({ preventScroll: true });
    view.element.classList.add("flash-once");
    view.element.addEventListener("animationend", () => view.element.classList.remove("flash-once"), { once: true });
  }

  /** The message at an offset is being answered or edited, or none is. @param {number | null} offset */
  mark(offset) {
    this.#log.querySelector(".msg.marked")?.classList.remove("marked");
    if (offset !== null) this.#find(offset)?.element.classList.add("marked");
  }

  // Opening

  #open(room) {
    this.#clear();
    this.#room = room;
    this.#log.setAttribute("aria-label", `Messages in ${room.title}`);
    if (!room.viewed) {
      this.#top.textContent = "Loading…";
      return;
    }
    this.#archived = room.archived;
    const divider = this.#drawUnread();
    this.#scroll.toEnd();
    if (divider !== null && divider.offsetTop < this.#log.scrollTop) this.#scroll.to(divider, 0.15);
    this.#look();
    this.#fill();
  }

  #archive() {
    if (this.#room.archived === this.#archived) return;
    this.#archived = this.#room.archived;
    for (const view of this.#shown) view.show(this.#room.messages.get(view.offset));
  }

  #clear() {
    this.#shown = [];
    this.#pending.clear();
    this.#lines.clear();
    this.#hands.clear();
    this.#missed = 0;
    this.#log.replaceChildren(this.#top);
    this.#top.textContent = "";
    this.#jump.hidden = true;
  }

  /** Draw the newest messages anew, and the drafts below them. */
  #draw(count) {
    const room = this.#room;
    this.#clear();
    const fragment = document.createDocumentFragment();
    this.#shown = room.offsets.slice(-count).map((offset) => this.#make(offset));
    fragment.append(...this.#shown.map((view) => view.element));
    this.#log.append(fragment);
    this.#arrange(this.#shown);
    for (const draft of this.#store.pending(room)) this.#addDraft(draft);
    this.#tellTop();
    this.#markLatest();
  }

  /** Draw what is unread and some of what came before. @returns {HTMLElement | null} the line above what is unread */
  #drawUnread() {
    const room = this.#room;
    this.#draw(Math.max(OPENING, Math.min(room.unread + 20, MOST)));
    return room.unread > 0 ? this.#lines.divide(this.#firstUnread(room)) : null;
  }

  /** The first of the last `unread` messages of others. */
  #firstUnread(room) {
    let left = Math.min(room.unread, 100);
    let first;
    for (let index = this.#shown.length - 1; index >= 0 && left > 0; index -= 1) {
      if (this.#shown[index].mine) continue;
      first = this.#shown[index];
      left -= 1;
    }
    return first;
  }

  // What comes

  #take({ room, added, changed, live }) {
    if (room !== this.#room) return;
    for (const message of changed) this.#find(message.offset)?.show(message);
    if (added.length === 0) return;
    const others = added.filter((message) => message.author.id !== this.#store.me.id);
    this.#announcer.tell(others);
    const unseen = document.hidden || !this.#scroll.stuck || !this.#tailBefore(added[0].offset);
    // What had been new before has been seen since.
    if (unseen && this.#missed === 0 && others.length > 0) this.#lines.undivide(this.#shown);
    if (unseen) this.#missed += others.length;
    const mine = added.length - others.length > 0 && live;
    if (this.#tailBefore(added[0].offset)) this.#append(added, unseen && others.length > 0 ? others[0].offset : null);
    else for (const message of added) this.#dropDraft(message.nonce);
    if (mine && !this.#scroll.stuck && this.#atTail) this.#scroll.toEnd();
    this.#lookSoon();
  }

  /**
   * Much at once takes no longer than opening a room: who watches the end gets the last of it, who reads further up
   * the first; scrolling brings the rest.
   */
  #append(added, firstUnseen) {
    const reading = !this.#scroll.stuck;
    const most = document.hidden ? MOST : OPENING;
    const taken = reading ? added.slice(0, most) : added.slice(-most);
    const passed = reading ? added.slice(most) : added.slice(0, -most);
    for (const { nonce } of passed) this.#dropDraft(nonce);
    const fresh = taken.map((message) => this.#adopt(message));
    const before = this.#firstPending();
    for (const view of fresh) {
      if (view.element.isConnected && view.element.nextElementSibling === before) continue;
      this.#takeOut(view);
      this.#log.insertBefore(view.element, before);
    }
    if (passed.length > 0 && !reading) this.#drop(this.#shown.splice(0));
    this.#shown.push(...fresh);
    this.#arrange(fresh);
    this.#arrangePending();
    this.#tellTop();
    if (firstUnseen !== null && !this.#lines.divided) this.#lines.divide(this.#find(firstUnseen));
    if (this.#scroll.stuck && this.#shown.length > MOST) {
      const far = this.#shown.splice(0, this.#shown.length - (MOST - 100));
      this.#scroll.keeping(this.#shown.at(-1).element, () => this.#drop(far));
    }
    this.#markLatest();
    this.#scroll.follow();
  }

  /** The element of a message that has come: its draft's, when it is one's own. */
  #adopt(message) {
    const view = this.#pending.get(message.nonce);
    if (view === undefined || message.author.id !== this.#store.me.id) return this.#make(message.offset);
    this.#pending.delete(message.nonce);
    view.show(message);
    return view;
  }

  // Drafts

  #drafted({ draft, what, receipt }) {
    if (draft.room !== this.#room?.id) return;
    if (draft.type !== "post") {
      const message = this.#room.messages.get(draft.target);
      if (message !== undefined) this.#find(draft.target)?.show(message);
      return;
    }
    const view = this.#pending.get(draft.nonce);
    if (what === "added") {
      if (view !== undefined || !this.#room.viewed) return;
      if (!this.#atTail) this.#draw(OPENING);
      if (!this.#pending.has(draft.nonce)) this.#addDraft(draft);
      this.#lines.undivide(this.#shown);
      this.#scroll.toEnd();
      this.#markLatest();
    } else if (what === "changed") view?.showDraft(draft);
    else if (what === "discarded") this.#dropDraft(draft.nonce);
    else if (receipt !== null) view?.stored(receipt.copies);
    else if (this.#known(draft.nonce)) this.#dropDraft(draft.nonce);
  }

  #confirmed(frame) {
    if (frame.room !== this.#room?.id) return;
    const view = this.#pending.get(frame.nonce) ?? this.#shown.findLast((each) => each.nonce === frame.nonce);
    view?.stored(frame.copies);
  }

  #known(nonce) {
    return this.#shown.some((view) => view.nonce === nonce);
  }

  #addDraft(draft) {
    const view = new MessageView(this.#template, this.#store, this.#room);
    view.showDraft(draft);
    this.#pending.set(draft.nonce, view);
    this.#log.append(view.element);
    this.#arrangePending();
  }

  #dropDraft(nonce) {
    const view = this.#pending.get(nonce);
    if (view !== undefined) this.#takeOut(view);
    this.#pending.delete(nonce);
    this.#arrangePending();
  }

  #firstPending() {
    return this.#pending.values().next().value?.element ?? null;
  }

  #arrangePending() {
    let before = this.#shown.at(-1);
    for (const view of this.#pending.values()) {
      this.#lines.place(view, before);
      before = view;
    }
    this.#markLatest();
  }

  /** Only one's newest message shows in words that it is stored. */
  #markLatest() {
    this.#log.querySelector(".msg.latest-own")?.classList.remove("latest-own");
    const last = [...this.#pending.values()].at(-1) ?? this.#shown.findLast((view) => view.mine);
    last?.element.classList.add("latest-own");
  }

  // The window

  get #atTail() {
    return this.#shown.at(-1)?.offset === this.#room.newest || this.#room.offsets.length === 0;
  }

  /** Whether the window reached the end before messages from `offset` on came. */
  #tailBefore(offset) {
    const last = this.#shown.at(-1)?.offset;
    const { offsets } = this.#room;
    const before = offsets[offsets.indexOf(offset) - 1];
    return last === before || (last === undefined && before === undefined);
  }

  #scrolled() {
    const { above, below, screen } = this.#scroll.room;
    if (above < screen) this.#extendUp();
    if (below < screen && !this.#atTail) this.#extendDown();
    this.#look();
  }

  /** A screen that isn't full yet shows older messages, if there are any. */
  #fill() {
    if (this.#log.scrollHeight <= this.#log.clientHeight + 50) this.#extendUp();
  }

  async #extendUp() {
    if (this.#extending || this.#room === null || !this.#room.viewed) return;
    const room = this.#room;
    if (!this.#hasAbove() && !room.more) return;
    this.#extending = true;
    try {
      if (!this.#hasAbove()) {
        this.#top.textContent = "Loading older messages…";
        await this.#store.older();
      }
    } finally {
      this.#extending = false;
    }
    if (room !== this.#room) return;
    const grew = this.#hasAbove();
    if (grew) this.#prependStep();
    this.#tellTop();
    if (grew) this.#fill();
  }

  #hasAbove() {
    const first = this.#shown[0]?.offset;
    return this.#room.offsets.length > 0 && (first === undefined || this.#room.oldest < first);
  }

  #prependStep() {
    const { offsets } = this.#room;
    const first = this.#shown[0];
    const end = first === undefined ? offsets.length : offsets.indexOf(first.offset);
    const views = offsets.slice(Math.max(0, end - STEP), end).map((offset) => this.#make(offset));
    this.#scroll.keeping(first?.element, () => {
      this.#top.after(...views.map((view) => view.element));
      this.#shown.unshift(...views);
      this.#arrange(views);
      if (first !== undefined) this.#lines.place(first, views.at(-1));
    });
    if (this.#shown.length > MOST) this.#drop(this.#shown.splice(MOST));
  }

  #extendDown() {
    const { offsets } = this.#room;
    const start = offsets.indexOf(this.#shown.at(-1).offset) + 1;
    const views = offsets.slice(start, start + STEP).map((offset) => this.#make(offset));
    const anchor = this.#shown.at(-1).element;
    this.#scroll.keeping(anchor, () => {
      const fragment = document.createDocumentFragment();
      fragment.append(...views.map((view) => view.element));
      this.#log.insertBefore(fragment, this.#firstPending());
      this.#shown.push(...views);
      this.#arrange(views);
      if (this.#shown.length > MOST) this.#drop(this.#shown.splice(0, this.#shown.length - MOST));
    });
    this.#tellTop();
  }

  /** Take messages out of the DOM; what now comes first gets its author and day. */
  #drop(views) {
    for (const view of views) this.#takeOut(view);
    if (this.#shown.length > 0) this.#lines.place(this.#shown[0], undefined);
    this.#tellTop();
  }

  #takeOut(view) {
    this.#lines.takeOut(view);
    this.#hands.forget(view);
  }

  #tellTop() {
    if (!this.#room.viewed) return;
    if (this.#hasAbove() || this.#room.more) this.#top.textContent = "";
    else if (this.#room.offsets.length === 0)
      this.#top.textContent = `Nobody has said anything in ${this.#room.title} yet.`;
    else this.#top.textContent = `This is where ${this.#room.title} begins.`;
  }

  // Arranging

  #make(offset) {
    const view = new MessageView(this.#template, this.#store, this.#room);
    view.show(this.#room.messages.get(offset));
    return view;
  }

  #arrange(views) {
    let before = this.#shown[this.#shown.indexOf(views[0]) - 1];
    for (const view of views) {
      this.#lines.place(view, before);
      before = view;
    }
  }

  /** Looking measures the layout: once a frame is enough. */
  #lookSoon() {
    if (this.#looking) return;
    this.#looking = true;
    requestAnimationFrame(() => {
      this.#looking = false;
      this.#look();
    });
  }

  /** What is in view has been seen. */
  #look() {
    if (this.#room === null || !this.#room.viewed) return;
    const there = this.#scroll.atEnd && this.#atTail;
    if (there && !document.hidden) {
      this.#missed = 0;
      this.#store.seen();
    }
    this.#jump.hidden =
      there || (this.#atTail && this.#scroll.room.below < this.#scroll.room.screen / 2 && this.#missed === 0);
    this.#jump.lastElementChild.textContent =
      this.#missed === 0 ? "Newest" : this.#missed === 1 ? "1 new message" : `${badge(this.#missed)} new messages`;
    this.#jump.classList.toggle("fresh", this.#missed > 0);
  }

  // What hands do

  #act(button, view) {
    const { act, emoji } = button.dataset;
    const nonce = button.closest(".failed")?.dataset.nonce;
    if (act === "retry") this.#store.retry(nonce);
    if (act === "discard") this.#store.discard(nonce);
    const stored = this.#room.messages.get(view.offset);
    if (stored === undefined) return;
    const { message } = this.#store.shown(this.#room, stored);
    if (act === "toggle") this.#store.toggle(message.offset, emoji);
    if (act === "react") this.#actions.react(message, button);
    if (act === "reply") this.#actions.reply(message);
    if (act === "edit") this.#actions.edit(message);
    if (act === "delete") this.#actions.remove(message);
  }

  // Finding

  #find(offset) {
    return this.#shown.findLast((view) => view.offset === offset);
  }

  #all() {
    return [...this.#shown, ...this.#pending.values()];
  }
}
