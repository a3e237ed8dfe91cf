/** What strangers may send: questions to a supervisor and its answers, and multicast DNS. */
import { isIP } from "node:net";
import { asPeerId } from "../../src/base/ids.ts";
import { type Random } from "../../src/base/random.ts";
import {
  decodeAnswer,
  decodeQuestion,
  encodeAnswer,
  encodeQuestion,
  maxExitLineBytes,
} from "../../src/p2p/exit-wire.ts";
import { ephemeralIdentity } from "../../src/p2p/identity.ts";
import {
  announcement,
  instancesIn,
  type MdnsRecord,
  serviceName,
} from "../../src/p2p/mdns-records.ts";
import { demand } from "./core-target.ts";
import { type Target } from "./target.ts";

const self = await ephemeralIdentity();
const hex = "ab".repeat(16);
const sign = (bytes: Uint8Array): Uint8Array => self.sign(bytes);
const genuineQuestion = {
  ask: "statement",
  clusterId: "c",
  node: self.peer,
  from: self.peer,
} as const;
const statement = {
  ...{ node: self.peer, nonce: hex, generation: { n: 1, id: hex }, voters: [self.peer] },
  ...{ term: 1, lastTerm: 1, lastIndex: 2, chain: hex },
};
const lines = [
  encodeQuestion({ ask: "gone" }, null),
  encodeQuestion({ ...genuineQuestion, nonce: hex }, sign),
  encodeAnswer({ answer: "gone" }, sign),
  encodeAnswer({ answer: "refused", reason: "busy" }, sign),
  encodeAnswer({ answer: "statement", statement }, sign),
];

/** A question that binds, and a statement, are only taken as they were signed. */
class ExitTarget implements Target {
  readonly name = "exit";
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  valid(): Uint8Array {
    return Buffer.from(lines[this.#random.below(lines.length)] ?? "");
  }

  feed(bytes: Uint8Array): boolean {
    const text = Buffer.from(bytes).toString("utf8");
    const question = decodeQuestion(text);
    const answer = decodeAnswer(text);
    demand(text.length <= maxExitLineBytes || question === null, "a line is longer than allowed");
    if (question?.ask === "statement") {
      const isGenuine = question.nonce === hex && question.from === self.peer;
      demand(isGenuine && question.clusterId === "c", "a question was taken that nobody signed");
    }
    if (answer?.answer === "statement") {
      const isGenuine = JSON.stringify(answer.statement) === JSON.stringify(statement);
      demand(isGenuine, "a statement was taken that nobody signed");
    }
    return question !== null || answer !== null;
  }
}

/** Records as the library hands them on: addresses that come of them are addresses. */
class MdnsTarget implements Target {
  readonly name = "mdns";
  readonly #random: Random;
  readonly #service = serviceName(hex);

  constructor(random: Random) {
    this.#random = random;
  }

  valid(): Uint8Array {
    const host = ["10.0.0.1", "fd00::1", "n1.example.org"][this.#random.below(3)] ?? "";
    const label = `${asPeerId("n")}${this.#random.below(99)}`;
    const address = { host, port: 1 + this.#random.below(65_000) };
    return Buffer.from(JSON.stringify(announcement(this.#service, { label, address })));
  }

  feed(bytes: Uint8Array): boolean {
    const records = recordsIn(Buffer.from(bytes).toString("latin1"));
    const heard = instancesIn(this.#service, records);
    for (const { label, address } of heard) {
      demand(/^[a-z0-9-]{1,63}$/.test(label), "a label is none");
      const isHost = isIP(address.host) !== 0 || /^[^\s/:]+$/.test(address.host);
      demand(isHost && address.port > 0 && address.port < 65_536, "an address is none");
    }
    return heard.length > 0;
  }
}

/** The library gives records of the right types; what is in them is the network's. */
function recordsIn(text: string): readonly MdnsRecord[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value.filter((record) => isTyped(record)) : [];
  } catch {
    return [];
  }
}

function isTyped(value: unknown): value is MdnsRecord {
  if (typeof value !== "object" || value === null) return false;
  const { type, name, ttl, data } = value as Readonly<Record<string, unknown>>;
  if (typeof name !== "string" || typeof ttl !== "number") return false;
  if (type !== "SRV")
    return (type === "PTR" || type === "A" || type === "AAAA") && typeof data === "string";
  const { target, port } = (data ?? {}) as Readonly<Record<string, unknown>>;
  return typeof target === "string" && typeof port === "number";
}

export function doorstepTargets(random: Random): readonly Target[] {
  return [new ExitTarget(random), new MdnsTarget(random)];
}
