/** Texts of options as values: each kind knows what it takes, and says what it expected instead. */
import { isIP } from "node:net";
import path from "node:path";
import { parseDuration } from "../base/duration.ts";
import { parseHostPort } from "../p2p/address.ts";
import { isSeed } from "../p2p/seeds.ts";

export interface Kind<Value> {
  /** Null when the text is not of this kind. */
  readonly parse: (text: string) => Value | null;
  readonly expected: string;
}

export const text: Kind<string> = { parse: (given) => given, expected: "a text" };

export const file: Kind<string> = { parse: (given) => path.resolve(given), expected: "a path" };

/** Names end up in URLs, file names and tables. */
export const name: Kind<string> = {
  parse: (given) =>
    given.length <= 63 && /^[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?$/.test(given) ? given : null,
  expected:
    'a name of 1 to 63 letters, digits, ".", "_" or "-" that begins and ends with a letter or digit',
};

export const hostPort: Kind<string> = {
  parse: (given) => {
    const match = /^(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+):(\d{1,5})$/.exec(given);
    return match !== null && Number(match[2]) <= 65_535 ? given : null;
  },
  expected: "HOST:PORT, such as 10.0.0.5:7700",
};

/** What others are told to connect to. Loopback is one, as all agents may be on one machine. */
export const advertised: Kind<string> = {
  parse: (given) => {
    const address = hostPort.parse(given) === null ? null : parseHostPort(given);
    if (address === null || address.port === 0) return null;
    const host = address.host.toLowerCase();
    if (isIP(host) === 4) return /^(0|22[4-9]|2[3-5]\d)\./.test(host) ? null : given;
    return isIP(host) === 6 && /^(::|fe[89ab].*|ff.*)$/.test(host) ? null : given;
  },
  expected:
    "HOST:PORT that other machines can connect to, such as 10.0.0.5:7700: no wildcard, no port 0, no link-local address",
};

/** Where members can be met: an address, or a DNS service (p2p/seeds.ts). */
export const seed: Kind<string> = {
  parse: (given) => (isSeed(given) ? given : null),
  expected: "HOST:PORT, such as 10.0.0.5:7700, or srv:NAME",
};

/** A network interface, by its name or its IPv4 address. */
export const interfaceName: Kind<string> = {
  parse: (given) => (/^[a-zA-Z0-9._@-]{1,15}$/.test(given) ? given : null),
  expected: "the name of an interface, such as eth0, or its IPv4 address",
};

export const entryCount: Kind<number> = {
  parse: (given) => (/^\d{1,9}$/.test(given) && Number(given) >= 16 ? Number(given) : null),
  expected: "a whole number of at least 16",
};

/** More would cost every write more than they add to safety. */
export const voterCount: Kind<number> = {
  parse: (given) => (/^[1357]$/.test(given) ? Number(given) : null),
  expected: "1, 3, 5 or 7",
};

export const standbyCount: Kind<number> = {
  parse: (given) => (/^\d{1,2}$/.test(given) && Number(given) <= 32 ? Number(given) : null),
  expected: "a whole number up to 32",
};

export const duration: Kind<number> = {
  parse: (given) => {
    const ms = parseDuration(given);
    return ms !== null && ms >= 100 ? ms : null;
  },
  expected: "a duration such as 60s or 5m",
};

export function oneOf<Word extends string>(...allowed: readonly Word[]): Kind<Word> {
  return {
    parse: (given) => allowed.find((word) => word === given) ?? null,
    expected: allowed.join(", "),
  };
}

export interface Repository {
  readonly url: string;
  readonly ref: string | null;
}

/** `URL` or `URL#REF`; what is no URL is a folder on this machine. */
export const repository: Kind<Repository> = {
  parse: (given) => {
    const hash = given.lastIndexOf("#");
    const url = hash < 0 ? given : given.slice(0, hash);
    const ref = hash < 0 ? null : given.slice(hash + 1);
    if (url === "" || ref === "") return null;
    const isRemote = /^[a-z][a-z0-9+.-]*:\/\/|^[^/]+@[^/]+:/i.test(url);
    return { url: isRemote ? url : path.resolve(url), ref };
  },
  expected: "URL, or URL#REF",
};
