/**
 * One room as this page knows it: the messages that are loaded, the cursor, who is there. Pure; no socket, no DOM.
 *
 * The gap rule: the entry after the cursor applies, a lower one is a repeat, a higher one means that something is
 * missing. Views and entries merge in any order, because an entry counts for a message only above its revision.
 */

import { apply, begin, fromView, newer, targetOf } from "./timeline.js";
import { cursorOf, offsetOf } from "./wire.js";

/** Messages in memory of a room that is not open. */
const KEPT_CLOSED = 150;
/** Messages in memory while reading at the end. */
const KEPT_OPEN = 2_000;
const TYPING_MS = 4_500;

/** @typedef {import("./timeline.js").Message} Message */

export class Room {
  /** Whether the messages from the oldest loaded one to the cursor are all here. */
  viewed = false;
  /** Older messages exist than those loaded. */
  more = false;
  /** Whether this connection pushes the room's entries to us. */
  joined = false;
  count = 0;
  /** @type {Map<string, {id: string, name: string}>} */
  members = new Map();
  /** @type {Map<string, string>} the names of all who were seen here, by id */
  people = new Map();
  /** @type {Map<number, Message>} */
  messages = new Map();
  /** @type {number[]} offsets of the loaded messages, ascending */
  offsets = [];
  /** @type {Map<string, {user: {id: string, name: string}, until: number}>} */
  #typing = new Map();
  #held = null;
  #loads = 0;
  #generation = 0;
  #me;

  /** @param {object} fields as the API lists a room @param {string} me the id of who reads */
  constructor(fields, me) {
    this.#me = me;
    this.id = fields.id;
    this.cursor = fields.cursor;
    this.read = fields.read;
    this.unread = fields.unread;
    this.update(fields);
  }

  /** Take over what may change of a room besides its log. */
  update(fields) {
    for (const name of ["title", "private", "archived", "created_by", "moderator"]) {
      if (fields[name] !== undefined) this[name] = fields[name];
    }
  }

  get offset() {
    return offsetOf(this.cursor);
  }

  /** How often it has started over. */
  get generation() {
    return this.#generation;
  }

  get oldest() {
    return this.offsets[0];
  }

  get newest() {
    return this.offsets.at(-1);
  }

  /** One's own newest message that can be edited. @returns {Message | undefined} */
  get lastOwn() {
    const offset = this.offsets.findLast((each) => {
      const message = this.messages.get(each);
      return message.author.id === this.#me && !message.deleted;
    });
    return this.messages.get(offset);
  }

  // Entries

