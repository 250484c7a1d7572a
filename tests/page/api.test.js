import "./support.js";
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Api, ApiError } from "../../src/datchat/web/static/js/api.js";

const calls = [];
const fetchOfBefore = globalThis.fetch;
let answer;

beforeEach(() => {
  calls.length = 0;
  globalThis.fetch = async (path, options) => {
    calls.push({ path, ...options });
    return answer();
  };
});
afterEach(() => {
  globalThis.fetch = fetchOfBefore;
});

const json = (status, body) => () => new Response(JSON.stringify(body), { status });

test("what changes something carries the CSRF token, what reads doesn't", async () => {
  answer = json(201, { id: "r" });
  const api = new Api("token");
  assert.deepEqual(await api.createRoom({ id: "r", title: "R", private: false }), { id: "r" });
  answer = json(200, []);
  await api.rooms();
  assert.deepEqual(
    calls.map(({ method, path, headers }) => [method, path, headers["x-csrf-token"]]),
    [
      ["POST", "/api/v1/rooms", "token"],
      ["GET", "/api/v1/rooms", undefined],
    ],
  );
  assert.equal(calls[0].body, '{"id":"r","title":"R","private":false}');
});

test("a view is asked for by page", async () => {
  answer = json(200, { messages: [] });
  await new Api("t").messages("r", { before: 7, limit: 3 });
  await new Api("t").messages("r");
  assert.deepEqual(
    calls.map(({ path }) => path),
    ["/api/v1/rooms/r/messages?limit=3&before=7", "/api/v1/rooms/r/messages?limit=50"],
  );
});

test("an answer without a body is none", async () => {
  answer = () => new Response(null, { status: 204 });
  assert.equal(await new Api("t").addMember("r", "a@b"), null);
});

test("a refusal is an error with the server's sentence", async () => {
  answer = json(409, { code: "taken", message: "the address is in use" });
  await assert.rejects(new Api("t").rooms(), (error) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.status, error.code, error.message], [409, "taken", "The address is in use."]);
    return true;
  });
});

test("a page of a proxy, or no answer at all, is an error with a sentence, too", async () => {
  answer = () => new Response("<h1>Bad gateway</h1>", { status: 502 });
  await assert.rejects(new Api("t").rooms(), { status: 502, message: "The server can't answer right now." });
  answer = () => {
    throw new TypeError("failed to fetch");
  };
  await assert.rejects(new Api("t").rooms(), { status: 0, message: "The server can't be reached." });
});

test("what reads is asked for again when no answer came, what changes something is not", async () => {
  let failures = 2;
  answer = () => {
    if ((failures -= 1) >= 0) throw new TypeError("network changed");
    return json(200, ["here"])();
  };
  assert.deepEqual(await new Api("t").rooms(), ["here"]);
  failures = 1;
  await assert.rejects(new Api("t").addMember("r", "a@b"), { status: 0 });
  assert.equal(calls.length, 4);
});
