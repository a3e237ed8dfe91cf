/**
 * Frames of gossip as datagrams: version 1, cluster 4, key id 4, sender 8, counter 6, then AES-256-GCM, tag 16. The
 * key of a datagram comes from a key of the ring and from both ends: identity and boot id of each, as their signed
 * records say. So a datagram opens only at whom it was meant for, and one recorded in an earlier life of either
 * end opens nowhere. The header and the whole cluster id are authenticated. Who is a member knows the ring, and could
 * speak as the carrier of another one's frames; records and events are signed for that reason.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  hkdfSync,
  type KeyObject,
} from "node:crypto";
import { type PeerId } from "../base/ids.ts";
import { type KeyRing } from "./key-ring.ts";
import { ReplayWindow } from "./replay-window.ts";

export interface EnvelopeOptions {
  readonly self: PeerId;
  readonly bootId: string;
  readonly clusterId: string;
}

export type Refusal =
  | "malformed"
  | "foreignCluster"
  | "unknownKey"
  | "unknownSender"
  | "replayed"
  | "forged";

export type Opened =
  | { readonly from: PeerId; readonly frame: Uint8Array }
  | { readonly from: null; readonly refused: Refusal };

interface Peer {
  readonly id: PeerId;
  readonly bootId: string;
  readonly window: ReplayWindow;
  /** By key id. */
  readonly sealing: Map<number, KeyObject>;
  readonly opening: Map<number, KeyObject>;
  taken: boolean;
}

const version = 1;
const headerBytes = 1 + 4 + 4 + 8 + 6;
const tagBytes = 16;
export const envelopeBytes = headerBytes + tagBytes;
/** What a datagram may have in all: below the MTU of most tunnels. */
export const datagramBytesMax = 1350;
export const datagramFrameMax = datagramBytesMax - envelopeBytes;
/** Peers that take no datagrams now, and whose counters are remembered nevertheless. */
const idlePeersMax = 4096;

export class Envelopes {
  readonly #options: EnvelopeOptions;
  readonly #clusterId: Buffer;
  readonly #clusterMark: number;
  readonly #senderKey: Buffer;
  readonly #noncePrefix: Buffer;
  readonly #peers = new Map<PeerId, Peer>();
  readonly #bySenderKey = new Map<string, Peer>();
  #ring: KeyRing = { keys: [], sealing: 0 };
  /** One for all receivers: a pair of key and counter never comes twice in the life of a process. */
  #counter = 0;

  constructor(options: EnvelopeOptions) {
    this.#options = options;
    this.#clusterId = Buffer.from(options.clusterId, "hex");
    this.#clusterMark = createHash("sha256").update(this.#clusterId).digest().readUInt32BE(0);
    this.#senderKey = senderKeyOf(options.self);
    this.#noncePrefix = Buffer.from(options.bootId, "hex").subarray(-6);
  }

