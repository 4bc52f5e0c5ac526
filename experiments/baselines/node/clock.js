/**
 * The time of day in nanoseconds. Node has a clock with that resolution, which counts from anywhere,
 * and one of the day, which does not have it; this puts them together.
 */

/** Apart by more than this, the time of day was set. */
const LARGEST_DRIFT_NANOS = 2_000_000n;

let offset = measure();

/** Nanoseconds since 1970. */
export function now() {
  return process.hrtime.bigint() + offset;
}

/** Follows the time of day, should it have been set; to be called now and then. */
export function follow() {
  const drift = BigInt(Date.now()) * 1_000_000n - now();
  // Date.now() is cut to milliseconds.
  if (drift > LARGEST_DRIFT_NANOS || drift < -LARGEST_DRIFT_NANOS) offset = measure();
}

/** The offset at the moment at which a new millisecond begins: the best of a few. */
function measure() {
  let best;
  for (let round = 0; round < 5; round++) {
    const before = Date.now();
    let after = before;
    while (after === before) after = Date.now();
    const found = BigInt(after) * 1_000_000n - process.hrtime.bigint();
    // Whatever comes between the tick and reading the other clock makes it smaller.
    if (best === undefined || found > best) best = found;
  }
  return best ?? 0n;
}
