/** How a person looks: initials and a colour that stay the same everywhere. Pure. */

/** Hues that are told apart and read well in both themes. */
const HUES = [18, 42, 72, 110, 145, 172, 200, 232, 262, 292, 322, 350];

/**
 * @param {string} id a user's id
 * @returns {number} a hue in degrees
 */
export function hueOf(id) {
  let hash = 2166136261;
  for (let index = 0; index < id.length; index += 1) hash = Math.imul(hash ^ id.charCodeAt(index), 16777619);
  hash ^= hash >>> 15;
  return HUES[(hash >>> 0) % HUES.length];
}

/**
 * One or two letters of a name.
 * @param {string} name
 */
export function initialsOf(name) {
  const words = name.split(/[\s._-]+/u).filter(Boolean);
  // The number that tells namesakes apart is none of the name.
  if (words.length > 1 && /^\d+$/.test(words.at(-1))) words.pop();
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0] ?? "?"];
  return letters
    .map((word) => new Intl.Segmenter("en").segment(word)[Symbol.iterator]().next().value.segment)
    .join("")
    .toUpperCase();
}

/**
 * Names as a sentence has them.
 * @param {string[]} names
 */
export function inWords(names) {
  if (names.length <= 1) return names[0] ?? "";
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
