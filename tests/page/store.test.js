import { ALICE, BOB, Clock, FakeStorage, Log, cursor, dice, settle, viewOf } from "./support.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "../../src/datchat/web/static/js/api.js";
import { Outbox } from "../../src/datchat/web/static/js/outbox.js";
import { Room } from "../../src/datchat/web/static/js/room.js";
import { Store } from "../../src/datchat/web/static/js/store.js";
import * as timeline from "../../src/datchat/web/static/js/timeline.js";

/** The socket as the store sees it: what was sent, and what the test lets happen. */
class Line extends EventTarget {
  sent = [];
  open = false;
  start() {}
  stop() {
    this.open = false;
  }
  nudge() {}
  send(frame) {
    if (this.open) this.sent.push(frame);
    return this.open;
  }
  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
  hello(node = "web1") {
    this.open = true;
    this.tell("open", { node: { name: node, addresses: [] }, store: { state: "ok" } });
  }
  drop(wasOpen = true) {
    this.open = false;
    this.tell("down", { code: 1006, reason: "", wasOpen, retryInMs: 10 });
  }
  say(frame) {
    this.tell("push", frame);
  }
  joins(room) {
    return this.sent.filter((frame) => frame.type === "join" && frame.room === room);
  }
  posts() {
    return this.sent.filter((frame) => frame.nonce);
  }
}

/** A page in one room with a log, another room beside it, and a line that is not open yet. */
async function begin({ log = new Log(), api = {}, limit = 50, storage = new FakeStorage() } = {}) {
  const clock = new Clock();
  const socket = new Line();
  const outbox = new Outbox({
    storage,
    claims: { claim: async () => true },
    userId: ALICE.id,
    windowMs: 600_000,
    now: () => clock.now,
  });
  const room = (id, fields) => ({
    id,
    title: id,
    private: false,
    archived: false,
    created_by: null,
    moderator: false,
    read: 0,
    unread: 0,
    ...fields,
  });
  const page = {
    me: ALICE,
    node: { name: "web0", addresses: [] },
    room: "lobby",
    limits: { text: 4000 },
    store: { state: "ok" },
    members: [],
    count: 0,
    rooms: [room("lobby", { cursor: log.cursor }), room("other", { cursor: cursor(7), unread: 2 })],
    view: viewOf(log, timeline, { limit }),
  };
  const calls = [];
  const server = {
    messages: async (id, options = {}) => (calls.push([id, options]), viewOf(log, timeline, options)),
    rooms: async () => page.rooms,
    me: async () => ALICE,
    ...api,
  };
  const store = new Store({ page, socket, api: server, outbox, timers: clock, now: () => clock.now });
  const told = [];
  for (const type of ["open", "messages", "older", "reset", "draft", "notice", "ended", "connection"]) {
    store.addEventListener(type, ({ detail }) => told.push({ type, ...detail }));
  }
  await store.start();
  const lobby = store.current;
  return {
    log,
    clock,
    socket,
    outbox,
    store,
    told,
    calls,
    lobby,
    texts: () => lobby.offsets.map((offset) => lobby.messages.get(offset).text),
  };
}

const joined = (socket, room, fields = {}) => ({
  type: "joined",
  id: socket.joins(room).at(-1).id,
  room,
  entries: [],
  cursor: socket.joins(room).at(-1).cursor,
  more: false,
  reset: false,
  members: [ALICE, BOB],
  count: 2,
  ...fields,
});

function logOf(count) {
  const log = new Log();
  for (let number = 1; number <= count; number += 1) log.message(`m${number}`);
  return log;
}

// The gap rule

test("it joins every room from its cursor, the open one first", async () => {
  const { socket } = await begin({ log: logOf(3) });
  socket.hello();
  assert.deepEqual(
    socket.sent.map(({ type, room, cursor: from }) => [type, room, from]),
    [
      ["join", "lobby", cursor(3)],
      ["join", "other", cursor(7)],
    ],
  );
});

