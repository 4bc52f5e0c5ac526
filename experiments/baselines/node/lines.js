/** A stream becomes lines, with a bound on what is kept of one. */

const KEPT_OF_TOO_LONG = 64;

/**
 * A line as it was read, without LF; and whether it has ended with one, or was too long.
 * @typedef {{ text: string, ended: boolean, tooLong: boolean }} Line
 */

export class Lines {
  #limit;
  #partial = "";
  #discarding = false;

  /** @param {number} limit of a line, LF not counted */
  constructor(limit) {
    this.#limit = limit;
  }

  /**
   * The lines that end in a chunk. One that is too long is told of as soon as that is known.
   * @param {string} chunk
   * @returns {Generator<Line, void>}
   */
  *feed(chunk) {
    let start = 0;
    while (start < chunk.length) {
      const end = chunk.indexOf("\n", start);
      const head = chunk.slice(start, end < 0 ? undefined : end);
      start = end < 0 ? chunk.length : end + 1;
      if (this.#discarding) {
        this.#discarding = end < 0;
        continue;
      }
      const text = this.#partial + head;
      this.#partial = "";
      if (text.length > this.#limit) {
        this.#discarding = end < 0;
        yield { text: text.slice(0, KEPT_OF_TOO_LONG), ended: false, tooLong: true };
      } else if (end < 0) {
        this.#partial = text;
      } else {
        yield { text, ended: true, tooLong: false };
      }
    }
  }

  /**
   * What has begun and not ended.
   * @returns {Line | undefined}
   */
  rest() {
    return this.#partial === "" ? undefined : { text: this.#partial, ended: false, tooLong: false };
  }
}
