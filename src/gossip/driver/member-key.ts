/** How members are named in digests and rumours: the first 8 bytes of SHA-256 of the peer id. */
import { createHash } from "node:crypto";
import { type PeerId } from "../../base/ids.ts";

export function memberKey(id: PeerId): Uint8Array {
  return createHash("sha256").update(id).digest().subarray(0, 8);
}
