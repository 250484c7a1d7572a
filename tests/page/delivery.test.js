import { Clock, FakeStorage } from "./support.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { Delivery } from "../../src/datchat/web/static/js/delivery.js";
import { Outbox } from "../../src/datchat/web/static/js/outbox.js";

const WINDOW_MS = 600_000;

async function begin({ line = true } = {}) {
  const clock = new Clock();
  const sent = [];
  const state = { line };
  const outbox = new Outbox({
    storage: new FakeStorage(),
    claims: { claim: async () => true },
    userId: "u",
    windowMs: WINDOW_MS,
    now: () => clock.now,
  });
  await outbox.open();
  const send = (frame) => state.line && sent.push(frame) > 0;
  const delivery = new Delivery({ outbox, send, timers: clock, random: () => 0.5 });
  outbox.addEventListener("change", ({ detail }) => detail.what === "added" && delivery.pump(detail.draft.room));
  const post = (text, room = "lobby") => outbox.add({ type: "post", room, text });
  return { clock, sent, state, outbox, delivery, post, texts: () => sent.map((frame) => frame.text) };
}

const stored = ({ room, nonce }) => ({ type: "stored", room, nonce, offset: 1, copies: 1, duplicate: false });

test("nothing goes out before the room is joined", async () => {
  const { delivery, post, texts } = await begin();
  post("one");
  assert.deepEqual(texts(), []);
  delivery.begin("lobby");
  assert.deepEqual(texts(), ["one"]);
});

test("in a room one goes after the other; rooms don't wait for each other", async () => {
  const { delivery, sent, post, texts } = await begin();
  delivery.begin("lobby");
  delivery.begin("other");
  post("one");
  post("two");
  post("elsewhere", "other");
  assert.deepEqual(texts(), ["one", "elsewhere"]);
  delivery.stored(stored(sent[0]));
  assert.deepEqual(texts(), ["one", "elsewhere", "two"]);
});

test("after a reconnect all go again, oldest first, with the same nonces and their age", async () => {
  const { clock, delivery, sent, post } = await begin();
  delivery.begin("lobby");
  const nonces = [post("one").nonce, post("two").nonce];
  delivery.halt();
  clock.pass(3_000);
  delivery.begin("lobby");
  delivery.stored(stored(sent[1]));
  assert.deepEqual(
    sent.map((frame) => [frame.nonce, frame.age_ms]),
    [
      [nonces[0], undefined],
      [nonces[0], 3_000],
      [nonces[1], undefined],
    ],
  );
});

test("refused for now: the same nonce after the wait, and nothing overtakes it", async () => {
  const { clock, delivery, sent, post, texts, outbox } = await begin();
  delivery.begin("lobby");
  const { nonce } = post("one");
  post("two");
  delivery.refused({ id: sent[0].id, code: "rate_limited", message: "slowly", retry: true, retry_after_ms: 800 });
  clock.pass(799);
  assert.deepEqual(texts(), ["one"]);
  clock.pass(1);
  assert.deepEqual(texts(), ["one", "one"]);
  assert.equal(sent[1].nonce, nonce);
  assert.equal(outbox.get(nonce).state, "waiting");
});

test("unavailable: it is tried again after waits that grow", async () => {
  const { clock, delivery, sent, post } = await begin();
  delivery.begin("lobby");
  post("one");
  const waits = [];
  for (let turn = 0; turn < 4; turn += 1) {
    delivery.refused({ id: sent.at(-1).id, code: "unavailable", message: "no", retry: true, retry_after_ms: null });
    waits.push(clock.waits[0]);
    clock.pass(clock.waits[0]);
  }
  assert.deepEqual(waits, [250, 500, 1000, 2000]);
});

test("refused for good: it is marked with the reason, and the next goes", async () => {
  const { delivery, sent, post, texts, outbox } = await begin();
  delivery.begin("lobby");
  const { nonce } = post("one");
  post("two");
  assert.equal(delivery.refused({ id: sent[0].id, code: "forbidden", message: "not yours", retry: false }), true);
  assert.deepEqual([outbox.get(nonce).state, outbox.get(nonce).reason], ["failed", "Not yours."]);
  assert.deepEqual(texts(), ["one", "two"]);
  assert.equal(delivery.refused({ id: 99, code: "forbidden", retry: false }), false, "not one of ours");
});

test("past the window it is not sent again by itself", async () => {
  const { clock, delivery, post, texts, outbox } = await begin();
  delivery.begin("lobby");
  const { nonce } = post("one");
  delivery.halt();
  clock.pass(WINDOW_MS);
  post("two");
  delivery.begin("lobby");
  assert.equal(outbox.get(nonce).state, "failed");
  assert.deepEqual(texts(), ["one", "two"]);
});

test("a closed line keeps the draft for the next one", async () => {
  const { state, delivery, post, texts, outbox } = await begin({ line: false });
  delivery.begin("lobby");
  post("one");
  assert.equal(outbox.list().length, 1);
  state.line = true;
  delivery.halt();
  delivery.begin("lobby");
  assert.deepEqual(texts(), ["one"]);
});