  setRing(ring: KeyRing): void {
    this.#ring = ring;
    for (const peer of this.#peers.values()) {
      for (const keys of [peer.sealing, peer.opening]) {
        for (const id of keys.keys()) if (!this.#has(id)) keys.delete(id);
      }
    }
  }

  /** The boot id of a member that takes datagrams; null: it takes none any more. */
  setPeer(id: PeerId, bootId: string | null): void {
    const before = this.#peers.get(id);
    if (bootId === null) {
      if (before !== undefined) before.taken = false;
      return;
    }
    if (before?.bootId === bootId) {
      before.taken = true;
      return;
    }
    const keys = { sealing: new Map<number, KeyObject>(), opening: new Map<number, KeyObject>() };
    const peer = { id, bootId, window: new ReplayWindow(), ...keys, taken: true };
    this.#peers.set(id, peer);
    this.#bySenderKey.set(senderKeyOf(id).toString("hex"), peer);
    this.#forgetIdle();
  }

  /** True when a frame to `to` can be sealed. */
  canSeal(to: PeerId): boolean {
    return this.#peers.get(to)?.taken === true && this.#has(this.#ring.sealing);
  }

  /** Null when `to` takes no datagrams, or there is no key yet. */
  seal(to: PeerId, frame: Uint8Array): Uint8Array | null {
    const peer = this.#peers.get(to);
    if (peer?.taken !== true || !this.#has(this.#ring.sealing)) return null;
    this.#counter += 1;
    const header = Buffer.alloc(headerBytes);
    header.writeUInt8(version, 0);
    header.writeUInt32BE(this.#clusterMark, 1);
    header.writeUInt32BE(this.#ring.sealing, 5);
    this.#senderKey.copy(header, 9);
    header.writeUIntBE(this.#counter, 17, 6);
    const key = this.#key(peer, this.#ring.sealing, "sealing");
    const nonce = Buffer.concat([this.#noncePrefix, header.subarray(17)]);
    const cipher = createCipheriv("aes-256-gcm", key, nonce);
    cipher.setAAD(Buffer.concat([header, this.#clusterId]));
    return Buffer.concat([header, cipher.update(frame), cipher.final(), cipher.getAuthTag()]);
  }

  open(datagram: Uint8Array): Opened {
    const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength);
    const tooShort = bytes.length <= envelopeBytes;
    if (tooShort || bytes.length > datagramBytesMax || bytes[0] !== version) {
      return refused("malformed");
    }
    if (bytes.readUInt32BE(1) !== this.#clusterMark) return refused("foreignCluster");
    const keyId = bytes.readUInt32BE(5);
    if (!this.#has(keyId)) return refused("unknownKey");
    const peer = this.#bySenderKey.get(bytes.toString("hex", 9, 17));
    if (peer?.taken !== true) return refused("unknownSender");
    const counter = bytes.readUIntBE(17, 6);
    if (!peer.window.isFresh(counter)) return refused("replayed");
    const frame = this.#decrypt(peer, keyId, bytes);
    if (frame === null) return refused("forged");
    peer.window.take(counter);
    return { from: peer.id, frame };
  }

  #decrypt(peer: Peer, keyId: number, bytes: Buffer): Uint8Array | null {
    const header = bytes.subarray(0, headerBytes);
    const noncePrefix = Buffer.from(peer.bootId, "hex").subarray(-6);
    const nonce = Buffer.concat([noncePrefix, header.subarray(17)]);
    const key = this.#key(peer, keyId, "opening");
    const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
    decipher.setAAD(Buffer.concat([header, this.#clusterId]));
    decipher.setAuthTag(bytes.subarray(-tagBytes));
    try {
      const content = decipher.update(bytes.subarray(headerBytes, -tagBytes));
      return Buffer.concat([content, decipher.final()]);
    } catch {
      return null; // the tag does not match: nothing of it is to be believed
    }
  }

  #has(keyId: number): boolean {
    return this.#ring.keys.some((key) => key.id === keyId);
  }

  #key(peer: Peer, keyId: number, use: "sealing" | "opening"): KeyObject {
    const known = peer[use].get(keyId);
    if (known !== undefined) return known;
    const secret = this.#ring.keys.find((key) => key.id === keyId)?.secret ?? new Uint8Array(0);
    const { self, bootId } = this.#options;
    const own = `${self} ${bootId}`;
    const theirs = `${peer.id} ${peer.bootId}`;
    const ends = use === "sealing" ? `${own} ${theirs}` : `${theirs} ${own}`;
    const info = `muster gossip datagram 1 ${ends}`;
    const key = createSecretKey(Buffer.from(hkdfSync("sha256", secret, this.#clusterId, info, 32)));
    peer[use].set(keyId, key);
    return key;
  }

  #forgetIdle(): void {
    let idle = 0;
    for (const peer of this.#peers.values()) if (!peer.taken) idle += 1;
    if (idle <= idlePeersMax) return;
    for (const peer of this.#peers.values()) {
      if (peer.taken) continue;
      this.#peers.delete(peer.id);
      this.#bySenderKey.delete(senderKeyOf(peer.id).toString("hex"));
      return;
    }
  }
}

function refused(reason: Refusal): Opened {
  return { from: null, refused: reason };
}

function senderKeyOf(id: PeerId): Buffer {
  return createHash("sha256").update(id).digest().subarray(0, 8);
}
