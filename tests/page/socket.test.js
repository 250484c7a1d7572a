import { Clock, FakeWebSocket } from "./support.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { fullJitter } from "../../src/datchat/web/static/js/backoff.js";
import { Socket } from "../../src/datchat/web/static/js/socket.js";

function begin({ random = () => 0.5 } = {}) {
  FakeWebSocket.made = [];
  const clock = new Clock();
  const socket = new Socket("ws://x/ws", { WebSocket: FakeWebSocket, timers: clock, random, now: () => clock.now });
  const told = [];
  for (const type of ["connecting", "open", "push", "down", "ended"]) {
    socket.addEventListener(type, ({ detail }) => told.push([type, detail]));
  }
  socket.start();
  return { socket, clock, told, types: () => told.map(([type]) => type) };
}

test("waits grow under a cap and are spread over all of it", () => {
  const highest = [0, 1, 2, 3, 10].map((attempt) => fullJitter(attempt, { random: () => 1 }));
  assert.deepEqual(highest, [500, 1000, 2000, 4000, 15000]);
  assert.equal(fullJitter(3, { random: () => 0 }), 0);
});

test("it offers the subprotocol, is open with hello, and passes pushes on", () => {
  const { socket, types } = begin();
  assert.deepEqual(FakeWebSocket.last.protocols, ["datchat.1"]);
  assert.equal(socket.send({ type: "ping" }), false, "nothing goes out before hello");
  FakeWebSocket.last.hello();
  FakeWebSocket.last.say({ type: "typing" });
  FakeWebSocket.last.say({ type: "pong" });
  assert.equal(socket.send({ type: "join" }), true);
  assert.deepEqual(types(), ["connecting", "open", "push"]);
});

test("it comes back after a jittered wait that grows with every failure", () => {
  const { clock, told } = begin();
  for (let turn = 0; turn < 4; turn += 1) {
    FakeWebSocket.last.drop();
    clock.pass(told.at(-1)[1].retryInMs);
  }
  const waits = told.filter(([type]) => type === "down").map(([, { retryInMs }]) => retryInMs);
  assert.deepEqual(waits, [250, 500, 1000, 2000]);
  assert.equal(FakeWebSocket.made.length, 5);
});

test("a connection that lived starts the waits anew, one that did not doesn't", () => {
  const { clock, told } = begin();
  FakeWebSocket.last.drop();
  clock.pass(250);
  FakeWebSocket.last.hello();
  FakeWebSocket.last.drop();
  assert.equal(told.at(-1)[1].retryInMs, 500);
  clock.pass(500);
  FakeWebSocket.last.hello();
  clock.pass(10_000);
  FakeWebSocket.last.drop();
  assert.equal(told.at(-1)[1].retryInMs, 250);
});

test("bye tells how long to stay away", () => {
  const { clock, told } = begin();
  FakeWebSocket.last.hello();
  FakeWebSocket.last.say({ type: "bye", reason: "draining", retry_after_ms: 1234 });
  FakeWebSocket.last.drop(4000);
  assert.equal(told.at(-1)[1].retryInMs, 1234);
  clock.pass(1233);
  assert.equal(FakeWebSocket.made.length, 1);
  clock.pass(1);
  assert.equal(FakeWebSocket.made.length, 2);
  FakeWebSocket.last.drop();
  assert.notEqual(told.at(-1)[1].retryInMs, 1234, "it counts once");
});

for (const code of [4500, 4501, 4502, 4503, 4999]) {
  test(`after ${code} it stays away`, () => {
    const { clock, types } = begin();
    FakeWebSocket.last.hello();
    FakeWebSocket.last.drop(code, "why");
    clock.pass(600_000);
    assert.equal(FakeWebSocket.made.length, 1);
    assert.equal(types().at(-1), "ended");
  });
}

test("after an interval of silence it pings; an answer keeps the line", () => {
  const { clock } = begin();
  FakeWebSocket.last.hello();
  clock.pass(15_000);
  assert.deepEqual(FakeWebSocket.last.sent, [{ type: "ping" }]);
  FakeWebSocket.last.say({ type: "pong" });
  clock.pass(29_000);
  assert.equal(FakeWebSocket.made.length, 1);
});

test("after two intervals of silence the line is given up, without waiting for the other side", () => {
  const { clock, types } = begin();
  FakeWebSocket.last.hello();
  const first = FakeWebSocket.last;
  clock.pass(30_000);
  assert.ok(first.closed);
  assert.equal(types().includes("down"), true);
  clock.pass(1_000);
  assert.equal(FakeWebSocket.made.length, 2);
  first.onmessage?.({ data: "{}" });
});

test("timers that come late, as in a hidden page, cost no line that answers", () => {
  const { socket, clock } = begin();
  FakeWebSocket.last.hello();
  const [late] = clock.waits;
  assert.equal(late, 15_000);
  clock.now += 60_000;
  clock.pass(0);
  assert.equal(socket.open, true);
  assert.deepEqual(FakeWebSocket.last.sent, [{ type: "ping" }]);
  clock.now += 5;
  FakeWebSocket.last.say({ type: "pong" });
  clock.now += 60_000;
  clock.pass(0);
  assert.equal(socket.open, true);
  assert.equal(FakeWebSocket.made.length, 1);
});

test("a try without an answer is given up, each later than the one before", () => {
  const { clock, types, told } = begin();
  for (const patience of [2_500, 5_000, 10_000, 10_000]) {
    clock.pass(patience - 1);
    assert.equal(types().at(-1), "connecting");
    clock.pass(1);
    assert.equal(types().at(-1), "down");
    clock.pass(told.at(-1)[1].retryInMs);
  }
});

test("a nudge connects at once while it waits, and probes while it is open", () => {
  const { socket, clock } = begin();
  FakeWebSocket.last.drop();
  socket.nudge();
  assert.equal(FakeWebSocket.made.length, 2);
  FakeWebSocket.last.hello();
  clock.pass(100);
  socket.nudge();
  assert.deepEqual(FakeWebSocket.last.sent, [{ type: "ping" }]);
  clock.pass(4_000);
  clock.pass(1_000);
  assert.equal(FakeWebSocket.made.length, 3, "no answer to the probe: the line was dead");
});

test("a stopped socket stays closed", () => {
  const { socket, clock } = begin();
  FakeWebSocket.last.hello();
  socket.stop();
  socket.nudge();
  clock.pass(60_000);
  assert.equal(FakeWebSocket.made.length, 1);
  assert.equal(socket.send({}), false);
});