test("the next entry applies, one that comes again does nothing", async () => {
  const { log, socket, texts, lobby, told } = await begin({ log: logOf(2) });
  socket.hello();
  socket.say(joined(socket, "lobby"));
  const entry = log.message("m3");
  socket.say(entry);
  socket.say(entry);
  assert.deepEqual(texts(), ["m1", "m2", "m3"]);
  assert.equal(lobby.cursor, cursor(3));
  assert.deepEqual(
    told.filter(({ type }) => type === "messages").map(({ added, live }) => [added.length, live]),
    [
      [0, false],
      [1, true],
      [0, true],
    ],
  );
});

test("an entry beyond the next means a gap: it joins again from the cursor, once", async () => {
  const { log, socket, texts } = await begin({ log: logOf(2) });
  socket.hello();
  socket.say(joined(socket, "lobby"));
  const [third, fourth, fifth] = ["m3", "m4", "m5"].map((text) => log.message(text));
  socket.say(fourth);
  socket.say(fifth);
  assert.deepEqual(texts(), ["m1", "m2"]);
  assert.deepEqual(
    socket.joins("lobby").map((frame) => frame.cursor),
    [cursor(2), cursor(2)],
  );
  socket.say(joined(socket, "lobby", { entries: [third, fourth, fifth], cursor: cursor(5) }));
  assert.deepEqual(texts(), ["m1", "m2", "m3", "m4", "m5"]);
});

test("more: true is answered by joining again from the new cursor, until there is no more", async () => {
  const { log, socket, texts, lobby } = await begin({ log: logOf(1) });
  const more = ["m2", "m3", "m4"].map((text) => log.message(text));
  socket.hello();
  socket.say(joined(socket, "lobby", { entries: more.slice(0, 2), cursor: cursor(3), more: true }));
  assert.equal(lobby.joined, false);
  assert.equal(socket.joins("lobby").at(-1).cursor, cursor(3));
  socket.say(joined(socket, "lobby", { entries: more.slice(2), cursor: cursor(4) }));
  assert.equal(lobby.joined, true);
  assert.deepEqual(texts(), ["m1", "m2", "m3", "m4"]);
});

test("reset: what is shown is thrown away, and a fresh view and what came meanwhile take its place", async () => {
  const fresh = new Log();
  for (const text of ["other 1", "other 2"]) fresh.message(text);
  let answer;
  const { socket, texts, told, lobby } = await begin({
    log: logOf(5),
    api: { messages: () => new Promise((resolve) => (answer = () => resolve(viewOf(fresh, timeline, { asOf: 2 })))) },
  });
  socket.hello();
  socket.say(joined(socket, "lobby", { entries: fresh.entries, cursor: cursor(2), reset: true }));
  assert.deepEqual(texts(), []);
  socket.say(fresh.message("other 3"));
  answer();
  await settle();
  assert.deepEqual(texts(), ["other 1", "other 2", "other 3"]);
  assert.equal(lobby.cursor, cursor(3));
  assert.deepEqual(
    told.filter(({ type }) => type === "reset" || type === "open").map(({ type }) => type),
    ["reset", "open"],
  );
});

test("a page of the old history that arrives after a reset is left out", () => {
  const room = new Room({ id: "lobby", title: "", cursor: cursor(5), read: 0, unread: 0 }, ALICE.id);
  const turn = room.expect();
  room.reset(cursor(2));
  room.load(viewOf(logOf(5), timeline), turn);
  assert.deepEqual(room.offsets, []);
});

test("a join that is refused for now is tried again, one for good closes the room", async () => {
  const { clock, socket, store, told } = await begin();
  socket.hello();
  socket.say({
    type: "refused",
    id: socket.joins("other")[0].id,
    code: "unavailable",
    message: "",
    retry: true,
    retry_after_ms: 300,
  });
  clock.pass(300);
  assert.equal(socket.joins("other").length, 2);
  socket.say({ type: "refused", id: socket.joins("other")[1].id, code: "not_a_member", message: "", retry: false });
  assert.equal(store.rooms.has("other"), false);
  socket.say({ type: "refused", id: 12345, code: "bad_command", message: "", retry: false });
  assert.equal(told.filter(({ type }) => type === "notice").length, 0);
});

