/** Rotation of the keys of gossip's datagrams: begun here, carried out by the leader, watched by anybody. */
import { randomBytes } from "node:crypto";
import { rfc3339 } from "../../base/clock.ts";
import { keyProgress } from "../../inventory/keyring-progress.ts";
import { type ApiContext } from "../context.ts";
import { type Keys } from "../contract/keys.ts";
import { type Handlers, write } from "../handler.ts";
import { ApiError } from "../problems.ts";

const secretBytes = 32;
const namesMax = 100;

export const keyHandlers: Handlers<"getKeys" | "rotateKeys"> = {
  getKeys: (_, context) => ({ value: toKeys(context) }),

  rotateKeys: async (request, context) => {
    const ring = context.view.keyring();
    if (ring === null) {
      const message =
        'There are no keys to rotate: no agent takes datagrams; start them without "--gossip-udp off"';
      throw new ApiError("CONFLICT", message);
    }
    const secret = randomBytes(secretBytes).toString("hex");
    const change = {
      type: "keyring.change",
      step: "install",
      key: ring.epoch + 1,
      secret,
    } as const;
    await write(context, request, change);
    return { value: toKeys(context) };
  },
};

function toKeys(context: ApiContext): Keys {
  const ring = context.view.keyring();
  const { members, ready, waitingFor } = keyProgress(ring, context.members());
  const rotation = ring?.rotation ?? null;
  const rotatedAt = ring?.rotatedAt ?? null;
  return {
    epoch: ring?.epoch ?? 0,
    sealing: ring?.sealing ?? 0,
    rotation:
      rotation === null
        ? null
        : {
            key: rotation.key,
            step: rotation.step,
            startedAt: rfc3339(rotation.startedAt),
            startedBy: rotation.by,
          },
    members,
    ready,
    waitingFor: waitingFor.slice(0, namesMax),
    rotatedAt: rotatedAt === null ? null : rfc3339(rotatedAt),
  };
}
