/**
 * A person's text as parts: plain, links, code. What is a link is decided here; views make nodes of the parts by
 * textContent, so nothing that is typed can become markup.
 *
 * @typedef {{kind: "text" | "link" | "code" | "block", text: string, href?: string}} Part
 */

const PATTERN = /```(?:[a-z0-9+-]*\n)?([\s\S]+?)```|`([^`\n]+)`|(https?:\/\/[^\s<>"“”„«»`]+)/giu;
const CLOSERS = { ")": "(", "]": "[", "}": "{" };
const EMOJI_ONLY =
  /^(?:\p{Extended_Pictographic}(?:\uFE0F|\u200D\p{Extended_Pictographic}|\p{Emoji_Modifier})*|\p{Regional_Indicator}{2}|\s)+$/u;

/**
 * @param {string} text
 * @returns {Part[]}
 */
export function parts(text) {
  const found = [];
  let end = 0;
  const plain = (upTo) => {
    if (upTo > end) found.push({ kind: "text", text: text.slice(end, upTo) });
  };
  for (const match of text.matchAll(PATTERN)) {
    if (match.index < end) continue;
    if (match[1] !== undefined || match[2] !== undefined) {
      plain(match.index);
      end = match.index + match[0].length;
      found.push(
        match[1] !== undefined
          ? { kind: "block", text: match[1].replace(/\n$/, "") }
          : { kind: "code", text: match[2] },
      );
      continue;
    }
    const shown = withoutTail(match[3]);
    const href = address(shown);
    if (href === null) continue;
    plain(match.index);
    end = match.index + shown.length;
    found.push({ kind: "link", text: shown, href });
  }
  plain(text.length);
  return found;
}

/**
 * Whether a text is a few emoji and nothing else: those are shown large.
 * @param {string} text
 */
export function isJumbo(text) {
  return text.length <= 24 && EMOJI_ONLY.test(text) && [...new Intl.Segmenter("en").segment(text.trim())].length <= 4;
}

/**
 * A text in one line, cut at a length, for quotes and labels.
 * @param {string} text @param {number} limit
 */
export function excerpt(text, limit = 120) {
  const line = text.replace(/\s+/g, " ").trim();
  const characters = [...line];
  return characters.length > limit
    ? `${characters
        .slice(0, limit - 1)
        .join("")
        .trimEnd()}…`
    : line;
}

/** A sentence's own punctuation after an address is no part of it, nor is a bracket that was opened before it. */
function withoutTail(address) {
  const counts = {};
  for (const character of address) counts[character] = (counts[character] ?? 0) + 1;
  let end = address.length;
  for (;;) {
    const last = address[end - 1];
    const closes = CLOSERS[last];
    if (!".,;:!?'*_~".includes(last) && !(closes && counts[last] > (counts[closes] ?? 0))) return address.slice(0, end);
    counts[last] -= 1;
    end -= 1;
  }
}

function address(text) {
  try {
    const url = new URL(text);
    return (url.protocol === "http:" || url.protocol === "https:") && url.hostname !== "" ? url.href : null;
  } catch {
    return null;
  }
}