// Views and entries in any order

for (let seed = 1; seed <= 40; seed += 1) {
  test(`a view and the entries after it make the later view, in any order (${seed})`, () => {
    const roll = dice(seed);
    const pick = (list) => list[Math.floor(roll() * list.length)];
    const log = new Log();
    const messages = [];
    const grow = () => {
      const author = pick([ALICE, BOB]);
      const kind =
        messages.length === 0 ? "message" : pick(["message", "message", "edit", "deletion", "reaction", "reaction"]);
      if (kind === "message")
        messages.push(
          log.message(`t${log.entries.length}`, { author, reply_to: roll() < 0.3 ? pick(messages) : undefined }).offset,
        );
      else
        log.add({
          kind,
          author,
          target: pick(messages),
          text: `e${log.entries.length}`,
          emoji: pick(["👍", "🎉"]),
          on: roll() < 0.7,
        });
    };
    for (let turn = 0; turn < 60; turn += 1) grow();
    const limit = 5 + Math.floor(roll() * 20);
    const first = 10 + Math.floor(roll() * 30);
    const room = new Room({ id: "lobby", title: "", cursor: cursor(first), read: 0, unread: 0 }, ALICE.id);
    room.load(viewOf(log, timeline, { asOf: first, limit }), room.expect());
    // Entries come one by one, some twice; pages asked for on the way are answered later, as of any time in between.
    const asked = [];
    for (const entry of log.entries.slice(first)) {
      if (roll() < 0.2 && room.more) asked.push({ turn: room.expect(), before: room.oldest, asOf: room.offset });
      room.take(entry);
      if (roll() < 0.3) room.take(entry);
      if (asked.length > 0 && roll() < 0.3) {
        const page = asked.shift();
        const asOf = page.asOf + Math.floor(roll() * (room.offset - page.asOf + 1));
        if (page.before === room.oldest)
          room.prepend(viewOf(log, timeline, { before: page.before, asOf, limit }), page.turn);
        else room.cancel();
      }
    }
    for (const page of asked) {
      if (page.before === room.oldest)
        room.prepend(viewOf(log, timeline, { before: page.before, asOf: page.asOf, limit }), page.turn);
      else room.cancel();
    }
    const expected = viewOf(log, timeline, { limit: room.offsets.length }).messages.map(timeline.fromView);
    const plain = (message) => ({
      ...message,
      reactions: [...message.reactions].map(([emoji, users]) => [emoji, [...users].sort()]).sort(),
    });
    assert.deepEqual(
      room.offsets.map((offset) => plain(room.messages.get(offset))),
      expected.map(plain),
    );
    assert.equal(room.more, room.offsets[0] !== messages[0]);
  });
}

test("a view that is ahead of the pushes makes no difference to what they bring", () => {
  const log = logOf(4);
  const room = new Room({ id: "lobby", title: "", cursor: cursor(2), read: 0, unread: 0 }, ALICE.id);
  room.joined = true;
  room.load(viewOf(log, timeline, { limit: 1 }), room.expect());
  assert.equal(room.cursor, cursor(2));
  for (const entry of log.entries.slice(2)) room.take(entry);
  room.take(log.message("m5"));
  assert.deepEqual(room.offsets, [4, 5], "3 is older than the view's oldest: it comes with its page");
});

// Rooms

test("a room that is opened gets its view; one that was shown before is there at once", async () => {
  const { store, socket, calls, told } = await begin({ log: logOf(3) });
  socket.hello();
  await store.open("other");
  await store.open("lobby");
  await store.open("other");
  assert.deepEqual(
    calls.map(([id]) => id),
    ["other"],
  );
  assert.deepEqual(
    told.filter(({ type }) => type === "open").map(({ room }) => [room.id, room.viewed]),
    [
      ["other", true],
      ["other", true],
      ["lobby", true],
      ["other", true],
    ],
  );
});

