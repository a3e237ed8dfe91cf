/**
 * A number of agents of one kind on hosts of their own, and what each of them says about the others. The same
 * experiments run on fleets of both kinds, in the same network, with the same faults.
 */
import { type LabNetwork } from "../../test/support/lab/network.ts";
import { type MemberEventLog } from "./member-event-log.ts";

export interface Fleet extends AsyncDisposable {
  readonly kind: "muster" | "serf";
  readonly hosts: readonly string[];
  readonly network: LabNetwork;
  readonly events: MemberEventLog;
  /** Starts the agent of a host; the first host's is the seed of all others. Not awaited until it is up. */
  start(host: string): Promise<void>;
  pid(host: string): number;
  /** How the agent is told to say good-bye. */
  readonly leaveSignal: NodeJS.Signals;
  /** Waits until the seed serves, so that others can join. */
  seedReady(): Promise<void>;
  /** What only this kind can tell: entries written to the inventory so far, suspicions so far. */
  inventoryChanges(): Promise<number | null>;
  suspicions(): Promise<number | null>;
  /** Bytes of gossip alone sent so far by all, where the agent counts them itself. */
  gossipBytes(): Promise<number | null>;
}
