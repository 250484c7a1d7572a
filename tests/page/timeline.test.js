import "./support.js";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { apply, begin, fromView } from "../../src/datchat/web/static/js/timeline.js";

const cases = JSON.parse(readFileSync(new URL("./timeline_cases.json", import.meta.url)));

for (const { name, message, entries, expected } of cases) {
  test(`fold: ${name}`, () => {
    const folded = entries.reduce(apply, begin(message));
    const { text, reply_to, edited_at, deleted, reactions, replies, revision } = folded;
    const sorted = Object.fromEntries([...reactions].map(([emoji, users]) => [emoji, [...users].sort()]));
    assert.deepEqual({ text, reply_to, edited_at, deleted, reactions: sorted, replies, revision }, expected);
  });
}

test("a message of before is never changed in place", () => {
  const before = begin(cases[0].message);
  const after = apply(before, { offset: 2, kind: "reaction", target: 1, emoji: "x", on: true, author: { id: "u" } });
  assert.equal(before.reactions.size, 0);
  assert.deepEqual([...after.reactions.get("x")], ["u"]);
});

test("a view's message is read as it is", () => {
  const message = fromView({
    offset: 3,
    author: { id: "u", name: "n" },
    at: 5,
    via: "w",
    nonce: "n",
    text: "t",
    reply_to: 1,
    edited_at: 9,
    deleted: false,
    reactions: [{ emoji: "x", count: 2, mine: false, users: ["u", "v"] }],
    replies: 4,
    revision: 8,
  });
  assert.deepEqual([message.reply_to, message.edited_at, message.replies, message.revision], [1, 9, 4, 8]);
  assert.deepEqual([...message.reactions.get("x")], ["u", "v"]);
});
