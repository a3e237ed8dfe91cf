/** What arrives before gossip sees it: datagrams, hellos, length prefixes and the join dialogue. */
import { errorCode, isAgentError } from "../../src/base/errors.ts";
import { asPeerId } from "../../src/base/ids.ts";
import { type Random } from "../../src/base/random.ts";
import { Envelopes } from "../../src/p2p/datagram-envelope.ts";
import { FrameDecoder } from "../../src/p2p/framing.ts";
import { decodeAnswer, encodeHello, HelloAnswer, judgeHello } from "../../src/p2p/hello.ts";
import {
  decodeJoinAnswer,
  decodeJoinHello,
  decodeJoinProof,
  decodeJoinRequest,
  encodeJoin,
  encodeRefusal,
  nonceBytes,
} from "../../src/p2p/join-wire.ts";
import { demand } from "./core-target.ts";
import { type Target } from "./target.ts";

const cluster = "ab".repeat(16);
const [sender, receiver] = [asPeerId("sender"), asPeerId("receiver")];
const boots = { sender: "1".repeat(32), receiver: "2".repeat(32) };

/** Only what was sealed opens, and each once. */
class DatagramTarget implements Target {
  readonly name = "datagram";
  readonly #random: Random;
  readonly #to = envelopes(receiver, boots.receiver, [sender, boots.sender]);
  readonly #from = envelopes(sender, boots.sender, [receiver, boots.receiver]);
  readonly #open = new Map<string, number>();

  constructor(random: Random) {
    this.#random = random;
  }

  valid(): Uint8Array {
    const frame = new Uint8Array(1 + this.#random.below(60)).fill(this.#random.below(256));
    const datagram = this.#from.seal(receiver, frame) ?? new Uint8Array(0);
    this.#open.set(Buffer.from(datagram).toString("latin1"), 1);
    if (this.#open.size > 2048) this.#forgetOldest();
    return datagram;
  }

  feed(bytes: Uint8Array): boolean {
    const opened = this.#to.open(bytes);
    if (opened.from === null) return false;
    const key = Buffer.from(bytes).toString("latin1");
    demand(this.#open.get(key) === 1, "a datagram opened that was not sealed, or a second time");
    this.#open.set(key, 0);
    return true;
  }

  #forgetOldest(): void {
    const [oldest] = this.#open.keys();
    if (oldest !== undefined) this.#open.delete(oldest);
  }
}

function envelopes(self: typeof sender, bootId: string, peer: readonly [typeof sender, string]) {
  const made = new Envelopes({ self, bootId, clusterId: cluster });
  made.setRing({ sealing: 1, keys: [{ id: 1, secret: Buffer.alloc(32, 5) }] });
  made.setPeer(...peer);
  return made;
}

/** A hello of another cluster is never accepted. */
class HelloTarget implements Target {
  readonly name = "hello";
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  valid(): Uint8Array {
    return encodeHello(this.#random.below(2) === 0 ? cluster : "cd".repeat(16));
  }

  feed(bytes: Uint8Array): boolean {
    decodeAnswer(bytes);
    const accepted = judgeHello(bytes, cluster) === HelloAnswer.accepted;
    const isOwn = Buffer.from(bytes.subarray(2)).toString("hex") === cluster;
    demand(!accepted || isOwn, "a hello of another cluster was accepted");
    return accepted;
  }
}

/** Length prefixes in any pieces: no frame above the limit, and nothing hoarded. */
class FramingTarget implements Target {
  readonly name = "framing";
  readonly #random: Random;
  readonly #limits = { prefix: 2, maxFrameBytes: 1350 } as const;
  #decoder = new FrameDecoder(this.#limits);

  constructor(random: Random) {
    this.#random = random;
  }

  valid(): Uint8Array {
    const length = 1 + this.#random.below(100);
    return Uint8Array.from([length >> 8, length & 255, ...new Uint8Array(length)]);
  }

  feed(bytes: Uint8Array): boolean {
    const at = this.#random.below(bytes.length + 1);
    try {
      for (const part of [bytes.subarray(0, at), bytes.subarray(at)]) {
        for (const frame of this.#decoder.push(part)) {
          demand(frame.length <= this.#limits.maxFrameBytes, "a frame is too long");
        }
      }
      return true;
    } catch (error) {
      if (!isAgentError(error)) throw error;
      this.#decoder = new FrameDecoder(this.#limits);
      return false;
    }
  }
}

const joinDecoders = [decodeJoinHello, decodeJoinProof, decodeJoinRequest, decodeJoinAnswer];

/** Refused with a code, never with another error. */
class JoinTarget implements Target {
  readonly name = "join";
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  valid(): Uint8Array {
    const nonce = new Uint8Array(nonceBytes).fill(this.#random.below(256));
    const member = { id: asPeerId("p"), address: "a:1", name: "n" };
    const names = { clusterName: "c", nodeName: "n", reached: true };
    switch (this.#random.below(5)) {
      case 0:
        return encodeJoin({ clusterId: cluster, tokenId: "token", nonce });
      case 1:
        return encodeJoin({ nonce, proof: nonce });
      case 2:
        return encodeJoin({ proof: nonce, name: "n", address: "a:1" });
      case 3:
        return encodeRefusal("TOKEN_USED", "used up");
      default:
        return encodeJoin({ clusterId: cluster, ...names, members: [member, member] });
    }
  }

  feed(bytes: Uint8Array): boolean {
    let taken = false;
    for (const decode of joinDecoders) {
      try {
        decode(bytes);
        taken = true;
      } catch (error) {
        demand(isAgentError(error), `join wire: ${String(error)}`);
        demand(/^[A-Z][A-Z_]{0,63}$/.test(errorCode(error) ?? ""), "a refusal has no code");
      }
    }
    return taken;
  }
}

export function borderTargets(random: Random): readonly Target[] {
  const targets = [DatagramTarget, HelloTarget, FramingTarget, JoinTarget];
  return targets.map((Made) => new Made(random));
}
