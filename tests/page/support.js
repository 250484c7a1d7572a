// What the tests put in the place of the browser: a clock whose timers run when told, a socket, a storage, a server.

globalThis.CustomEvent ??= class CustomEvent extends Event {
  constructor(type, { detail } = {}) {
    super(type);
    this.detail = detail;
  }
};
if (globalThis.crypto === undefined) globalThis.crypto = (await import("node:crypto")).webcrypto;

/** Timers that run when the test lets time pass. */
export class Clock {
  now = 1_000_000;
  #timers = new Map();
  #lastId = 0;

  setTimeout = (act, ms) => {
    this.#timers.set((this.#lastId += 1), { act, at: this.now + ms });
    return this.#lastId;
  };

  clearTimeout = (id) => this.#timers.delete(id);

  /** How long until each timer that is set. */
  get waits() {
    return [...this.#timers.values()].map(({ at }) => at - this.now);
  }

  /** Let time pass, timer by timer. */
  pass(ms) {
    const end = this.now + ms;
    for (;;) {
      const due = [...this.#timers]
        .filter(([, { at }]) => at <= end)
        .sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
      if (due === undefined) break;
      this.#timers.delete(due[0]);
      this.now = Math.max(this.now, due[1].at);
      due[1].act();
    }
    this.now = end;
  }
}

/** The browser's WebSocket as socket.js sees it; the test plays the server. */
export class FakeWebSocket {
  static made = [];
  sent = [];
  readyState = 0;
  closed = false;

  constructor(url, protocols) {
    this.url = url;
    this.protocols = protocols;
    FakeWebSocket.made.push(this);
  }

  static get last() {
    return FakeWebSocket.made.at(-1);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
    this.closed = true;
  }

  // As the server

  say(frame) {
    this.readyState = 1;
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  hello(fields = {}) {
    this.say({
      type: "hello",
      protocol: 1,
      node: { name: "web1", addresses: [] },
      ping_s: 15,
      store: { state: "ok" },
      ...fields,
    });
  }

  drop(code = 1006, reason = "") {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}

/** localStorage. */
export class FakeStorage {
  #items = new Map();
  get length() {
    return this.#items.size;
  }
  key(index) {
    return [...this.#items.keys()][index] ?? null;
  }
  getItem(key) {
    return this.#items.get(key) ?? null;
  }
  setItem(key, value) {
    this.#items.set(key, String(value));
  }
  removeItem(key) {
    this.#items.delete(key);
  }
}

/** navigator.locks, as tabs of one browser share it: `tab()` is one tab's view, `close()` frees what it holds. */
export class FakeLocks {
  #held = new Map();

  tab() {
    const tab = {};
    return {
      request: async (name, options, act) => {
        if (this.#held.has(name)) return act(null);
        this.#held.set(name, tab);
        return act({ name });
      },
      close: () => {
        for (const [name, holder] of this.#held) if (holder === tab) this.#held.delete(name);
      },
    };
  }
}

export const ALICE = { id: "u_a", name: "alice" };
export const BOB = { id: "u_b", name: "bob" };

/** A room's log, as the server has it. */
export class Log {
  entries = [];

  get cursor() {
    return cursor(this.entries.length);
  }

  add(fields) {
    const offset = this.entries.length + 1;
    const entry = {
      type: "entry",
      room: "lobby",
      offset,
      chain: cursor(offset).split(":")[1],
      author: BOB,
      at: 1000 + offset,
      nonce: `n${offset}`,
      via: "web0",
      ...fields,
    };
    this.entries.push(entry);
    return entry;
  }

  message(text, fields = {}) {
    return this.add({ kind: "message", text, ...fields });
  }
}

export function cursor(offset) {
  return `${offset}:${offset.toString(16).padStart(16, "0")}`;
}

/** A view of a log's messages below `before`, folded by the page's own timeline (its own tests hold that right). */
export function viewOf(log, timeline, { before = Infinity, limit = 50, asOf = log.entries.length } = {}) {
  const messages = new Map();
  for (const entry of log.entries.slice(0, asOf)) {
    const target = timeline.targetOf(entry);
    if (messages.has(target)) messages.set(target, timeline.apply(messages.get(target), entry));
    if (entry.kind === "message") messages.set(entry.offset, timeline.begin(entry));
  }
  const all = [...messages.values()].filter((message) => message.offset < before);
  const page = all.slice(-limit).map((message) => ({
    ...message,
    reactions: [...message.reactions].map(([emoji, users]) => ({ emoji, count: users.size, users: [...users] })),
  }));
  return { messages: page, cursor: cursor(asOf), more: all.length > page.length };
}

/** Numbers that look random and are the same every time (mulberry32). */
export function dice(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Let promises that are settled go on. */
export async function settle() {
  for (let turn = 0; turn < 20; turn += 1) await null;
}
