/**
 * What was written and is not stored yet, in order, kept in localStorage so that it outlives a reload. Knows no socket.
 *
 * Each tab writes to a box of its own (claims.js says whose it is), so tabs don't overwrite each other; what a closed
 * tab left behind is adopted by the next that looks.
 *
 * Events: `change` (detail: {draft, what: "added" | "changed" | "settled" | "discarded", receipt?}).
 *
 * @typedef {{nonce: string, type: "post" | "edit" | "delete" | "react", room: string, text?: string, reply_to?: number,
 *   target?: number, emoji?: string, on?: boolean, at: number, sent_at: number | null, age_ms: number,
 *   state: "waiting" | "failed", reason: string}} Draft
 */

import { newNonce } from "./wire.js";

const PREFIX = "datchat.outbox";

export class Outbox extends EventTarget {
  #storage;
  #claims;
  #user;
  #now;
  #windowMs;
  #key = null;
  /** @type {Map<string, Draft>} by nonce, oldest first */
  #drafts = new Map();

  /**
   * @param {{storage: Storage, claims: {claim(name: string): Promise<boolean>}, userId: string, windowMs: number,
   *   now?: () => number}} parts
   */
  constructor({ storage, claims, userId, windowMs, now = Date.now }) {
    super();
    this.#storage = storage;
    this.#claims = claims;
    this.#user = `${PREFIX}.${userId}`;
    this.#windowMs = windowMs;
    this.#now = now;
  }

  // Lifecycle

  /** Claim a box for this tab, and adopt what dead tabs left behind. */
  async open() {
    const key = `${this.#user}.${newNonce()}`;
    await this.#claims.claim(key);
    this.#key = key;
    this.#save();
    await this.adopt();
  }

  /** Take over the boxes whose tabs are gone, oldest drafts first. */
  async adopt() {
    for (const key of this.#boxes()) {
      if (key === this.#key || !(await this.#claims.claim(key))) continue;
      const orphans = parse(this.#storage.getItem(key));
      for (const draft of orphans) {
        if (this.#drafts.has(draft.nonce)) continue;
        this.#drafts.set(draft.nonce, draft);
        this.#tell(draft, "added");
      }
      this.#sort();
      this.#save();
      this.#storage.removeItem(key);
      this.#storage.removeItem(`${key}.claim`);
    }
  }

  // Actions

  /** @returns {Draft[]} all drafts, oldest first */
  list() {
    return [...this.#drafts.values()];
  }

  /** @param {string} nonce */
  get(nonce) {
    return this.#drafts.get(nonce);
  }

  /**
   * Put a draft at the end.
   * @param {Partial<Draft> & {type: Draft["type"], room: string}} fields
   * @returns {Draft}
   */
  add(fields) {
    const draft = {
      ...fields,
      nonce: newNonce(),
      at: this.#now(),
      sent_at: null,
      age_ms: 0,
      state: "waiting",
      reason: "",
    };
    this.#drafts.set(draft.nonce, draft);
    this.#save();
    this.#tell(draft, "added");
    return draft;
  }

  /**
   * The draft is about to be sent: how old it is by now, or null when this is its first time. Kept before it goes,
   * since the tab may die in between. It never gets younger, however the clock is set.
   * @param {Draft} draft
   * @returns {number | null}
   */
  stamp(draft) {
    const first = draft.sent_at === null;
    if (first) draft.sent_at = this.#now();
    else draft.age_ms = Math.max(draft.age_ms, Math.round(this.#now() - draft.sent_at));
    this.#save();
    return first ? null : draft.age_ms;
  }

  /**
   * Whether sending it once more could store it twice.
   * @param {Draft} draft
   */
  stale(draft) {
    return draft.sent_at !== null && Math.max(draft.age_ms, this.#now() - draft.sent_at) >= this.#windowMs;
  }

  /** It is in the log. @param {string} nonce */
  settle(nonce, receipt = null) {
    this.#remove(nonce, "settled", receipt);
  }

  /** The person gives it up. @param {string} nonce */
  discard(nonce) {
    this.#remove(nonce, "discarded", null);
  }

  /** It won't go by itself any more. @param {string} nonce @param {string} reason */
  fail(nonce, reason) {
    const draft = this.#drafts.get(nonce);
    if (draft === undefined) return;
    draft.state = "failed";
    draft.reason = reason;
    this.#save();
    this.#tell(draft, "changed");
  }

  /**
   * Try a failed draft again, as a new one at the end: the old nonce may be too old to be safe.
   * @param {string} nonce
   * @returns {Draft | undefined}
   */
  renew(nonce) {
    const draft = this.#drafts.get(nonce);
    if (draft === undefined) return undefined;
    const { nonce: _, at: __, sent_at: ___, age_ms: ____, state: _____, reason: ______, ...fields } = draft;
    this.discard(nonce);
    return this.add(fields);
  }

  // Internal

  #remove(nonce, what, receipt) {
    const draft = this.#drafts.get(nonce);
    if (draft === undefined) return;
    this.#drafts.delete(nonce);
    this.#save();
    this.#tell(draft, what, receipt);
  }

  #boxes() {
    const keys = [];
    for (let index = 0; index < this.#storage.length; index += 1) {
      const key = this.#storage.key(index);
      if (key.startsWith(`${this.#user}.`) && !key.endsWith(".claim")) keys.push(key);
    }
    return keys.sort();
  }

  #sort() {
    this.#drafts = new Map([...this.#drafts].sort(([, a], [, b]) => a.at - b.at));
  }

  #save() {
    if (this.#key === null) return;
    try {
      if (this.#drafts.size === 0) this.#storage.removeItem(this.#key);
      else this.#storage.setItem(this.#key, JSON.stringify(this.list()));
    } catch {
      // A full or forbidden storage costs the drafts their life after a reload, not the chat.
    }
  }

  #tell(draft, what, receipt = null) {
    this.dispatchEvent(new CustomEvent("change", { detail: { draft, what, receipt } }));
  }
}

/** What a box holds; damaged drafts are left out. */
function parse(text) {
  try {
    const drafts = JSON.parse(text ?? "[]");
    return Array.isArray(drafts) ? drafts.filter((draft) => draft && draft.nonce && draft.room && draft.type) : [];
  } catch {
    return [];
  }
}
