import "./support.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CLOSE_CODES,
  cursorOf,
  join,
  lengthOf,
  mayReconnect,
  newNonce,
  offsetOf,
  posting,
} from "../../src/datchat/web/static/js/wire.js";

test("the codes from 4500 on, and no others, mean: don't come back", () => {
  const stay = Object.entries(CLOSE_CODES)
    .filter(([, code]) => !mayReconnect(code))
    .map(([name]) => name);
  assert.deepEqual(stay, ["SESSION_ENDED", "VERSION", "BAD_COMMANDS", "REPLACED"]);
  assert.ok(mayReconnect(1006) && mayReconnect(4499) && mayReconnect(5000) && !mayReconnect(4999));
});

test("a cursor has an offset", () => {
  assert.equal(offsetOf("42:9f0c2d1e5a7b3c48"), 42);
  assert.equal(offsetOf(`0:${"0".repeat(16)}`), 0);
  assert.equal(cursorOf({ offset: 42, chain: "9f0c2d1e5a7b3c48" }), "42:9f0c2d1e5a7b3c48");
  for (const bad of [
    "",
    "42",
    "042:9f0c2d1e5a7b3c48",
    "42:9f",
    "-1:9f0c2d1e5a7b3c48",
    "42:9F0C2D1E5A7B3C48",
    "42:9f0c2d1e5a7b3c48 ",
  ]) {
    assert.throws(() => offsetOf(bad), RangeError, bad);
  }
});

test("a join asks from the cursor", () => {
  assert.deepEqual(join("lobby", "4:9f0c2d1e5a7b3c48", 7), {
    type: "join",
    id: 7,
    room: "lobby",
    cursor: "4:9f0c2d1e5a7b3c48",
  });
});

test("a draft is sent with what it has, and with its age only when it was sent before", () => {
  const draft = {
    nonce: "n",
    type: "react",
    room: "lobby",
    target: 3,
    emoji: "x",
    on: false,
    at: 1,
    sent_at: 1,
    state: "waiting",
    reason: "",
  };
  assert.deepEqual(posting(draft, null, "p1"), {
    type: "react",
    id: "p1",
    room: "lobby",
    nonce: "n",
    target: 3,
    emoji: "x",
    on: false,
  });
  assert.equal(posting(draft, 0, "p1").age_ms, 0);
});

test("nonces are of the form that the protocol gives, and differ", () => {
  const nonces = new Set(Array.from({ length: 100 }, newNonce));
  assert.equal(nonces.size, 100);
  for (const nonce of nonces) assert.match(nonce, /^[A-Za-z0-9_-]{1,64}$/);
});

test("characters are counted as the server counts them", () => {
  assert.equal(lengthOf("a👍🏽"), 3);
});
