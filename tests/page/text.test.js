import "./support.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { dayKey, dayOf } from "../../src/datchat/web/static/js/clock.js";
import { EMOJI, firstOf, nameOf } from "../../src/datchat/web/static/js/emoji.js";
import { hueOf, inWords, initialsOf } from "../../src/datchat/web/static/js/people.js";
import { excerpt, isJumbo, parts } from "../../src/datchat/web/static/js/text.js";

const links = (text) =>
  parts(text)
    .filter(({ kind }) => kind === "link")
    .map(({ text: shown, href }) => [shown, href]);

test("a text without anything special is one part", () => {
  assert.deepEqual(parts("hello\n<b>you</b>"), [{ kind: "text", text: "hello\n<b>you</b>" }]);
  assert.deepEqual(parts(""), []);
});

test("http and https are links, and nothing else is", () => {
  assert.deepEqual(links("see http://a.b/c and https://d.e"), [
    ["http://a.b/c", "http://a.b/c"],
    ["https://d.e", "https://d.e/"],
  ]);
  for (const bad of [
    "javascript:alert(1)",
    "ftp://x.y",
    "data:text/html,x",
    "JAVASCRIPT://x",
    "https://",
    "http://%zz",
    "//x.y",
    "www.x.y",
  ]) {
    assert.deepEqual(links(bad), [], bad);
  }
});

test("a sentence's punctuation is no part of the address", () => {
  assert.deepEqual(links("(see https://x.y/a_(b), https://x.y/c)."), [
    ["https://x.y/a_(b)", "https://x.y/a_(b)"],
    ["https://x.y/c", "https://x.y/c"],
  ]);
  assert.deepEqual(links("https://x.y/?a=1&b=2!"), [["https://x.y/?a=1&b=2", "https://x.y/?a=1&b=2"]]);
});

test("the parts together are the text", () => {
  for (const text of ["a https://x.y/z. b", "no `code` https://q.r", "x `", "https://x.y`z`"]) {
    const joined = parts(text)
      .map((part) => (part.kind === "code" ? `\`${part.text}\`` : part.text))
      .join("");
    assert.equal(joined, text);
  }
});

test("code is code, and no link is looked for in it", () => {
  assert.deepEqual(parts("a `https://x.y` b"), [
    { kind: "text", text: "a " },
    { kind: "code", text: "https://x.y" },
    { kind: "text", text: " b" },
  ]);
  assert.deepEqual(parts("```js\nlet a;\n```"), [{ kind: "block", text: "let a;" }]);
});

test("long and odd texts are taken apart in time", () => {
  const began = performance.now();
  for (const text of [
    "`".repeat(4000),
    "https://".repeat(500),
    `https://x.y/${"(".repeat(4000)}`,
    `https://x.y/${")".repeat(3900)}`,
    "```".repeat(1300),
  ])
    parts(text);
  assert.ok(performance.now() - began < 500);
});

test("a few emoji alone are shown large", () => {
  for (const text of ["🎉", "👍🏽", "🎉 🚀", "👩‍👩‍👧", "🇩🇪"]) assert.equal(isJumbo(text), true, text);
  for (const text of ["", "7", "ok 🎉", "🎉🎉🎉🎉🎉", "#"]) assert.equal(isJumbo(text), false, text);
});

test("an excerpt is one line of at most so many characters", () => {
  assert.equal(excerpt(" a\n b  c "), "a b c");
  assert.equal(excerpt("👍🏽".repeat(5), 4), "👍🏽👍…");
});

test("initials and colour are a person's own", () => {
  assert.deepEqual(["Alice Liddell", "bob", "Alice Liddell-2", "x.y.z", "李小龙"].map(initialsOf), [
    "AL",
    "B",
    "AL",
    "XZ",
    "李",
  ]);
  assert.equal(initialsOf("  "), "?");
  assert.equal(hueOf("u_1"), hueOf("u_1"));
  assert.ok(new Set(Array.from({ length: 60 }, (_, index) => hueOf(`u_${index}`))).size > 8);
});

test("names in words", () => {
  assert.deepEqual([[], ["a"], ["a", "b"], ["a", "b", "c"]].map(inWords), ["", "a", "a and b", "a, b and c"]);
});

test("days as people say them", () => {
  const now = new Date(2026, 10, 24, 9, 0).getTime();
  const ago = (days) => dayOf(new Date(2026, 10, 24 - days, 23, 0).getTime(), now);
  assert.deepEqual([0, 1, 3, 600].map(ago), ["Today", "Yesterday", "Saturday", "3 April 2025"]);
  assert.match(ago(30), /^Sunday,? 25 October$/);
  assert.notEqual(dayKey(now), dayKey(now - 86_400_000));
});

test("every emoji that is offered is one, within the server's limit, and has a name", () => {
  for (const [emoji, name] of EMOJI) {
    assert.equal(firstOf(emoji), emoji);
    assert.equal(nameOf(emoji), name);
  }
  assert.equal(firstOf("  🎉🎉 "), "🎉");
  assert.equal(firstOf(" "), null);
  assert.equal(firstOf(`a${"\u0301".repeat(40)}`), null);
});
