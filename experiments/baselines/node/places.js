/** The Places client: every question is answered in bounded time, by Places or in its own shape. */

import { setTimeout as sleep } from "node:timers/promises";

import { elementEnds } from "./json.js";

const PATH = "/maps/api/place/nearbysearch/json";
const DEADLINE_MS = 5000;
const TRIES = 3;
const PAUSE_MS = 200;
const MAX_IN_FLIGHT = 256;
const MAX_BODY = 1 << 20;
const MAX_QUERY = 4096;

export const NO_RESULTS = '{\n   "html_attributions" : [],\n   "results" : [],\n   "status" : "OK"\n}';

/** A JSON object that Places sent, and where each element of its `results` ends. */
export class Body {
  #text;
  #ends;

  /** @param {Buffer} bytes @throws {Error} if it is no JSON object in UTF-8 */
  constructor(bytes) {
    this.#text = bytes.toString("latin1").replace(/\n+/g, "\n").replace(/^\n|\n$/g, "");
    this.#ends = elementEnds(this.#text);
  }

  /**
   * The body without the results past the bound; nothing is written anew.
   * @param {number} bound
   */
  cut(bound) {
    const [kept, last] = [this.#ends[bound - 1], this.#ends.at(-1)];
    if (kept === undefined || last === undefined) return this.#text;
    return this.#text.slice(0, kept) + this.#text.slice(last);
  }
}

/** Asks one Places service. */
export class Places {
  #url;
  #key;
  #free = MAX_IN_FLIGHT;
  /** @type {(() => void)[]} */
  #waiting = [];

  /** @param {string} url @param {string} key */
  constructor(url, key) {
    this.#url = url.replace(/\/+$/, "") + PATH;
    this.#key = key;
  }

  /**
   * What is around a client, or why that is not known.
   * @param {import("./protocol.js").Update} update
   * @param {string} radius in metres
   */
  async search({ latitude, longitude }, radius) {
    const location = [latitude, longitude].map((degrees) => degrees.replace("+", "")).join(",");
    const query = `location=${location}&radius=${radius}`;
    if (query.length > MAX_QUERY) {
      return refusal("INVALID_REQUEST", "The location or the radius has more digits than Places takes.");
    }
    const signal = AbortSignal.timeout(DEADLINE_MS);
    let answer = refusal("UNKNOWN_ERROR", `Places did not answer within ${DEADLINE_MS / 1000} s.`);
    try {
      for (let earlier = 0; earlier < TRIES; earlier++) {
        if (earlier > 0) await sleep(PAUSE_MS * earlier * Math.random(), undefined, { signal });
        const { body, final } = await this.#ask(query, signal);
        answer = body;
        if (final) break;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    return answer;
  }

  /**
   * One try, and whether another one would be of no use.
   * @param {string} query
   * @param {AbortSignal} signal
   */
  async #ask(query, signal) {
    let status, bytes;
    await this.#takeSlot(signal);
    try {
      const options = /** @type {const} */ ({ redirect: "manual", signal, headers: { "accept-encoding": "identity" } });
      const response = await fetch(`${this.#url}?${query}&key=${encodeURIComponent(this.#key)}`, options);
      status = response.status;
      bytes = await readAtMost(response, MAX_BODY);
    } catch (error) {
      signal.throwIfAborted();
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
      return { body: refusal("UNKNOWN_ERROR", `Places could not be reached: ${this.#redact(cause)}.`), final: false };
    } finally {
      this.#giveSlot();
    }
    if (bytes === undefined) return { body: refusal("UNKNOWN_ERROR", "The answer of Places was too large."), final: true };
    const final = status !== 429 && status < 500;
    try {
      return { body: new Body(Buffer.from(this.#redact(bytes.toString("latin1")), "latin1")), final };
    } catch {
      const message = `Places answered with HTTP status ${status} and no JSON object.`;
      return { body: refusal(meaningOf(status), message), final };
    }
  }

  /** @param {string} text */
  #redact(text) {
    return this.#key === "" ? text : text.replaceAll(this.#key, "[key]");
  }

  /** @param {AbortSignal} signal */
  async #takeSlot(signal) {
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    await /** @type {Promise<void>} */ (
      new Promise((resolve, reject) => {
        this.#waiting.push(resolve);
        signal.addEventListener("abort", () => {
          const place = this.#waiting.indexOf(resolve);
          if (place >= 0) this.#waiting.splice(place, 1);
          reject(signal.reason);
        });
      })
    );
  }

  #giveSlot() {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free += 1;
  }
}

/** @param {number} status */
function meaningOf(status) {
  switch (status) {
    case 400:
      return "INVALID_REQUEST";
    case 401:
    case 403:
      return "REQUEST_DENIED";
    case 429:
      return "OVER_QUERY_LIMIT";
    default:
      return "UNKNOWN_ERROR";
  }
}

/**
 * @param {Response} response
 * @param {number} limit
 */
async function readAtMost(response, limit) {
  const chunks = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * A body of the classic shape for a question that Places did not answer.
 * @param {string} status
 * @param {string} message
 */
function refusal(status, message) {
  const members = [
    `"error_message" : ${JSON.stringify(message)}`,
    '"html_attributions" : []',
    '"results" : []',
    `"status" : "${status}"`,
  ];
  return new Body(Buffer.from(`{\n   ${members.join(",\n   ")}\n}`));
}
