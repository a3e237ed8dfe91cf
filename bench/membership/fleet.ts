/**
 * A number of agents of one kind on hosts of their own, and what each of them says about the others. The same
 * experiments run on fleets of both kinds, in the same network, with the same faults. What only one kind has is null
 * for the other.
 */
import { type LabNetwork } from "../../test/support/lab/network.ts";
import { type MemberEventLog } from "./member-event-log.ts";

export interface FleetOptions {
  /** No seed is named anywhere: agents find each other by multicast DNS. */
  readonly discovery?: boolean;
  /** Gossip is sealed with keys that can be changed. */
  readonly keys?: boolean;
}

export interface Fleet extends AsyncDisposable {
  /** The column of its figures: `muster`, `muster-streams`, `muster-udp` or `serf`. */
  readonly label: string;
  readonly hosts: readonly string[];
  readonly network: LabNetwork;
  readonly events: MemberEventLog;
  /**
   * Starts the agent of a host; the first host's is the seed of all others, and one that ran before comes back from
   * what it remembers. Not awaited until it is up.
   */
  start(host: string): Promise<void>;
  pid(host: string): number;
  /** Ends an agent that means to come back, and waits until it is gone. */
  stop(host: string): Promise<void>;
  /** How the agent is told to say good-bye. */
  readonly leaveSignal: NodeJS.Signals;
  /** Waits until the seed serves, so that others can join. */
  seedReady(): Promise<void>;
  inventory(): Promise<InventoryCount | null>;
  /** The one that leads, then the others that vote. */
  voters(): Promise<readonly string[]>;
  /** Probes of their own that failed at all agents so far; serf says it in its log. */
  failedProbes(): Promise<number>;
  /** Round trips to members that agents know now, smoothed as each agent does. */
  roundTrips(): Promise<readonly number[] | null>;
  /** The worst health score of all agents, where the agents tell it. */
  worstHealth(): Promise<number | null>;
  /** Bytes of gossip alone sent so far by all, where the agent counts them itself. */
  gossipBytes(): Promise<number | null>;
  /** Replaces the key that gossip is sealed with; resolves when all have the new one. */
  rotateKeys(): Promise<void>;
  /** One agent tells all others something. */
  tell(name: string): Promise<void>;
  /** Begins to send so many megabytes to every host but the first, as this kind would send them. */
  sendBulk(megabytes: number): Promise<void>;
}

export interface InventoryCount {
  /** Entries of the log that changed whether nodes are reachable, and the changes in them. */
  readonly entries: number;
  readonly changes: number;
  /** Nodes ever discovered. */
  readonly discovered: number;
}