test("a view that arrives after the person went elsewhere is not shown", async () => {
  let answer;
  const { store, told } = await begin({
    log: logOf(3),
    api: { messages: () => new Promise((resolve) => (answer = () => resolve(viewOf(logOf(2), timeline)))) },
  });
  const opening = store.open("other");
  await store.open("lobby");
  answer();
  await opening;
  assert.deepEqual(
    told.filter(({ type }) => type === "open").map(({ room }) => room.id),
    ["other", "lobby"],
  );
  assert.equal(store.current.id, "lobby");
});

test("a room that is opened again while its view is on its way is shown when it comes, and asked for once", async () => {
  const answers = [];
  const { store, socket, told } = await begin({
    api: { messages: () => new Promise((resolve) => answers.push(resolve)) },
  });
  socket.hello();
  const opening = store.open("other");
  socket.say(joined(socket, "other"));
  await store.open("lobby");
  store.open("other");
  told.length = 0;
  assert.equal(answers.length, 1);
  answers[0](viewOf(logOf(2), timeline));
  await opening;
  assert.deepEqual(
    told.filter(({ type }) => type === "open").map(({ room }) => [room.id, room.viewed]),
    [["other", true]],
  );
});

test("a view that can't be had is told, and the room can be tried again", async () => {
  const { store, told } = await begin({
    api: { messages: async () => Promise.reject(new ApiError(503, "unavailable", "Not now.")) },
  });
  await store.open("other");
  assert.deepEqual(
    told.filter(({ type }) => type === "notice").map(({ text }) => text),
    ["other could not be loaded. Not now."],
  );
  assert.equal(store.current.viewed, false);
});

test("a room that was opened while the server was away is shown when it is back", async () => {
  let away = true;
  const log = logOf(2);
  const answer = () =>
    away ? Promise.reject(new ApiError(0, "unreachable", "Away.")) : Promise.resolve(viewOf(log, timeline));
  const { store, socket } = await begin({ api: { messages: answer } });
  await store.open("other");
  assert.equal(store.current.viewed, false);
  away = false;
  socket.hello();
  socket.say(joined(socket, "other"));
  await settle();
  assert.deepEqual(store.current.offsets, [1, 2]);
});

test("a view that could not be had is asked for again while its room is open", async () => {
  let failures = 2;
  const answer = async () => {
    if ((failures -= 1) >= 0) throw new ApiError(503, "unavailable", "Not now.");
    return viewOf(logOf(2), timeline);
  };
  const { store, clock } = await begin({ api: { messages: answer } });
  await store.open("other");
  for (let turn = 0; turn < 2; turn += 1) {
    clock.pass(3_000);
    await settle();
  }
  assert.deepEqual(store.current.offsets, [1, 2]);
});

test("older pages are put on top until there are no more", async () => {
  const { store, texts, lobby, told } = await begin({ log: logOf(120) });
  assert.equal(lobby.more, true);
  await Promise.all([store.older(), store.older()]);
  await store.older();
  await store.older();
  assert.deepEqual(
    texts(),
    Array.from({ length: 120 }, (_, index) => `m${index + 1}`),
  );
  assert.deepEqual(
    told.filter(({ type }) => type === "older").map(({ added }) => added.length),
    [50, 20],
  );
});

test("it loads back to a message that is quoted", async () => {
  const { store, lobby } = await begin({ log: logOf(400) });
  assert.equal(await store.reach(120), true);
  assert.ok(lobby.messages.has(120));
  assert.equal(await store.reach(4000), false);
});

test("a quoted message that is not loaded is asked for once", async () => {
  const { store, lobby, calls } = await begin({ log: logOf(80) });
  const [one, two] = await Promise.all([store.quoted(lobby, 3), store.quoted(lobby, 3)]);
  assert.deepEqual([one.text, two.text, calls.length], ["m3", "m3", 1]);
  assert.equal((await store.quoted(lobby, 80)).text, "m80");
  assert.equal(calls.length, 1);
});

