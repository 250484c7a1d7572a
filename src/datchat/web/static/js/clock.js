/** Times as people read them. Pure: `now` is passed in. */

const DAY_MS = 86_400_000;
const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat("en-GB", { weekday: "long" });
const date = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });
const dateOfYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric" });

/** @param {number} at ms since 1970 */
export function timeOf(at) {
  return time.format(at);
}

/** A key that is equal for times of one day, here. @param {number} at */
export function dayKey(at) {
  const day = new Date(at);
  return `${day.getFullYear()}-${day.getMonth() + 1}-${day.getDate()}`;
}

/** "Today", "Yesterday", "Monday", "Monday, 3 March" or "3 March 2024". @param {number} at @param {number} now */
export function dayOf(at, now) {
  const days = Math.round((midnight(now) - midnight(at)) / DAY_MS);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  if (days > 1 && days < 7) return weekday.format(at);
  return new Date(at).getFullYear() === new Date(now).getFullYear() ? date.format(at) : dateOfYear.format(at);
}

/** Day and time, for a tool tip. @param {number} at */
export function fullTime(at) {
  return `${dateOfYear.format(at)}, ${timeOf(at)}`;
}

function midnight(at) {
  return new Date(at).setHours(0, 0, 0, 0);
}
