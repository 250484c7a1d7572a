/** The emoji that are offered, with the names that are read out. Any other can be typed. */
export const EMOJI = Object.freeze([
  ["👍", "thumbs up"],
  ["❤️", "heart"],
  ["😂", "tears of joy"],
  ["🎉", "party"],
  ["🙏", "thanks"],
  ["👀", "looking"],
  ["✅", "done"],
  ["🚀", "rocket"],
  ["😀", "grin"],
  ["😉", "wink"],
  ["😍", "in love"],
  ["🤔", "thinking"],
  ["😮", "surprised"],
  ["😅", "phew"],
  ["😢", "sad"],
  ["😭", "crying"],
  ["😡", "angry"],
  ["🤯", "mind blown"],
  ["🥳", "celebrating"],
  ["😴", "asleep"],
  ["👋", "wave"],
  ["👏", "applause"],
  ["💪", "strong"],
  ["🤝", "deal"],
  ["🔥", "fire"],
  ["💡", "idea"],
  ["⭐", "star"],
  ["☕", "coffee"],
  ["🍕", "pizza"],
  ["🐛", "bug"],
  ["🧯", "fire extinguisher"],
  ["❌", "no"],
]);

const NAMES = new Map(EMOJI);

/** @param {string} emoji */
export function nameOf(emoji) {
  return NAMES.get(emoji) ?? emoji;
}

/**
 * The first emoji of what was typed, or null: one grapheme of at most 32 bytes without white space.
 * @param {string} text
 */
export function firstOf(text) {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  const [first] = new Intl.Segmenter("en").segment(trimmed);
  return new TextEncoder().encode(first.segment).length <= 32 ? first.segment : null;
}
