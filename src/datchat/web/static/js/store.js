/**
 * What is true, as far as this page knows: rooms, messages, drafts, the connection. Knows no DOM; views call its
 * methods and listen to its events. It speaks through the socket and never shows itself to it.
 *
 * Events, each with a detail: `open` {room}, `rooms`, `room` {room}, `messages` {room, added, changed, live}, `older`
 * {room, added}, `reset` {room}, `draft` {draft, what, receipt}, `stored` (the push), `typing` {room}, `roster` {room},
 * `connection`, `notice` {level, text}, `ended` {code, reason}.
 */

import { Delivery } from "./delivery.js";
import { Directory } from "./directory.js";
import { Joins } from "./joins.js";
import { Line } from "./line.js";
import { Marks } from "./marks.js";
import { overlay } from "./overlay.js";
import { Pages } from "./pages.js";
import * as wire from "./wire.js";

/** @typedef {import("./room.js").Room} Room */

const ADOPT_EVERY_MS = 20_000;
const LOAD_AGAIN_MS = 3_000;
/** The longest way back that a click on a quote goes by itself. */
const LOOK_BACK_PAGES = 25;
const LOOK_BACK_LIMIT = 200;

export class Store extends EventTarget {
  me;
  /** The node that rendered the page. */
  node;
  limits;
  /** @type {Room} the room that is shown */
  current;
  #socket;
  #api;
  #outbox;
  #timers;
  #now;
  #delivery;
  #directory;
  #joins;
  #pages;
  #marks;
  #line;
  #older = null;

