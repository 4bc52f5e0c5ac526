/** A connection to another server: lines both ways, all of them in the log. */

import { Lines } from "./lines.js";

const MAX_LINE = (64 << 10) + 256;

export class Wire {
  /** When something was last received, by the clock of `performance`. */
  heardAt = performance.now();
  /** @type {(line: string, tooLong: boolean) => void} */
  onLine = () => {};
  /** @type {(reason: string) => void} called once */
  onClose = () => {};
  #log;
  #lines = new Lines(MAX_LINE);
  #reason = "closed by the other side";

  /**
   * @param {import("node:net").Socket} socket
   * @param {import("./log.js").Log} log
   * @param {string} who the name of the other side in the log
   */
  constructor(socket, log, who) {
    this.socket = socket;
    this.who = who;
    this.#log = log;
    socket.setEncoding("latin1");
    socket.on("data", (chunk) => this.#take(String(chunk)));
    socket.on("error", (error) => (this.#reason = error.message));
    socket.on("close", () => this.onClose(this.#reason));
  }

  /** @param {string[]} lines written at once */
  say(...lines) {
    for (const line of lines) this.#log.written(this.who, line);
    this.socket.write(lines.join("\n") + "\n", "latin1");
  }

  /** @param {string} reason */
  close(reason) {
    if (this.socket.destroyed) return;
    this.#reason = reason;
    this.socket.destroy();
    // The event comes later, and whoever takes our place is not to wait for it.
    const { onClose } = this;
    this.onClose = () => {};
    onClose(reason);
  }

  /** @param {string} chunk */
  #take(chunk) {
    this.heardAt = performance.now();
    for (const { text, tooLong } of this.#lines.feed(chunk)) {
      if (this.socket.destroyed) return;
      this.#log.read(this.who, text);
      this.onLine(text, tooLong);
    }
  }
}