test("a room that somebody makes appears, and is joined", async () => {
  const log = new Log();
  let listed = [];
  const { socket, store } = await begin({ log, api: { rooms: async () => listed } });
  const fields = {
    title: "New",
    private: false,
    archived: false,
    created_by: BOB.id,
    moderator: false,
    read: 0,
    unread: 0,
  };
  listed = [...[...store.rooms.values()].map((room) => ({ ...room })), { id: "new", cursor: cursor(0), ...fields }];
  socket.hello();
  socket.say({ type: "room", change: "created", room: { id: "new", title: "New", private: false, archived: false } });
  await settle();
  assert.deepEqual([...store.rooms.keys()], ["lobby", "other", "new"]);
  assert.equal(socket.joins("new").length, 1);
  socket.say({ type: "room", change: "renamed", room: { id: "new", title: "Newer", private: false, archived: true } });
  assert.deepEqual([store.rooms.get("new").title, store.rooms.get("new").archived], ["Newer", true]);
  socket.say({ type: "room", change: "member_removed", room: { id: "new" }, user: ALICE.id });
  assert.equal(store.rooms.has("new"), false);
});

const fieldsOf = (id) => ({ id, title: id, private: false, archived: false, cursor: cursor(0), read: 0, unread: 0 });

test("a list that was asked for before another and comes after it takes no room away", async () => {
  const answers = [];
  const { socket, store } = await begin({ api: { rooms: () => new Promise((resolve) => answers.push(resolve)) } });
  socket.hello();
  for (const id of ["one", "two"]) socket.say({ type: "room", change: "created", room: { id } });
  const before = ["lobby", "other"].map(fieldsOf);
  answers[1]([...before, ...["one", "two"].map(fieldsOf)]);
  await settle();
  answers[0]([...before, fieldsOf("one")]);
  await settle();
  assert.deepEqual([...store.rooms.keys()], ["lobby", "other", "one", "two"]);
});

test("a room that one makes stays, whatever list was on its way", async () => {
  const answers = [];
  const { socket, store } = await begin({
    api: {
      rooms: () => new Promise((resolve) => answers.push(resolve)),
      createRoom: async ({ id }) => fieldsOf(id),
    },
  });
  socket.hello();
  socket.say({ type: "room", change: "created", room: { id: "theirs" } });
  await store.createRoom({ id: "mine", title: "mine", private: false });
  answers[0](["lobby", "other", "theirs"].map(fieldsOf));
  await settle();
  assert.equal(store.current.id, "mine");
  answers[1](["lobby", "mine", "other", "theirs"].map(fieldsOf));
  await settle();
  assert.deepEqual([...store.rooms.keys()], ["lobby", "mine", "other", "theirs"]);
  assert.equal(store.current.id, "mine");
});

// Unread and reading

test("messages of others count as unread, also in rooms that are not open", async () => {
  const { socket, store } = await begin();
  socket.hello();
  socket.say(joined(socket, "other"));
  const other = { type: "entry", room: "other", kind: "message", via: "w", at: 1, text: "x" };
  socket.say({ ...other, offset: 8, chain: "8".padStart(16, "0"), author: BOB, nonce: "a" });
  socket.say({ ...other, offset: 9, chain: "9".padStart(16, "0"), author: ALICE, nonce: "b" });
  assert.equal(store.rooms.get("other").unread, 3);
  assert.equal(store.unread, 3);
  socket.say({ type: "read", room: "other", offset: 9 });
  assert.equal(store.unread, 0, "another tab has read it");
});

