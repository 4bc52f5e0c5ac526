#!/usr/bin/env node
/**
 * One server of the herd on Node.
 *
 *     node server.js Clark
 *
 * The key to Places is taken from GOOGLE_PLACES_API_KEY.
 */

import net from "node:net";
import { parseArgs } from "node:util";

import { now } from "./clock.js";
import { readHerd } from "./herd.js";
import { Lines } from "./lines.js";
import { Links, addressesOf, listen } from "./links.js";
import { Log } from "./log.js";
import { NO_RESULTS, Places } from "./places.js";
import { fieldsOf, iamat, metres, resultsBound } from "./protocol.js";

/** @typedef {import("./lines.js").Line} Line */

const MAX_LINE = 64 << 10;
/** Commands of one connection whose replies wait, at most. */
const PIPELINED = 64;

/**
 * A reply, which may still be waited for.
 * @typedef {{ text: string | undefined }} Reply
 */

/** Answers clients from what the links know. */
class Server {
  #accepted = 0;

  /**
   * @param {string} name
   * @param {Links} links
   * @param {Places} places
   * @param {Log} log
   */
  constructor(name, links, places, log) {
    this.name = name;
    this.links = links;
    this.places = places;
    this.log = log;
  }

  /** @param {net.Socket} socket */
  serve(socket) {
    this.#accepted += 1;
    new Session(this, socket, `c${this.#accepted}`);
  }

  /**
   * The reply to a line; `then` is called when it is there, if it is not yet.
   * @param {Line} line
   * @param {() => void} then
   * @returns {Reply}
   */
  answer(line, then) {
    const [command, id = "", second = "", third, ...more] = line.tooLong ? [] : fieldsOf(line.text);
    if (third !== undefined && more.length === 0) {
      if (command === "IAMAT") {
        const update = iamat(this.name, now(), id, second, third);
        if (update) {
          this.links.learn(update);
          return { text: `${update.line}\n` };
        }
      } else if (command === "WHATSAT") {
        const reply = this.#lookAround(id, metres(second), resultsBound(third), then);
        if (reply) return reply;
      }
    }
    // CR LF ends a line, CR alone does not.
    return { text: `? ${line.ended ? line.text.replace(/\r$/, "") : line.text}\n` };
  }

  /**
   * @param {string} id
   * @param {string | undefined} radius
   * @param {number | undefined} bound
   * @param {() => void} then
   * @returns {Reply | undefined}
   */
  #lookAround(id, radius, bound, then) {
    const update = this.links.known.get(id);
    if (radius === undefined || bound === undefined || !update) return undefined;
    if (bound === 0) return { text: `${update.line}\n${NO_RESULTS}\n\n` };
    /** @type {Reply} */
    const reply = { text: undefined };
    void this.places.search(update, radius).then((body) => {
      reply.text = `${update.line}\n${body.cut(bound)}\n\n`;
      then();
    });
    return reply;
  }
}

/** One client connection: its commands, and the replies to them in their order. */
class Session {
  #server;
  #socket;
  #who;
  #lines = new Lines(MAX_LINE);
  /** Lines that were read and are not answered. */
  #unanswered = this.#lines.feed("");
  /** @type {Reply[]} */
  #replies = [];
  #hasEnded = false;

  /**
   * @param {Server} server
   * @param {net.Socket} socket
   * @param {string} who
   */
  constructor(server, socket, who) {
    this.#server = server;
    this.#socket = socket;
    this.#who = who;
    let reason = "client";
    server.log.notice(who, `connected from ${socket.remoteAddress}:${socket.remotePort}`);
    socket.setEncoding("latin1");
    socket.on("data", (chunk) => {
      this.#unanswered = this.#lines.feed(String(chunk));
      this.#advance();
    });
    socket.on("end", () => {
      this.#hasEnded = true;
      const rest = this.#lines.rest();
      if (rest) this.#take(rest);
      this.#advance();
    });
    socket.on("drain", () => this.#advance());
    socket.on("error", () => (reason = "error"));
    socket.on("close", () => server.log.notice(who, `closed: ${reason}`));
  }

  /** Answers what was read as far as there is room for replies, and reads on once all of it is answered. */
  #advance() {
    if (this.#socket.destroyed) return;
    for (;;) {
      if (this.#replies.length >= PIPELINED) this.#flush();
      if (this.#replies.length >= PIPELINED || this.#socket.writableNeedDrain) {
        this.#socket.pause();
        return;
      }
      const next = this.#unanswered.next();
      if (next.done) break;
      this.#take(next.value);
    }
    this.#flush();
    if (this.#hasEnded && this.#replies.length === 0) this.#socket.end();
    else this.#socket.resume();
  }

  /** @param {Line} line */
  #take(line) {
    this.#server.log.read(this.#who, line.text);
    this.#replies.push(this.#server.answer(line, () => this.#advance()));
  }

  /** Writes the replies that are ready and whose turn has come, at once. */
  #flush() {
    let ready = this.#replies.findIndex((reply) => reply.text === undefined);
    if (ready < 0) ready = this.#replies.length;
    if (ready === 0) return;
    const texts = this.#replies.splice(0, ready).map((reply) => reply.text ?? "");
    for (const text of texts) this.#server.log.reply(this.#who, text);
    this.#socket.write(texts.join(""), "latin1");
  }
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      herd: { type: "string" },
      "places-url": { type: "string", default: "https://maps.googleapis.com" },
      "log-dir": { type: "string", default: "logs" },
    },
  });
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0) {
    throw new Error("usage: node server.js NAME [--herd FILE] [--places-url URL] [--log-dir DIR]");
  }
  const herd = readHerd(values.herd);
  const { clients } = addressesOf(herd, name);
  const log = new Log(values["log-dir"] ?? "", name);
  for (const signal of ["SIGTERM", "SIGINT"]) {
    process.on(signal, () => {
      log.flush();
      process.exit(0);
    });
  }
  const links = new Links(herd, name, log);
  const places = new Places(values["places-url"] ?? "", process.env["GOOGLE_PLACES_API_KEY"] ?? "");
  await links.start();
  await links.catchUp();
  const server = new Server(name, links, places, log);
  const listener = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => server.serve(socket));
  await listen(listener, clients);
  console.log(`ready ${name} clients=${clients.host}:${clients.port}`);
}

main().catch((/** @type {unknown} */ error) => {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
});
