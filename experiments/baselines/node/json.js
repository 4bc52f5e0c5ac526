/** Where things stand in a JSON text. JSON.parse says whether it is one, and not where. */

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Where each element of an object's `results` ends.
 * @param {string} text UTF-8, a character per byte
 * @returns {number[]}
 * @throws {Error} if it is no JSON object
 */
export function elementEnds(text) {
  const value = JSON.parse(decoder.decode(Buffer.from(text, "latin1")));
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("no object");
  let ends = /** @type {number[]} */ ([]);
  for (const { key, start } of itemsOf(text, text.indexOf("{"))) {
    if (key !== "results") continue;
    ends = text[start] === "[" ? Array.from(itemsOf(text, start), (item) => item.end) : [];
  }
  return ends;
}

/**
 * The items of an object or an array that begins at `at`, and where each value starts and ends.
 * The text is known to be JSON, so that strings, brackets and commas are all that matters.
 * @param {string} text
 * @param {number} at
 * @returns {Generator<{ key: string | undefined, start: number, end: number }, void>}
 */
function* itemsOf(text, at) {
  const isObject = text[at] === "{";
  at = skip(text, at + 1);
  while (text[at] !== "}" && text[at] !== "]") {
    let key;
    if (isObject) {
      const end = endOfValue(text, at);
      key = /** @type {string} */ (JSON.parse(text.slice(at, end)));
      at = skip(text, skip(text, end) + 1);
    }
    const end = endOfValue(text, at);
    yield { key, start: at, end };
    at = skip(text, end);
    if (text[at] === ",") at = skip(text, at + 1);
  }
}

const SPACE = /[ \t\r\n]*/y;
const SCALAR = /"(?:[^"\\]|\\.)*"|[^ \t\r\n,:[\]{}"]+/y;

/** @param {string} text @param {number} at */
function skip(text, at) {
  return matchAt(SPACE, text, at);
}

/** @param {string} text @param {number} at */
function endOfValue(text, at) {
  for (let depth = 0; ; ) {
    const character = text[at];
    if (character === "{" || character === "[") depth += 1;
    else if (character === "}" || character === "]") depth -= 1;
    else if (character !== "," && character !== ":") {
      at = matchAt(SCALAR, text, at) - 1;
    }
    at += 1;
    if (depth === 0) return at;
    at = skip(text, at);
  }
}

/** @param {RegExp} pattern @param {string} text @param {number} at */
function matchAt(pattern, text, at) {
  pattern.lastIndex = at;
  pattern.test(text);
  return pattern.lastIndex;
}