test("what was seen is told at most every 0.7 s, and the badge goes at once", async () => {
  const { log, clock, socket, store, lobby } = await begin({ log: logOf(1) });
  socket.hello();
  socket.say(joined(socket, "lobby"));
  for (const text of ["m2", "m3"]) {
    socket.say(log.message(text));
    store.seen();
    assert.equal(lobby.unread, 0);
  }
  clock.pass(700);
  store.seen();
  clock.pass(700);
  assert.deepEqual(
    socket.sent.filter(({ type }) => type === "read").map(({ offset }) => offset),
    [3],
  );
});

test("a marker in the middle leaves the messages after it unread", () => {
  const log = logOf(6);
  const room = new Room({ id: "lobby", title: "", cursor: cursor(6), read: 0, unread: 6 }, ALICE.id);
  assert.equal(room.mark(4), false, "nothing is loaded: it can't tell");
  room.load(viewOf(log, timeline), room.expect());
  assert.equal(room.mark(5), true);
  assert.equal(room.unread, 1);
  room.mark(2);
  assert.equal(room.read, 5, "a marker never goes back");
});

// Typing and people

test("typing is told at most every 2 s, shown for a while, and ends with the message", async () => {
  const { log, clock, socket, store, lobby } = await begin();
  socket.hello();
  socket.say(joined(socket, "lobby"));
  store.typing();
  store.typing();
  clock.pass(2_000);
  store.typing();
  assert.equal(socket.sent.filter(({ type }) => type === "typing").length, 2);
  socket.say({ type: "typing", room: "lobby", user: BOB });
  socket.say({ type: "typing", room: "lobby", user: ALICE });
  assert.deepEqual(lobby.typing(clock.now).users, [BOB], "not oneself");
  socket.say(log.message("done"));
  assert.deepEqual(lobby.typing(clock.now).users, []);
  socket.say({ type: "typing", room: "lobby", user: BOB });
  clock.pass(5_000);
  assert.deepEqual(lobby.typing(clock.now), { users: [], againInMs: null });
});

test("the roster follows who comes and goes", async () => {
  const { socket, lobby } = await begin();
  socket.hello();
  socket.say(joined(socket, "lobby", { members: [ALICE], count: 1 }));
  socket.say({ type: "roster", room: "lobby", count: 2, joined: [BOB], left: [] });
  assert.deepEqual([[...lobby.members.keys()], lobby.count], [["u_a", "u_b"], 2]);
  socket.say({ type: "roster", room: "lobby", count: 1, joined: [], left: [BOB] });
  assert.deepEqual([...lobby.members.keys()], ["u_a"]);
});

// Drafts

test("a post waits for the join, is answered, and its echo comes once", async () => {
  const { log, socket, store, outbox, texts } = await begin();
  const draft = store.post("hello");
  assert.equal(store.pending(store.current).length, 1);
  socket.hello();
  assert.equal(socket.posts().length, 0);
  socket.say(joined(socket, "lobby"));
  assert.equal(socket.posts()[0].nonce, draft.nonce);
  socket.say({
    type: "stored",
    room: "lobby",
    nonce: draft.nonce,
    offset: 1,
    cursor: cursor(1),
    copies: 3,
    duplicate: false,
  });
  assert.equal(outbox.list().length, 0);
  socket.say(log.message("hello", { author: ALICE, nonce: draft.nonce }));
  assert.deepEqual(texts(), ["hello"]);
});

test("an echo settles the draft, whatever became of the answer", async () => {
  const { log, socket, store, outbox, told } = await begin();
  socket.hello();
  socket.say(joined(socket, "lobby"));
  const { nonce } = store.post("hello");
  socket.drop();
  log.message("hello", { author: ALICE, nonce });
  socket.hello();
  socket.say(joined(socket, "lobby", { entries: log.entries, cursor: cursor(1) }));
  assert.equal(outbox.list().length, 0);
  assert.equal(socket.posts().length, 1, "it was not sent again");
  const order = told
    .filter(({ type, what, added }) => what === "settled" || (type === "messages" && added.length > 0))
    .map(({ type }) => type);
  assert.deepEqual(order, ["messages", "draft"], "the message is there before its draft goes");
});