  /**
   * @param {{page: object, socket: EventTarget, api: object, outbox: object, timers?: object,
   *   now?: () => number}} parts
   *   `page` is the JSON block that the page arrived with
   */
  constructor({ page, socket, api, outbox, timers = browserTimers, now = Date.now }) {
    super();
    this.#socket = socket;
    this.#api = api;
    this.#outbox = outbox;
    this.#timers = timers;
    this.#now = now;
    this.me = page.me;
    this.node = page.node;
    this.limits = page.limits;
    this.#line = new Line({
      socket,
      api,
      now,
      health: page.store,
      onOpen: (lost) => this.#connected(lost),
      onDown: () => this.#disconnected(),
      onChange: () => this.#tell("connection", {}),
      onEnd: (detail) => this.#tell("ended", detail),
    });
    this.#directory = new Directory({
      api,
      me: this.me.id,
      listed: page.rooms,
      onCame: (room) => socket.open && this.#joins.join(room),
      onGone: (room) => this.#gone(room),
      onChanged: (room) => this.#tell("room", { room }),
      onListed: () => this.#tell("rooms", {}),
    });
    this.current = this.rooms.get(page.room);
    this.current.load(page.view, this.current.expect());
    this.current.setMembers(page.members, page.count);
    this.#pages = new Pages(api, (text) => this.#notice("error", text));
    this.#marks = new Marks({ send: (frame) => socket.send(frame), timers, now });
    this.#delivery = new Delivery({ outbox, timers, send: (frame) => socket.send(frame) });
    this.#joins = new Joins({
      send: (frame) => socket.send(frame),
      timers,
      onRefused: (room, { code }) => (code === "no_such_room" || code === "not_a_member") && this.#directory.drop(room),
    });
  }

  // Lifecycle

  async start() {
    this.#socket.addEventListener("push", (event) => this.#receive(event.detail));
    this.#outbox.addEventListener("change", (event) => this.#drafted(event.detail));
    this.#line.start();
    await this.#outbox.open();
    this.#settleLoaded();
    this.#adoptLater();
  }

  // Actions

  /**
   * Show a room. The promise ends when its messages are there.
   * @param {string} id
   */
  async open(id) {
    const room = this.rooms.get(id);
    if (room === undefined) {
      this.#notice("error", "There is no such room, or it is not open to you.");
      return;
    }
    if (room !== this.current) {
      this.current.trim(false);
      this.current = room;
    }
    this.#tell("open", { room });
    if (room.viewed) return;
    const again = this.#pages.underWay(room);
    await this.#load(room);
    if (again || room !== this.current) return;
    if (room.viewed) this.#tell("open", { room });
    else this.#timers.setTimeout(() => room === this.current && !room.viewed && this.open(id), LOAD_AGAIN_MS);
  }

  /** @param {string} text @param {number | null} replyTo */
  post(text, replyTo = null) {
    this.#marks.posted();
    return this.#outbox.add({
      type: "post",
      room: this.current.id,
      text,
      ...(replyTo === null ? {} : { reply_to: replyTo }),
    });
  }

  /** @param {number} target @param {string} text */
  edit(target, text) {
    return this.#outbox.add({ type: "edit", room: this.current.id, target, text });
  }

  /** @param {number} target */
  remove(target) {
    return this.#outbox.add({ type: "delete", room: this.current.id, target });
  }

  /** @param {number} target @param {string} emoji */
  toggle(target, emoji) {
    const shown = this.shown(this.current, this.current.messages.get(target)).message;
    const on = !shown.reactions.get(emoji)?.has(this.me.id);
    return this.#outbox.add({ type: "react", room: this.current.id, target, emoji, on });
  }

  /** @param {string} nonce */
  retry(nonce) {
    this.#outbox.renew(nonce);
  }

  /** @param {string} nonce */
  discard(nonce) {
    this.#outbox.discard(nonce);
  }

  /** The person is typing in the open room. */
  typing() {
    this.#marks.typing(this.current);
  }

  /** The newest message of the open room is in view. */
  seen() {
    const room = this.current;
    if (!room.viewed || room.offset <= room.read) return;
    room.mark(room.offset);
    this.#marks.read(room);
    this.#tell("room", { room });
  }

  /**
   * Load the page before the oldest message of the open room.
   * @returns {Promise<void>} Asking again while one is on its way is the same promise.
   */
  older() {
    this.#older ??= this.#loadOlder(this.current).finally(() => {
      this.#older = null;
    });
    return this.#older;
  }

  /**
   * Load back to a message of the open room.
   * @returns {Promise<boolean>} whether it is here now
   */
  async reach(offset) {
    const room = this.current;
    for (let page = 0; page < LOOK_BACK_PAGES && !room.messages.has(offset); page += 1) {
      const before = room.oldest;
      if (before < offset || room !== this.current) break;
      await this.#loadOlder(room, LOOK_BACK_LIMIT);
      if (room.oldest === before) break;
    }
    return room === this.current && room.messages.has(offset);
  }

  /**
   * A message that is quoted, from what is loaded or else from the server.
   * @param {Room} room @param {number} offset
   * @returns {Promise<import("./timeline.js").Message | null>}
   */
  quoted(room, offset) {
    return this.#pages.one(room, offset);
  }

  /**
   * Make a room and show it. The promise ends when it is made.
   * @param {{id: string, title: string, private: boolean}} fields
   * @throws {import("./api.js").ApiError}
   */
  async createRoom(fields) {
    const room = await this.#directory.create(fields);
    this.open(room.id);
  }

  /** @param {{title?: string, archived?: boolean}} change @throws {import("./api.js").ApiError} */
  updateRoom(change) {
    return this.#directory.update(this.current, change);
  }

  /** @param {string} email @throws {import("./api.js").ApiError} */
  addMember(email) {
    return this.#api.addMember(this.current.id, email);
  }

  /** There is reason to look at the line now. */
  nudge() {
    this.#socket.nudge();
  }

  // What is shown

  /** How the line to a node is. */
  get connection() {
    return this.#line.connection;
  }

  /** How the store behind the node is, as the `store` push says it. */
  get health() {
    return this.#line.health;
  }

  /** @returns {Map<string, Room>} the rooms one may see, in the order of the list */
  get rooms() {
    return this.#directory.rooms;
  }

  /** Posts of a room that are on their way, oldest first. @param {Room} room */
  pending(room) {
    return this.#outbox.list().filter((draft) => draft.type === "post" && draft.room === room.id);
  }

  /**
   * A message with what one has just done to it on top.
   * @param {Room} room @param {import("./timeline.js").Message} message
   * @returns {{message: import("./timeline.js").Message, busy: boolean, failed: import("./outbox.js").Draft | null}}
   */
  shown(room, message) {
    const drafts = this.#outbox.list().filter((draft) => draft.room === room.id && draft.target === message.offset);
    return overlay(message, drafts, this.me);
  }

  /** A person's name, as far as it has been seen. @param {Room} room @param {string} id @returns {string | null} */
  nameOf(room, id) {
    return id === this.me.id ? "you" : (room.people.get(id) ?? null);
  }

  /** All unread messages together. */
  get unread() {
    return [...this.rooms.values()].reduce((sum, room) => sum + room.unread, 0);
  }

  // From the socket

  #connected(lost) {
    const order = [this.current, ...[...this.rooms.values()].filter((room) => room !== this.current)];
    for (const room of order) this.#joins.join(room);
    // A room may have been made or opened to us while we were away.
    if (lost) this.#directory.refresh();
  }

  #disconnected() {
    this.#delivery.halt();
    this.#joins.halt();
    for (const room of this.rooms.values()) room.joined = false;
  }

  #receive(frame) {
    const room = this.rooms.get(frame.room);
    switch (frame.type) {
      case "entry":
        if (room) this.#takeAll(room, [frame], true);
        break;
      case "joined":
        if (room) this.#joined(room, frame);
        break;
      case "stored":
        this.#delivery.stored(frame);
        this.#tell("stored", frame);
        break;
      case "refused":
        if (!this.#delivery.refused(frame)) this.#joins.refused(frame);
        break;
      case "typing":
        if (room && frame.user.id !== this.me.id) {
          room.noteTyping(frame.user, this.#now());
          this.#tell("typing", { room });
        }
        break;
      case "roster":
        if (room) {
          room.changeMembers(frame);
          this.#tell("roster", { room });
        }
        break;
      case "read":
        if (room) this.#markedElsewhere(room, frame.offset);
        break;
      case "room":
        this.#directory.changed(frame);
        break;
      case "left":
        if (room) this.#directory.refresh();
        break;
      case "store":
        this.#line.note(frame);
        break;
    }
  }

  #joined(room, frame) {
    this.#joins.joined(room);
    if (frame.reset) {
      this.#startOver(room, frame);
    } else {
      this.#takeAll(room, frame.entries, false);
      if (room.offset < wire.offsetOf(frame.cursor) || frame.more) {
        this.#joins.join(room);
        return;
      }
    }
    room.joined = true;
    room.setMembers(frame.members, frame.count);
    this.#tell("roster", { room });
    this.#delivery.begin(room.id);
    // It was opened while the server was away.
    if (room === this.current && !room.viewed && !frame.reset) this.open(room.id);
  }

  /** The log can't go on from our cursor: throw away what is shown and begin from a fresh view. */
  async #startOver(room, frame) {
    room.reset(frame.cursor);
    room.joined = true;
    this.#directory.refresh();
    if (room !== this.current) return;
    this.#tell("reset", { room });
    await this.#load(room);
    if (room === this.current) this.#tell("open", { room });
  }

  #takeAll(room, entries, live) {
    const added = [];
    const changed = new Map();
    for (const entry of entries) {
      const result = room.take(entry);
      if (result === null) continue;
      if (result === "gap") {
        if (!this.#joins.underWay(room)) this.#joins.join(room);
        break;
      }
      if (result.added) added.push(result.added);
      if (result.changed) changed.set(result.changed.offset, result.changed);
      if (!live && entry.kind === "message" && entry.author.id !== this.me.id) this.#line.caughtUp();
    }
    for (const message of added) changed.delete(message.offset);
    if (room === this.current) {
      const latest = added.map((message) => room.messages.get(message.offset));
      this.#tell("messages", { room, added: latest, changed: [...changed.values()], live });
    }
    // One's own entry is in the log, whatever became of the answer. After the message is there, so that a view can let
    // it take the draft's place.
    for (const entry of entries) if (entry.author.id === this.me.id) this.#outbox.settle(entry.nonce);
    if (entries.length > 0) {
      this.#tell("room", { room });
      this.#tell("typing", { room });
    }
  }

  #gone(room) {
    if (room !== this.current) return;
    this.#notice("error", `${room.title} is not open to you any more.`);
    this.open("lobby");
  }

  #markedElsewhere(room, offset) {
    if (!room.mark(offset)) this.#directory.refresh();
    this.#tell("room", { room });
  }

  // Messages over HTTP

  async #load(room) {
    await this.#pages.newest(room);
    this.#settleShown(room);
  }

  async #loadOlder(room, limit) {
    const added = await this.#pages.older(room, limit);
    if (added.length > 0 && room === this.current) this.#tell("older", { room, added });
  }

  /** A draft that is in a view has been stored: its acknowledgement was lost. */
  #settleShown(room) {
    for (const message of room.messages.values()) {
      if (message.author.id === this.me.id) this.#outbox.settle(message.nonce);
    }
  }

  #settleLoaded() {
    for (const room of this.rooms.values()) this.#settleShown(room);
  }

  // Drafts

  #drafted({ draft, what, receipt }) {
    if (what === "settled" && draft.type === "post" && draft.sent_at !== null) this.#line.sent(draft);
    if (what === "changed" && draft.state === "failed" && (draft.type === "react" || draft.type === "delete")) {
      this.#notice("error", draft.reason);
      this.#outbox.discard(draft.nonce);
      return;
    }
    this.#tell("draft", { draft, what, receipt });
    if (what === "added") this.#delivery.pump(draft.room);
  }

  #adoptLater() {
    this.#timers.setTimeout(async () => {
      await this.#outbox.adopt();
      this.#settleLoaded();
      this.#adoptLater();
    }, ADOPT_EVERY_MS);
  }

  #notice(level, text) {
    this.#tell("notice", { level, text });
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

const browserTimers = { setTimeout: (...args) => setTimeout(...args), clearTimeout: (id) => clearTimeout(id) };
