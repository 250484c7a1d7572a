/** How long to wait before trying again: full jitter under a cap that grows. Pure but for the random number. */

/**
 * @param {number} attempt 0 for the first wait
 * @param {{baseMs?: number, capMs?: number, random?: () => number}} [options]
 * @returns {number} milliseconds, evenly spread between 0 and the cap of this attempt
 */
export function fullJitter(attempt, { baseMs = 500, capMs = 15_000, random = Math.random } = {}) {
  return random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 16));
}
