/**
 * Folding: from entries to the messages that are shown. Pure, and the same as the server's chat/timeline.py: a table of
 * cases that both run holds them equal.
 *
 * A message is a plain object: {offset, author, at, via, nonce, text, reply_to?, edited_at?, deleted, reactions,
 * replies, revision}, where reactions is a Map from emoji to a Set of user ids. Messages are never changed, only
 * replaced.
 *
 * @typedef {{id: string, name: string}} User
 * @typedef {{offset: number, author: User, at: number, via: string, nonce: string, text: string,
 *   reply_to: number | null, edited_at: number | null, deleted: boolean, reactions: Map<string, Set<string>>,
 *   replies: number, revision: number}} Message
 */

/**
 * The message that a `message` entry starts as.
 * @returns {Message}
 */
export function begin(entry) {
  return {
    offset: entry.offset,
    author: entry.author,
    at: entry.at,
    via: entry.via,
    nonce: entry.nonce,
    text: entry.text ?? "",
    reply_to: entry.reply_to ?? null,
    edited_at: null,
    deleted: false,
    reactions: new Map(),
    replies: 0,
    revision: entry.offset,
  };
}

/**
 * A message of a view, as the server sends it.
 * @returns {Message}
 */
export function fromView(fields) {
  return {
    offset: fields.offset,
    author: fields.author,
    at: fields.at,
    via: fields.via,
    nonce: fields.nonce,
    text: fields.text,
    reply_to: fields.reply_to ?? null,
    edited_at: fields.edited_at ?? null,
    deleted: fields.deleted,
    reactions: new Map(fields.reactions.map((reaction) => [reaction.emoji, new Set(reaction.users)])),
    replies: fields.replies,
    revision: fields.revision,
  };
}

/**
 * The message after an entry that names it as target or as reply_to.
 *
 * Counts only when the entry's offset is above the message's revision, so views and entries merge in any order. A
 * deletion is final; a reply counts for good.
 * @param {Message} message
 * @returns {Message} the same object when nothing changed
 */
export function apply(message, entry) {
  if (entry.offset <= message.revision) return message;
  const revision = entry.offset;
  if (entry.kind === "message") return { ...message, replies: message.replies + 1, revision };
  if (message.deleted) return { ...message, revision };
  if (entry.kind === "edit") return { ...message, text: entry.text ?? "", edited_at: entry.at, revision };
  if (entry.kind === "deletion") return { ...message, text: "", deleted: true, reactions: new Map(), revision };
  if (entry.kind === "reaction") return { ...message, reactions: react(message.reactions, entry), revision };
  return { ...message, revision };
}

/**
 * The newer of two copies of one message.
 * @param {Message | undefined} known
 * @param {Message} other
 */
export function newer(known, other) {
  return known === undefined || other.revision > known.revision ? other : known;
}

/**
 * The offset of the message that an entry changes besides being one itself, or null.
 * @returns {number | null}
 */
export function targetOf(entry) {
  return (entry.kind === "message" ? entry.reply_to : entry.target) ?? null;
}

function react(reactions, entry) {
  const users = new Set(reactions.get(entry.emoji) ?? []);
  if (entry.on) users.add(entry.author.id);
  else users.delete(entry.author.id);
  const changed = new Map(reactions);
  if (users.size > 0) changed.set(entry.emoji, users);
  else changed.delete(entry.emoji);
  return changed;
}