test("a draft of before the reload that is in the view was stored", async () => {
  const storage = new FakeStorage();
  const log = new Log();
  log.message("hello", { author: ALICE, nonce: "abc" });
  const draft = {
    nonce: "abc",
    type: "post",
    room: "lobby",
    text: "hello",
    at: 1,
    sent_at: 1,
    age_ms: 0,
    state: "waiting",
    reason: "",
  };
  storage.setItem(`datchat.outbox.${ALICE.id}.old`, JSON.stringify([draft]));
  const { outbox } = await begin({ log, storage });
  assert.equal(outbox.list().length, 0);
});

test("what one does to a message shows at once, and the log has the last word", async () => {
  const log = new Log();
  log.message("mine", { author: ALICE });
  const { socket, store, lobby, outbox } = await begin({ log });
  const shown = () => store.shown(lobby, lobby.messages.get(1));
  store.edit(1, "changed");
  store.toggle(1, "👍");
  assert.deepEqual(
    [shown().message.text, shown().busy, [...shown().message.reactions.keys()]],
    ["changed", true, ["👍"]],
  );
  store.toggle(1, "👍");
  assert.equal(shown().message.reactions.size, 0, "off again");
  socket.hello();
  socket.say(joined(socket, "lobby"));
  socket.say({ type: "refused", id: socket.posts()[0].id, code: "forbidden", message: "no", retry: false });
  assert.deepEqual([shown().message.text, shown().failed.reason], ["mine", "No."]);
  store.discard(outbox.list()[0].nonce);
  assert.equal(shown().failed, null);
});

test("a reaction or deletion that is refused is told and forgotten", async () => {
  const { socket, store, outbox, told } = await begin({ log: logOf(1) });
  socket.hello();
  socket.say(joined(socket, "lobby"));
  store.remove(1);
  socket.say({ type: "refused", id: socket.posts()[0].id, code: "forbidden", message: "not yours", retry: false });
  assert.equal(outbox.list().length, 0);
  assert.deepEqual(
    told.filter(({ type }) => type === "notice").map(({ text }) => text),
    ["Not yours."],
  );
});

// The line

test("after a reconnect it counts what was caught up and what was sent", async () => {
  const { log, clock, socket, store } = await begin({ log: logOf(1) });
  socket.hello("web1");
  socket.say(joined(socket, "lobby"));
  socket.drop();
  assert.equal(store.connection.state, "offline");
  clock.pass(1_000);
  const { nonce } = store.post("while away");
  for (const text of ["m2", "m3"]) log.message(text);
  clock.pass(1_000);
  socket.hello("web2");
  socket.say(joined(socket, "lobby", { entries: log.entries.slice(1), cursor: cursor(3) }));
  assert.equal(socket.posts().at(-1).nonce, nonce);
  socket.say({ type: "stored", room: "lobby", nonce, offset: 4, cursor: cursor(4), copies: 1, duplicate: false });
  assert.deepEqual(store.connection.back, { node: { name: "web2", addresses: [] }, caughtUp: 2, sent: 1 });
});

test("when the handshake is refused it asks whether the session lives", async () => {
  const { socket, told, store } = await begin({
    api: { me: async () => Promise.reject(new ApiError(401, "unauthenticated", "")) },
  });
  socket.drop(false);
  await settle();
  assert.equal(store.connection.state, "ended");
  assert.equal(told.filter(({ type }) => type === "ended").length, 1);
});

test("a server that can't be reached is no end of the session", async () => {
  const { socket, store } = await begin({
    api: { me: async () => Promise.reject(new ApiError(0, "unreachable", "")) },
  });
  socket.drop(false);
  await settle();
  assert.equal(store.connection.state, "offline");
});

test("the store's state is what the node says", async () => {
  const { socket, store } = await begin();
  socket.hello();
  socket.say({ type: "store", state: "failing_over", master: null, copies: 1, since_ms: 5 });
  assert.equal(store.health.state, "failing_over");
});
