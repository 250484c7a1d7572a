import { FakeLocks, FakeStorage, settle } from "./support.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { LockClaims, StampClaims, openClaims } from "../../src/datchat/web/static/js/claims.js";
import { Outbox } from "../../src/datchat/web/static/js/outbox.js";

const WINDOW_MS = 600_000;

function browser() {
  const storage = new FakeStorage();
  const locks = new FakeLocks();
  const time = { now: 1_000_000 };
  const tab = async (userId = "u_a") => {
    const held = locks.tab();
    const outbox = new Outbox({
      storage,
      claims: new LockClaims(held),
      userId,
      windowMs: WINDOW_MS,
      now: () => time.now,
    });
    const told = [];
    outbox.addEventListener("change", ({ detail }) => told.push(`${detail.what} ${detail.draft.text}`));
    await outbox.open();
    return { outbox, told, close: () => held.close() };
  };
  return { storage, time, tab };
}

const post = (text) => ({ type: "post", room: "lobby", text });
const texts = (outbox) => outbox.list().map((draft) => draft.text);

test("drafts survive a reload, in order, with their nonces", async () => {
  const { tab } = browser();
  const before = await tab();
  const nonces = ["one", "two", "three"].map((text) => before.outbox.add(post(text)).nonce);
  before.close();
  const after = await tab();
  assert.deepEqual(texts(after.outbox), ["one", "two", "three"]);
  assert.deepEqual(
    after.outbox.list().map((draft) => draft.nonce),
    nonces,
  );
  assert.deepEqual(after.told, ["added one", "added two", "added three"]);
});

test("what is settled or discarded does not come back", async () => {
  const { tab, storage } = browser();
  const before = await tab();
  const [one, two] = [before.outbox.add(post("one")), before.outbox.add(post("two"))];
  before.outbox.settle(one.nonce);
  before.outbox.settle(one.nonce);
  before.outbox.discard(two.nonce);
  assert.deepEqual(before.told, ["added one", "added two", "settled one", "discarded two"]);
  before.close();
  assert.deepEqual(texts((await tab()).outbox), []);
  assert.equal(storage.length, 0);
});

test("a living tab's drafts are its own; a closed tab's are adopted once", async () => {
  const { tab } = browser();
  const [first, second, third] = [await tab(), await tab(), await tab()];
  first.outbox.add(post("mine"));
  await second.outbox.adopt();
  assert.deepEqual(texts(second.outbox), []);
  first.close();
  await Promise.all([second.outbox.adopt(), third.outbox.adopt()]);
  assert.deepEqual([...texts(second.outbox), ...texts(third.outbox)], ["mine"]);
});

test("adopted drafts stand in the order in which they were written", async () => {
  const { tab, time } = browser();
  const [first, second] = [await tab(), await tab()];
  first.outbox.add(post("one"));
  time.now += 5;
  second.outbox.add(post("two"));
  first.close();
  await second.outbox.adopt();
  assert.deepEqual(texts(second.outbox), ["one", "two"]);
});

test("another person's drafts are left alone", async () => {
  const { tab } = browser();
  const alice = await tab("u_a");
  alice.outbox.add(post("secret"));
  alice.close();
  assert.deepEqual(texts((await tab("u_b")).outbox), []);
  assert.deepEqual(texts((await tab("u_a")).outbox), ["secret"]);
});

test("the first time has no age; later ones have, and it never shrinks", async () => {
  const { tab, time } = browser();
  const { outbox } = await tab();
  const draft = outbox.add(post("one"));
  time.now += 50_000;
  assert.equal(outbox.stamp(draft), null, "waiting to be sent is no age");
  time.now += 2_000;
  assert.equal(outbox.stamp(draft), 2_000);
  time.now -= 10_000;
  assert.equal(outbox.stamp(draft), 2_000, "a clock that is set back makes nothing younger");
});

test("the time of the first try is kept before the draft goes out", async () => {
  const { tab, time } = browser();
  const before = await tab();
  before.outbox.stamp(before.outbox.add(post("one")));
  before.close();
  time.now += 7_000;
  const { outbox } = await tab();
  assert.equal(outbox.stamp(outbox.list()[0]), 7_000);
});

test("a draft is stale when a double could not be ruled out, and one that was never sent is not", async () => {
  const { tab, time } = browser();
  const { outbox } = await tab();
  const [sent, unsent] = [outbox.add(post("sent")), outbox.add(post("unsent"))];
  outbox.stamp(sent);
  time.now += WINDOW_MS - 1;
  assert.equal(outbox.stale(sent), false);
  time.now += 1;
  assert.equal(outbox.stale(sent), true);
  assert.equal(outbox.stale(unsent), false);
});

test("a failed draft stays with its reason, and trying again is a new draft", async () => {
  const { tab } = browser();
  const before = await tab();
  const draft = before.outbox.add({ ...post("one"), reply_to: 4 });
  before.outbox.stamp(draft);
  before.outbox.fail(draft.nonce, "No.");
  before.close();
  const { outbox } = await tab();
  assert.deepEqual(
    outbox.list().map(({ state, reason }) => [state, reason]),
    [["failed", "No."]],
  );
  const again = outbox.renew(draft.nonce);
  assert.notEqual(again.nonce, draft.nonce);
  assert.deepEqual(
    [again.state, again.text, again.reply_to, again.sent_at, outbox.list().length],
    ["waiting", "one", 4, null, 1],
  );
});

test("a damaged box costs nothing but itself", async () => {
  const { tab, storage } = browser();
  storage.setItem("datchat.outbox.u_a.x", "{broken");
  storage.setItem(
    "datchat.outbox.u_a.y",
    '[null, {"nonce": "n", "room": "lobby", "type": "post", "text": "fine", "at": 1}]',
  );
  assert.deepEqual(texts((await tab()).outbox), ["fine"]);
});

test("a full storage does not stop the chat", async () => {
  const { tab, storage } = browser();
  const { outbox } = await tab();
  storage.setItem = () => {
    throw new Error("QuotaExceededError");
  };
  outbox.add(post("one"));
  assert.deepEqual(texts(outbox), ["one"]);
});

test("without Web Locks a stamp tells the living from the dead", async () => {
  const storage = new FakeStorage();
  const time = { now: 1_000_000 };
  const [first, second] = [new StampClaims(storage, () => time.now), new StampClaims(storage, () => time.now)];
  assert.equal(await first.claim("box"), true);
  assert.equal(await second.claim("box"), false);
  time.now += 100_000;
  first.renew();
  time.now += 100_000;
  assert.equal(await second.claim("box"), false, "it was renewed");
  time.now += 100_000;
  assert.equal(await second.claim("box"), true, "nobody has renewed it for long");
  second.release();
  assert.equal(await first.claim("box"), true, "it was released");
});

test("Web Locks are used where they are", () => {
  assert.ok(openClaims({ locks: new FakeLocks().tab(), storage: new FakeStorage() }) instanceof LockClaims);
  assert.ok(openClaims({ locks: undefined, storage: new FakeStorage() }) instanceof StampClaims);
});

test("a lock request that fails is no claim", async () => {
  const claims = new LockClaims({ request: async () => Promise.reject(new Error("SecurityError")) });
  assert.equal(await claims.claim("box"), false);
  await settle();
});
