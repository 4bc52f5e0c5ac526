/** The log of traffic: every line read and written, in the format of the Rust server. */

import { mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

import { follow, now } from "./clock.js";

const GATHER_MS = 100;

/** Gathers lines and writes them every tenth of a second, so that none costs a system call. */
export class Log {
  #file;
  /** @type {string[]} */
  #lines = [];
  #dropped = 0;
  #second = -1n;
  #prefix = "";

  /**
   * @param {string} folder
   * @param {string} name
   */
  constructor(folder, name) {
    mkdirSync(folder, { recursive: true });
    this.#file = openSync(join(folder, `${name}.log`), "a");
    setInterval(() => {
      follow();
      this.flush();
    }, GATHER_MS);
  }

  /** @param {string} who @param {string} line */
  read(who, line) {
    this.#add(who, "<", escape(line));
  }

  /** @param {string} who @param {string} line */
  written(who, line) {
    this.#add(who, ">", escape(line));
  }

  /**
   * A reply's first line, and what follows it as a body from Places: by its size.
   * @param {string} who
   * @param {string} reply
   */
  reply(who, reply) {
    const end = reply.indexOf("\n");
    this.written(who, reply.slice(0, end));
    const body = reply.slice(end).trim();
    if (body !== "") this.#add(who, ">", `[${body.length} bytes from Places]`);
  }

  /** @param {string} who @param {string} what */
  notice(who, what) {
    this.#add(who, "*", escape(what));
  }

  /** Writes what has gathered. What a full disk does not take is dropped, and that is said later. */
  flush() {
    const count = this.#lines.length;
    if (count === 0) return;
    if (this.#dropped > 0) this.notice("log", `${this.#dropped} lines dropped: they could not be written`);
    const text = Buffer.from(this.#lines.join(""), "latin1");
    this.#lines = [];
    try {
      for (let written = 0; written < text.length; ) written += writeSync(this.#file, text, written);
      this.#dropped = 0;
    } catch {
      this.#dropped += count;
    }
  }

  /** @param {string} who @param {string} sign @param {string} text */
  #add(who, sign, text) {
    const micros = now() / 1000n;
    const second = micros / 1_000_000n;
    if (second !== this.#second) {
      this.#second = second;
      this.#prefix = new Date(Number(second) * 1000).toISOString().slice(0, "2026-11-22T13:35:01".length);
    }
    const part = (micros % 1_000_000n).toString().padStart(6, "0");
    this.#lines.push(`${this.#prefix}.${part}Z ${who} ${sign} ${text}\n`);
  }
}

/** @param {string} line */
function escape(line) {
  return line.replace(/[^ -[\]-~]/g, (character) =>
    character === "\\" ? "\\\\" : `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
