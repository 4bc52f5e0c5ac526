/** The herd file: who there is, where, and who has a link with whom. */

import { readFileSync } from "node:fs";

import { parse } from "smol-toml";

/** @typedef {{ host: string, port: number }} Address */
/** @typedef {{ clients: Address, peers: Address }} Addresses */
/** @typedef {{ servers: Map<string, Addresses>, links: [string, string][] }} Herd */

/** The herd of the assignment. */
const ASSIGNMENT = `
links = [["Clark", "Jaquez"], ["Clark", "Bona"], ["Campbell", "Bailey"], ["Campbell", "Bona"], ["Campbell", "Jaquez"], ["Bona", "Bailey"]]
servers.Bailey   = { clients = "127.0.0.1:10000", peers = "127.0.0.1:11000" }
servers.Bona     = { clients = "127.0.0.1:10001", peers = "127.0.0.1:11001" }
servers.Campbell = { clients = "127.0.0.1:10002", peers = "127.0.0.1:11002" }
servers.Clark    = { clients = "127.0.0.1:10003", peers = "127.0.0.1:11003" }
servers.Jaquez   = { clients = "127.0.0.1:10004", peers = "127.0.0.1:11004" }
`;

/**
 * Reads a herd file, or the herd of the assignment if none is named.
 * @param {string | undefined} path
 * @returns {Herd}
 */
export function readHerd(path) {
  const file = /** @type {{ servers: Record<string, { clients: string, peers: string }>, links?: [string, string][] }} */ (
    /** @type {unknown} */ (parse(path === undefined ? ASSIGNMENT : readFileSync(path, "utf8")))
  );
  const servers = new Map(
    Object.entries(file.servers).map(([name, { clients, peers }]) => [
      name,
      { clients: address(clients), peers: address(peers) },
    ]),
  );
  const links = file.links ?? [];
  for (const name of links.flat()) {
    if (!servers.has(name)) throw new Error(`${name} has a link and no addresses`);
  }
  return { servers, links };
}

/**
 * Those that a server has a link with.
 * @param {Herd} herd
 * @param {string} name
 */
export function neighboursOf(herd, name) {
  return herd.links.filter((link) => link.includes(name)).map(([a, b]) => (a === name ? b : a));
}

/**
 * @param {string} text
 * @returns {Address}
 */
function address(text) {
  const match = /^\[?(.+?)\]?:(\d+)$/.exec(text);
  if (!match) throw new Error(`${text} is no address`);
  return { host: match[1] ?? "", port: Number(match[2]) };
}
