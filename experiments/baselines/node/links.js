/** Links to neighbours, and the flood over them (PROTOCOL.md, Between servers). */

import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import { neighboursOf } from "./herd.js";
import { at, hello, wins } from "./protocol.js";
import { Wire } from "./wire.js";

/** @typedef {import("./protocol.js").Update} Update */
/** @typedef {import("./herd.js").Address} Address */

const MAX_HELLO = 1024;
const HANDSHAKE_MS = 1000;
const REDIAL_MS = 200;
const LONGEST_BACK_OFF_MS = 30_000;
const KEEP_ALIVE_MS = 1000;
const SILENCE_MS = 5000;
const FIRST_LINK_MS = 3000;
const CATCH_UP_MS = 10_000;
/** Lines that are put into one write, of what is live and of what brings a neighbour up to date. */
const LIVE_BATCH = 256;
const CATCH_UP_BATCH = 64;

/** A link that is up. Nothing is kept for a neighbour that has none. */
class Link {
  /** @type {Map<string, Update>} the newest update of each client that the neighbour is not known to have */
  waiting = new Map();
  isAwake = false;
  saidDone = false;
  isCaughtUp = false;

  /**
   * @param {Wire} wire
   * @param {string[]} rest clients that the neighbour has yet to be told of, from the end
   */
  constructor(wire, rest) {
    this.wire = wire;
    this.rest = rest;
  }
}

class Neighbour {
  /** @type {Link | undefined} */
  link;

  /**
   * @param {string} name
   * @param {Address} address
   */
  constructor(name, address) {
    this.name = name;
    this.address = address;
  }
}

/** All that this server knows of clients, and the neighbours that are told of it. */
export class Links {
  /** @type {Map<string, Update>} */
  known = new Map();
  #name;
  #address;
  #log;
  #neighbours;

  /**
   * @param {import("./herd.js").Herd} herd
   * @param {string} name
   * @param {import("./log.js").Log} log
   */
  constructor(herd, name, log) {
    this.#name = name;
    this.#address = addressesOf(herd, name).peers;
    this.#log = log;
    this.#neighbours = neighboursOf(herd, name).map((other) => new Neighbour(other, addressesOf(herd, other).peers));
  }

  /**
   * Takes in an update. One that does not win goes nowhere: that stops the flood.
   * @param {Update} update
   * @param {Neighbour} [sender]
   */
  learn(update, sender) {
    const waiting = sender?.link?.waiting;
    const same = waiting?.get(update.id);
    if (same && !wins(same, update)) waiting?.delete(update.id);
    if (!wins(update, this.known.get(update.id))) return;
    this.known.set(update.id, update);
    for (const neighbour of this.#neighbours) {
      if (!neighbour.link || neighbour === sender) continue;
      neighbour.link.waiting.set(update.id, update);
      this.#wake(neighbour, neighbour.link);
    }
  }

  /** Listens and dials; returns once it listens. */
  async start() {
    const server = net.createServer({ noDelay: true }, (socket) => this.#accept(socket));
    await listen(server, this.#address);
    for (const neighbour of this.#neighbours) {
      if (this.#name < neighbour.name) void this.#keepDialling(neighbour);
    }
  }

  /**
   * Waits until the neighbours that are there have said all that they know. A server that has just
   * started has forgotten everything, and would answer from that.
   */
  async catchUp() {
    const started = performance.now();
    const catchUpWith = async (/** @type {Neighbour} */ neighbour) => {
      if (!(await isListening(neighbour.address))) return;
      while (!neighbour.link?.isCaughtUp) {
        const waited = performance.now() - started;
        if (waited > CATCH_UP_MS || (waited > FIRST_LINK_MS && !neighbour.link)) return;
        await sleep(5);
      }
    };
    await Promise.all(this.#neighbours.map(catchUpWith));
  }

  /** @param {Neighbour} neighbour */
  async #keepDialling(neighbour) {
    for (let refusals = 0, said = ""; ; ) {
      const { wasUp, isRefusal, reason } = await this.#dial(neighbour);
      refusals = isRefusal ? refusals + 1 : 0;
      if (wasUp) said = "";
      else if (reason !== said) {
        this.#log.notice(neighbour.name, `cannot link: ${reason}; trying again`);
        said = reason;
      }
      const pause = Math.min(REDIAL_MS * 2 ** refusals, LONGEST_BACK_OFF_MS);
      await sleep(pause * (0.75 + Math.random() / 4));
    }
  }

  /**
   * Dials a neighbour; is through when the connection is.
   * @param {Neighbour} neighbour
   * @returns {Promise<{ wasUp: boolean, isRefusal: boolean, reason: string }>}
   */
  #dial(neighbour) {
    return new Promise((resolve) => {
      let [wasUp, isRefusal] = [false, false];
      const wire = new Wire(net.connect({ ...neighbour.address, noDelay: true }), this.#log, neighbour.name);
      wire.onClose = (reason) => resolve({ wasUp, isRefusal, reason });
      wire.socket.once("connect", () => this.#sayHello(wire));
      this.#hearHello(wire, (name, line) => {
        if (name === neighbour.name) {
          wasUp = true;
          this.#run(neighbour, wire, (reason) => resolve({ wasUp, isRefusal, reason }));
        } else {
          isRefusal = true;
          wire.close(name === undefined ? `it said ${line}` : `${neighbour.name} was expected there, but ${name} answered`);
        }
      });
    });
  }

  /** @param {net.Socket} socket */
  #accept(socket) {
    const wire = new Wire(socket, this.#log, `${socket.remoteAddress}:${socket.remotePort}`);
    this.#hearHello(wire, (name, line) => {
      const neighbour = this.#neighbours.find((other) => other.name === name);
      if (neighbour && neighbour.name < this.#name) {
        this.#sayHello(wire);
        // A newer connection of the same neighbour ends the older one.
        neighbour.link?.wire.close("replaced by a newer connection");
        this.#run(neighbour, wire, () => {});
      } else {
        wire.say(`REFUSED ${this.#whyNot(name, neighbour, line)}`);
        wire.socket.end();
      }
    });
  }

