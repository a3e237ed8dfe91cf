/** What members send each other for Raft: messages, and snapshots in chunks. */
import { crc32 } from "node:zlib";
import { type Random } from "../../src/base/random.ts";
import { type Configuration, type Message } from "../../src/consensus/core/types.ts";
import {
  decodeMessages,
  encodeMessages,
  generationOf,
  maxMessagesPerFrame,
  wireBytes,
} from "../../src/consensus/driver/wire.ts";
import {
  decodeOffer,
  decodeReceiverFrame,
  decodeSenderFrame,
  doneFrame,
  encodeAt,
  encodeChunk,
  encodeOffer,
  endFrame,
  refusedFrame,
} from "../../src/p2p/snapshot-wire.ts";
import { history } from "../support/entries.ts";
import { demand } from "./core-target.ts";
import { type Target } from "./target.ts";

const generation = "ab".repeat(16);
const config: Configuration = {
  ...{ index: 3, sets: [["a", "b", "c"]], standbys: ["d"], standbysNext: [] },
  ...{ observers: ["e"], lost: [], autoLeave: false },
};

function message(random: Random): Message {
  const base = { from: "a", to: "b", term: 1 + random.below(9) };
  const index = random.below(1000);
  switch (random.below(8)) {
    case 0:
      return { type: "PreVote", ...base, lastIndex: index, lastTerm: 1, transfer: false };
    case 1:
      return { type: "VoteResp", ...base, granted: true, requestTerm: 2 };
    case 2: {
      const data = new Uint8Array(random.below(80)).fill(random.below(256));
      const entries = Array.from({ length: random.below(4) }, (_, at) => ({
        ...{ index: index + 1 + at, term: 1, type: 0 as const, data },
      }));
      const rest = { prevIndex: index, prevTerm: 1, commit: index, leaderLast: index };
      return { type: "Append", ...base, entries, ...rest };
    }
    case 3:
      return { type: "AppendResp", ...base, ok: false, index, hintIndex: 1, hintTerm: 1 };
    case 4:
      return { type: "Heartbeat", ...base, commit: index, leaderLast: index, round: 7 };
    case 5:
      return { type: "ReadIndexResp", ...base, context: 3, index, ok: true };
    case 6:
      return { type: "TimeoutNow", ...base };
    default: {
      const meta = { id: "s", index, term: 1, config, ...history, sizeBytes: 9 };
      return { type: "Snapshot", ...base, meta: { ...meta, sha256: "cd".repeat(32) } };
    }
  }
}

/** What decodes can be encoded again, keeps to its limits, and is told apart by generation. */
class MessagesTarget implements Target {
  readonly name = "raft";
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  valid(): Uint8Array {
    const count = 1 + this.#random.below(3);
    return encodeMessages(
      Array.from({ length: count }, () => message(this.#random)),
      generation,
    );
  }

  feed(bytes: Uint8Array): boolean {
    const messages = decodeMessages(bytes);
    if (messages === null) return false;
    demand(messages.length <= maxMessagesPerFrame, "more messages than a frame may have");
    const again = encodeMessages(messages, generationOf(bytes));
    demand(decodeMessages(again)?.length === messages.length, "what was decoded cannot be encoded");
    const estimate = messages.reduce((sum, one) => sum + wireBytes(one), 21);
    demand(again.length <= estimate, "a message is larger than its estimate");
    return true;
  }
}

/** A chunk that is taken has the sum that it says; an offer is its sender's. */
class SnapshotTarget implements Target {
  readonly name = "snapshot";
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  valid(): Uint8Array {
    const random = this.#random;
    switch (random.below(4)) {
      case 0: {
        const meta = { id: "s", index: random.below(99), term: 1, config, ...history };
        const sums = { sizeBytes: 9, sha256: "cd".repeat(32) };
        return encodeOffer("a", "b", { meta: { ...meta, ...sums }, generation });
      }
      case 1:
        return encodeChunk(new Uint8Array(1 + random.below(200)).fill(random.below(256)));
      case 2:
        return encodeAt(random.below(2 ** 31));
      default:
        return [doneFrame, endFrame, refusedFrame][random.below(3)] ?? doneFrame;
    }
  }

  feed(bytes: Uint8Array): boolean {
    const sent = decodeSenderFrame(bytes);
    if (sent?.kind === "chunk") {
      const sum = Buffer.from(bytes).readUInt32BE(1);
      demand(crc32(sent.bytes) === sum, "a damaged chunk was taken");
    }
    const offer = decodeOffer(bytes, "a");
    demand(offer === null || decodeOffer(bytes, "z") === null, "an offer is anybody's");
    const received = decodeReceiverFrame(bytes);
    return sent !== null || offer !== null || received !== null;
  }
}

export function raftTargets(random: Random): readonly Target[] {
  return [new MessagesTarget(random), new SnapshotTarget(random)];
}
