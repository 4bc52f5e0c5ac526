/**
 * What clients and servers say to each other, pure (PROTOCOL.md).
 *
 * Bytes are strings in Latin-1, a character for each, so that IDs of any bytes can be keys of a Map
 * and strings compare as their bytes do. Times are BigInts, in nanoseconds since 1970: a number
 * would have 53 bits, and 61 are needed.
 */

export const NANOS = 1_000_000_000n;

// \s would match characters above 127, too; white space is exactly these six bytes.
const SPACE = "[ \\t\\n\\r\\f\\v]";
const WORD = "[^ \\t\\n\\r\\f\\v]+";
const LOCATION = "([+-]\\d{1,2}(?:\\.\\d+)?)([+-]\\d{1,3}(?:\\.\\d+)?)";
const STAMP = "(\\d{1,12})(?:\\.(\\d+))?";
const NAME = "[A-Za-z0-9._-]{1,63}";

const SPACES = new RegExp(`${SPACE}+`);
const AROUND = new RegExp(`^${SPACE}+|${SPACE}+$`, "g");
const IS_LOCATION = new RegExp(`^${LOCATION}$`);
const IS_STAMP = new RegExp(`^${STAMP}$`);
const IS_RADIUS = /^(\d+)(?:\.(\d+))?$/;
const IS_BOUND = /^\d+$/;
const IS_AT = new RegExp(`^AT (${NAME}) ([+-]\\d{1,12}\\.\\d{9}) (${WORD}) ${LOCATION} ${STAMP}$`);
const IS_HELLO = new RegExp(`^${SPACE}*HELLO${SPACE}+herd/1${SPACE}+(${NAME})(?:${SPACE}|$)`);

/**
 * An AT line and what stands in it.
 * @typedef {{
 *   line: string, origin: string, id: string, latitude: string, longitude: string,
 *   stamp: bigint, receipt: bigint,
 * }} Update
 */

/**
 * The fields of a line.
 * @param {string} line
 */
export function fieldsOf(line) {
  const inner = line.replace(AROUND, "");
  return inner === "" ? [] : inner.split(SPACES);
}

/**
 * The update that an IAMAT makes, if its operands are valid.
 * @param {string} origin
 * @param {bigint} receipt
 * @param {string} id
 * @param {string} location
 * @param {string} stamp
 * @returns {Update | undefined}
 */
export function iamat(origin, receipt, id, location, stamp) {
  const place = IS_LOCATION.exec(location);
  const time = IS_STAMP.exec(stamp);
  if (!place || !time) return undefined;
  const [, latitude = "", longitude = ""] = place;
  if (!isWithin(latitude, longitude)) return undefined;
  const sent = nanoseconds(time[1] ?? "", time[2]);
  const line = `AT ${origin} ${difference(receipt - sent)} ${id} ${location} ${stamp}`;
  return { line, origin, id, latitude, longitude, stamp: sent, receipt };
}

/**
 * The update that a neighbour's line is, if it is as its origin must have written it.
 * @param {string} line
 * @returns {Update | undefined}
 */
export function at(line) {
  const match = IS_AT.exec(line);
  if (!match) return undefined;
  const [, origin = "", ahead = "", id = "", latitude = "", longitude = "", seconds = "", fraction] = match;
  const stamp = nanoseconds(seconds, fraction);
  const span = BigInt(ahead.slice(1).replace(".", ""));
  const receipt = ahead.startsWith("-") ? stamp - span : stamp + span;
  if (receipt < 0n || !isWithin(latitude, longitude)) return undefined;
  return { line, origin, id, latitude, longitude, stamp, receipt };
}

/**
 * Whether an update wins over another one of the same client, or over none.
 * @param {Update} update
 * @param {Update | undefined} known
 */
export function wins(update, known) {
  if (known === undefined) return true;
  if (update.stamp !== known.stamp) return update.stamp > known.stamp;
  if (update.receipt !== known.receipt) return update.receipt > known.receipt;
  if (update.origin !== known.origin) return update.origin > known.origin;
  return update.line > known.line;
}

/**
 * The name in a neighbour's first line, if it is that of this version.
 * @param {string} line
 */
export function hello(line) {
  return IS_HELLO.exec(line)?.[1];
}

/**
 * A valid radius, in kilometres, as metres: the same digits with the point three places on.
 * @param {string} radius
 */
export function metres(radius) {
  const match = IS_RADIUS.exec(radius);
  if (!match || !isAtMost(radius, 50)) return undefined;
  const fraction = (match[2] ?? "").replace(/0+$/, "");
  const whole = (match[1] + fraction.slice(0, 3).padEnd(3, "0")).replace(/^0+(?=\d)/, "");
  return fraction.length > 3 ? `${whole}.${fraction.slice(3)}` : whole;
}

/**
 * A valid bound on the number of results.
 * @param {string} bound
 */
export function resultsBound(bound) {
  return IS_BOUND.test(bound) && isAtMost(bound, 20) ? Number(bound) : undefined;
}

/**
 * @param {string} latitude
 * @param {string} longitude
 */
function isWithin(latitude, longitude) {
  return isAtMost(latitude.slice(1), 90) && isAtMost(longitude.slice(1), 180);
}

/**
 * Compares every digit: as a number 50.000000000000000000001 is 50.
 * @param {string} decimal
 * @param {number} limit
 */
function isAtMost(decimal, limit) {
  const [whole = "", fraction = ""] = decimal.split(".");
  const value = Number(whole);
  return value < limit || (value === limit && !/[1-9]/.test(fraction));
}

/**
 * @param {string} seconds
 * @param {string | undefined} fraction
 */
function nanoseconds(seconds, fraction = "") {
  return BigInt(seconds) * NANOS + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
}

/** @param {bigint} nanos */
function difference(nanos) {
  const span = nanos < 0n ? -nanos : nanos;
  const digits = span.toString().padStart(10, "0");
  return `${nanos < 0n ? "-" : "+"}${digits.slice(0, -9)}.${digits.slice(-9)}`;
}
