/**
 * How far members are with the key ring. Each says in its signed gossip record, as tag `keys`, which key it has
 * newest and with which it seals: `NEWEST/SEALING`. Members that take no datagrams need no key. One that failed is
 * not waited for: it gets the ring with its replica when it returns, and streams carry its gossip until then.
 */
import { type MemberView } from "../gossip/ports.ts";
import { type KeyringRecord } from "./keyring.ts";

export const keysTag = "keys";

/** What a member with this ring says of itself. */
export function keysTagOf(ring: Pick<KeyringRecord, "epoch" | "sealing">): string {
  return `${ring.epoch}/${ring.sealing}`;
}

export interface KeyProgress {
  /** Members that take datagrams and are up. */
  readonly members: number;
  /** Those of them that have done the present step; all, when no rotation is under way. */
  readonly ready: number;
  /** Names of the others. */
  readonly waitingFor: readonly string[];
}

type Member = Pick<MemberView, "name" | "status" | "datagrams" | "tags">;

export function keyProgress(ring: KeyringRecord | null, members: readonly Member[]): KeyProgress {
  const taking = members.filter(
    ({ status, datagrams }) => datagrams && (status === "alive" || status === "suspect"),
  );
  const waiting = ring === null ? [] : taking.filter(({ tags }) => !isReady(ring, tags[keysTag]));
  return {
    members: taking.length,
    ready: taking.length - waiting.length,
    waitingFor: waiting.map(({ name }) => name),
  };
}

function isReady({ rotation, sealing }: KeyringRecord, tag: string | undefined): boolean {
  const [, newest = "0", seals = "0"] = /^(\d{1,10})\/(\d{1,10})$/.exec(tag ?? "") ?? [];
  if (rotation === null) return Number(seals) === sealing;
  return rotation.step === "install"
    ? Number(newest) >= rotation.key
    : Number(seals) === rotation.key;
}