  /**
   * Take an entry.
   * @returns {"gap" | null | {added: Message | null, changed: Message | null}} null: it had been here before
   */
  take(entry) {
    if (entry.offset <= this.offset) return null;
    if (entry.offset > this.offset + 1) return "gap";
    this.cursor = cursorOf(entry);
    this.people.set(entry.author.id, entry.author.name);
    if (this.#held !== null) this.#held.push(entry);
    if (entry.kind === "message") {
      this.#typing.delete(entry.author.id);
      if (entry.author.id !== this.#me && entry.offset > this.read) this.unread = Math.min(this.unread + 1, 100);
    }
    return this.viewed ? this.#fold(entry) : { added: null, changed: null };
  }

  /** The log has diverged from what is shown, or its entries are gone: start over at a cursor. */
  reset(cursor) {
    this.#generation += 1;
    this.cursor = cursor;
    this.messages = new Map();
    this.offsets = [];
    this.viewed = false;
    this.more = false;
    if (this.#held !== null) this.#held = [];
  }

  // Views

  /**
   * From here on a page is on its way: entries that come meanwhile are kept, since its messages may not know of them.
   * Every call needs one of `load`, `prepend` or `cancel` after it.
   * @returns {number} to be given to `load` or `prepend`: after a `reset` they leave the page of before alone
   */
  expect() {
    this.#loads += 1;
    this.#held ??= [];
    return this.#generation;
  }

  cancel() {
    this.#arrived();
  }

  /**
   * Begin with a view of the newest messages.
   *
   * When nothing is joined yet, the cursor becomes the view's. When the room is joined, the cursor stays that of the
   * pushes, which tell what the view has already: it makes no difference then.
   */
  load(view, generation) {
    const held = this.#arrived();
    if (generation !== this.#generation) return;
    if (!this.joined && offsetOf(view.cursor) >= this.offset) this.cursor = view.cursor;
    this.messages = new Map();
    this.offsets = [];
    for (const fields of view.messages) this.#insert(fromView(fields));
    this.more = view.more;
    this.viewed = true;
    for (const entry of held) this.#fold(entry);
  }

  /**
   * Put an older page on top.
   * @returns {Message[]} what was new, oldest first
   */
  prepend(view, generation) {
    const held = this.#arrived();
    if (generation !== this.#generation) return [];
    const limit = this.oldest ?? Infinity;
    const older = view.messages.filter((fields) => fields.offset < limit).map(fromView);
    for (const message of older) {
      this.messages.set(message.offset, newer(this.messages.get(message.offset), message));
      this.people.set(message.author.id, message.author.name);
    }
    this.offsets = [...older.map((message) => message.offset), ...this.offsets];
    this.more = view.more;
    for (const entry of held) this.#fold(entry);
    return older.map((message) => this.messages.get(message.offset));
  }

  /** Forget the oldest of many messages; they can be loaded again. */
  trim(open) {
    const keep = open ? KEPT_OPEN : KEPT_CLOSED;
    if (this.offsets.length <= keep) return;
    for (const offset of this.offsets.splice(0, this.offsets.length - keep)) this.messages.delete(offset);
    this.more = true;
  }

  // Reading

  /**
   * Everything up to an offset has been seen, here or in another tab.
   * @returns {boolean} whether the count of unread messages is right now; it can't be told when too little is loaded
   */
  mark(offset) {
    if (offset <= this.read) return true;
    this.read = offset;
    if (offset >= this.offset || (this.viewed && offset >= (this.newest ?? 0))) {
      this.unread = 0;
      return true;
    }
    if (!this.viewed || (this.more && offset < this.oldest)) return false;
    this.unread = this.offsets.filter((each) => each > offset && this.messages.get(each).author.id !== this.#me).length;
    return true;
  }

  // People

  setMembers(members, count) {
    this.members = new Map(members.map((user) => [user.id, user]));
    for (const user of members) this.people.set(user.id, user.name);
    this.count = count;
  }

  changeMembers({ joined, left, count }) {
    for (const user of left) {
      this.members.delete(user.id);
      this.#typing.delete(user.id);
    }
    for (const user of joined) {
      this.members.set(user.id, user);
      this.people.set(user.id, user.name);
    }
    this.count = count;
  }

  noteTyping(user, now) {
    this.#typing.set(user.id, { user, until: now + TYPING_MS });
  }

  /** Who is typing, and in how many ms that is to be asked again (null: when somebody types). */
  typing(now) {
    for (const [id, { until }] of this.#typing) if (until <= now) this.#typing.delete(id);
    const untils = [...this.#typing.values()].map(({ until }) => until);
    return {
      users: [...this.#typing.values()].map(({ user }) => user),
      againInMs: untils.length ? Math.min(...untils) - now : null,
    };
  }

  // Internal

  #arrived() {
    const held = this.#held ?? [];
    this.#loads -= 1;
    if (this.#loads === 0) this.#held = null;
    return held;
  }

  #fold(entry) {
    let added = null;
    let changed = null;
    const known = this.messages.get(targetOf(entry));
    if (known !== undefined) {
      const after = apply(known, entry);
      if (after !== known) {
        this.messages.set(after.offset, after);
        changed = after;
      }
    }
    // Below the oldest loaded message there may be others that are not loaded: it comes with its page.
    const below = this.more && entry.offset < (this.oldest ?? Infinity);
    if (entry.kind === "message" && !this.messages.has(entry.offset) && !below) {
      added = begin(entry);
      this.#insert(added);
    }
    return { added, changed };
  }

  #insert(message) {
    this.messages.set(message.offset, message);
    this.people.set(message.author.id, message.author.name);
    let place = this.offsets.length;
    while (place > 0 && this.offsets[place - 1] > message.offset) place -= 1;
    this.offsets.splice(place, 0, message.offset);
  }
}