  /**
   * @param {string | undefined} name
   * @param {Neighbour | undefined} neighbour
   * @param {string} line
   */
  #whyNot(name, neighbour, line) {
    if (name === undefined) return `HELLO herd/1 NAME was expected, not ${JSON.stringify(line)}`;
    if (neighbour) return `${this.#name} dials ${name}, not the other way round: the name that sorts first dials`;
    return `${name} is no neighbour of ${this.#name} by its herd file`;
  }

  /** @param {Wire} wire */
  #sayHello(wire) {
    wire.say(`HELLO herd/1 ${this.#name}`);
  }

  /**
   * Hears the first line: the name in it, if it is that of a HELLO. Connecting has as much time again.
   * @param {Wire} wire
   * @param {(name: string | undefined, line: string) => void} then
   */
  #hearHello(wire, then) {
    const timer = setTimeout(() => wire.close(`no answer within ${HANDSHAKE_MS / 1000} s`), HANDSHAKE_MS);
    wire.socket.once("connect", () => timer.refresh());
    wire.socket.once("close", () => clearTimeout(timer));
    wire.onLine = (line, tooLong) => {
      clearTimeout(timer);
      // Whatever follows is for whoever is told of this line.
      wire.onLine = () => {};
      then(tooLong || line.length > MAX_HELLO ? undefined : hello(line), line.slice(0, MAX_HELLO));
    };
  }

  /**
   * Runs a link from its first update to its end.
   * @param {Neighbour} neighbour
   * @param {Wire} wire
   * @param {(reason: string) => void} atEnd
   */
  #run(neighbour, wire, atEnd) {
    const link = new Link(wire, [...this.known.keys()]);
    neighbour.link = link;
    wire.who = neighbour.name;
    wire.onLine = (line, tooLong) => {
      if (!tooLong) this.#hear(neighbour, link, line);
    };
    wire.socket.on("drain", () => this.#wake(neighbour, link));
    const keepAlive = setInterval(() => {
      if (performance.now() - wire.heardAt >= SILENCE_MS) wire.close(`nothing heard for ${SILENCE_MS / 1000} s`);
      else if (wire.socket.writableLength === 0) wire.say("PING");
    }, KEEP_ALIVE_MS);
    wire.onClose = (reason) => {
      clearInterval(keepAlive);
      if (neighbour.link === link) neighbour.link = undefined;
      this.#log.notice(neighbour.name, `link down: ${reason}`);
      atEnd(reason);
    };
    this.#log.notice(neighbour.name, "link up");
    this.#wake(neighbour, link);
  }

  /**
   * @param {Neighbour} neighbour
   * @param {Link} link
   * @param {string} line
   */
  #hear(neighbour, link, line) {
    if (line.startsWith("AT ")) {
      const update = at(line);
      if (update) this.learn(update, neighbour);
    } else if (line === "DONE") {
      link.isCaughtUp = true;
    }
  }

  /**
   * Has a link send what waits once the events at hand are through, so that their lines share a write.
   * @param {Neighbour} neighbour
   * @param {Link} link
   */
  #wake(neighbour, link) {
    if (link.isAwake) return;
    link.isAwake = true;
    setImmediate(() => {
      link.isAwake = false;
      if (neighbour.link === link) this.#send(link);
    });
  }

  /**
   * Sends what waits, what is live before the rest; nothing piles up while the other side is slow.
   * @param {Link} link
   */
  #send(link) {
    while (!link.wire.socket.writableNeedDrain && (link.waiting.size > 0 || link.rest.length > 0 || !link.saidDone)) {
      const lines = [];
      for (const [id, update] of link.waiting) {
        if (lines.length === LIVE_BATCH) break;
        link.waiting.delete(id);
        lines.push(update.line);
      }
      for (const id of link.rest.splice(-CATCH_UP_BATCH)) lines.push(this.known.get(id)?.line ?? "");
      if (link.rest.length === 0 && !link.saidDone) {
        link.saidDone = true;
        lines.push("DONE");
      }
      link.wire.say(...lines);
    }
  }
}

/**
 * @param {import("./herd.js").Herd} herd
 * @param {string} name
 */
export function addressesOf(herd, name) {
  const addresses = herd.servers.get(name);
  if (!addresses) throw new Error(`${name} is not in the herd: ${[...herd.servers.keys()].join(", ")} are`);
  return addresses;
}

/**
 * @param {net.Server} server
 * @param {Address} address
 * @returns {Promise<void>}
 */
export function listen(server, address) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ ...address, backlog: 1024 }, resolve);
  });
}

/**
 * @param {Address} address
 * @returns {Promise<boolean>}
 */
function isListening(address) {
  return new Promise((resolve) => {
    const socket = net.connect({ ...address, timeout: HANDSHAKE_MS });
    const end = (/** @type {boolean} */ is) => {
      socket.destroy();
      resolve(is);
    };
    socket.once("connect", () => end(true));
    socket.once("error", () => end(false));
    socket.once("timeout", () => end(false));
  });
}
