/**
 * What peers ask of our bundle store: `bundle.has` and `bundle.chunk`. Requests are checked, and so many at a
 * time are served that a busy node stays a good member; more are sent on to another holder.
 */
import { isJsonObject } from "../base/json.ts";
import { checkHash } from "./bundle-store.ts";
import { engineError } from "./errors.ts";
import { type BundleStore } from "./ports.ts";

export const bundleChunkBytes = 256 * 1024;
const servedAtOnce = 16;

export interface BundleHandlers {
  readonly "bundle.has": (payload: unknown) => Promise<boolean>;
  readonly "bundle.chunk": (payload: unknown) => Promise<Uint8Array>;
}

export function createBundleHandlers(store: BundleStore): BundleHandlers {
  let serving = 0;
  return {
    "bundle.has": async (payload) => await store.has(hashIn(payload)),
    "bundle.chunk": async (payload) => {
      const sha256 = hashIn(payload);
      const offset = offsetIn(payload);
      if (serving >= servedAtOnce) {
        throw engineError("OVERLOADED", `${serving} chunks are being served; ask another peer`);
      }
      serving += 1;
      try {
        return await store.readChunk(sha256, offset, bundleChunkBytes);
      } finally {
        serving -= 1;
      }
    },
  };
}

function hashIn(payload: unknown): string {
  const sha256 = isJsonObject(payload) ? payload["sha256"] : undefined;
  if (typeof sha256 !== "string") throw engineError("BAD_REQUEST", "sha256 must be text");
  checkHash(sha256);
  return sha256;
}

function offsetIn(payload: unknown): number {
  const offset = isJsonObject(payload) ? payload["offset"] : undefined;
  const valid = typeof offset === "number" && Number.isSafeInteger(offset) && offset >= 0;
  if (!valid) throw engineError("BAD_REQUEST", `offset "${String(offset)}" must be a whole number`);
  return offset;
}
