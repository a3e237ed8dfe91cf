/** Asks a dead peer's supervisor to attest the end, at every address the peer was known by. */
import { type ExitWitness } from "../consensus/lineage/ports.ts";
import { type ExitStatement } from "../consensus/lineage/types.ts";
import { asPeerId, newUuid } from "../base/ids.ts";
import { type Clock } from "../base/clock.ts";
import { withDeadline } from "../p2p/deadline.ts";
import { askSupervisor } from "../p2p/exit-client.ts";
import { type MeshHost } from "../p2p/host.ts";
import { type Identity } from "../p2p/identity.ts";

export interface ExitWitnessDependencies {
  readonly identity: Identity;
  readonly host: Pick<MeshHost, "addressesOf">;
  readonly clusterId: string;
  readonly clock: Clock;
}

const answerMs = 1500;

export function createExitWitness(deps: ExitWitnessDependencies): ExitWitness {
  const { identity, host, clusterId, clock } = deps;
  const askAt = async (
    address: string,
    node: string,
    signal: AbortSignal,
  ): Promise<ExitStatement | null> => {
    const nonce = newUuid().replaceAll("-", "");
    const question = { ask: "statement", clusterId, node, from: identity.peer, nonce } as const;
    const limit = { clock, ms: answerMs, signal };
    const answer = await withDeadline(limit, (both) =>
      askSupervisor(address, { question, sign: (bytes) => identity.sign(bytes) }, both),
    );
    if (answer?.answer !== "statement") return null;
    const { statement } = answer;
    return statement.node === node && statement.nonce === nonce ? statement : null;
  };
  return {
    ask: async (node, signal) => {
      for (const address of host.addressesOf(asPeerId(node))) {
        const statement = await askAt(address, node, signal);
        if (statement !== null) return statement;
      }
      return null;
    },
  };
}
